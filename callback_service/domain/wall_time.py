"""Wall time: weekly spans of one zone's clock as instants, and in words.

The rule for clock changes is GoAlert's (target/goalert, ``util/timeutil/clock.go`` and its pull
request 1252): a span starts at the *first* occurrence of its wall time and ends at the *last*. So
where the clocks go back two adjacent spans overlap for an hour, and where they go forward, a wall
time that is skipped is the instant of the jump at both ends: adjacent spans always meet, and a
clock change never opens a gap.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Protocol

#: A span of instants, half-open.
Span = tuple[datetime, datetime]

ONE_DAY = timedelta(days=1)
WEEK = timedelta(days=7)
EVERY_DAY = frozenset(range(7))
WEEKDAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


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
