"""What the sender asks of a text before it goes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.models.outbox import OutboxMessage
from callback_service.services.lines import line_of
from callback_service.services.suppression import takes_no_texts
from callback_service.services.text_reasons import Waiting, why_not_among


def why_not_texted(session: Session, message: OutboxMessage, *, now: datetime) -> str | None:
    """Why this text may not go now; None if it may."""
    is_stopped, line = session.execute(
        select(takes_no_texts(OutboxMessage.to_index), line_of(OutboxMessage.to_index, now=now))
        .select_from(OutboxMessage)
        .where(OutboxMessage.id == message.id)
    ).one()
    waiting = Waiting(
        message_id=message.id,
        kind=message.kind,
        is_stopped=is_stopped,
        line=line,
        request=message.request,
        offer=message.offer,
        expires_at=message.expires_at,
    )
    return why_not_among(session, [waiting], now=now).get(message.id)
