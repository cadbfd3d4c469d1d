"""That something was erased, and whether its bytes are out of SQLite's write-ahead log too."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from callback_service.models.privacy import ErasureRun

#: The log is cleared within seconds unless somebody reads all the time.
TROUBLE_AFTER: Final = timedelta(minutes=10)
_LISTED_FOR: Final = timedelta(days=30)


def note(session: Session, erased: int, *, now: datetime) -> None:
    """Write down that rows were erased, in the transaction that does it; nothing for none."""
    if erased == 0:
        return
    has_log = session.get_bind().dialect.name == "sqlite"
    session.execute(delete(ErasureRun).where(ErasureRun.at <= now - _LISTED_FOR))
    session.add(ErasureRun(at=now, erased=erased, cleared_at=None if has_log else now))


def newest_uncleared(session: Session) -> int | None:
    """The newest run whose bytes may still stand in the log; None if there is none."""
    return session.scalar(select(func.max(ErasureRun.id)).where(ErasureRun.cleared_at.is_(None)))


def note_cleared(session: Session, run_id: int, *, now: datetime) -> None:
    """The log holds nothing any more of this run and those before it."""
    owed = update(ErasureRun).where(ErasureRun.id <= run_id, ErasureRun.cleared_at.is_(None))
    session.execute(owed.values(cleared_at=now))


def uncleared_since(session: Session, *, now: datetime) -> datetime | None:
    """Since when erased bytes stand in the log, where that is longer than it should be."""
    since = session.scalar(select(func.min(ErasureRun.at)).where(ErasureRun.cleared_at.is_(None)))
    return since if since is not None and since <= now - TROUBLE_AFTER else None


def last_run(session: Session) -> datetime | None:
    """When something was last erased."""
    return session.scalar(select(func.max(ErasureRun.at)))
