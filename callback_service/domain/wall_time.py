"""Wall time: weekly spans of one zone's clock as instants, and in words.

The rule for clock changes is GoAlert's (target/goalert, ``util/timeutil/clock.go`` and its pull
request 1252): a span starts at the *first* occurrence of its wall time and ends at the *last*. So
where the clocks go back two adjacent spans overlap for an hour, and where they go forward, a wall
time that is skipped is the instant of the jump at both ends: adjacent spans always meet, and a
clock change never opens a gap.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import NamedTuple, Protocol

#: A span of instants, half-open.
Span = tuple[datetime, datetime]

ONE_DAY = timedelta(days=1)
WEEK = timedelta(days=7)
EVERY_DAY = frozenset(range(7))
#: Days. Long enough for 52 people who take turns on weekdays.
LONGEST_CYCLE = 1000
#: Dates outside these are slips of the finger; beyond the calendar's end nothing can be counted.
EARLIEST, LATEST = date(1970, 1, 2), date(2200, 1, 1)
WEEKDAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def is_meant(day: date) -> bool:
    """Whether somebody may mean this day."""
    return EARLIEST <= day < LATEST


class Weekly(Protocol):
    """A wall-time span that recurs on weekdays between two dates, maybe on some days of a cycle."""

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
    @property
    def cycle(self) -> Cycle | None: ...


@dataclass(frozen=True, slots=True)
class Cycle:
    """Some days of each ``length``, counted from ``anchor_on``: those whose places are in ``on``.

    Places begin at 0, the anchor's own. The cycle goes on before the anchor as after it.
    """

    anchor_on: date
    length: int
    on: frozenset[int]

    def __post_init__(self) -> None:
        if not 1 <= self.length <= LONGEST_CYCLE:
            raise ValueError(f"no cycle is {self.length} days long")
        if not self.on or not self.on <= frozenset(range(self.length)):
            raise ValueError("a cycle is on for some of its own days")

    def __contains__(self, day: date) -> bool:
        return (day - self.anchor_on).days % self.length in self.on


def every_weeks(weeks: int, anchor_on: date) -> Cycle | None:
    """The cycle of what happens in one week of ``weeks``: that of ``anchor_on``, from Monday."""
    if weeks == 1:
        return None
    return Cycle(monday_of(anchor_on), 7 * weeks, EVERY_DAY)


def starts_on(weekly: Weekly, day: date) -> bool:
    """Whether a span of ``weekly`` starts on ``day``."""
    return (
        weekly.from_on <= day
        and (weekly.until_on is None or day <= weekly.until_on)
        and day.weekday() in weekly.weekdays
        and (weekly.cycle is None or day in weekly.cycle)
    )


_Shape = tuple[frozenset[int], time, time, Cycle | None]


class _Row(NamedTuple):
    """All spans of one shape in a range, in order, each with the day it starts on."""

    days: list[date]
    spans: list[Span]
    overlaps: bool


class Calendar:
    """Weekly wall-time spans as instants over ``[start, end)``; each shape is worked out once."""

    def __init__(self, start: datetime, end: datetime, *, tz: tzinfo) -> None:
        if start.tzinfo is None or end.tzinfo is None:
            raise ValueError("the rota needs aware instants")
        self._start, self._end, self._tz = start, end, tz
        self._days = list(_days_with_offsets(start, end, tz)) if start < end else []
        self._times: dict[tuple[time, time], list[tuple[date, Span]]] = {}
        self._rows: dict[_Shape, _Row] = {}

    def spans(self, weekly: Weekly) -> list[Span]:
        """The spans of ``weekly`` that meet the range, whole, in order; UTC, half-open."""
        row, until = self._row(weekly), weekly.until_on
        stop = len(row.days) if until is None else bisect_right(row.days, until)
        return row.spans[bisect_left(row.days, weekly.from_on) : stop]

    def overlaps_itself(self, weekly: Weekly) -> bool:
        """Whether two spans shaped like ``weekly``, whatever its dates, share an instant."""
        return self._row(weekly).overlaps

    def _row(self, weekly: Weekly) -> _Row:
        shape = weekly.weekdays, weekly.start, weekly.end, weekly.cycle
        if shape not in self._rows:
            self._rows[shape] = self._expand(*shape)
        return self._rows[shape]

    def _expand(
        self, weekdays: frozenset[int], start: time, end: time, cycle: Cycle | None
    ) -> _Row:
        if (start, end) not in self._times:
            self._times[start, end] = list(self._daily(start, end))
        kept = [
            (day, span)
            for day, span in self._times[start, end]
            if day.weekday() in weekdays and (cycle is None or day in cycle)
        ]
        spans = [span for _, span in kept]
        overlaps = any(later[0] < one[1] for one, later in pairwise(spans))
        return _Row([day for day, _ in kept], spans, overlaps)

    def _daily(self, start: time, end: time) -> Iterator[tuple[date, Span]]:
        """Each local day on which a span that meets the range starts, and the span."""
        starts_after, ends_after = since_midnight(start, end)
        for day, midnight in self._days:
            if midnight is None:
                starts, ends = wall_span(day, start, end, tz=self._tz)
            else:
                starts, ends = midnight + starts_after, midnight + ends_after
            if max(starts, self._start) < min(ends, self._end):
                yield day, (starts, ends)


def _days_with_offsets(
    start: datetime, end: datetime, tz: tzinfo
) -> Iterator[tuple[date, datetime | None]]:
    """Each local day on which a span that meets the range can start, and its midnight in UTC.

    None for the latter where the clocks change on that day or the next.
    """
    day = start.astimezone(tz).date() - 2 * ONE_DAY
    last = end.astimezone(tz).date()
    midnights = [
        datetime.combine(day + number * ONE_DAY, time(0), tzinfo=tz)
        for number in range((last - day).days + 3)
    ]
    offsets = [midnight.utcoffset() for midnight in midnights]
    for number, midnight in enumerate(midnights[:-2]):
        is_plain = len(set(offsets[number : number + 3])) == 1
        yield midnight.date(), midnight.astimezone(UTC) if is_plain else None


def since_midnight(start: time, end: time) -> tuple[timedelta, timedelta]:
    """A wall-time span by the clock: how long after midnight of its first day it starts and ends.

    As everywhere an end at or before the start is on the next day.
    """
    starts, ends = (
        timedelta(hours=at.hour, minutes=at.minute, seconds=at.second) for at in (start, end)
    )
    return starts, ends if ends > starts else ends + ONE_DAY


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
    return in_a_row(names)


def in_a_row(names: Sequence[str]) -> str:
    """Names for people: "Ana, Ben and Cy"; nothing for none."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def day_in_words(day: date) -> str:
    """A date for people, without its year: "Saturday 28 November"."""
    return f"{WEEKDAY_NAMES[day.weekday()]} {day.day} {day:%B}"


