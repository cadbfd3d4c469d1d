"""Rest and hours of one person, held against the Working Time Regulations 1998 (SI 1998/1833).

Nothing here forbids: it says which rule a rota breaks, by how much, and callers warn. The rota
knows only what was planned, so these are planned hours; and only counselling counts as working
time, for a duty lead who is free to be at home works only when called (HSE, guidance on the
Regulations, "On-call workers").

Instants are aware UTC, spans half-open ``[start, end)``, and hours are elapsed: nine in the evening
to seven in the morning is nine hours on the night the clocks go forward. A week begins at midnight
between Sunday and Monday of the rota's zone (reg. 11(6)).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from callback_service.domain.rota import Duty, Pattern
from callback_service.domain.spans import NOTHING, between, joined, shared
from callback_service.domain.wall_time import (
    EVERY_DAY,
    ONE_DAY,
    WEEK,
    Calendar,
    Span,
    day_in_words,
    monday_of,
    start_of_day,
)

#: Consecutive hours of rest due in each 24 in which somebody works (reg. 10(1)).
DAILY_REST = timedelta(hours=11)
#: Uninterrupted rest due in each seven days (reg. 11(1)). The choice of two such, or of one of 48
#: hours, in 14 days (reg. 11(2)) is not made here.
WEEKLY_REST = timedelta(hours=24)
#: The limit of the average for each seven days (reg. 4(1)), unless agreed otherwise (reg. 5).
WEEKLY_HOURS = timedelta(hours=48)
#: The limit of a night worker's average for each 24 hours (reg. 6(1)). There is no opting out.
NIGHT_HOURS = timedelta(hours=8)
#: Averages are taken over any 17 weeks, or since the work began if that is less (reg. 4(3), (4),
#: 6(3), (4)).
REFERENCE_WEEKS = 17
#: Night time where nothing else was agreed, in wall time (reg. 2(1)).
NIGHT = time(23), time(6)
#: Somebody with at least this much night time on most of the days they work is a night worker
#: (reg. 2(1): "as a normal course").
NIGHT_WORKER = timedelta(hours=3)

#: How much of the rota before and after a range ``rest_breaches`` must be given to judge it. The
#: latter has room for the days that stand in for six weeks of leave.
LOOK_BACK = REFERENCE_WEEKS * WEEK + ONE_DAY
LOOK_ON = 9 * WEEK + ONE_DAY

_ALL_NIGHTS = Pattern(None, None, Duty.COUNSELLING, EVERY_DAY, *NIGHT, from_on=date.min)


class Rule(StrEnum):
    """A rule of the Regulations that a rota can break."""

    DAILY_REST = "daily_rest"
    WEEKLY_REST = "weekly_rest"
    WEEKLY_HOURS = "weekly_hours"
    NIGHT_HOURS = "night_hours"


class Work(Protocol):
    """A shift, as far as rest and hours go."""

    @property
    def staff_id(self) -> int | None: ...
    @property
    def duty(self) -> Duty: ...
    @property
    def start(self) -> datetime: ...
    @property
    def end(self) -> datetime: ...


RULE_WORDS: Final = {
    Rule.DAILY_REST: "Daily rest",
    Rule.WEEKLY_REST: "Weekly rest",
    Rule.WEEKLY_HOURS: "48-hour week",
    Rule.NIGHT_HOURS: "Night work",
}


class Breach(NamedTuple):
    """One rule that one person's shifts break over ``[start, end)``.

    ``figure`` is what the shifts come to and ``limit`` what the rule says: rest for the first two
    rules (too little), average work for the others (too much).
    """

    rule: Rule
    staff_id: int
    start: datetime
    end: datetime
    figure: timedelta
    limit: timedelta


def rest_breaches(
    shifts: Iterable[Work],
    start: datetime,
    end: datetime,
    *,
    staff_id: int,
    tz: tzinfo,
    has_opted_out: bool = False,
    works_since: date | None = None,
    excluded: Collection[date] = (),
) -> list[Breach]:
    """What the shifts of ``staff_id`` break in ``[start, end)``, by rule and then by time.

    ``shifts`` may hold those of others too, and must reach from LOOK_BACK before the range to
    LOOK_ON after it. ``has_opted_out``: there is an agreement under reg. 5. ``works_since`` is the
    first day of their work here; ``excluded`` are the days they were on annual or sick leave (reg.
    4(7)). Of each average, one breach is given: its worst reference period.
    Naive instants raise ValueError.
    """
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("rest needs aware instants")
    worked = joined(
        (shift.start, shift.end)
        for shift in shifts
        if shift.staff_id == staff_id and shift.duty is Duty.COUNSELLING
    )
    found = [*_daily(worked, start, end), *_weekly(worked, start, end, tz)]
    averages = list(_averages(worked, start, end, tz, works_since, sorted(excluded)))
    if not has_opted_out:
        found += _worst(Rule.WEEKLY_HOURS, WEEKLY_HOURS, averages)
    nights = [average for average in averages if average.is_of_nights]
    found += _worst(Rule.NIGHT_HOURS, NIGHT_HOURS, nights)
    return [Breach(one[0], staff_id, *one[1:]) for one in found]


#: A breach of somebody: rule, start, end, figure, limit.
_Found = tuple[Rule, datetime, datetime, timedelta, timedelta]


def _daily(worked: Sequence[Span], start: datetime, end: datetime) -> Iterator[_Found]:
    """Reg. 10(1): 24 hours, from each instant at which work begins, with too short a rest."""
    for begins, ends in worked:
        at = begins
        while at < ends:  # work of more than a day has a second 24 hours
            if start <= at < end:
                rest = _longest_rest(worked, at, at + ONE_DAY)
                if rest < DAILY_REST:
                    yield Rule.DAILY_REST, at, at + ONE_DAY, rest, DAILY_REST
            at += ONE_DAY


def _weekly(worked: Sequence[Span], start: datetime, end: datetime, tz: tzinfo) -> Iterator[_Found]:
    """Reg. 11(1), (4)(b): weeks in which there is work and no rest that is long enough."""
    for monday in _weeks(start, end, tz):
        begins, ends = _day_begins(monday, tz), _day_begins(monday + WEEK, tz)
        rest = _longest_rest(worked, begins, ends)
        if rest < WEEKLY_REST:
            yield Rule.WEEKLY_REST, begins, ends, rest, WEEKLY_REST


def _longest_rest(worked: Sequence[Span], start: datetime, end: datetime) -> timedelta:
    near = worked[_last_before(worked, start) : _first_from(worked, end)]
    return max((ends - begins for begins, ends in between(near, start, end)), default=NOTHING)


def _begins(span: Span) -> datetime:
    return span[0]


class _Average(NamedTuple):
    start: datetime
    end: datetime
    by_rule: dict[Rule, timedelta]
    is_of_nights: bool


def _averages(
    worked: Sequence[Span],
    start: datetime,
    end: datetime,
    tz: tzinfo,
    works_since: date | None,
    excluded: Sequence[date],
) -> Iterator[_Average]:
    """The average of each reference period of whole weeks that ends with a week of the range.

    Reg. 4(6): hours for each seven days are ``(A + B) / C``: hours worked, and for each excluded
    day those of one day worked after the period, over weeks. Reg. 6(5), without B: hours
    for each 24 are ``A / (B - C)``, where B is the number of days and C the weekly rests due, in
    days: one a week.
    """
    is_at_night = _at_night(worked, _nights(start - LOOK_BACK, end + LOOK_ON, tz))
    for monday in _weeks(start, end, tz):
        first = monday - (REFERENCE_WEEKS - 1) * WEEK
        if works_since is not None:
            first = min(monday, max(first, monday_of(works_since)))
        weeks = (monday - first) // WEEK + 1
        begins, ends = _day_begins(first, tz), _day_begins(monday + WEEK, tz)
        hours = shared(worked, [(begins, ends)])
        days_off = bisect_left(excluded, monday + WEEK) - bisect_left(excluded, first)
        instead = _hours_of_days(worked, ends, days_off, tz)
        work = [
            at_night
            for span, at_night in zip(worked, is_at_night, strict=True)
            if begins <= span[0] < ends
        ]
        yield _Average(
            begins,
            ends,
            {
                Rule.WEEKLY_HOURS: (hours + instead) / weeks,
                Rule.NIGHT_HOURS: hours / (7 * weeks - weeks),
            },
            2 * sum(work) > len(work),
        )


def _hours_of_days(worked: Sequence[Span], start: datetime, days: int, tz: tzinfo) -> timedelta:
    """The work of the first so many days from ``start`` on which there is any."""
    hours, left, day = NOTHING, days, None
    for begins, ends in worked[bisect_left(worked, start, key=_begins) :] if days else ():
        begins_on = begins.astimezone(tz).date()
        left -= begins_on != day
        if left < 0:
            break
        hours, day = hours + (ends - begins), begins_on
    return hours


def _at_night(worked: Sequence[Span], nights: Sequence[Span]) -> list[bool]:
    """Of each piece of work, whether it has the night time of a night worker (reg. 2(1))."""
    return [
        shared([span], nights[_last_before(nights, span[0]) : _first_from(nights, span[1])])
        >= NIGHT_WORKER
        for span in worked
    ]


def _last_before(spans: Sequence[Span], at: datetime) -> int:
    """The place of the last of ``spans`` that begins by ``at``, or of the first of all."""
    return max(0, bisect_right(spans, at, key=_begins) - 1)


def _first_from(spans: Sequence[Span], at: datetime) -> int:
    """The place of the first of ``spans`` that begins after ``at``."""
    return bisect_right(spans, at, key=_begins)


@lru_cache(maxsize=8)
def _nights(start: datetime, end: datetime, tz: tzinfo) -> Sequence[Span]:
    return night_time(start, end, tz=tz)  # the same for everybody in a report


@lru_cache(maxsize=1024)
def _day_begins(day: date, tz: tzinfo) -> datetime:
    return start_of_day(day, tz=tz)


def _worst(rule: Rule, limit: timedelta, averages: Iterable[_Average]) -> list[_Found]:
    over = [average for average in averages if average.by_rule[rule] > limit]
    if not over:
        return []
    worst = max(over, key=lambda average: average.by_rule[rule])
    return [(rule, worst.start, worst.end, worst.by_rule[rule], limit)]


def _weeks(start: datetime, end: datetime, tz: tzinfo) -> Iterator[date]:
    """The Monday of each local week that meets ``[start, end)``."""
    monday = monday_of(start.astimezone(tz).date())
    while start < end and _day_begins(monday, tz) < end:
        yield monday
        monday += WEEK


def night_time(start: datetime, end: datetime, *, tz: tzinfo) -> list[Span]:
    """The nights (reg. 2(1)) that meet ``[start, end)``, whole, in order."""
    return Calendar(start, end, tz=tz).spans(_ALL_NIGHTS)


def breach_in_words(breach: Breach, *, tz: tzinfo) -> str:
    """A breach for people: "8 hours of rest in the 24 from Friday 1 May, 15:00: 11 are due"."""
    figure, limit = hours_in_words(breach.figure), f"{breach.limit / timedelta(hours=1):g}"
    start = breach.start.astimezone(tz)
    since = day_in_words(start.date())
    last = day_in_words((breach.end.astimezone(tz) - ONE_DAY).date())
    return {
        Rule.DAILY_REST: f"{figure} of rest in the 24 from {since}, {start:%H:%M}: {limit} are due",
        Rule.WEEKLY_REST: (
            f"{figure} of rest at a stretch in the week of {since}: {limit} are due"
        ),
        Rule.WEEKLY_HOURS: (
            f"{figure} a week on average, from {since} to {last}: {limit} is the limit"
        ),
        Rule.NIGHT_HOURS: (
            f"{figure} in each 24 on average as a night worker, from {since} to {last}: "
            f"{limit} is the limit"
        ),
    }[breach.rule]


def hours_in_words(length: timedelta) -> str:
    """A length for people, to the minute: "7 hours 30 minutes", "1 hour"."""
    hours, minutes = divmod(int(length / timedelta(minutes=1)), 60)
    words = [
        f"{number} {unit}{'' if number == 1 else 's'}"
        for number, unit in ((hours, "hour"), (minutes, "minute"))
        if number
    ]
    return " ".join(words) or "0 hours"
