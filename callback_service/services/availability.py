"""When staff cannot work: what they state, and who would be on duty against it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from callback_service.domain.availability import (
    CannotWork,
    Conflict,
    Duties,
    cannot_work_in_words,
    dates_in_words,
    find_conflicts,
    stated_in_words,
)
from callback_service.domain.policy import Action
from callback_service.domain.rota import Duty, Pattern, clip, resolve_shifts
from callback_service.domain.rota_changes import Change, Leave, OpenShift, Override, OverrideKind
from callback_service.domain.rotation_words import Line
from callback_service.domain.wall_time import (
    ONE_DAY,
    WEEK,
    mask_from_weekdays,
    start_of_day,
    weekdays_from_mask,
)
from callback_service.errors import BadInput, NotFound
from callback_service.models.availability import Unavailability
from callback_service.models.rota_change import RotaChange
from callback_service.models.staff import Staff
from callback_service.services import audit
from callback_service.services.permission import allowed
from callback_service.services.rota import resolve
from callback_service.services.rota_change_rows import span_in_words
from callback_service.services.shift_patterns import FURTHEST_DATE, check_dates

#: How far ahead the rota is held against what people state.
LOOK_AHEAD = 8 * WEEK
#: A new line of the rota is tried for this long.
TRIED_FOR = 52 * WEEK
#: Statements of one person; more are a mistake or a machine.
MOST_STATED = 50


@dataclass(frozen=True, slots=True)
class ConflictLine:
    """Somebody who would be on duty at a time they cannot work; ``words`` name them and when."""

    staff_id: int
    words: str
    shifts: tuple[str, ...]


def conflicts(session: Session, *changes: Change, tz: tzinfo) -> list[ConflictLine]:
    """Who would be on duty by ``changes`` at a time they stated they cannot work."""
    duties = [one for change in changes for one in _duties_by(session, change, tz=tz)]
    return _conflict_lines(session, duties, tz=tz)


def conflicts_of_line(
    session: Session, line: Line, *, now: datetime, tz: tzinfo
) -> list[ConflictLine]:
    """Who would be on duty by a new line of the rota, within a year, though they cannot work."""
    parts = [line] if isinstance(line, Pattern) else line.lines()
    today = now.astimezone(tz).date()
    if line.from_on - today > FURTHEST_DATE:
        return []  # refused for its dates when it is saved
    first = max(line.from_on, today)
    start = start_of_day(first, tz=tz)
    shifts = resolve_shifts(parts, start, start + TRIED_FOR, tz=tz)
    duties = [Duties(s.start, s.end, s.staff_id) for s in shifts if s.staff_id is not None]
    return _conflict_lines(session, duties, tz=tz)


def conflicts_of_open_shift(
    session: Session, change_id: int, staff_id: int, *, tz: tzinfo
) -> list[ConflictLine]:
    """Whether somebody who takes an open shift stated that they cannot work then."""
    row = session.get(RotaChange, change_id)
    if row is None or row.staff_id is not None:
        return []  # refused when it is taken
    span = row.starts_at, row.ends_at
    taken = Override(OverrideKind.ADD, staff_id, *span, row.duty or Duty.COUNSELLING)
    return conflicts(session, taken, tz=tz)


def _duties_by(session: Session, change: Change, *, tz: tzinfo) -> Iterator[Duties]:
    """Whom a change puts on duty, and when."""
    if isinstance(change, Leave | OpenShift) or change.kind is OverrideKind.REMOVE:
        return
    if change.by_id is None:
        yield Duties(change.start, change.end, change.staff_id)
        return
    shifts, _ = resolve(session, change.start, change.end, tz=tz, duty=change.duty)
    replaced = [shift for shift in shifts if shift.staff_id == change.staff_id]
    for part in clip(replaced, change.start, change.end):
        yield Duties(part.start, part.end, change.by_id)


def _conflict_lines(
    session: Session, duties: Iterable[Duties], *, tz: tzinfo
) -> list[ConflictLine]:
    duties = list(duties)
    if not duties:
        return []
    ids = {one.staff_id for one in duties}
    since = min(one.start for one in duties).astimezone(tz).date() - 2 * ONE_DAY
    rows = session.scalars(
        select(Unavailability)
        .where(
            Unavailability.staff_id.in_(ids),
            or_(Unavailability.until_on.is_(None), Unavailability.until_on >= since),
        )
        .order_by(Unavailability.id)
    ).all()
    names = {row.staff_id: row.staff.name for row in rows}
    found = find_conflicts(duties, [_stated(row, tz) for row in rows], tz=tz)
    return [_conflict_line(one, names[one.stated.staff_id], tz) for one in found]


def _conflict_line(conflict: Conflict, name: str, tz: tzinfo) -> ConflictLine:
    shifts = tuple(span_in_words(one.start, one.end, tz=tz) for one in conflict.met)
    more = f" and {len(shifts) - 1} more" if len(shifts) > 1 else ""
    words = f"{stated_in_words(name, conflict.stated)}: {shifts[0]}{more}"
    return ConflictLine(conflict.stated.staff_id, words, shifts)


def _stated(row: Unavailability, tz: tzinfo) -> CannotWork:
    return CannotWork(
        row.staff_id,
        weekdays_from_mask(row.weekdays),
        row.starts,
        row.ends,
        row.from_on,
        row.until_on,
        row.created_at.astimezone(tz).date(),
    )


@dataclass(frozen=True, slots=True)
class StatedLine:
    """When somebody cannot work, for a list, and the shifts they have then all the same."""

    id: int
    staff_id: int
    name: str
    words: str
    dates: str
    shifts: tuple[str, ...]


@allowed(Action.WORK_OWN_SHIFTS)
def state_cannot_work(
    session: Session, line: CannotWork, *, actor_id: int, now: datetime
) -> Unavailability:
    """Record when somebody cannot work. It takes nobody off a shift they have."""
    check_dates(line.from_on, line.until_on, now=now)
    staff = session.get(Staff, line.staff_id, with_for_update={"key_share": True})
    if staff is None or not staff.is_active:
        raise NotFound("There is no such account.")
    if _is_past(line.until_on, now):
        sentence = "Enter a day that is still to come."
        raise BadInput(sentence, {"until_on": sentence})
    if _stated_by(session, staff.id) >= MOST_STATED:
        raise BadInput(f"Take one back first: you have stated {MOST_STATED} already.")
    row = Unavailability(
        staff_id=line.staff_id,
        weekdays=mask_from_weekdays(line.weekdays),
        starts=line.start,
        ends=line.end,
        from_on=line.from_on,
        until_on=line.until_on,
        created_by_id=actor_id,
        created_at=now,
    )
    session.add(row)
    session.flush()
    _record(session, "availability.stated", row, actor_id=actor_id, now=now)
    return row


def _is_past(until_on: date | None, now: datetime) -> bool:
    return until_on is not None and until_on < now.date() - ONE_DAY


def _stated_by(session: Session, staff_id: int) -> int:
    own = select(func.count()).where(Unavailability.staff_id == staff_id)
    return session.scalar(own) or 0


@allowed(Action.WORK_OWN_SHIFTS)
def take_back(session: Session, stated_id: int, *, actor_id: int, now: datetime) -> None:
    """Delete what one stated oneself."""
    row = session.get(Unavailability, stated_id, with_for_update=True)
    if row is None or row.staff_id != actor_id:
        raise NotFound("That was taken back already.")
    _record(session, "availability.taken_back", row, actor_id=actor_id, now=now)
    session.delete(row)
    session.flush()


def list_stated(
    session: Session, *, now: datetime, tz: tzinfo, staff_id: int | None = None
) -> list[StatedLine]:
    """What holds today or later of one person, or of everybody, by name and first day.

    With the shifts of the next eight weeks that fall into it.
    """
    today = now.astimezone(tz).date()
    rows = session.scalars(
        select(Unavailability)
        .join(Unavailability.staff)
        .where(
            or_(Unavailability.until_on.is_(None), Unavailability.until_on >= today),
            Staff.is_active,
            *([Unavailability.staff_id == staff_id] if staff_id is not None else []),
        )
        .order_by(Staff.name, Staff.id, Unavailability.from_on, Unavailability.id)
    ).all()
    held = _held(session, {row.staff_id for row in rows}, now=now, tz=tz)
    return [_line(row, held, tz) for row in rows]


def _held(session: Session, ids: set[int], *, now: datetime, tz: tzinfo) -> list[Duties]:
    if not ids:
        return []
    shifts, _ = resolve(session, now, now + LOOK_AHEAD, tz=tz)
    return [Duties(s.start, s.end, s.staff_id) for s in shifts if s.staff_id in ids]


def _line(row: Unavailability, held: list[Duties], tz: tzinfo) -> StatedLine:
    stated = _stated(row, tz)
    met = find_conflicts([one for one in held if one.staff_id == row.staff_id], [stated], tz=tz)
    shifts = met[0].met if met else ()
    return StatedLine(
        row.id,
        row.staff_id,
        row.staff.name,
        cannot_work_in_words(stated),
        dates_in_words(stated),
        tuple(span_in_words(one.start, one.end, tz=tz) for one in shifts),
    )


def _record(
    session: Session, action: str, row: Unavailability, *, actor_id: int, now: datetime
) -> None:
    audit.record(
        session, action, subject=Unavailability.__tablename__, subject_id=row.id,
        actor_id=actor_id, now=now, staff_id=row.staff_id, weekdays=row.weekdays,
        starts=f"{row.starts:%H:%M}", ends=f"{row.ends:%H:%M}", from_on=row.from_on.isoformat(),
        until_on=row.until_on.isoformat() if row.until_on else None,
    )  # fmt: skip
