"""The rota: shift patterns in wall time become shifts in instants.

Patterns are local wall time in one zone; shifts are aware UTC instants, half-open ``[start, end)``.

The rule for clock changes is GoAlert's (target/goalert, ``util/timeutil/clock.go`` and its pull
request 1252): a span starts at the *first* occurrence of its wall time and ends at the *last*. So
where the clocks go back two adjacent shifts overlap for an hour, and where they go forward, a wall
time that is skipped is the instant of the jump at both ends: adjacent shifts always meet, and a
clock change never opens a gap.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import NamedTuple, Protocol

from callback_service.domain.staff import Role

#: A span of instants, half-open.
Span = tuple[datetime, datetime]

ONE_DAY = timedelta(days=1)
WEEK = timedelta(days=7)
#: How far outside a range something may be that decides what a shift inside it looks like: one
#: shift of a day next to another.
MARGIN = 3 * ONE_DAY
EVERY_DAY = frozenset(range(7))
WEEKDAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


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


class Weekly(Protocol):
    """A wall-time span that recurs on weekdays between two dates."""

    @property
    def weekdays(self) -> frozenset[int]: ...
    @property
    def start(self) -> time: ...
    @property
    def end(self) -> time: ...
    @property
    def from_on(self) -> date: ...
    @property
    def until_on(self) -> date | None: ...


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


class Calendar:
    """Weekly wall-time spans as instants over ``[start, end)``; each shape is worked out once."""

    def __init__(self, start: datetime, end: datetime, *, tz: tzinfo) -> None:
        if start.tzinfo is None or end.tzinfo is None:
            raise ValueError("the rota needs aware instants")
        self._start, self._end, self._tz = start, end, tz
        self._shapes: dict[tuple[frozenset[int], time, time], tuple[list[date], list[Span]]] = {}

    def spans(self, weekly: Weekly) -> list[Span]:
        """The spans of ``weekly`` that meet the range, whole, in order; UTC, half-open."""
        shape = weekly.weekdays, weekly.start, weekly.end
        if shape not in self._shapes:
            self._shapes[shape] = self._expand(*shape)
        days, spans = self._shapes[shape]
        until = len(days) if weekly.until_on is None else bisect_right(days, weekly.until_on)
        return spans[bisect_left(days, weekly.from_on) : until]

    def _expand(
        self, weekdays: frozenset[int], start: time, end: time
    ) -> tuple[list[date], list[Span]]:
        days: list[date] = []
        spans: list[Span] = []
        for day in self._days():
            if day.weekday() not in weekdays:
                continue
            starts, ends = wall_span(day, start, end, tz=self._tz)
            if max(starts, self._start) < min(ends, self._end):
                days.append(day)
                spans.append((starts, ends))
        return days, spans

    def _days(self) -> Iterable[date]:
        """Each local day on which a span that meets the range can start."""
        if self._start >= self._end:
            return
        day = self._start.astimezone(self._tz).date() - 2 * ONE_DAY
        last = self._end.astimezone(self._tz).date()
        while day <= last:
            yield day
            day += ONE_DAY


def wall_span(day: date, start: time, end: time, *, tz: tzinfo) -> Span:
    """The instants of a wall-time span that starts on ``day``, by the rule of this module; UTC.

    ``end <= start`` ends on the next day. The span is empty where a clock change skips all of it.
    """
    ends_on = day if end > start else day + ONE_DAY
    return first_instant(day, start, tz=tz), last_instant(ends_on, end, tz=tz)


def first_instant(day: date, wall: time, *, tz: tzinfo) -> datetime:
    """When the clock first shows ``wall`` on ``day``; the jump itself where it is skipped. UTC."""
    return _instants(day, wall, tz)[0]


def last_instant(day: date, wall: time, *, tz: tzinfo) -> datetime:
    """When the clock last shows ``wall`` on ``day``; the jump itself where it is skipped. UTC."""
    return _instants(day, wall, tz)[1]


def _instants(day: date, wall: time, tz: tzinfo) -> Span:
    first = datetime.combine(day, wall.replace(fold=0), tzinfo=tz).astimezone(UTC)
    last = datetime.combine(day, wall.replace(fold=1), tzinfo=tz).astimezone(UTC)
    if first <= last:
        return first, last
    jump = _jump_between(
        last, first, tz
    )  # PEP 495: a skipped time has its folds the wrong way round
    return jump, jump


def _jump_between(before: datetime, after: datetime, tz: tzinfo) -> datetime:
    """The instant in ``(before, after]`` at which ``tz`` changes its offset, to the second."""
    new_offset = after.astimezone(tz).utcoffset()
    low, high = 0, round((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if (before + timedelta(seconds=middle)).astimezone(tz).utcoffset() == new_offset:
            high = middle
        else:
            low = middle
    return before + timedelta(seconds=high)


def start_of_day(day: date, *, tz: tzinfo) -> datetime:
    """The instant the local ``day`` begins, UTC. Days so bounded are 23, 24 or 25 hours long."""
    return first_instant(day, time(0), tz=tz)


def monday_of(day: date) -> date:
    """The Monday of the week that ``day`` is in."""
    return day - timedelta(days=day.weekday())


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


def weekdays_from_mask(mask: int) -> frozenset[int]:
    """The weekdays of a stored mask: bit 0 is Monday. Raises ValueError outside 1 to 127."""
    if not 1 <= mask <= 127:
        raise ValueError(f"no weekday mask: {mask}")
    return frozenset(day for day in range(7) if mask >> day & 1)


def mask_from_weekdays(weekdays: Iterable[int]) -> int:
    """The stored mask of a set of weekdays: bit 0 is Monday. Raises ValueError outside 0 to 6."""
    days = frozenset(weekdays)
    if not days or not days <= EVERY_DAY:
        raise ValueError(f"no weekdays: {sorted(days)}")
    return sum(1 << day for day in days)


def weekdays_in_words(weekdays: frozenset[int]) -> str:
    """A set of weekdays for people: "every day", "Monday to Friday", "Tuesday and Sunday"."""
    if weekdays == EVERY_DAY:
        return "every day"
    days = sorted(weekdays)
    names = [WEEKDAY_NAMES[day] for day in days]
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1:
        return f"{names[0]} to {names[-1]}"
    return _joined(names)


def _joined(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def day_in_words(day: date) -> str:
    """A date for people, without its year: "Saturday 28 November"."""
    return f"{WEEKDAY_NAMES[day.weekday()]} {day.day} {day:%B}"


def weekly_in_words(weekly: Weekly) -> str:
    """A weekly span for people: "Monday to Friday, 23:00 to 07:00, from 2 November 2026"."""
    words = f"{weekdays_in_words(weekly.weekdays)}, {weekly.start:%H:%M} to {weekly.end:%H:%M}"
    words += f", from {weekly.from_on.day} {weekly.from_on:%B %Y}"
    if weekly.until_on is None:
        return words
    return f"{words} until {weekly.until_on.day} {weekly.until_on:%B %Y}"
