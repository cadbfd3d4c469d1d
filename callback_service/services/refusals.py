"""Writing down what signed-in staff were refused: where, and nothing of what they typed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from callback_service.services import audit

REFUSED: Final = "access.refused"
#: Refusals of one person that are written down within an hour. The first tell all that there is to
#: tell; whoever tries thousands of ids must not fill the log.
MOST_AN_HOUR: Final = 30
_HOUR: Final = timedelta(hours=1)


def is_worth_noting(session: Session, staff_id: int, *, now: datetime) -> bool:
    """Whether fewer than the most of an hour are written down; a cheap look before any lock."""
    return _noted(session, staff_id, now=now) < MOST_AN_HOUR


def note(
    session: Session, staff_id: int, *, route: str, status: int, row: int | None, now: datetime
) -> None:
    """Write down one refusal. ``row`` is the id they asked for, where it was the id of a row.

    The last of the hour says so.
    """
    noted = _noted(session, staff_id, now=now)
    if noted >= MOST_AN_HOUR:
        return
    detail = {"row": row} if row is not None else {}
    if noted + 1 == MOST_AN_HOUR:
        detail["is_last_of_hour"] = True
    audit.record(
        session, REFUSED, subject="route", subject_id=None, actor_id=staff_id, now=now,
        route=route, status=status, **detail,
    )  # fmt: skip


def _noted(session: Session, staff_id: int, *, now: datetime) -> int:
    return audit.count_since(session, REFUSED, actor_id=staff_id, since=now - _HOUR)
