"""Proof that the scheduler's ticks run, and whether the service is ready."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.models.heartbeat import Heartbeat

#: A tick that has not succeeded for this long is taken for stopped.
STALE_AFTER: Final = timedelta(seconds=45)


def beat(session: Session, succeeded_at: Mapping[str, datetime]) -> int:
    """Record when each tick last succeeded; the number recorded. Never moves a beat back."""
    known = {row.tick: row for row in session.scalars(select(Heartbeat))}
    for tick, at in sorted(succeeded_at.items()):
        row = known.get(tick)
        if row is None:
            session.add(Heartbeat(tick=tick, succeeded_at=at))
        elif at > row.succeeded_at:
            row.succeeded_at = at
    return len(succeeded_at)


def stopped_ticks(session: Session, ticks: Iterable[str], *, now: datetime) -> list[str]:
    """The ticks that have not succeeded of late, in order of name."""
    fresh = set(
        session.scalars(select(Heartbeat.tick).where(Heartbeat.succeeded_at > now - STALE_AFTER))
    )
    return sorted(set(ticks) - fresh)
