"""The rota: shift patterns in wall time become shifts in instants.

Patterns are local wall time in one zone; shifts are aware UTC instants, half-open ``[start, end)``.

How wall time meets a clock change is said in ``domain.wall_time``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from enum import StrEnum
from typing import NamedTuple, Protocol

from callback_service.domain.staff import Role
from callback_service.domain.wall_time import ONE_DAY, Calendar, Span

#: How far outside a range something may be that decides what a shift inside it looks like: one
#: shift of a day next to another.
MARGIN = 3 * ONE_DAY


class Duty(StrEnum):
    """What somebody is on shift for. Only counselling is cover."""

    COUNSELLING = "counselling"
    DUTY_LEAD = "duty_lead"


#: Whom each duty may be given to. An administrator sees no callers, so has none.
MAY_HOLD = {
    Duty.COUNSELLING: frozenset({Role.COUNSELLOR, Role.MANAGER}),
    Duty.DUTY_LEAD: frozenset({Role.MANAGER}),
}


class Source(StrEnum):
    """Which part of the rota a shift comes from."""

    PATTERN = "pattern"
    OVERRIDE = "override"
    SWAP = "swap"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One recurring line of the rota.

    ``weekdays`` are the days a shift starts on, Monday is 0. ``start`` and ``end`` are wall time:
    an end at or before the start is on the next day, so equal times are 24 hours. ``from_on`` and
    ``until_on`` are the first and the last day a shift may start on; without the latter it goes on.
    """

    id: int | None
    staff_id: int | None
    duty: Duty
    weekdays: frozenset[int]
    start: time
    end: time
    from_on: date
    until_on: date | None = None


class Shift(NamedTuple):
    """One person on one duty over ``[start, end)``, UTC. ``staff_id`` None: nobody holds it yet."""

    staff_id: int | None
    duty: Duty
    start: datetime
    end: datetime
    source: Source
    pattern_id: int | None


class Amendments(Protocol):
    """What beats the patterns for given dates; see ``domain.rota_changes``."""

    def amend(self, shifts: list[Shift]) -> list[Shift]: ...


def resolve_shifts(
    patterns: Iterable[Pattern],
    start: datetime,
    end: datetime,
    *,
    tz: tzinfo,
    changes: Amendments | None = None,
) -> list[Shift]:
    """Every shift that meets ``[start, end)``, whole (use ``clip`` to cut), in order of start.

    This is the one resolver: pages, planner, commands and reports all use it. ``start`` and ``end``
    are aware instants, ``tz`` is the zone of the wall times; naive instants raise ValueError. The
    same facts give the same list. A span that a clock change leaves with no length is no shift.
    ``changes`` beat patterns; those within ``MARGIN`` of the range are needed. Nobody is on one
    duty twice at once, not even in the hour that the clocks repeat: see ``without_overlaps``.
    """
    calendar = Calendar(start - MARGIN, end + MARGIN, tz=tz)
    if start >= end:
        return []
    planned = [
        Shift(pattern.staff_id, pattern.duty, starts, ends, Source.PATTERN, pattern.id)
        for pattern in patterns
        for starts, ends in calendar.spans(pattern)
    ]
    shifts = without_overlaps(sorted(planned, key=order_of))
    if changes is not None:
        shifts = changes.amend(shifts)
    return [shift for shift in shifts if shift.start < end and shift.end > start]


def order_of(shift: Shift) -> tuple[datetime, datetime, str, int, int]:
    """What shifts are sorted by: their start, and then whatever makes the order certain."""
    return shift.start, shift.end, shift.duty, shift.staff_id or 0, shift.pattern_id or 0


def without_overlaps(shifts: list[Shift]) -> list[Shift]:
    """``shifts``, in order, so that nobody is on one duty twice at once: the later one counts.

    Where two of one person overlap, the one that starts later is kept whole and the other is cut to
    what is left of it. So the time on duty stays the same and no minute is held twice. Shifts
    that nobody holds may overlap.
    """
    ends: dict[tuple[int | None, Duty], datetime] = {}
    doubled = set()
    for shift in shifts:
        who = shift.staff_id, shift.duty
        reached = ends.get(who)
        if reached is None or shift.end > reached:
            ends[who] = shift.end
        if reached is not None and shift.start < reached and shift.staff_id is not None:
            doubled.add(who)
    if not doubled:
        return shifts
    kept = [shift for shift in shifts if (shift.staff_id, shift.duty) not in doubled]
    for who in doubled:
        own = [shift for shift in shifts if (shift.staff_id, shift.duty) == who]
        kept += [
            piece
            for place, shift in enumerate(own)
            for piece in cut(shift, _over(shift, own, place))
        ]
    return sorted(kept, key=order_of)


def _over(shift: Shift, own: list[Shift], place: int) -> list[Span]:
    """The spans of the later shifts in ``own`` that begin before the one at ``place`` ends."""
    found = []
    for later in own[place + 1 :]:
        if later.start >= shift.end:
            break
        found.append((later.start, later.end))
    return found


def cut(shift: Shift, spans: Iterable[Span]) -> list[Shift]:
    """What is left of ``shift`` without ``spans``, in order. ``spans`` are in order of start."""
    left = []
    reached = shift.start
    for start, end in spans:
        if end <= reached or start >= shift.end:
            continue
        if start > reached:
            left.append(shift._replace(start=reached, end=start))
        reached = max(reached, end)
    if reached < shift.end:
        left.append(shift._replace(start=reached))
    return left


def clip(shifts: Iterable[Shift], start: datetime, end: datetime) -> list[Shift]:
    """The parts of ``shifts`` inside ``[start, end)``, in the order given; what is outside goes."""
    return [
        shift._replace(start=max(shift.start, start), end=min(shift.end, end))
        for shift in shifts
        if shift.start < end and shift.end > start
    ]


def on_duty(shifts: Iterable[Shift], at: datetime, duty: Duty = Duty.COUNSELLING) -> list[Shift]:
    """The shifts of ``duty`` that run at the instant ``at``; a shift that ends then is over."""
    return [shift for shift in shifts if shift.duty is duty and shift.start <= at < shift.end]


def first_clash(pattern: Pattern, others: Iterable[Pattern]) -> Pattern | None:
    """The first of ``others`` whose shifts overlap those of ``pattern`` in wall time, or None.

    Wall time, because the hour that adjacent shifts share when the clocks go back is no clash.
    """
    return next((other for other in others if _clash(pattern, other)), None)


def _clash(one: Pattern, other: Pattern) -> bool:
    # Both repeat weekly, so nine days from the first shared one show every way they can meet.
    shared_on = max(one.from_on, other.from_on)
    start = datetime.combine(shared_on - ONE_DAY, time(0), tzinfo=UTC)
    calendar = Calendar(start, start + 9 * ONE_DAY, tz=UTC)
    return any(
        max(starts, others_start) < min(ends, others_end)
        for starts, ends in calendar.spans(one)
        for others_start, others_end in calendar.spans(other)
    )
