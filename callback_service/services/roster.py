"""The rota as people look at it: by person over some days, by hour, and who is on now and next."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.cover import Stretch, gaps
from callback_service.domain.rota import Duty, Source
from callback_service.domain.rota_changes import Leave, OpenShift, Override, OverrideKind
from callback_service.domain.staff import Role
from callback_service.domain.wall_time import ONE_DAY, WEEK, start_of_day
from callback_service.models.staff import Staff
from callback_service.services.cover import cover_of
from callback_service.services.rota import (
    Person,
    RotaShift,
    resolve,
    running,
    starting_next,
    with_people,
)
from callback_service.services.rota_change_rows import load_changes


@dataclass(frozen=True, slots=True)
class Away:
    """Somebody who does not work over ``[start, end)``; from every duty where ``duty`` is None.

    Says nothing of why: that is for managers, on the page of changes.
    """

    person: Person
    duty: Duty | None
    start: datetime
    end: datetime
    source: Source

    @property
    def is_leave(self) -> bool:
        """Whether they are away altogether, and not just taken off one duty."""
        return self.duty is None


@dataclass(frozen=True, slots=True)
class Line:
    """What one person works at one duty, and when not. ``person`` None: nobody holds it yet."""

    person: Person | None
    shifts: list[RotaShift] = field(default_factory=list)
    away: list[Away] = field(default_factory=list)

    def time_in(self, start: datetime, end: datetime) -> timedelta:
        """How long the shifts last inside ``[start, end)``, as time passes."""
        inside = (min(one.end, end) - max(one.start, start) for one in self.shifts)
        return sum(inside, timedelta(0))


@dataclass(frozen=True, slots=True)
class Board:
    """One duty over some whole local days. Lines in order of name, that of nobody first."""

    duty: Duty
    start: datetime
    end: datetime
    lines: list[Line]
    cover: list[Stretch]


def boards(
    session: Session,
    first: date,
    days: int,
    *,
    tz: tzinfo,
    duties: Collection[Duty] = tuple(Duty),
    person_id: int | None = None,
) -> list[Board]:
    """Each of ``duties`` over ``days`` local days from ``first``: of everybody, or of one person.

    A shift that began before is there with its true start. Cover is always that of everybody.
    """
    start, end = start_of_day(first, tz=tz), start_of_day(first + ONE_DAY * days, tz=tz)
    shifts, people = resolve(session, start, end, tz=tz)
    known = with_people(shifts, people)
    away = list(_away(session, start, end, people))
    leads = _managers(session, {one.person.id for one in away if one.is_leave})
    return [
        Board(
            duty,
            start,
            end,
            _lines(duty, known, away, leads, person_id),
            cover_of(session, shifts, start, end, tz=tz, duty=duty),
        )
        for duty in Duty
        if duty in duties
    ]


def _lines(
    duty: Duty,
    shifts: Iterable[RotaShift],
    away: Iterable[Away],
    leads: Collection[int],
    person_id: int | None,
) -> list[Line]:
    lines: dict[int | None, Line] = {}
    for shift in shifts:
        if shift.duty is duty:
            lines.setdefault(shift.staff_id, Line(shift.person)).shifts.append(shift)
    for one in away:
        is_here = one.duty is duty or (one.is_leave and (one.person.id in leads) is _leads(duty))
        if is_here or (one.is_leave and one.person.id in lines):
            lines.setdefault(one.person.id, Line(one.person)).away.append(one)
    wanted = (line for key, line in lines.items() if person_id is None or key == person_id)
    return sorted(wanted, key=_by_name)


def _leads(duty: Duty) -> bool:
    return duty is Duty.DUTY_LEAD


def _by_name(line: Line) -> tuple[str, int]:
    return (line.person.name.casefold(), line.person.id) if line.person else ("", 0)


def _away(
    session: Session, start: datetime, end: datetime, people: dict[int, Person]
) -> Iterator[Away]:
    """Who is on leave, taken off or replaced somewhere in the range; without disabled accounts."""
    for change in load_changes(session, start, end):
        if isinstance(change, OpenShift) or change.staff_id not in people:
            continue
        person = people[change.staff_id]
        if isinstance(change, Leave):
            yield Away(person, None, change.start, change.end, Source.OVERRIDE)
        elif isinstance(change, Override) and change.kind is not OverrideKind.ADD:
            yield Away(person, change.duty, change.start, change.end, change.source)


def _managers(session: Session, ids: Collection[int]) -> set[int]:
    """Which of the people are managers: their leave stands with the duty leads."""
    managers = select(Staff.id).where(Staff.id.in_(ids), Staff.role == Role.MANAGER)
    return set(session.scalars(managers)) if ids else set()


@dataclass(frozen=True, slots=True)
class Watch:
    """One duty from now on: who is on, who starts next (all at one instant), and the next gap."""

    on_now: list[RotaShift]
    next_on: list[RotaShift]
    gap: Stretch | None


def watches(
    session: Session, *, now: datetime, tz: tzinfo, ahead: timedelta = WEEK
) -> dict[Duty, Watch]:
    """For each duty who is on now and next, and the first gap; a week ahead unless told."""
    shifts, people = resolve(session, now, now + ahead, tz=tz)
    return {
        duty: Watch(
            running(shifts, people, at=now, duty=duty),
            starting_next(shifts, people, after=now, duty=duty),
            next(iter(gaps(cover_of(session, shifts, now, now + ahead, tz=tz, duty=duty))), None),
        )
        for duty in Duty
    }
