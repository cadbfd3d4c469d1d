"""What the desk shows of the call that the service makes for a counsellor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.calls import SUGGESTED, CallEnding, CallState
from callback_service.domain.lifecycle import Outcome, RequestState
from callback_service.domain.policy import Action
from callback_service.domain.staff import StaffMember
from callback_service.errors import NotFound
from callback_service.models.call import BridgedCall
from callback_service.models.callback import CallbackRequest
from callback_service.models.staff import Staff
from callback_service.services import sight
from callback_service.services.permission import allowed
from callback_service.services.requests import NO_SUCH


@dataclass(frozen=True, slots=True)
class Bridge:
    """Where one call stands."""

    state: CallState
    ending: CallEnding | None
    is_unclear: bool  # the gateway has not said whether it took the call
    connected_at: datetime | None
    seconds: int | None
    reason: str | None
    suggests: Outcome | None


@dataclass(frozen=True, slots=True)
class DeskCall:
    """A request in hand, and the latest call made for it since it was taken."""

    request_id: int
    state: RequestState
    is_own: bool
    own_phone_ending: str | None  # the last three digits of what rings; None: no number is known
    may_leave_voicemail: bool
    bridge: Bridge | None


@allowed(Action.OPEN_CALL)
def desk_call(session: Session, request_id: int, *, staff: StaffMember, now: datetime) -> DeskCall:
    """How the call of a request stands, for whoever holds it and for managers.

    It tells nothing of the caller.
    """
    request = session.get(CallbackRequest, request_id)
    if request is None:
        raise NotFound(NO_SUCH)
    sight.seen_by(session, request, staff, Action.OPEN_CALL, now=now)
    is_own = request.assigned_to_id == staff.id
    phone = session.get_one(Staff, staff.id).phone
    return DeskCall(
        request_id=request.id,
        state=request.state,
        is_own=is_own,
        own_phone_ending=phone[-3:] if phone else None,
        may_leave_voicemail=request.may_leave_voicemail,
        bridge=_bridge(session, request),
    )


def _bridge(session: Session, request: CallbackRequest) -> Bridge | None:
    call = session.scalar(
        select(BridgedCall)
        .where(
            BridgedCall.request_id == request.id,
            BridgedCall.counsellor_id == request.assigned_to_id,
            BridgedCall.started_at >= request.assigned_at,
        )
        .order_by(BridgedCall.id.desc())
        .limit(1)
    )
    if call is None:
        return None
    return Bridge(
        state=call.state,
        ending=call.ending,
        is_unclear=call.state is CallState.STARTING and call.reason is not None,
        connected_at=call.connected_at,
        seconds=call.seconds,
        reason=call.reason,
        suggests=SUGGESTED.get(call.ending) if call.ending else None,
    )
