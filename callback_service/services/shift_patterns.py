"""Changing the patterns of the rota, and lists of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from callback_service.domain.rota import MAY_HOLD, Duty, Pattern, first_clash
from callback_service.domain.wall_time import ONE_DAY, mask_from_weekdays, weekly_in_words
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.rota import ShiftPattern
from callback_service.models.staff import Staff
from callback_service.services import audit
from callback_service.services.plan_trigger import ask_for_plan
from callback_service.services.rota import Person, pattern_of

#: A date further from today than this is a slip of the finger, such as 2206 for 2026.
FURTHEST_DATE = timedelta(days=5 * 366)


@dataclass(frozen=True, slots=True)
class PatternLine:
    """A pattern and the name of who works it, for a list."""

    pattern: Pattern
    name: str
    is_active: bool


def list_patterns(session: Session, *, today: date) -> list[PatternLine]:
    """The patterns that have not ended before ``today``, by duty, name and start."""
    rows = session.scalars(
        select(ShiftPattern)
        .join(ShiftPattern.staff)
        .where(or_(ShiftPattern.until_on.is_(None), ShiftPattern.until_on >= today))
        .order_by(
            ShiftPattern.duty,
            Staff.name,
            ShiftPattern.from_on,
            ShiftPattern.starts,
            ShiftPattern.id,
        )
    )
    return [PatternLine(pattern_of(row), row.staff.name, row.staff.is_active) for row in rows]


def pattern_line(session: Session, pattern_id: int) -> PatternLine:
    """One line of the rota; raises NotFound."""
    row = session.get(ShiftPattern, pattern_id)
    if row is None:
        raise NotFound("That pattern is not on the rota.")
    return PatternLine(pattern_of(row), row.staff.name, row.staff.is_active)


def people_for_rota(session: Session) -> list[Person]:
    """Everybody who may be given a shift, by name."""
    may_hold = frozenset[object]().union(*MAY_HOLD.values())
    rows = session.scalars(
        select(Staff)
        .where(Staff.is_active, Staff.role.in_(may_hold))
        .order_by(Staff.name, Staff.id)
    )
    return [Person(row.id, row.name, row.email) for row in rows]


def add_pattern(
    session: Session, pattern: Pattern, *, actor_id: int | None, now: datetime
) -> ShiftPattern:
    """Put a new line on the rota.

    Refuses with the field's name: an account that is gone or may not hold the duty, dates that
    cannot be meant, and a line that overlaps another of the same person and duty.
    """
    check_dates(pattern.from_on, pattern.until_on, now=now)
    staff = _lock_holder(session, pattern)
    held = session.scalars(
        select(ShiftPattern)
        .where(ShiftPattern.staff_id == staff.id, ShiftPattern.duty == pattern.duty)
        .order_by(ShiftPattern.id)
    )
    if clash := first_clash(pattern, map(pattern_of, held)):
        raise _field_error(
            "start",
            "This overlaps a pattern they already have: "
            f"{weekly_in_words(clash)}. End that one first.",
        )
    row = _row(pattern, staff, actor_id=actor_id, now=now)
    session.add(row)
    session.flush()
    _changed(session, "rota.pattern_added", row, actor_id=actor_id, now=now)
    return row


def _lock_holder(session: Session, pattern: Pattern) -> Staff:
    """The account the pattern is for, locked so that no other line of theirs is added now."""
    staff = session.get(Staff, pattern.staff_id, with_for_update=True) if pattern.staff_id else None
    if staff is None or not staff.is_active:
        raise _field_error("staff_id", "Choose somebody who has an active account.")
    if staff.role not in MAY_HOLD[pattern.duty]:
        raise _field_error(
            "staff_id",
            "Only a manager can be duty lead."
            if pattern.duty is Duty.DUTY_LEAD
            else "An administrator cannot be on shift for calls.",
        )
    return staff


def _row(pattern: Pattern, staff: Staff, *, actor_id: int | None, now: datetime) -> ShiftPattern:
    return ShiftPattern(
        staff_id=staff.id,
        duty=pattern.duty,
        weekdays=mask_from_weekdays(pattern.weekdays),
        starts=pattern.start,
        ends=pattern.end,
        from_on=pattern.from_on,
        until_on=pattern.until_on,
        created_by_id=actor_id,
        created_at=now,
    )


def check_dates(from_on: date, until_on: date | None, *, now: datetime) -> None:
    """Raise BadInput for dates out of order or too far from today to be meant."""
    today = now.date()
    for field, day in (("from_on", from_on), ("until_on", until_on)):
        if day is not None and abs(day - today) > FURTHEST_DATE:
            raise _field_error(field, "Enter a date within five years of today.")
    if until_on is not None and until_on < from_on:
        raise _field_error("until_on", "The last day must be on or after the first day.")


def _field_error(field: str, sentence: str) -> BadInput:
    return BadInput(sentence, {field: sentence})


def end_pattern(
    session: Session,
    pattern_id: int,
    *,
    last_on: date,
    actor_id: int | None,
    now: datetime,
    tz: tzinfo,
) -> None:
    """Let a pattern end: its last shift starts on ``last_on``, yesterday at the earliest.

    What was worked stays on record; a pattern that would end before it began is removed.
    """
    row = session.get(ShiftPattern, pattern_id, with_for_update=True)
    if row is None:
        raise NotFound("That pattern is not on the rota.")
    if last_on < now.astimezone(tz).date() - ONE_DAY:
        raise _field_error("last_on", "The last day can be yesterday at the earliest.")
    if row.until_on is not None and last_on > row.until_on:
        raise Refused(f"This pattern already ends on {row.until_on.day} {row.until_on:%B %Y}.")
    if last_on < row.from_on:
        _changed(session, "rota.pattern_removed", row, actor_id=actor_id, now=now)
        session.delete(row)
    else:
        row.until_on = last_on
        _changed(session, "rota.pattern_ended", row, actor_id=actor_id, now=now)
    session.flush()


def _changed(
    session: Session, action: str, row: ShiftPattern, *, actor_id: int | None, now: datetime
) -> None:
    audit.record(
        session,
        action,
        subject=ShiftPattern.__tablename__,
        subject_id=row.id,
        actor_id=actor_id,
        now=now,
        staff_id=row.staff_id,
        pattern=f"{row.duty}: {weekly_in_words(pattern_of(row))}",
    )
    ask_for_plan(session, reason="rota", now=now)
