"""What went out, to whom (masked), and what became of it, for managers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.domain.wording import segments
from callback_service.models.outbox import OutboxMessage, OutboxState, TextKind


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One text without the number it went to: only its last three digits."""

    id: int
    kind: TextKind
    to_ending: str
    body: str
    segments: int
    state: OutboxState
    delivery_status: str | None
    error_code: int | None
    reason: str | None
    created_at: datetime
    sent_at: datetime | None
    is_for_staff: bool


def latest(session: Session, *, limit: int, before_id: int | None = None) -> list[MessageRow]:
    """The newest texts first; ``before_id`` goes on from the last of an earlier page."""
    query = select(OutboxMessage).order_by(OutboxMessage.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(OutboxMessage.id < before_id)
    return [_row(message) for message in session.scalars(query)]


def counts(session: Session) -> dict[OutboxState, int]:
    """How many texts are in each state."""
    rows: Sequence[tuple[OutboxState, int]] = session.execute(
        select(OutboxMessage.state, func.count()).group_by(OutboxMessage.state)
    ).all()
    return dict(rows)


def _row(message: OutboxMessage) -> MessageRow:
    return MessageRow(
        id=message.id,
        kind=message.kind,
        to_ending=(message.to or "")[-3:],
        body=message.body,
        segments=segments(message.body),
        state=message.state,
        delivery_status=message.delivery_status,
        error_code=message.error_code,
        reason=message.reason,
        created_at=message.created_at,
        sent_at=message.sent_at,
        is_for_staff=message.staff_id is not None,
    )
