"""What the desk is told about texts with a caller: one that did not arrive, a stop, an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.models.callback import CallbackRequest
from callback_service.models.outbox import FOR_CALLERS, OutboxMessage, OutboxState, TextKind
from callback_service.services import inbound_texts, suppression

_TELLING: Final = [kind for kind in FOR_CALLERS if kind is not TextKind.AUTO_REPLY]


@dataclass(frozen=True, slots=True)
class TextNews:
    """Of one request. ``trouble`` is why the newest text did not arrive, if it did not."""

    trouble: str | None = None
    is_stopped: bool = False  # their number takes no texts, whatever they allowed
    texted_at: datetime | None = None  # when they last wrote to us


def text_news(session: Session, requests: Sequence[CallbackRequest]) -> dict[int, TextNews]:
    """The news of each request, by its id."""
    ids = [request.id for request in requests]
    indices = {request.phone_index for request in requests if request.phone_index is not None}
    trouble, texted = _trouble(session, ids), inbound_texts.newest_by_request(session, ids)
    stopped = suppression.suppressed_among(session, indices)
    return {
        request.id: TextNews(
            trouble.get(request.id), request.phone_index in stopped, texted.get(request.id)
        )
        for request in requests
    }


def _trouble(session: Session, request_ids: list[int]) -> dict[int, str]:
    newest = (
        select(func.max(OutboxMessage.id))
        .where(
            OutboxMessage.request_id.in_(request_ids),
            OutboxMessage.kind.in_(_TELLING),
            OutboxMessage.state.not_in([OutboxState.QUEUED, OutboxState.DROPPED]),
        )
        .group_by(OutboxMessage.request_id)
    )
    rows = session.execute(
        select(OutboxMessage.request_id, OutboxMessage.reason).where(
            OutboxMessage.id.in_(newest), OutboxMessage.state == OutboxState.FAILED
        )
    )
    return {request_id: reason for request_id, reason in rows if request_id and reason}
