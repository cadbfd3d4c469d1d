"""A week of cover as the page shows it: a table of hours, and cards for narrow screens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from callback_service.domain.cover import Stretch
from callback_service.domain.cover_by_skill import BySkill, SkillNeed, cut_by_need, with_skills
from callback_service.domain.cover_week import Day as CoverDay
from callback_service.domain.cover_week import Hour, Week
from callback_service.domain.cover_words import people_in_words
from callback_service.domain.skills import label
from callback_service.domain.wall_time import day_in_words
from callback_service.web.weekly import zone

ORDINARY_DAY = timedelta(hours=24)
#: Says without colour that people are missing who have a skill.
MISSES_SKILL = "◆"


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


def day_row(day: CoverDay, grid: Week, by_skill: BySkill, now: datetime) -> DayRow:
    """One day of the week, as the page shows it."""
    name = day_in_words(day.day)
    rows = with_skills(list(day.by_hour.values()), by_skill)
    by_hour = dict(zip(day.by_hour, rows, strict=True))
    lines = with_skills(cut_by_need(day.stretches, by_skill), by_skill)
    return DayRow(
        short_name=f"{day.day:%a} {day.day.day} {day.day:%b}",
        name=name,
        cells=[_cell(*by_hour[hour], now) if hour in by_hour else None for hour in grid.hours],
        lines=[_line(*row) for row in lines],
        note=_clock_change(day, name),
    )


def _clock_change(day: CoverDay, name: str) -> str:
    if day.length == ORDINARY_DAY:
        return ""
    hours = f"{day.length / timedelta(hours=1):g}"
    moved = "back" if day.length > ORDINARY_DAY else "forward"
    return f"{name} has {hours} hours: the clocks go {moved}."


def _cell(row: Stretch, skills: Sequence[SkillNeed], now: datetime) -> Cell:
    missing = [need for need in skills if need.short]
    spoken = [f"{row.short} short"] if row.short else []
    spoken += [people_in_words(need.on_shift, need.required, need.skill) for need in missing]
    return Cell(
        text=f"{row.on_shift}/{row.required}",
        kind=_kind(row, missing),
        mark=_mark(row.short) + MISSES_SKILL * bool(missing),
        spoken="; ".join(spoken),
        is_now=row.start <= now < row.end,
    )


def _mark(short: int) -> str:
    return "▼" * min(short, 2)


def _kind(row: Stretch, missing: Sequence[SkillNeed]) -> str:
    if row.short or missing:
        return "short2" if row.short > 1 else "short1"
    return "ok" if row.on_shift == row.required else "over"


def _line(row: Stretch, skills: Sequence[SkillNeed]) -> Line:
    start, end = row.start.astimezone(zone()), row.end.astimezone(zone())
    people = [_figures(row.on_shift, row.required, row.short, _mark(row.short))]
    people += [_skill_figures(need) for need in skills]
    missing = [need for need in skills if need.short]
    return Line(f"{start:%H:%M} to {end:%H:%M}", "; ".join(people), _kind(row, missing))


def _skill_figures(need: SkillNeed) -> str:
    """Short where all is well: that is the rule, and cards are narrow."""
    if not need.short:
        return f"{label(need.skill)} {need.on_shift}/{need.required}"
    figures = _figures(need.on_shift, need.required, need.short, MISSES_SKILL)
    return f"{label(need.skill)}: {figures}"


def _figures(on_shift: int, required: int, short: int, mark: str) -> str:
    words = f"{on_shift} on, {required} needed"
    return f"{words}: {short} short {mark}" if short else words
