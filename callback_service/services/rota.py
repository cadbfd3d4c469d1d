"""The rota: who is on shift when."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import groupby
from operator import attrgetter

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, selectinload

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
from callback_service.models.rota import ShiftPattern
from callback_service.models.staff import Staff
from callback_service.services.rota_change_rows import load_changes, people_in, replaced_in


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on the rota."""

    id: int
    name: str
    email: str


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
    proposed: Collection[Change] = (),
) -> tuple[list[Shift], dict[int, Person]]:
    """Every shift that meets ``[start, end)`` from all that is stored, and its people by id.

    Everything that looks at the rota looks here. ``proposed`` changes count as if they were stored.
    A shift of an account that is not active is no shift: who cannot sign in is no cover.
    """
    first, last = start - MARGIN, end + MARGIN
    changes = [*load_changes(session, first, last, duty=duty), *proposed]
    patterns, people = load_patterns(session, first, last, duty=duty, also_of=replaced_in(changes))
    if missing := people_in(changes) - people.keys():
        people |= _active_people(session, missing)
    shifts = resolve_shifts(patterns, start, end, tz=tz, changes=ChangeSet(changes))
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
) -> tuple[list[Pattern], dict[int, Person]]:
    """The patterns that may have a shift in ``[start, end)``, and the people in them by id.

    Only of active accounts; and the patterns, not the people, of the accounts ``also_of``: the
    shifts of somebody who has left may be worked by who stands in.
    """
    rows = session.scalars(
        select(ShiftPattern)
        .where(
            ShiftPattern.from_on <= end.astimezone(UTC).date() + ONE_DAY,
            or_(
                ShiftPattern.until_on.is_(None),
                ShiftPattern.until_on >= start.astimezone(UTC).date() - 3 * ONE_DAY,
            ),
            *([ShiftPattern.duty == duty] if duty else []),
        )
        .options(selectinload(ShiftPattern.turns))
        .order_by(ShiftPattern.id)
    )
    lines = [line for row in rows for line in lines_of(row)]
    people = _active_people(session, {line.staff_id for line in lines if line.staff_id is not None})
    counted = people.keys() | set(also_of)
    return [line for line in lines if line.staff_id in counted], people


def lines_of(row: ShiftPattern) -> list[Pattern]:
    """The stored line as the domain knows it: one pattern, or one for each person of a rotation."""
    if row.staff_id is None:
        return rotation_of(row).lines()
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
    if row.counted_in is None:
        raise RuntimeError("a line of one person is no rotation")
    turns = [
        Turn(frozenset(one.staff_id for one in team if one.staff_id is not None), team[0].length)
        for team in (list(team) for _, team in groupby(row.turns, key=attrgetter("place")))
    ]
    return Rotation(
        row.id, row.duty, weekdays_from_mask(row.weekdays), row.starts, row.ends,
        row.from_on, row.until_on, row.cycle_from_on, row.counted_in, tuple(turns),
    )  # fmt: skip


def shifts_between(
    session: Session,
    start: datetime,
    end: datetime,
    *,
    tz: tzinfo,
    duty: Duty | None = None,
    proposed: Collection[Change] = (),
) -> list[RotaShift]:
    """Every shift that meets ``[start, end)``, whole, in order; of one duty, or of all."""
    return with_people(*resolve(session, start, end, tz=tz, duty=duty, proposed=proposed))


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
