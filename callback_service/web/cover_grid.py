"""A week of cover as the page shows it: a table of hours, and cards for narrow screens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from callback_service.domain.cover import Stretch
from callback_service.domain.cover_week import Day as CoverDay
from callback_service.domain.cover_week import Hour, Week
from callback_service.domain.wall_time import day_in_words
from callback_service.web.weekly import zone

ORDINARY_DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Cell:
    """One hour of one day. ``kind`` names its shade; the mark says the same without colour."""

    text: str
    kind: str
    mark: str
    spoken: str
    is_now: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One stretch of a day in words, for narrow screens."""

    times: str
    people: str
    kind: str


@dataclass(frozen=True, slots=True)
class DayRow:
    """One day of the table, and the same day as a card. ``note`` tells of a clock change."""

    short_name: str
    name: str
    cells: list[Cell | None]
    lines: list[Line]
    note: str


def hour_name(hour: Hour) -> str:
    """The heading of an hour's column."""
    return f"{hour.hour:02} (2nd)" if hour.is_second else f"{hour.hour:02}"


def day_row(day: CoverDay, grid: Week, now: datetime) -> DayRow:
    """One day of the week, as the page shows it."""
    name = day_in_words(day.day)
    return DayRow(
        short_name=f"{day.day:%a} {day.day.day} {day.day:%b}",
        name=name,
        cells=[
            _cell(day.by_hour[hour], now) if hour in day.by_hour else None for hour in grid.hours
        ],
        lines=[_line(stretch) for stretch in day.stretches],
        note=_clock_change(day, name),
    )


def _clock_change(day: CoverDay, name: str) -> str:
    if day.length == ORDINARY_DAY:
        return ""
    hours = f"{day.length / timedelta(hours=1):g}"
    moved = "back" if day.length > ORDINARY_DAY else "forward"
    return f"{name} has {hours} hours: the clocks go {moved}."


def _cell(row: Stretch, now: datetime) -> Cell:
    return Cell(
        text=f"{row.on_shift}/{row.required}",
        kind=_kind(row),
        mark="▼" * min(row.short, 2),
        spoken=f"{row.short} short" if row.short else "",
        is_now=row.start <= now < row.end,
    )


def _kind(row: Stretch) -> str:
    if row.short:
        return "short1" if row.short == 1 else "short2"
    return "ok" if row.on_shift == row.required else "over"


def _line(row: Stretch) -> Line:
    start, end = row.start.astimezone(zone()), row.end.astimezone(zone())
    people = f"{row.on_shift} on, {row.required} needed"
    if row.short:
        people += f": {row.short} short {'▼' * min(row.short, 2)}"
    return Line(f"{start:%H:%M} to {end:%H:%M}", people, _kind(row))
