"""When people have said that they cannot work, in wall time, and which shifts fall into it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo

from callback_service.domain.wall_time import (
    EVERY_DAY,
    WEEKDAY_NAMES,
    Calendar,
    Cycle,
    day_in_words,
    full_date,
    in_a_row,
)


@dataclass(frozen=True, slots=True)
class CannotWork:
    """``staff_id`` cannot work at these times. Equal times are the whole day, as in a pattern.

    ``from_on`` and ``until_on`` are the first and last day a span may start on, as in a pattern.
    """

    staff_id: int
    weekdays: frozenset[int]
    start: time
    end: time
    from_on: date
    until_on: date | None
    stated_on: date
    cycle: Cycle | None = None


@dataclass(frozen=True, slots=True, order=True)
class Duties:
    """Time somebody is to be on duty: ``[start, end)``, UTC."""

    start: datetime
    end: datetime
    staff_id: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """Duties that fall into a time their person cannot work, in order; never empty."""

    stated: CannotWork
    met: tuple[Duties, ...]


def find_conflicts(
    duties: Iterable[Duties], stated: Collection[CannotWork], *, tz: tzinfo
) -> list[Conflict]:
    """Which ``duties`` overlap what their people stated, by statement in its order."""
    by_person: defaultdict[int, list[Duties]] = defaultdict(list)
    for one in sorted(set(duties)):
        by_person[one.staff_id].append(one)
    every = [one for several in by_person.values() for one in several]
    if not every or not stated:
        return []
    calendar = Calendar(min(one.start for one in every), max(one.end for one in every), tz=tz)
    found = []
    for line in stated:
        own = by_person.get(line.staff_id)
        if own and (met := _met(own, calendar.spans(line))):
            found.append(Conflict(line, met))
    return found


def _met(duties: list[Duties], spans: list[tuple[datetime, datetime]]) -> tuple[Duties, ...]:
    """The duties that overlap a span; both in order of time."""
    met, first = [], 0
    for one in duties:
        while first < len(spans) and spans[first][1] <= one.start:
            first += 1
        if first < len(spans) and spans[first][0] < one.end:
            met.append(one)
    return tuple(met)


def cannot_work_in_words(line: CannotWork) -> str:
    """When somebody cannot work: "on Tuesdays 17:00 to 22:00", "on Friday 4 December, all day"."""
    times = ", all day" if line.start == line.end else f" {line.start:%H:%M} to {line.end:%H:%M}"
    if line.from_on == line.until_on:
        return f"on {day_in_words(line.from_on)}{times}"
    if line.weekdays == EVERY_DAY:
        return f"on every day{times}"
    return f"on {in_a_row([f'{WEEKDAY_NAMES[day]}s' for day in sorted(line.weekdays)])}{times}"


def dates_in_words(line: CannotWork) -> str:
    """From when until when: "from 2 November 2026 until 30 November 2026"."""
    if line.from_on == line.until_on:
        return full_date(line.from_on)
    until = "" if line.until_on is None else f" until {full_date(line.until_on)}"
    return f"from {full_date(line.from_on)}{until}"


def stated_in_words(name: str, line: CannotWork) -> str:
    """Who cannot work when: "Ana cannot work on Tuesdays 17:00 to 22:00 (stated 3 November)"."""
    stated = f"{line.stated_on.day} {line.stated_on:%B}"
    return f"{name} cannot work {cannot_work_in_words(line)} (stated {stated})"
