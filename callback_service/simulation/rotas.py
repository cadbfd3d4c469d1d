"""Rotas to simulate: a large one that is made up, and any with fewer counsellors at some hours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import cycle
from statistics import fmean
from typing import Final

from callback_service.domain.rota import Duty, Pattern, Shift, cut
from callback_service.domain.skills import SkillsOf, parse_skill
from callback_service.domain.wall_time import ONE_DAY, Span, wall_span
from callback_service.errors import BadInput
from callback_service.simulation.profiles import Profile

#: Start, end and how many begin then each day: 4 to 12 are on shift.
LARGE: Final = (
    (time(7), time(15), 8),
    (time(15), time(23), 7),
    (time(18), time(2), 5),
    (time(23), time(7), 4),
)
SHIFTS_A_WEEK: Final = 3
LARGE_STAFF: Final = sum(-(-7 * needed // SHIFTS_A_WEEK) for *_, needed in LARGE)
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME: Final = r"(?:[01]\d|2[0-3]):[0-5]\d"
SPOKEN: Final = re.compile(
    rf"(?P<day>[a-z]{{3}}) +(?P<start>{_TIME}) *- *(?P<end>{_TIME}) *= *(?P<count>\d{{1,3}})"
)


def large_rota(from_on: date) -> list[Pattern]:
    """58 counsellors of three shifts a week, always of one kind and on days in a row."""
    return list(_large(from_on))


def _large(from_on: date) -> Iterator[Pattern]:
    first_id = 1
    for starts, ends, needed in LARGE:
        places = range(7 * needed)
        for first in places[::SHIFTS_A_WEEK]:
            weekdays = frozenset(place % 7 for place in places[first : first + SHIFTS_A_WEEK])
            person = first_id + first // SHIFTS_A_WEEK
            yield Pattern(person, person, Duty.COUNSELLING, weekdays, starts, ends, from_on)
        first_id += -(-len(places) // SHIFTS_A_WEEK)


def large_skills() -> SkillsOf:
    """Two in three of its counsellors are women, and every fourth speaks one more language."""
    spoken = cycle(["language:pl", "language:pa", "language:ur", "language:ro"])
    return {
        person: frozenset(
            map(
                parse_skill,
                [
                    "gender:man" if person % 3 == 0 else "gender:woman",
                    *([next(spoken)] if person % 4 == 0 else []),
                ],
            )
        )
        for person in range(1, LARGE_STAFF + 1)
    }


@dataclass(frozen=True, slots=True)
class Fewer:
    """So many counsellors fewer every week over a span of wall time from a weekday on."""

    weekday: int
    start: time
    end: time
    count: int

    @property
    def spoken(self) -> str:
        """As it is typed: "Fri 20:00-08:00=1"."""
        day = DAYS[self.weekday].title()
        return f"{day} {self.start:%H:%M}-{self.end:%H:%M}={self.count}"


def parse_fewer(text: str) -> Fewer:
    """What "Fri 20:00-08:00=1" says; an end at or before the start is on the next day."""
    found = SPOKEN.fullmatch(text.strip().lower())
    if found is None or found["day"] not in DAYS:
        raise BadInput(f'{text!r} is not like "Fri 20:00-08:00=1".')
    start, end = time.fromisoformat(found["start"]), time.fromisoformat(found["end"])
    return Fewer(DAYS.index(found["day"]), start, end, int(found["count"]))


def without(shifts: Iterable[Shift], fewer: Fewer, *, tz: tzinfo) -> list[Shift]:
    """``shifts`` with that many counsellors fewer: those with the most of the span stay away."""
    left = list(shifts)
    if not left:
        return left
    day = min(shift.start for shift in left).astimezone(tz).date() - ONE_DAY
    last = max(shift.end for shift in left).astimezone(tz).date()
    while day <= last:
        if day.weekday() == fewer.weekday:
            span = wall_span(day, fewer.start, fewer.end, tz=tz)
            for _ in range(fewer.count):
                left = _take_one_off(left, span)
        day += ONE_DAY
    return left


def _take_one_off(shifts: list[Shift], span: Span) -> list[Shift]:
    """The shifts with the span covered by one counsellor fewer, for as much of it as there is."""
    spans, left = [span], shifts
    while spans:
        gap = spans.pop()
        longest = max(left, key=lambda shift: _overlap(shift, gap), default=None)
        if longest is None or not _overlap(longest, gap):
            continue
        off = max(longest.start, gap[0]), min(longest.end, gap[1])
        left = [one for one in left if one is not longest] + cut(longest, [off])
        spans += [
            (start, end) for start, end in ((gap[0], off[0]), (off[1], gap[1])) if start < end
        ]
    return left


def _overlap(shift: Shift, span: Span) -> timedelta:
    if shift.staff_id is None:
        return timedelta(0)
    return max(min(shift.end, span[1]) - max(shift.start, span[0]), timedelta(0))


def like_the_rota(shifts: Sequence[Shift], start: datetime, days: int, *, tz: tzinfo) -> Profile:
    """Demand that follows the rota of the first week of ``days`` from ``start``: as much load in
    every hour. A weekday that is not among them is like the mean of those that are.
    """
    known: dict[int, list[float]] = {}
    for number in range(min(days, len(DAYS)) * 24):
        hour = start + timedelta(hours=number)
        local = hour.astimezone(tz)
        day = known.setdefault(local.weekday(), [0.0] * 24)
        day[local.hour] += minutes_on_duty(shifts, hour, hour + timedelta(hours=1))
    mean = [fmean(hours) for hours in zip(*known.values(), strict=True)]
    return Profile(tuple(tuple(known.get(day, mean)) for day in range(len(DAYS))))


def minutes_on_duty(shifts: Iterable[Shift], start: datetime, end: datetime) -> float:
    """Counsellor minutes that the rota has in ``[start, end)``."""
    span = start, end
    return sum((_overlap(shift, span) for shift in shifts), timedelta(0)) / timedelta(minutes=1)
