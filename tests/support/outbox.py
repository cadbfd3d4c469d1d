"""What the sender asks of a text before it goes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from callback_service.models.outbox import OutboxMessage
from callback_service.services.text_reasons import Waiting, why_not_among


def why_not_texted(session: Session, message: OutboxMessage, *, now: datetime) -> str | None:
    """Why this text may not go now; None if it may."""
    waiting = Waiting(
        message_id=message.id,
        kind=message.kind,
        to_index=message.to_index,
        request=message.request,
        offer=message.offer,
        expires_at=message.expires_at,
    )
    return why_not_among(session, [waiting], now=now).get(message.id)
