"""Bridged calls: the gateway rings the counsellor, asks for a key, and then dials the caller.

Twilio's create call has no idempotency key. So a press marks the call ``starting`` and is committed
before the gateway is asked, once and never again: whatever is still ``starting`` later is looked up
(``call_checks``). Requests are locked before calls, everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain import policy
from callback_service.domain.calls import (
    BEFORE_DIALLING,
    CallEnding,
    CallState,
    Standing,
    after_own_report,
)
from callback_service.domain.lifecycle import HELD
from callback_service.domain.policy import Action, Condition
from callback_service.domain.staff import StaffMember
from callback_service.errors import NotFound, Refused
from callback_service.gateways.voice_base import (
    CallRefusedError,
    CallUnclearError,
    LegFacts,
    VoiceGateway,
)
from callback_service.models.call import BridgedCall
from callback_service.models.callback import Attempt, CallbackRequest
from callback_service.models.staff import Staff
from callback_service.services import attempts, audit, requests
from callback_service.services.permission import allowed
from callback_service.services.requests import lock_request
from callback_service.services.who_is_free import counsellors_here

#: How long the counsellor's phone rings, and then the caller's; whole seconds.
OWN_PHONE_RINGS_S: Final = 25
CALLER_RINGS_S: Final = 40
#: Twice the gateway's time-outs together: by then an answer has come, or never will.
UNCLEAR_FOR: Final = timedelta(seconds=30)
#: Ringing, being asked twice for a key, and some seconds for the reports to arrive.
KEY_PRESSED_WITHIN: Final = timedelta(seconds=75)
#: The caller's phone rings, and the report of how that ended is late.
DIALLED_WITHIN: Final = timedelta(seconds=90)
#: A conversation is asked about this often, should its last report be lost.
TALK_CHECKED_EVERY: Final = timedelta(minutes=3)

CONFIRMING_KEY: Final = "1"


@dataclass(frozen=True, slots=True)
class Placing:
    """A call to ask the gateway for, once: ``uid`` is in its webhooks, ``to`` rings first."""

    call_id: int
    uid: str
    to: str


@dataclass(frozen=True, slots=True)
class Dialling:
    """The caller is to be dialled now: ``to`` in E.164."""

    to: str


Placed = LegFacts | CallRefusedError | CallUnclearError


@allowed(Action.RING)
def start(
    session: Session, request_id: int, *, staff: StaffMember, now: datetime, tz: tzinfo
) -> Placing | None:
    """Mark a call as starting; what to ask the gateway for once that is committed.

    None when this counsellor's call of this request is open already: the button was pressed twice.
    """
    request = attempts.held_by(session, request_id, staff, Action.RING, now=now)
    person = session.get_one(Staff, staff.id)
    _check_may_ring(session, request, person, now=now, tz=tz)
    for open_call in _open_calls(session, request.id, staff.id):
        if (open_call.request_id, open_call.counsellor_id) == (request.id, staff.id):
            return None
        if open_call.state not in BEFORE_DIALLING:
            raise Refused("The last call has not ended yet. Wait a moment, then press again.")
        end(session, open_call, CallEnding.CALLED_OFF, now=now)
    if person.phone is None:
        raise Refused("Enter the number that rings you first, under Your account. Or ring by hand.")
    call = _mark(session, request, staff, now=now)
    return Placing(call.id, call.uid, person.phone)


def _check_may_ring(
    session: Session, request: CallbackRequest, person: Staff, *, now: datetime, tz: tzinfo
) -> None:
    if request.assigned_to_id != person.id:
        raise Refused("A colleague holds this request: only they can have it rung for them.")
    if now < request.ring_from:
        raise Refused("It is too early to ring: the time this caller chose has not begun.")
    if not _is_working(session, person, now=now, tz=tz):
        raise Refused("You are not on shift now, so the service rings nobody for you.")


def _is_working(session: Session, person: Staff, *, now: datetime, tz: tzinfo) -> bool:
    """Counsellors ring on shift, until they sign off; managers whenever they step in."""
    if not person.is_active:
        return False
    met = (
        {Condition.ON_SHIFT}
        if person.id in counsellors_here(session, now=now, tz=tz)
        else set[Condition]()
    )
    return policy.permits(person.role, Action.TAKE_REQUEST, met)


def _open_calls(session: Session, request_id: int, counsellor_id: int) -> list[BridgedCall]:
    return list(
        session.scalars(
            select(BridgedCall)
            .where(
                BridgedCall.ended_at.is_(None),
                (BridgedCall.request_id == request_id)
                | (BridgedCall.counsellor_id == counsellor_id),
            )
            .order_by(BridgedCall.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )


def _mark(
    session: Session, request: CallbackRequest, staff: StaffMember, *, now: datetime
) -> BridgedCall:
    call = BridgedCall(
        request_id=request.id,
        counsellor_id=staff.id,
        started_at=now,
        check_at=now + UNCLEAR_FOR,
    )
    session.flush()  # what was called off is closed before this one opens
    try:
        with session.begin_nested():
            session.add(call)
    except IntegrityError as error:
        raise Refused("Another call of yours is just starting. Wait a moment.") from error
    note(session, "call.started", call, actor_id=staff.id, now=now)
    return call


def place(gateway: VoiceGateway, placing: Placing, *, answer_url: str, status_url: str) -> Placed:
    """Ask the gateway to ring the counsellor. No transaction may be open: this waits."""
    try:
        return gateway.ring(
            to=placing.to,
            answer_url=answer_url,
            status_url=status_url,
            ring_seconds=OWN_PHONE_RINGS_S,
            longest_seconds=int(attempts.LONGEST_CALL.total_seconds()),
        )
    except (CallRefusedError, CallUnclearError) as error:
        return error


def record_placed(
    session: Session, placing: Placing, placed: Placed, *, now: datetime
) -> str | None:
    """Write down what the gateway said, unless its reports were quicker.

    The gateway's id of the call where it was called off meanwhile, and is to be hung up.
    """
    call = lock_call(session, placing.uid)
    if call is None:
        return None
    if isinstance(placed, LegFacts):
        take_sid(call, placed.sid)
        stand(session, call, after_own_report(call.standing, placed.status), now=now)
        return placed.sid if call.ending is CallEnding.CALLED_OFF else None
    if call.state is CallState.STARTING:
        call.reason = placed.message
        if isinstance(placed, CallRefusedError):
            call.error_code = placed.code
            end(session, call, CallEnding.NOT_MADE, now=now)
    return None  # unclear: it stays ``starting`` until its first report, or until it is looked up


def answered(session: Session, uid: str, *, sid: str, now: datetime) -> bool:
    """The counsellor's phone was answered: whether to ask for a key."""
    call = lock_call(session, uid)
    if call is None or call.state not in BEFORE_DIALLING or not take_sid(call, sid):
        return False
    stand(session, call, after_own_report(call.standing, "in-progress"), now=now)
    return True


