"""The rota by hour as pages show it: who is on in each hour, and whether they are enough."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from callback_service.domain.cover import Stretch, gaps
from callback_service.domain.cover_week import Day, Hour, Week
from callback_service.domain.cover_words import gap_in_words
from callback_service.domain.wall_time import day_in_words
from callback_service.services.roster import Board
from callback_service.services.rota import RotaShift

ORDINARY_DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class HourRow:
    """One hour of a day: who is on, with from or until when if not for all of it, and figures."""

    name: str
    people: list[str]
    figures: str
    short: str
    kind: str
    is_now: bool


@dataclass(frozen=True, slots=True)
class HourCell:
    """One hour of one day of a week, as figures; the mark says what the shade says."""

    text: str
    kind: str
    mark: str
    spoken: str
    is_now: bool


def day_rows(board: Board, day: Day, *, now: datetime, tz: tzinfo) -> list[HourRow]:
    """The hours of one day, 23 to 25 of them."""
    shifts = [shift for line in board.lines for shift in line.shifts]
    return [_hour_row(row, shifts, now, tz) for row in day.by_hour.values()]


def _hour_row(row: Stretch, shifts: Iterable[RotaShift], now: datetime, tz: tzinfo) -> HourRow:
    here = [shift for shift in shifts if shift.start < row.end and shift.end > row.start]
    return HourRow(
        name=clock_name(row.start, tz=tz),
        people=[_who(shift, row, tz) for shift in here],
        figures=f"{row.on_shift} of {row.required}",
        short=f"{row.short} short" if row.short else "",
        kind=_kind(row),
        is_now=row.start <= now < row.end,
    )


def _who(shift: RotaShift, row: Stretch, tz: tzinfo) -> str:
    name = shift.person.name if shift.person else "nobody yet (open shift)"
    since = f"from {clock_name(shift.start, tz=tz)}" if shift.start > row.start else ""
    until = f"until {clock_name(shift.end, tz=tz)}" if shift.end < row.end else ""
    return " ".join(part for part in (name, since, until) if part)


def clock_name(instant: datetime, *, tz: tzinfo) -> str:
    """Wall time; in the hour that the clocks repeat it says which: "01:00 (second)"."""
    local = instant.astimezone(tz)
    if local.replace(fold=1 - local.fold).utcoffset() == local.utcoffset():
        return f"{local:%H:%M}"
    return f"{local:%H:%M} ({'second' if local.fold else 'first'})"


def week_rows(grid: Week, *, now: datetime) -> list[tuple[str, list[HourCell | None]]]:
    """Each hour of the clock with its seven days; None where a day has no such hour."""
    twice = {hour.hour for hour in grid.hours if hour.is_second}
    return [
        (_hour_name(hour, twice), [_cell(day.by_hour.get(hour), now) for day in grid.days])
        for hour in grid.hours
    ]


def _hour_name(hour: Hour, twice: set[int]) -> str:
    which = ("second" if hour.is_second else "first") if hour.hour in twice else ""
    return f"{hour.hour:02}:00 ({which})" if which else f"{hour.hour:02}:00"


def _cell(row: Stretch | None, now: datetime) -> HourCell | None:
    if row is None:
        return None
    return HourCell(
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


def shortfalls(stretches: Iterable[Stretch], *, tz: tzinfo) -> list[str]:
    """Each gap in words, in order."""
    return [gap_in_words(gap, tz=tz) for gap in gaps(stretches)]


def clock_change(day: Day) -> str:
    """What a clock change does to a day, in words; "" on other days."""
    if day.length == ORDINARY_DAY:
        return ""
    moved = "back" if day.length > ORDINARY_DAY else "forward"
    length = f"{day.length / timedelta(hours=1):g}"
    return f"{day_in_words(day.day)} has {length} hours: the clocks go {moved}."


def day_of(grid: Week, day: date) -> Day:
    """One of the days of a week."""
    return next(one for one in grid.days if one.day == day)
