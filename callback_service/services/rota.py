"""The rota: who is on shift when."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select
from sqlalchemy.orm import Session

from callback_service.domain.rota import (
    MARGIN,
    Duty,
    Pattern,
    Shift,
    Source,
    on_duty,
    resolve_shifts,
)
from callback_service.domain.rota_changes import Change, ChangeSet
from callback_service.domain.rotations import Rotation, Turn
from callback_service.domain.wall_time import (
    ONE_DAY,
    Cycle,
    weekdays_from_mask,
)
from callback_service.models.rota import ShiftPattern, ShiftTurn
from callback_service.models.staff import Staff
from callback_service.services import plain_rows
from callback_service.services.rota_change_rows import load_changes, people_in, replaced_in

#: What makes a line, and not who wrote it down.
_LINE: Final = (
    ShiftPattern.id, ShiftPattern.staff_id, ShiftPattern.duty, ShiftPattern.weekdays,
    ShiftPattern.starts, ShiftPattern.ends, ShiftPattern.from_on, ShiftPattern.until_on,
    ShiftPattern.cycle_from_on, ShiftPattern.cycle_days, ShiftPattern.cycle_on_days,
    ShiftPattern.counted_in,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on the rota."""

    id: int
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a stored line of the rota: its last shift starts on ``last_on``."""

    pattern_id: int
    last_on: date


#: What may count as if it were stored: a change for given dates, a new line, the end of a line.
Proposal = Change | Pattern | Ending


@dataclass(frozen=True, slots=True)
class RotaShift:
    """A shift with the person who holds it; None where nobody does yet. ``[start, end)``, UTC."""

    person: Person | None
    duty: Duty
    start: datetime
    end: datetime
    source: Source
    pattern_id: int | None

    @property
    def staff_id(self) -> int | None:
        """Whose shift it is."""
        return self.person.id if self.person else None


def resolve(
    session: Session,
    start: datetime,
    end: datetime,
    *,
    tz: tzinfo,
    duty: Duty | None = None,
    proposed: Collection[Proposal] = (),
    only: Collection[int] | None = None,
) -> tuple[list[Shift], dict[int, Person]]:
    """Every shift that meets ``[start, end)`` from all that is stored, and its people by id.

    Everything that looks at the rota looks here. What is ``proposed`` counts as if it were stored.
    ``only`` the shifts of these people, unless all are wanted.
    A shift of an account that is not active is no shift: who cannot sign in is no cover.
    """
    first, last = start - MARGIN, end + MARGIN
    changes = load_changes(session, first, last, duty=duty)
    changes += [one for one in proposed if isinstance(one, Change)]
    replaced = replaced_in(changes)
    patterns, people = load_patterns(
        session, first, last, duty=duty, also_of=replaced, only=only, proposed=proposed
    )
    if missing := people_in(changes) - people.keys():
        people |= _active_people(session, missing)
    shifts = resolve_shifts(patterns, start, end, tz=tz, changes=ChangeSet(changes))
    if only is not None:
        wanted = people.keys() & set(only)
        return [shift for shift in shifts if shift.staff_id in wanted], people
    return [s for s in shifts if s.staff_id is None or s.staff_id in people], people


def _active_people(session: Session, ids: Collection[int]) -> dict[int, Person]:
    rows = session.execute(
        select(Staff.id, Staff.name, Staff.email).where(Staff.id.in_(ids), Staff.is_active)
    )
    return {row.id: Person(row.id, row.name, row.email) for row in rows}


def load_patterns(
    session: Session,
    start: datetime,
    end: datetime,
    *,
    duty: Duty | None = None,
    also_of: Collection[int] = (),
    only: Collection[int] | None = None,
    proposed: Collection[Proposal] = (),
) -> tuple[list[Pattern], dict[int, Person]]:
    """The patterns that may have a shift in ``[start, end)``, and the people in them by id.

    Only of active accounts; and the patterns, not the people, of the accounts ``also_of``: the
    shifts of somebody who has left may be worked by who stands in. ``only`` these people's, and
    those of ``also_of``, unless all are wanted.
    """
    stored = _going_on(duty)
    if only is not None:
        stored = stored.where(is_worked_by({*only, *also_of}))
    days = {
        "first_on": start.astimezone(UTC).date() - 3 * ONE_DAY,
        "last_on": end.astimezone(UTC).date() + ONE_DAY,
    }
    lines, people = _read(plain_rows.rows(session, stored, days))
    if proposed:
        lines = as_proposed(lines, proposed, duty)
        theirs = {line.staff_id for line in lines if line.staff_id is not None}
        people = _active_people(session, theirs)
    counted = people.keys() | set(also_of)
    return [line for line in lines if line.staff_id in counted], people


def _read(found: Iterable[Any]) -> tuple[list[Pattern], dict[int, Person]]:
    """The lines in rows of ``_going_on``, and who of their people has an active account."""
    rows = list(found)
    people = {
        row.person_id: Person(row.person_id, row.person_name, row.person_email)
        for row in rows
        if row.person_id is not None
    }
    lines = list[Pattern]()
    for _, of_one in groupby(rows, key=attrgetter("id")):
        own = list(of_one)
        turns = [_Turned(row.place, row.length, row.in_turn_id) for row in own]
        lines += _lines(own[0], turns)
    return lines, people


def is_worked_by(staff_ids: Collection[int]) -> ColumnElement[bool]:
    """Whether a stored line is worked by any of these people, alone or in turn."""
    in_turn = ShiftPattern.turns.any(ShiftTurn.staff_id.in_(staff_ids))
    return or_(ShiftPattern.staff_id.in_(staff_ids), in_turn)


def as_proposed(
    lines: Iterable[Pattern], proposed: Collection[Proposal], duty: Duty | None = None
) -> list[Pattern]:
    """The lines with the ends and the further lines that are proposed."""
    ends = {one.pattern_id: one.last_on for one in proposed if isinstance(one, Ending)}
    kept = [
        replace(line, until_on=min(ends[line.id], line.until_on or date.max))
        if line.id in ends
        else line
        for line in lines
    ]
    added = [one for one in proposed if isinstance(one, Pattern) and duty in {None, one.duty}]
    return [line for line in [*kept, *added] if (line.until_on or date.max) >= line.from_on]


@cache
def _going_on(duty: Duty | None) -> Select[*tuple[Any, ...]]:
    """The lines that may start a shift between two days, with their turns and people."""
    who = func.coalesce(ShiftTurn.staff_id, ShiftPattern.staff_id)
    return (
        select(
            *_LINE,
            ShiftTurn.place,
            ShiftTurn.length,
            ShiftTurn.staff_id.label("in_turn_id"),
            Staff.id.label("person_id"),
            Staff.name.label("person_name"),
            Staff.email.label("person_email"),
        )
        .outerjoin(ShiftTurn, ShiftTurn.pattern_id == ShiftPattern.id)
        .outerjoin(Staff, and_(Staff.id == who, Staff.is_active))
        .where(
            ShiftPattern.from_on <= bindparam("last_on"),
            or_(ShiftPattern.until_on.is_(None), ShiftPattern.until_on >= bindparam("first_on")),
            *([ShiftPattern.duty == duty] if duty else []),
        )
        .order_by(ShiftPattern.id, ShiftTurn.place, ShiftTurn.staff_id)
    )


class _Turned(NamedTuple):
    """What a rotation is made of, as ``ShiftTurn`` has it."""

    place: int
    length: int
    staff_id: int | None


def lines_of(row: ShiftPattern) -> list[Pattern]:
    """The stored line as the domain knows it: one pattern, or one for each person of a rotation."""
    return _lines(row, [_Turned(one.place, one.length, one.staff_id) for one in row.turns])


def _lines(row: Any, turns: Iterable[_Turned]) -> list[Pattern]:
    """The same of the columns of a line."""
    if row.staff_id is None:
        return _rotation(row, turns).lines()
    cycle = None
    if row.cycle_days is not None and row.cycle_on_days is not None:
        cycle = Cycle(row.cycle_from_on, row.cycle_days, frozenset(range(row.cycle_on_days)))
    return [
        Pattern(
            row.id, row.staff_id, row.duty, weekdays_from_mask(row.weekdays), row.starts, row.ends,
            row.from_on, row.until_on, cycle,
        )
    ]  # fmt: skip


def rotation_of(row: ShiftPattern) -> Rotation:
    """The stored rotation as the domain knows it."""
    return _rotation(row, [_Turned(one.place, one.length, one.staff_id) for one in row.turns])


def _rotation(row: Any, turns: Iterable[_Turned]) -> Rotation:
    if row.counted_in is None:
        raise RuntimeError("a line of one person is no rotation")
    teams = [
        Turn(frozenset(one.staff_id for one in team if one.staff_id is not None), team[0].length)
        for team in (list(team) for _, team in groupby(turns, key=attrgetter("place")))
    ]
    return Rotation(
        row.id, row.duty, weekdays_from_mask(row.weekdays), row.starts, row.ends,
        row.from_on, row.until_on, row.cycle_from_on, row.counted_in, tuple(teams),
    )  # fmt: skip


def shifts_between(
    session: Session,
    start: datetime,
    end: datetime,
    *,
    tz: tzinfo,
    duty: Duty | None = None,
    proposed: Collection[Proposal] = (),
    only: Collection[int] | None = None,
) -> list[RotaShift]:
    """Every shift that meets ``[start, end)``, whole, in order; of one duty, or of all."""
    return with_people(
        *resolve(session, start, end, tz=tz, duty=duty, proposed=proposed, only=only)
    )


def with_people(shifts: Iterable[Shift], people: dict[int, Person]) -> list[RotaShift]:
    """``shifts`` with the person of each; ``people`` by id, as from ``resolve``."""
    return [
        RotaShift(
            people[staff_id] if staff_id is not None else None, duty, start, end, source, pattern_id
        )
        for staff_id, duty, start, end, source, pattern_id in shifts
    ]


def on_now(
    session: Session, *, now: datetime, tz: tzinfo, duty: Duty = Duty.COUNSELLING
) -> list[RotaShift]:
    """The shifts of ``duty`` that run at ``now``, each person once: with the one that ends last."""
    shifts, people = resolve(session, now, now + timedelta(seconds=1), tz=tz, duty=duty)
    return running(shifts, people, at=now, duty=duty)


def running(
    shifts: Iterable[Shift], people: dict[int, Person], *, at: datetime, duty: Duty
) -> list[RotaShift]:
    """Those of the shifts that somebody works at ``at``: see ``on_now``."""
    held = [shift for shift in on_duty(shifts, at, duty) if shift.staff_id is not None]
    longest = {shift.staff_id: shift for shift in sorted(held, key=lambda shift: shift.end)}
    return sorted(with_people(longest.values(), people), key=_by_end_and_name)


def _by_end_and_name(shift: RotaShift) -> tuple[datetime, str]:
    return shift.end, shift.person.name if shift.person else ""


def starting_next(
    shifts: Iterable[Shift], people: dict[int, Person], *, after: datetime, duty: Duty
) -> list[RotaShift]:
    """Those of the shifts, in order, that somebody starts next after an instant, all at once."""
    later = [
        shift
        for shift in shifts
        if shift.duty is duty and shift.start > after and shift.staff_id is not None
    ]
    return with_people((shift for shift in later if shift.start == later[0].start), people)


def shifts_as_json(shifts: Sequence[RotaShift]) -> list[dict[str, object]]:
    """Shifts in the shape other systems rely on: the design's contract for ``rota shifts``."""
    return [
        {
            "start": zulu(shift.start),
            "end": zulu(shift.end),
            "counsellor": {
                "id": shift.person.id,
                "name": shift.person.name,
                "email": shift.person.email,
            }
            if shift.person
            else None,
            "source": shift.source.value,
        }
        for shift in shifts
    ]


def zulu(instant: datetime) -> str:
    """ISO 8601 in UTC with a Z: "2026-11-22T09:00:00Z"."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