def weekly_in_words(weekly: Weekly) -> str:
    """A weekly span for people: "Monday to Friday, 23:00 to 07:00, from 2 November 2026"."""
    times = f"{weekly.start:%H:%M} to {weekly.end:%H:%M}"
    words = f"{days_in_words(weekly)}, {times}, from {full_date(weekly.from_on)}"
    return words if weekly.until_on is None else f"{words} until {full_date(weekly.until_on)}"


def days_in_words(weekly: Weekly) -> str:
    """The days a weekly span starts on: "Tuesday, one week in 2 (as in that of ...)"."""
    words = weekdays_in_words(weekly.weekdays)
    return words if weekly.cycle is None else f"{words}, {_cycle_in_words(weekly.cycle)}"


def _cycle_in_words(cycle: Cycle) -> str:
    weeks, odd_days = divmod(cycle.length, 7)
    if cycle.on == EVERY_DAY and not odd_days:
        return f"one week in {weeks} (as in that of {full_date(cycle.anchor_on)})"
    if cycle.on == {0}:
        return f"every {cycle.length} days (as on {full_date(cycle.anchor_on)})"
    return f"{len(cycle.on)} days in {cycle.length} (counted from {full_date(cycle.anchor_on)})"


def full_date(day: date) -> str:
    """A date for people, with its year: "28 November 2026"."""
    return f"{day.day} {day:%B %Y}"
