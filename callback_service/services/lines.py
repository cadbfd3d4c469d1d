"""What kind of line a number is: as the gateway knows it, else as its digits say.

The gateway is asked about each number once, with no transaction open, before the first text goes.
A text waits for the answer a few seconds at most; after that the digits decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, ScalarSelect, Select, SQLColumnExpression, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.contact import LineKind
from callback_service.domain.retention import BY_KIND, Kept
from callback_service.models.callback import CallbackRequest
from callback_service.models.number import LineLookup
from callback_service.models.outbox import OutboxMessage, OutboxState

#: How long a text waits to hear what line its number is.
PATIENCE: Final = timedelta(seconds=15)
#: An answer is good for this long: numbers are given to others in time.
ANSWER_LASTS: Final = BY_KIND[Kept.LOOKUPS].usual
#: After no answer the gateway is left alone about this number for so long.
ASKED_AGAIN_AFTER: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Question:
    """A number to ask the gateway about, for whoever took the question."""

    lookup_id: int
    e164: str


def line_of(index: SQLColumnExpression[Any], *, now: Any) -> ScalarSelect[LineKind | None]:
    """What the gateway said of the number with this index, in a query; None if it did not know."""
    known = select(LineLookup.kind).where(LineLookup.phone_index == index)
    return known.where(LineLookup.expires_at > now).scalar_subquery()


def is_known(session: Session, request: CallbackRequest, *, now: datetime) -> bool:
    """Whether the gateway was asked about this number already, whatever it said."""
    found = select(LineLookup.id).where(_is_for(request.phone_index), LineLookup.expires_at > now)
    return session.scalar(found) is not None


def _is_for(index: bytes | None) -> ColumnElement[bool]:
    return LineLookup.phone_index == index


def question_is_due(session: Session, *, now: datetime) -> bool:
    """Whether a text waits to hear about its number."""
    return session.scalar(_unasked(now).limit(1)) is not None


def _unasked(now: datetime) -> Select[CallbackRequest]:
    asked = select(LineLookup.id).where(
        LineLookup.phone_index == CallbackRequest.phone_index, LineLookup.expires_at > now
    )
    return (
        select(CallbackRequest)
        .join(OutboxMessage, OutboxMessage.request_id == CallbackRequest.id)
        .where(
            OutboxMessage.state == OutboxState.QUEUED,
            OutboxMessage.expires_at > now,
            OutboxMessage.send_after <= now + PATIENCE,
            CallbackRequest.phone_index.is_not(None),
            ~asked.exists(),
        )
        .order_by(OutboxMessage.id)
    )


def next_question(session: Session, *, now: datetime) -> Question | None:
    """Take one number to ask about; nobody else asks about it meanwhile."""
    request = session.scalars(_unasked(now).limit(1)).first()
    if request is None or request.phone_index is None:
        return None
    session.execute(
        delete(LineLookup).where(_is_for(request.phone_index), LineLookup.expires_at <= now)
    )
    row = LineLookup(
        phone_index=request.phone_index, asked_at=now, expires_at=now + ASKED_AGAIN_AFTER
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:  # another scheduler asks
        return None
    if request.phone is None:  # erased, and back from a backup: not looked at again
        return None
    return Question(row.id, request.phone)


def take_answer(
    session: Session, question: Question, kind: LineKind | None, *, now: datetime
) -> None:
    """Keep what the gateway said (None: it does not know), and let the waiting texts go on."""
    row = session.get(LineLookup, question.lookup_id)
    if row is None:
        return
    if kind is not None:
        row.kind, row.expires_at = kind, now + ANSWER_LASTS
    waiting = session.scalars(
        select(OutboxMessage)
        .join(CallbackRequest, CallbackRequest.id == OutboxMessage.request_id)
        .where(
            CallbackRequest.phone_index == row.phone_index,
            OutboxMessage.state == OutboxState.QUEUED,
            OutboxMessage.tries == 0,
            OutboxMessage.send_after > now,
            OutboxMessage.send_after <= row.asked_at + PATIENCE,
        )
        .with_for_update()
    )
    for message in waiting:
        message.send_after = now
