"""The queue for programs: which requests there are and how they stand, without personal data."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import RequestState
from callback_service.models.callback import CallbackRequest
from callback_service.services.conflicts import hidden_from
from callback_service.services.rota import zulu

MOST_ROWS = 200


@dataclass(frozen=True, slots=True)
class Page:
    """Some requests in the order they came in, and where the next page begins, if there is one."""

    items: list[dict[str, object]]
    next_after: int | None


def requests_page(
    session: Session, *, viewer_id: int, state: RequestState | None, limit: int, after: int
) -> Page:
    """Up to ``limit`` requests that came in after the one with the id ``after``.

    Of a caller from whom the viewer is barred there are the open ones alone, as on the desk.
    """
    rows = session.scalars(
        select(CallbackRequest)
        .where(
            CallbackRequest.id > after,
            CallbackRequest.id.not_in(hidden_from(session, viewer_id)),
            *([CallbackRequest.state == state] if state else []),
        )
        .order_by(CallbackRequest.id)
        .limit(limit + 1)
    ).all()
    shown = rows[:limit]
    return Page([_as_json(row) for row in shown], shown[-1].id if len(rows) > limit else None)


def _as_json(row: CallbackRequest) -> dict[str, object]:
    return {
        "reference": row.reference,
        "state": row.state.value,
        "created_at": zulu(row.created_at),
        "ring_from": zulu(row.ring_from),
        "due_at": zulu(row.due_at),
        "is_window": row.is_window,
        "tries": row.tries,
        "counsellor_id": row.assigned_to_id,
        "first_attempt_at": zulu(row.first_attempt_at) if row.first_attempt_at else None,
        "closed_at": zulu(row.closed_at) if row.closed_at else None,
        "disposition": row.disposition.value if row.disposition else None,
    }
