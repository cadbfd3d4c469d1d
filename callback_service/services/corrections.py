"""Putting right what somebody told us: the number or the name of one request."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.contact import Phone
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.policy import Action
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.callback import CallbackRequest
from callback_service.models.outbox import OutboxMessage, OutboxState
from callback_service.services import audit, suppression
from callback_service.services.conflicts import check_not_barred
from callback_service.services.data_requests import locked_case
from callback_service.services.emptying import is_in_the_air
from callback_service.services.permission import allowed
from callback_service.services.requests import lock_request

NAME_MAX_CHARS: Final = 80
NUMBER_CHANGED: Final = "The number was put right."


@allowed(Action.HANDLE_DATA_REQUESTS)
def correct(
    session: Session,
    case_id: int,
    request_id: int,
    *,
    phone: Phone | None,
    name: str | None,
    actor_id: int,
    now: datetime,
) -> None:
    """Change the number or the name of a request that belongs to a case; None leaves it.

    Texts that wait were written for the old number: they do not go. One on its way is waited for.
    """
    check_not_barred(session, request_id, actor_id)
    case, request = locked_case(session, case_id), lock_request(session, request_id)
    if request.phone_index is None or request.phone_index != case.phone_index:
        raise NotFound("This request does not belong to this case.")
    if request.state is RequestState.CALLING or is_in_the_air(session, request.id):
        raise Refused("They are being rung or texted just now. Try again in a few minutes.")
    if name is not None:
        _rename(request, name)
    if phone is not None:
        _renumber(session, request, phone)
    changed = [what for what, new in (("number", phone), ("name", name)) if new is not None]
    audit.record(
        session,
        "request.corrected",
        subject="callback_request",
        subject_id=request.id,
        actor_id=actor_id,
        now=now,
        case_id=case.id,
        changed=changed,
    )


def _rename(request: CallbackRequest, name: str) -> None:
    if len(name) > NAME_MAX_CHARS:
        sentence = f"Use {NAME_MAX_CHARS} characters or fewer"
        raise BadInput(sentence, {"name": sentence})
    request.name = name


def _renumber(session: Session, request: CallbackRequest, phone: Phone) -> None:
    try:
        with session.begin_nested():
            request.phone_index = suppression.index_of(phone.e164)
            session.flush()
    except IntegrityError as error:
        raise Refused("There is an open request under that number already.") from error
    request.phone, request.phone_kind = phone.e164, phone.kind
    waiting = update(OutboxMessage).where(
        OutboxMessage.request_id == request.id, OutboxMessage.state == OutboxState.QUEUED
    )
    session.execute(waiting.values(state=OutboxState.DROPPED, reason=NUMBER_CHANGED))
