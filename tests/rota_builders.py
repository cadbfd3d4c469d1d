"""Rows of the rota to start a test from. Every builder flushes and commits nothing."""

from __future__ import annotations

from datetime import date, datetime, time, tzinfo
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from callback_service.domain.cover import Requirement
from callback_service.domain.rota import Duty, Pattern
from callback_service.domain.wall_time import EVERY_DAY, mask_from_weekdays
from callback_service.models.rota import CoverRequirement, ShiftPattern
from callback_service.models.staff import Staff
from tests.support.builders import NOW

LONDON = ZoneInfo("Europe/London")
LONG_AGO = date(2026, 1, 5)


def a_pattern(
    staff: Staff,
    start: str = "09:00",
    end: str = "17:00",
    weekdays: frozenset[int] = EVERY_DAY,
    *,
    duty: Duty = Duty.COUNSELLING,
    from_on: date = LONG_AGO,
    until_on: date | None = None,
) -> Pattern:
    """A line of the rota that is not stored."""
    return Pattern(
        None,
        staff.id,
        duty,
        weekdays,
        time.fromisoformat(start),
        time.fromisoformat(end),
        from_on,
        until_on,
    )


def make_pattern(
    session: Session,
    staff: Staff,
    start: str = "09:00",
    end: str = "17:00",
    weekdays: frozenset[int] = EVERY_DAY,
    *,
    duty: Duty = Duty.COUNSELLING,
    from_on: date = LONG_AGO,
    until_on: date | None = None,
) -> ShiftPattern:
    """A stored line of the rota; every day from nine to five unless told."""
    row = ShiftPattern(
        staff_id=staff.id,
        duty=duty,
        weekdays=mask_from_weekdays(weekdays),
        starts=time.fromisoformat(start),
        ends=time.fromisoformat(end),
        from_on=from_on,
        until_on=until_on,
        created_at=NOW,
    )
    session.add(row)
    session.flush()
    return row


def a_requirement(
    needed: int = 2, start: str = "09:00", end: str = "17:00", *, from_on: date = LONG_AGO
) -> Requirement:
    """A requirement for every day that is not stored."""
    return Requirement(
        None, EVERY_DAY, time.fromisoformat(start), time.fromisoformat(end), needed, from_on
    )


def make_requirement(
    session: Session, needed: int = 2, start: str = "09:00", end: str = "17:00"
) -> CoverRequirement:
    """A stored requirement for every day."""
    row = CoverRequirement(
        weekdays=mask_from_weekdays(EVERY_DAY),
        starts=time.fromisoformat(start),
        ends=time.fromisoformat(end),
        needed=needed,
        from_on=LONG_AGO,
        created_at=NOW,
    )
    session.add(row)
    session.flush()
    return row


def local(text: str, tz: tzinfo = LONDON) -> datetime:
    """The instant of a wall time in London, from "2026-11-25 20:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=tz)
