"""Erasing all of a number on somebody's wish: asked for by one person, carried out by another.

Under a hold nothing is erased. What is on its way just now (a text, a call) is waited for.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.domain.policy import Action
from callback_service.domain.retention import Keeping, Kept
from callback_service.errors import Refused
from callback_service.models.call import InboundCall
from callback_service.models.callback import CallbackRequest
from callback_service.models.inbound import InboundText
from callback_service.models.number import LineLookup, SaidBy
from callback_service.models.outbox import OutboxMessage
from callback_service.models.privacy import CaseEnding, DataRequest, LegalHold, RecordKind
from callback_service.services import (
    audit,
    complaint_cases,
    emptying,
    erasure_runs,
    form_posts,
    gateway_records,
    requests,
    suppression,
)
from callback_service.services.conflicts import check_not_barred, is_any_barred
from callback_service.services.data_requests import locked_case, requests_of
from callback_service.services.emptying import empty_request, is_in_the_air
from callback_service.services.legal_holds import held_among
from callback_service.services.permission import allowed
from callback_service.services.requests import lock_request

ON_HOLD: Final = (
    "A request of this number is on hold: the law or somebody's safety needs it kept. "
    "Say so to whoever asks, and that they may complain. It can be erased once the hold is ended."
)
JUST_NOW: Final = "They are being rung or texted just now. Try again in a few minutes."


@allowed(Action.HANDLE_DATA_REQUESTS)
def ask(
    session: Session,
    case_id: int,
    *,
    stop_texts: bool,
    stop_calls: bool,
    actor_id: int,
    now: datetime,
) -> None:
    """Ask for all that is held in a case to be erased: another person confirms it.

    What came by a link is no more than a wish: whoever asks has made sure whose number it is.
    """
    case = locked_case(session, case_id)
    if case.asked_by_id is not None:
        raise Refused("An erasure is asked for already: another person confirms it.")
    rows = requests_of(session, case.phone_index)
    if not is_any_barred(session, rows, actor_id):  # to them it is a number we do not know
        _check_holds(session, rows)
    case.asked_at, case.asked_by_id = now, actor_id
    case.stop_texts, case.stop_calls = stop_texts or stop_calls, stop_calls
    _note(session, "data_request.erasure_asked", case, actor_id=actor_id, now=now)


@allowed(Action.SEE_DATA_REQUESTS)
def take_back(session: Session, case_id: int, *, actor_id: int, now: datetime) -> None:
    """Do not erase, for now: the case stays open."""
    case = locked_case(session, case_id)
    if case.asked_at is None:
        raise Refused("No erasure is asked for.")
    case.asked_at = case.asked_by_id = None
    case.stop_texts = case.stop_calls = False
    _note(session, "data_request.erasure_taken_back", case, actor_id=actor_id, now=now)


@allowed(Action.HANDLE_DATA_REQUESTS)
def confirm(
    session: Session, case_id: int, keeping: Keeping, *, actor_id: int, now: datetime
) -> None:
    """Erase all that is held under the number of a case. Never by the person who asked for it."""
    case = locked_case(session, case_id)
    if case.asked_by_id is None or case.phone is None:
        raise Refused("No erasure is asked for.")
    if case.asked_by_id == actor_id:
        raise Refused("You asked for this erasure: another person must confirm it.")
    for one in requests_of(session, case.phone_index):
        check_not_barred(session, one.id, actor_id)
    form_posts.erase_under(session, case.phone_index, actor_id=actor_id, now=now)
    rows = [lock_request(session, one.id) for one in requests_of(session, case.phone_index)]
    _check_holds(session, rows)
    _check_at_rest(session, rows)
    for request in rows:
        close_and_empty(session, request, keeping, actor_id=actor_id, now=now)
    _heed_wishes(session, case, case.phone, actor_id=actor_id, now=now)
    _forget_number(session, case.phone_index, keeping, now=now)
    complaint_cases.erase_under(
        session, case.phone_index, asked_by_id=case.asked_by_id, actor_id=actor_id, now=now
    )
    case.ended_at, case.ended_by_id, case.ending = now, actor_id, CaseEnding.ERASED
    session.flush()
    _empty_cases(session, case.phone_index)
    _note(session, "data_request.erased", case, actor_id=actor_id, now=now)
    erasure_runs.note(session, len(rows) + 1, now=now)


def _check_holds(session: Session, rows: list[CallbackRequest]) -> None:
    if held_among(session, [row.id for row in rows]):
        raise Refused(ON_HOLD)


def _check_at_rest(session: Session, rows: list[CallbackRequest]) -> None:
    if any(row.state is RequestState.CALLING or is_in_the_air(session, row.id) for row in rows):
        raise Refused(JUST_NOW)


def close_and_empty(
    session: Session,
    request: CallbackRequest,
    keeping: Keeping,
    *,
    actor_id: int | None,
    now: datetime,
) -> None:
    """Erase one request, held by its lock, that nothing keeps: an open one is taken back first."""
    if request.state is not RequestState.CLOSED:
        requests.close(session, request, Disposition.WITHDRAWN, actor_id=actor_id, now=now)
        session.flush()
    empty_request(session, request, keeping=keeping, actor_id=actor_id, now=now)
    reasons = update(LegalHold).where(LegalHold.request_id == request.id)
    session.execute(reasons.values(reason_sealed=None))


def _heed_wishes(
    session: Session, case: DataRequest, e164: str, *, actor_id: int, now: datetime
) -> None:
    if case.stop_calls:
        suppression.never_ring(session, e164, actor_id=actor_id, now=now)
    elif case.stop_texts:
        suppression.suppress(session, e164, said_by=SaidBy.MANAGER, actor_id=actor_id, now=now)


def _forget_number(
    session: Session, index: bytes | None, keeping: Keeping, *, now: datetime
) -> None:
    """What is known of the number beside its requests: texts and calls of a stranger, its line."""
    session.execute(delete(LineLookup).where(LineLookup.phone_index == index))
    gone = delete(InboundCall).where(InboundCall.phone_index == index).returning(InboundCall.sid)
    gateway_records.owe(session, RecordKind.CALL, session.scalars(gone).all(), now=now)
    came = session.scalars(select(InboundText).where(InboundText.phone_index == index)).all()
    went = session.scalars(
        select(OutboxMessage).where(
            OutboxMessage.to_index == index,
            OutboxMessage.request_id.is_(None),
            OutboxMessage.staff_id.is_(None),
        )
    ).all()
    sids = [text.provider_sid for text in came] + [text_.provider_sid for text_ in went]
    gateway_records.owe(session, RecordKind.TEXT, sids, now=now)
    for text in came:
        emptying.forget_inbound(text)
    for text_ in went:
        emptying.forget_text(text_)
        if text_.created_at <= keeping.until(Kept.COUNTED, now=now):
            emptying.forget_count(text_)


def _empty_cases(session: Session, index: bytes | None) -> None:
    """The number and the words of every case about it: that there was one stays."""
    rows = update(DataRequest).where(DataRequest.phone_index == index)
    session.execute(rows.values(phone_sealed=None, phone_index=None, words_sealed=None))


def _note(
    session: Session, action: str, case: DataRequest, *, actor_id: int, now: datetime
) -> None:
    audit.record(
        session, action, subject="data_request", subject_id=case.id, actor_id=actor_id, now=now
    )