def press_key(
    session: Session, uid: str, *, sid: str, key: str, now: datetime, tz: tzinfo
) -> Dialling | None:
    """A key was pressed on the counsellor's phone: whom to dial, or None if nobody any more.

    This is where the attempt begins. The same press told twice gets the same answer.
    """
    known = session.scalar(select(BridgedCall).where(BridgedCall.uid == uid))
    if known is None or key != CONFIRMING_KEY:
        return None
    request = lock_request(session, known.request_id)
    call = lock_call(session, uid)
    if call is None or call.state is CallState.ENDED or not take_sid(call, sid):
        return None
    if call.state in BEFORE_DIALLING:
        if not _is_wanted(session, request, call, now=now, tz=tz):
            end(session, call, CallEnding.CALLED_OFF, now=now)
            return None
        _begin_dialling(session, request, call, now=now)
    elif call.caller_sid is not None:
        return None  # the caller's phone has rung: nobody asks in earnest
    return Dialling(request.phone) if request.phone is not None else None


def _is_wanted(
    session: Session, request: CallbackRequest, call: BridgedCall, *, now: datetime, tz: tzinfo
) -> bool:
    """Whether the caller is still to be rung, and by this counsellor."""
    is_theirs = request.state in HELD and request.assigned_to_id == call.counsellor_id
    return is_theirs and _is_working(session, call.counsellor, now=now, tz=tz)


