"""Texts that came in: a stop is heeded at once, and words to us reach the desk.

Senders can be forged, so a text changes nothing of a request and is told nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Select, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.contact import GB_ONLY, Phone
from callback_service.domain.inbound import InboundKind, kind_of, may_be_answered, sender_of
from callback_service.models.callback import CallbackRequest
from callback_service.models.inbound import InboundText
from callback_service.models.number import SaidBy
from callback_service.models.outbox import OutboxMessage, OutboxState
from callback_service.models.sealing import keyring
from callback_service.services import audit, suppression, texts
from callback_service.services.conflicts import barred_from

LONGEST_KEPT: Final = 1600  # characters: as many as a text can have
_NEVER_WENT: Final = (OutboxState.QUEUED, OutboxState.DROPPED)


@dataclass(frozen=True, slots=True)
class Arrived:
    """One text as the gateway hands it in. ``to`` is the number of ours that it came to."""

    sid: str
    sender: str
    to: str
    body: str
    opt_out_type: str = ""


def take_text(
    session: Session,
    arrived: Arrived,
    *,
    our_numbers: frozenset[str],
    allow_drama: bool,
    countries: frozenset[str] = GB_ONLY,
    now: datetime,
) -> bool:
    """Take one text in, once; False for one that was taken already or has no id.

    ``countries`` are those whose numbers get texts.
    """
    sender = sender_of(arrived.sender, allow_drama=allow_drama)
    kind = kind_of(arrived.body, opt_out_type=arrived.opt_out_type)
    request, answers = _about(session, sender) if sender else (None, None)
    row = InboundText(
        provider_sid=arrived.sid,
        kind=kind,
        phone_index=suppression.index_of(sender.e164) if sender else None,
        request_id=request.id if request else None,
        answers_id=answers.id if answers else None,
        received_at=now,
    )
    if not arrived.sid or not _keep(session, row):
        return False
    if kind is InboundKind.WORDS and request is not None:
        row.body = arrived.body[:LONGEST_KEPT]
    audit.record(
        session, "text.received", subject="inbound_text", subject_id=row.id, now=now, kind=kind
    )
    if sender is not None:
        ours = our_numbers | {arrived.to}
        _heed(session, kind, sender, now=now)
        if kind is InboundKind.WORDS and may_be_answered(
            sender, our_numbers=ours, countries=countries
        ):
            _answer(session, sender, request, now=now)
    return True


def _keep(session: Session, row: InboundText) -> bool:
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False
    return True


def _about(session: Session, sender: Phone) -> tuple[CallbackRequest | None, OutboxMessage | None]:
    """The newest request of a number, which is the open one if any is; and the newest text to it.

    Requests that were erased have no number any more: theirs is a stranger's then.
    """
    is_theirs = CallbackRequest.phone_index == suppression.index_of(sender.e164)
    request = session.scalar(
        select(CallbackRequest).where(is_theirs).order_by(CallbackRequest.id.desc()).limit(1)
    )
    newest = session.scalar(
        select(OutboxMessage)
        .join(CallbackRequest, CallbackRequest.id == OutboxMessage.request_id)
        .where(is_theirs, OutboxMessage.state.not_in(_NEVER_WENT))
        .order_by(OutboxMessage.id.desc())
        .limit(1)
    )
    return request, newest


def _heed(session: Session, kind: InboundKind, sender: Phone, *, now: datetime) -> None:
    """Stop texts to a number, or allow them again, where its text asks for that."""
    if kind is InboundKind.STOP:
        suppression.suppress(session, sender.e164, said_by=SaidBy.TEXT, now=now)
    elif kind is InboundKind.START:
        suppression.lift(session, sender.e164, now=now)


def _answer(
    session: Session, sender: Phone, request: CallbackRequest | None, *, now: datetime
) -> None:
    """Send one neutral answer a day, where texts are allowed."""
    is_allowed = request is None or request.may_text
    if not is_allowed or suppression.is_suppressed(session, sender.e164):
        return
    today = keyring().blind_index("answer", f"{now.date()}:{sender.e164}").hex()
    try:
        with session.begin_nested():
            texts.reply_automatically(
                session, sender.e164, request, once_key=f"answer:{today}", now=now
            )
    except IntegrityError:  # another text of theirs was answered this moment
        return


@dataclass(frozen=True, slots=True)
class InboundRow:
    """A text to us, as staff read it. ``reference`` is that of the request it belongs to."""

    received_at: datetime
    request_id: int
    reference: str
    body: str


def words_of(session: Session, request_id: int) -> list[InboundRow]:
    """What came in about one request, oldest first. Whoever shows it writes the look down."""
    rows = session.scalars(
        _with_words().where(InboundText.request_id == request_id).order_by(InboundText.id)
    )
    return [
        InboundRow(row.received_at, request_id, row.request.reference, row.body or "")
        for row in rows
        if row.request is not None
    ]


def _with_words() -> Select[InboundText]:
    return select(InboundText).where(InboundText.body_sealed.is_not(None))


def newest_by_request(session: Session, request_ids: list[int]) -> dict[int, datetime]:
    """When the last words came in, for those of the requests that any came about."""
    rows = session.execute(
        select(InboundText.request_id, func.max(InboundText.received_at))
        .where(InboundText.request_id.in_(request_ids), InboundText.body_sealed.is_not(None))
        .group_by(InboundText.request_id)
    )
    return {request_id: at for request_id, at in rows if request_id is not None}


@dataclass(frozen=True, slots=True)
class ToClosed:
    """A closed request that somebody texted about: no counsellor has it before them any more."""

    request_id: int
    reference: str
    received_at: datetime


def to_closed_requests(
    session: Session, *, since: datetime, viewer_id: int
) -> tuple[list[ToClosed], int]:
    """Closed requests with words that came in after their end, the newest first.

    Those of callers whom the viewer is barred from are only counted: the second value. Somebody
    must come to know that there is one for a colleague to read.
    """
    barred = barred_from(session, viewer_id)
    found = _to_closed(session, since=since)
    seen = [one for one in found if one.request_id not in barred]
    return seen, len(found) - len(seen)


def _to_closed(session: Session, *, since: datetime) -> list[ToClosed]:
    rows = session.execute(
        select(CallbackRequest.id, CallbackRequest.reference, func.max(InboundText.received_at))
        .join(InboundText, InboundText.request_id == CallbackRequest.id)
        .where(
            InboundText.body_sealed.is_not(None),
            InboundText.received_at >= since,
            InboundText.received_at >= CallbackRequest.closed_at,
        )
        .group_by(CallbackRequest.id, CallbackRequest.reference)
        .order_by(func.max(InboundText.received_at).desc())
    )
    return [ToClosed(*row) for row in rows]


def count_since(session: Session, since: datetime) -> dict[InboundKind, int]:
    """How many texts of each kind came in, strangers' too."""
    rows = session.execute(
        select(InboundText.kind, func.count())
        .where(InboundText.received_at >= since)
        .group_by(InboundText.kind)
    )
    return dict(rows.all())
