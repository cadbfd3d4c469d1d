"""Finding the line of the rota that a list of times is, and whether two lines are the same.

Times are spans by the clock of the rota's zone, as calendars give them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, time, timedelta
from functools import reduce
from math import gcd, lcm

from callback_service.domain.rota import Duty, Pattern
from callback_service.domain.wall_time import (
    EVERY_DAY,
    LONGEST_CYCLE,
    ONE_DAY,
    Cycle,
    Span,
    starts_on,
)

_LONGEST = timedelta(hours=24)
#: Days. Cycles of several lines that together take longer are compared for as long as this.
_LONGEST_COMPARED = 20 * 366


def line_through(
    spans: Sequence[Span],
    duty: Duty,
    *,
    until_on: date | None,
    checked_until: date | None = None,
    weeks: int = 1,
    week_starts_on: int = 0,
) -> Pattern | str:
    """The line, of nobody yet, whose shifts are ``spans``, or why there is none, in words.

    ``spans`` are in order, in local time. ``until_on`` is the last day there may be a shift on;
    None where they go on. There are no others until ``checked_until``, or until the last of them.
    ``weeks`` says that the rule counts every so many weeks, which start on ``week_starts_on``;
    Monday is 0.
    """
    if not spans:
        return "its rule gives no dates"
    if why := why_no_times(spans):
        return why
    days = [start.date() for start, _ in spans]
    start, end = (at.time() for at in spans[0])
    weekdays = frozenset(day.weekday() for day in days)
    plain = Pattern(None, None, duty, weekdays, start, end, days[0], until_on)
    lines = (replace(plain, cycle=one) for one in _cycles(days, weeks, week_starts_on))
    for line in lines:
        if days_of(line, days[0], checked_until or days[-1]) == days:
            return line
    return "it recurs neither on the same days of each week nor after so many weeks or days"


def why_no_times(spans: Iterable[Span]) -> str | None:
    """Why these spans cannot be the times of one line; None where they can."""
    walls = {
        (start.time(), (end.replace(tzinfo=UTC) - start.replace(tzinfo=UTC)))
        for start, end in spans
    }
    if len(walls) > 1:
        return "it does not keep its times by the clock of the service"
    [(start, length)] = walls
    if not timedelta(0) < length <= _LONGEST:
        return "it is not between a minute and 24 hours long"
    if start.second or start.microsecond or length % timedelta(minutes=1):
        return "its times are not whole minutes"
    return None


def _cycles(days: Sequence[date], weeks: int, week_starts_on: int) -> Iterator[Cycle | None]:
    """The cycles that may be meant by ``days``, the simplest first; None is every week."""
    yield None
    if 1 < weeks <= LONGEST_CYCLE // 7:
        for later in range(7):  # all dates may have been moved by some days
            first = days[0] - (days[0].weekday() - week_starts_on - later) % 7 * ONE_DAY
            yield Cycle(first, 7 * weeks, EVERY_DAY)
    step = reduce(gcd, ((day - days[0]).days for day in days))
    if 1 < step <= LONGEST_CYCLE:
        yield Cycle(days[0], step, frozenset({0}))


def _days(line: Pattern, first: date, last: date) -> Iterator[date]:
    for ahead in range((last - first).days + 1):
        if starts_on(line, day := first + ahead * ONE_DAY):
            yield day


def parts_of(line: Pattern) -> list[Pattern]:
    """Lines that together are ``line``, each of which one recurrence rule can say.

    Each recurs every week, in one whole week of a cycle, or on one day of a cycle.
    """
    cycle = line.cycle
    if cycle is None or len(cycle.on) == cycle.length:
        return [replace(line, cycle=None)]
    if cycle.length % 7:
        single = frozenset({0})
        return [
            replace(line, cycle=Cycle(cycle.anchor_on + place * ONE_DAY, cycle.length, single))
            for place in sorted(cycle.on)
        ]
    sorts = [_weekdays_in(line, cycle, week) for week in range(cycle.length // 7)]
    weeks = next(n for n in range(1, len(sorts) + 1) if sorts == sorts[:n] * (len(sorts) // n))
    return [
        replace(line, weekdays=weekdays, cycle=_one_week(cycle, week, weeks))
        for week, weekdays in enumerate(sorts[:weeks])
        if weekdays
    ]


def _weekdays_in(line: Pattern, cycle: Cycle, week: int) -> frozenset[int]:
    """The weekdays of ``line`` in one week of its cycle, counted from the anchor."""
    first = cycle.anchor_on.weekday()
    places = range(7 * week, 7 * week + 7)
    return line.weekdays & {(first + place) % 7 for place in places if place in cycle.on}


def _one_week(cycle: Cycle, week: int, weeks: int) -> Cycle | None:
    if weeks == 1:
        return None
    return Cycle(cycle.anchor_on + 7 * week * ONE_DAY, 7 * weeks, EVERY_DAY)


def days_of(line: Pattern, first: date, last: date) -> list[date]:
    """The days from ``first`` to ``last``, both meant, on which a shift of ``line`` starts."""
    first = max(first, line.from_on)
    return list(_days(line, first, last if line.until_on is None else min(last, line.until_on)))


def first_day(line: Pattern, on_or_after: date) -> date | None:
    """The first day from then on with a shift of ``line``; None where there is none."""
    first = max(on_or_after, line.from_on)
    last = first + period_of(line) * ONE_DAY
    return next(iter(days_of(line, first, last)), None)


def period_of(*lines: Pattern) -> int:
    """After how many days the weekdays and cycles of all ``lines`` are as they were."""
    return lcm(7, *(line.cycle.length for line in lines if line.cycle is not None))


def times_of(line: Pattern) -> tuple[int | None, Duty, time, time]:
    """Whose, what and from when to when, by the clock."""
    return line.staff_id, line.duty, line.start, line.end


def is_held_by(line: Pattern, others: Iterable[Pattern], *, since: date | None = None) -> bool:
    """Whether each shift of ``line``, on or after ``since``, is a shift of one of ``others`` too.

    A line without any shift then is held by none.
    """
    same = [other for other in others if times_of(other) == times_of(line)]
    first = first_day(line, since or line.from_on)
    if first is None or not same:
        return False
    edges = [day for other in same for day in (other.from_on, other.until_on) if day]
    period = min(period_of(line, *same), _LONGEST_COMPARED)
    last = max([first, *edges]) + period * ONE_DAY
    return all(any(starts_on(other, day) for other in same) for day in days_of(line, first, last))


def is_same(one: Pattern, other: Pattern, *, since: date | None = None) -> bool:
    """Whether two lines are the same shifts: all of them, or those on or after ``since``."""
    return is_held_by(one, [other], since=since) and is_held_by(other, [one], since=since)
