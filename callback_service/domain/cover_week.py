"""A week of cover as days and hours of the clock, for pages. Instants are aware UTC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import NamedTuple

from callback_service.domain.cover import Stretch, worst_moments
from callback_service.domain.wall_time import ONE_DAY, start_of_day

ONE_HOUR = timedelta(hours=1)


class Hour(NamedTuple):
    """One hour of the clock. ``is_second``: the clock shows it again, after going back."""

    hour: int
    is_second: bool


@dataclass(frozen=True, slots=True)
class Day:
    """One local day: the worst moment of each hour of its clock, and its stretches cut to it."""

    day: date
    by_hour: dict[Hour, Stretch]
    stretches: list[Stretch]

    @property
    def length(self) -> timedelta:
        """23, 24 or 25 hours in the United Kingdom."""
        return sum((stretch.end - stretch.start for stretch in self.stretches), timedelta(0))


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days of cover. ``hours`` are the columns: a day has no figures for an hour it skips."""

    monday: date
    hours: list[Hour]
    days: list[Day]


def week_grid(stretches: Sequence[Stretch], monday: date, *, tz: tzinfo) -> Week:
    """The week from ``monday`` as days and hours; ``stretches`` must tile at least those days."""
    days = [_day(stretches, monday + ONE_DAY * ahead, tz) for ahead in range(7)]
    return Week(monday, sorted({hour for day in days for hour in day.by_hour}), days)


def _day(stretches: Sequence[Stretch], day: date, tz: tzinfo) -> Day:
    start, end = start_of_day(day, tz=tz), start_of_day(day + ONE_DAY, tz=tz)
    inside = [
        stretch._replace(start=max(stretch.start, start), end=min(stretch.end, end))
        for stretch in stretches
        if stretch.start < end and stretch.end > start
    ]
    edges = [*_hours(start, end, tz), end]
    by_hour = {
        Hour((local := row.start.astimezone(tz)).hour, bool(local.fold)): row
        for row in worst_moments(inside, edges)
    }
    return Day(day, by_hour, inside)


def _hours(start: datetime, end: datetime, tz: tzinfo) -> Iterator[datetime]:
    """The instants in ``[start, end)`` at which an hour of the clock begins."""
    at = start
    while at < end:
        yield at
        local = at.astimezone(tz)
        at += ONE_HOUR - timedelta(minutes=local.minute, seconds=local.second)