def _begin_dialling(
    session: Session, request: CallbackRequest, call: BridgedCall, *, now: datetime
) -> None:
    person = call.counsellor
    staff = StaffMember(person.id, person.name, person.email, person.role)
    attempts.start_attempt(session, request.id, staff=staff, now=now)
    session.flush()
    attempt = select(Attempt.id).where(Attempt.request_id == request.id, Attempt.ended_at.is_(None))
    call.attempt_id, call.dialled_at = session.scalars(attempt).one(), now
    stand(session, call, Standing(CallState.DIALLING), now=now)


@allowed(Action.RING)
def call_off(session: Session, request_id: int, *, staff: StaffMember, now: datetime) -> str | None:
    """Stop a call before the caller is dialled; the gateway's id of what to hang up, if known."""
    request = lock_request(session, request_id)
    is_own = request.assigned_to_id == staff.id or _has_rung(session, request_id, staff.id)
    if not is_own and not policy.may(staff.role, Action.SEE_RECORD):
        raise NotFound(requests.NO_SUCH)
    return _call_off(session, request_id, staff, now=now)


def _call_off(
    session: Session, request_id: int, staff: StaffMember, *, now: datetime
) -> str | None:
    for call in _open_calls(session, request_id, staff.id):
        is_theirs = (call.request_id, call.counsellor_id) == (request_id, staff.id)
        if is_theirs and call.state in BEFORE_DIALLING:
            end(session, call, CallEnding.CALLED_OFF, now=now)
            return call.own_sid
    return None


def _has_rung(session: Session, request_id: int, counsellor_id: int) -> bool:
    own = select(BridgedCall.id).where(
        BridgedCall.request_id == request_id, BridgedCall.counsellor_id == counsellor_id
    )
    return session.scalar(own.limit(1)) is not None


@allowed(Action.RING)
def ring_by_hand(
    session: Session, request_id: int, *, staff: StaffMember, now: datetime
) -> str | None:
    """The counsellor rings from a phone of their own: no call of ours may reach the caller too.

    The gateway's id of a call to hang up, if there is one.
    """
    lock_request(session, request_id)
    sid = _call_off(session, request_id, staff, now=now)
    attempts.start_attempt(session, request_id, staff=staff, now=now)
    return sid


def lock_call(session: Session, uid: str) -> BridgedCall | None:
    """The call of this uid, held against every other change until the transaction ends."""
    return session.scalar(
        select(BridgedCall)
        .where(BridgedCall.uid == uid)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def take_sid(call: BridgedCall, sid: str) -> bool:
    """Whether ``sid`` is the counsellor's leg of this call; the first one that is told, is.

    The uid in the webhook's address was only ever given to the gateway for this one call.
    """
    if not sid:
        return False
    call.own_sid = call.own_sid or sid
    return call.own_sid == sid


def stand(session: Session, call: BridgedCall, standing: Standing, *, now: datetime) -> None:
    """Let a call stand so, if that is news."""
    if standing == call.standing:
        return
    call.state, call.ending = standing.state, standing.ending
    if standing.state is CallState.TALKING:
        call.connected_at = now
    if standing.state is CallState.ENDED:
        call.ended_at = call.ended_at or now
    else:
        call.check_at, call.reason = now + CHECKED_AFTER[standing.state], None
    note(session, f"call.{standing.ending or standing.state}", call, now=now)


#: When a call that is reported no further is asked about.
CHECKED_AFTER: Final = {
    CallState.STARTING: UNCLEAR_FOR,
    CallState.RINGING_US: KEY_PRESSED_WITHIN,
    CallState.ASKING: KEY_PRESSED_WITHIN,
    CallState.DIALLING: DIALLED_WITHIN,
    CallState.TALKING: TALK_CHECKED_EVERY,
}


def end(session: Session, call: BridgedCall, ending: CallEnding, *, now: datetime) -> None:
    """End a call that is open."""
    stand(session, call, call.standing.ended(ending), now=now)


def note(
    session: Session, action: str, call: BridgedCall, *, now: datetime, actor_id: int | None = None
) -> None:
    """Write an audit row of a call."""
    audit.record(
        session,
        action,
        subject="bridged_call",
        subject_id=call.id,
        actor_id=actor_id,
        now=now,
        request_id=call.request_id,
        code=call.error_code,
    )
