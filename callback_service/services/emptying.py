"""Emptying one request of the person: what is left is a row that nobody can be told from.

Where a request is erased, by a clock or on somebody's wish, it is done here.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import delete, inspect, select, update
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import RequestState
from callback_service.domain.retention import Keeping, Kept, day_of
from callback_service.domain.wishes import NO_WISHES
from callback_service.models.base import UtcDateTime
from callback_service.models.call import BridgedCall, CallReport
from callback_service.models.callback import (
    Attempt,
    CallbackRequest,
    ContactWindow,
    Escalation,
    Offer,
    Submission,
)
from callback_service.models.inbound import InboundText
from callback_service.models.look import Look
from callback_service.models.number import LineLookup
from callback_service.models.outbox import DeliveryReceipt, OutboxMessage, OutboxState
from callback_service.models.privacy import RecordKind
from callback_service.models.staff import new_uid
from callback_service.services import audit, decoys, figures, gateway_records, request_keys

#: No fingerprint is of what was sent, so this is nobody's.
NO_FINGERPRINT: Final = bytes(16)
ERASED: Final = "Erased before it went."
_MINUTE: Final = timedelta(minutes=1)


def empty_request(
    session: Session,
    request: CallbackRequest,
    *,
    keeping: Keeping,
    now: datetime,
    actor_id: int | None = None,
) -> None:
    """Take the person out of a closed request, held by its lock, and out of all that belongs to it.

    It is counted first, unless nobody made it. What the gateway has of it is noted to be deleted.
    """
    if request.state is not RequestState.CLOSED:
        raise ValueError("an open request is closed before it is emptied")
    if not decoys.end_if_decoy(session, request.id, now=now):
        figures.count_in(session, request, keeping)
    session.execute(delete(LineLookup).where(LineLookup.phone_index == request.phone_index))
    _forget_texts(session, request.id, keeping=keeping, now=now)
    _forget_inbound(session, request.id, now=now)
    _forget_calls(session, request.id, now=now)
    _forget_course(session, request.id)
    _forget_caller(session, request)
    session.execute(update(Look).where(Look.request_id == request.id).values(words_sealed=None))
    request_keys.destroy(session, request)
    audit.record(
        session,
        "request.erased",
        subject="callback_request",
        subject_id=request.id,
        actor_id=actor_id,
        now=now,
    )


def is_in_the_air(session: Session, request_id: int) -> bool:
    """Whether a text or a call of this request is on its way just now: it is emptied after that."""
    sending = select(OutboxMessage.id).where(
        OutboxMessage.request_id == request_id, OutboxMessage.state == OutboxState.SENDING
    )
    ringing = select(BridgedCall.id).where(
        BridgedCall.request_id == request_id, BridgedCall.ended_at.is_(None)
    )
    return any(session.scalar(look.limit(1)) is not None for look in (sending, ringing))


def _forget_caller(session: Session, request: CallbackRequest) -> None:
    """The number and all words; and what the caller could be known by: reference, links, times."""
    request.phone = request.name = request.note = request.closing_note = None
    request.phone_index = request.follows_id = None
    request.wishes = NO_WISHES
    request.reference = f"0{request.id:x}"  # no reference that was spoken has a nought
    _keep_the_day_only(request)
    for submission in session.scalars(_of(Submission, request.id)):
        end_link(submission)
        submission.erasure_asked_at = None
        submission.wish_language = submission.wish_gender = None
        submission.wishes_same_counsellor = False
        _keep_the_day_only(submission)


def end_link(submission: Submission) -> None:
    """From now on the link of this posting is one of those that we do not know."""
    submission.key_digest = sha256(f"erased:{submission.id}".encode()).digest()
    submission.fingerprint = NO_FINGERPRINT


def _forget_course(session: Session, request_id: int) -> None:
    """When things happened; why counsellors let it go stays, without their words."""
    for window in session.scalars(_of(ContactWindow, request_id)):
        window.foreseen_seconds = window.foreseen_sd_seconds = None
        _keep_the_day_only(window)
    for offer in session.scalars(_of(Offer, request_id)):
        offer.words = None
        _keep_the_day_only(offer)
    for attempt in session.scalars(_of(Attempt, request_id)):
        lasted = attempt.ended_at - attempt.started_at if attempt.ended_at else None
        _keep_the_day_only(attempt)
        if lasted is not None:  # how long calls last is learned from them: to the minute
            attempt.ended_at = attempt.started_at + round(lasted / _MINUTE) * _MINUTE
    for escalation in session.scalars(_of(Escalation, request_id)):
        _keep_the_day_only(escalation)


def _forget_texts(session: Session, request_id: int, *, keeping: Keeping, now: datetime) -> None:
    """Numbers and words of texts. A text of the last day is still counted, by keyed digest only."""
    texts = session.scalars(_of(OutboxMessage, request_id)).all()
    ids = [text.id for text in texts]
    session.execute(delete(DeliveryReceipt).where(DeliveryReceipt.message_id.in_(ids)))
    sids = [text.provider_sid for text in texts]
    for text in texts:
        if text.state is OutboxState.QUEUED:
            text.state, text.reason = OutboxState.DROPPED, ERASED
        forget_text(text)
        if text.created_at <= keeping.until(Kept.COUNTED, now=now):
            forget_count(text)
    gateway_records.owe(session, RecordKind.TEXT, sids, request_id=request_id, now=now)


def forget_text(text: OutboxMessage) -> None:
    """Whom a text went to and what it said. Under its new uid no late receipt finds it."""
    text.to = None
    text.body, text.provider_sid, text.uid = "", None, new_uid()
    text.once_key = f"erased:{text.id}"


def forget_count(text: OutboxMessage) -> None:
    """What a text was counted by, and when it went."""
    text.to_index = text.network_index = None
    _keep_the_day_only(text)


def _forget_inbound(session: Session, request_id: int, *, now: datetime) -> None:
    texts = session.scalars(_of(InboundText, request_id)).all()
    gateway_records.owe(
        session,
        RecordKind.TEXT,
        [text.provider_sid for text in texts],
        request_id=request_id,
        now=now,
    )
    for text in texts:
        forget_inbound(text)


def forget_inbound(text: InboundText) -> None:
    """Whom a text came from, and what it said."""
    text.body, text.phone_index = None, None
    text.provider_sid = f"erased:{text.id}"
    _keep_the_day_only(text)


def _forget_calls(session: Session, request_id: int, *, now: datetime) -> None:
    """How long they spoke, and the gateway's ids, by which its log of numbers could be asked."""
    calls = session.scalars(_of(BridgedCall, request_id)).all()
    ids = [call.id for call in calls]
    session.execute(delete(CallReport).where(CallReport.call_id.in_(ids)))
    sids = [sid for call in calls for sid in (call.own_sid, call.caller_sid)]
    for call in calls:
        call.own_sid = call.caller_sid = call.seconds = None
        call.uid = new_uid()
        _keep_the_day_only(call)
    gateway_records.owe(session, RecordKind.CALL, sids, request_id=request_id, now=now)


def _of(model: Any, request_id: int) -> Any:
    return select(model).where(model.request_id == request_id).order_by(model.id)


def _keep_the_day_only(row: Any) -> None:
    """Of every time in ``row`` the day: who asked at 21:03 that night could be somebody known."""
    for column in inspect(type(row)).columns:
        if isinstance(column.type, UtcDateTime):
            at = getattr(row, column.key)
            if at is not None:
                setattr(row, column.key, day_of(at))
