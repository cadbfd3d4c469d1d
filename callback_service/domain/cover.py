"""Cover against requirement: how many people are on shift at each instant, and how many are needed.

Cover is a headcount of distinct people at an instant, never a sum of hours: two people from 00:00
to 12:00 do not make a whole day. Instants are aware UTC, spans half-open ``[start, end)``;
requirements are wall time, resolved by the rule of ``domain.rota``. Those for a skill are counted
by themselves: see ``domain.cover_by_skill``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from itertools import pairwise
from typing import ClassVar, NamedTuple

from callback_service.domain.rota import Duty, Shift
from callback_service.domain.skills import Skill
from callback_service.domain.spans import joined, without
from callback_service.domain.wall_time import Calendar, Span, wall_span

#: People needed where no requirement is stated: a 24-hour helpline needs one at every minute, so an
#: empty rota is one long gap (source: the service's design, promise 1).
DEFAULT_NEED = 1


class AppliesOn(StrEnum):
    """Which days a requirement is for. A later of these beats an earlier where both hold."""

    WEEKDAYS = "weekdays"
    BANK_HOLIDAYS = "bank_holidays"
    DATES = "dates"


@dataclass(frozen=True, slots=True)
class Requirement:
    """How many people are needed, by day and wall time; times and dates as in ``Pattern``.

    One for dates holds on each day from ``from_on`` to ``until_on``; one for bank holidays on
    those of ``bank_holidays`` between them. Neither looks at ``weekdays``. With a ``skill`` it says
    how many of those on shift must have it.
    """

    id: int | None
    weekdays: frozenset[int]
    start: time
    end: time
    needed: int
    from_on: date
    until_on: date | None = None
    applies_on: AppliesOn = AppliesOn.WEEKDAYS
    bank_holidays: frozenset[date] = frozenset()
    skill: Skill | None = None
    cycle: ClassVar[None] = None


class Stretch(NamedTuple):
    """A span over which neither figure changes. Figures are people."""

    start: datetime
    end: datetime
    required: int
    on_shift: int

    @property
    def short(self) -> int:
        """How many people are missing; 0 where there are enough."""
        return max(0, self.required - self.on_shift)


def cover(
    shifts: Iterable[Shift],
    requirements: Iterable[Requirement],
    start: datetime,
    end: datetime,
    *,
    tz: tzinfo,
    duty: Duty = Duty.COUNSELLING,
) -> list[Stretch]:
    """Cover over ``[start, end)``: touching stretches that tile the range, each as long as can be.

    Counts distinct people with a shift of ``duty``; a shift nobody holds is no cover. Where
    requirements overlap one for dates beats one for bank holidays, and that one a weekly one; of
    the same kind the larger counts. Where none is stated ``DEFAULT_NEED`` does. Requirements for a
    skill are not looked at. An empty range has no stretches; naive instants raise ValueError.
    """
    calendar = Calendar(start, end, tz=tz)
    people = [
        (shift.start, shift.end, shift.staff_id)
        for shift in shifts
        if shift.duty is duty and shift.staff_id is not None
    ]
    needs = in_force((need for need in requirements if need.skill is None), calendar, tz)
    return merged(sweep(people, needs, start, end, default_need=DEFAULT_NEED))


#: Something that holds over a span: a person's id who is on shift, or a number of people needed.
Held = tuple[datetime, datetime, int]


def in_force(requirements: Iterable[Requirement], calendar: Calendar, tz: tzinfo) -> list[Held]:
    """Each requirement over the time in which none of a kind that beats it holds."""
    by_kind: dict[AppliesOn, list[Held]] = {kind: [] for kind in AppliesOn}
    for need in requirements:
        by_kind[need.applies_on] += [(*span, need.needed) for span in _spans_of(need, calendar, tz)]
    in_force: list[Held] = []
    beaten_by: list[Span] = []
    for kind in reversed(AppliesOn):
        held = by_kind[kind]
        in_force += _outside(held, beaten_by) if beaten_by else held
        beaten_by = joined([*beaten_by, *((start, end) for start, end, _ in held)])
    return in_force


def _spans_of(need: Requirement, calendar: Calendar, tz: tzinfo) -> list[Span]:
    if need.applies_on is not AppliesOn.BANK_HOLIDAYS:
        return calendar.spans(need)
    return [
        wall_span(day, need.start, need.end, tz=tz)
        for day in sorted(need.bank_holidays)
        if need.from_on <= day and (need.until_on is None or day <= need.until_on)
    ]


def _outside(held: Iterable[Held], beaten_by: Sequence[Span]) -> list[Held]:
    return [
        (*span, needed) for start, end, needed in held for span in without((start, end), beaten_by)
    ]


def sweep(
    people: Sequence[Held],
    needs: Sequence[Held],
    start: datetime,
    end: datetime,
    *,
    default_need: int,
) -> Iterator[Stretch]:
    """Walk the instants at which something begins or ends, keeping what holds between two."""
    changes = sorted([*_changes(people, 0), *_changes(needs, 1)])
    held: tuple[Counter[int], Counter[int]] = Counter(), Counter()
    edges = sorted({start, end, *(at for at, *_ in changes if start < at < end)})
    done = 0
    for since, until in pairwise(edges):
        while done < len(changes) and changes[done][0] <= since:
            _, kind, step, what = changes[done]
            held[kind][what] += step
            if not held[kind][what]:
                del held[kind][what]
            done += 1
        yield Stretch(
            since, until, required=max(held[1], default=default_need), on_shift=len(held[0])
        )


def _changes(held: Iterable[Held], kind: int) -> Iterator[tuple[datetime, int, int, int]]:
    for start, end, what in held:
        if start < end:
            yield start, kind, 1, what
            yield end, kind, -1, what


def merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    """``stretches`` with touching ones of equal figures joined."""
    whole: list[Stretch] = []
    for stretch in stretches:
        if whole and (whole[-1].end, *whole[-1][2:]) == (stretch.start, *stretch[2:]):
            whole[-1] = whole[-1]._replace(end=stretch.end)
        else:
            whole.append(stretch)
    return whole


def cover_by_step(
    shifts: Iterable[Shift],
    requirements: Iterable[Requirement],
    start: datetime,
    end: datetime,
    *,
    tz: tzinfo,
    step: timedelta,
    duty: Duty = Duty.COUNSELLING,
) -> list[Stretch]:
    """Cover in steps of elapsed time from ``start``; the last step may be cut at ``end``.

    A step shows the figures of its *worst moment*: the one with the fewest people to spare, the
    earliest such. Nothing is averaged, so one minute without cover shows. Raises ValueError for a
    step that is not positive.
    """
    edges = step_edges(start, end, step)
    return worst_moments(cover(shifts, requirements, start, end, tz=tz, duty=duty), edges)


def step_edges(start: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """Where steps of elapsed time begin, and ``end``; ValueError for one that is not positive."""
    if step <= timedelta(0):
        raise ValueError("a step must be longer than nothing")
    return [*(start + step * count for count in range(-(-(end - start) // step))), end]


def worst_moments(stretches: Sequence[Stretch], edges: Sequence[datetime]) -> list[Stretch]:
    """One row for each two neighbouring ``edges``, with the figures of its worst moment.

    ``stretches`` must tile the range from the first edge to the last.
    """
    rows: list[Stretch] = []
    at = 0
    for start, end in pairwise(edges):
        while stretches[at].end <= start:
            at += 1
        worst = stretches[at]
        ahead = at
        while ahead < len(stretches) and stretches[ahead].start < end:
            worst = min(worst, stretches[ahead], key=to_spare)
            ahead += 1
        rows.append(worst._replace(start=start, end=end))
    return rows


def to_spare(stretch: Stretch) -> int:
    """How many more people there are than needed; below 0 where some are missing."""
    return stretch.on_shift - stretch.required


def gaps(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The stretches with fewer people than are needed."""
    return [stretch for stretch in stretches if stretch.short]


def new_gaps(before: Sequence[Stretch], after: Sequence[Stretch]) -> list[Stretch]:
    """Where ``after`` is shorter of people than ``before``, with the figures of ``after``.

    Both must tile the same range.
    """
    found = []
    at = 0
    for stretch in after:
        while before[at].end <= stretch.start:
            at += 1
        ahead = at
        while ahead < len(before) and before[ahead].start < stretch.end:
            was = before[ahead]
            if stretch.short > was.short:
                start, end = max(stretch.start, was.start), min(stretch.end, was.end)
                found.append(stretch._replace(start=start, end=end))
            ahead += 1
    return merged(found)
