"""Requirements and gaps in words for people, in wall time."""

from __future__ import annotations

from datetime import date, datetime, tzinfo

from callback_service.domain.cover import AppliesOn, Requirement, Stretch
from callback_service.domain.skills import Skill, in_words
from callback_service.domain.wall_time import day_in_words, weekly_in_words


def requirement_in_words(need: Requirement) -> str:
    """When a requirement holds, for people: "bank holidays, 07:00 to 18:00, from 2 May 2026"."""
    if need.applies_on is AppliesOn.WEEKDAYS:
        return weekly_in_words(need)
    times = f"{need.start:%H:%M} to {need.end:%H:%M}"
    first, last = _date_in_words(need.from_on), _date_in_words(need.until_on or need.from_on)
    if need.applies_on is AppliesOn.DATES:
        return f"{first}, {times}" if first == last else f"{first} to {last}, {times}"
    words = f"bank holidays, {times}, from {first}"
    return f"{words} until {last}" if need.until_on else words


def _date_in_words(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def gap_in_words(gap: Stretch, *, tz: tzinfo, skill: Skill | None = None) -> str:
    """A gap for people: "Saturday 28 November, 17:00 to 18:00: 1 on shift, 2 needed".

    One of a skill names it: "...: nobody who speaks Welsh on shift, 1 needed".
    """
    start, end = gap.start.astimezone(tz), gap.end.astimezone(tz)
    until = _clock(end)
    if end.date() != start.date():
        until += f" on {day_in_words(end.date())}"
    people = people_in_words(gap.on_shift, gap.required, skill)
    return f"{day_in_words(start.date())}, {_clock(start)} to {until}: {people}"


def people_in_words(on_shift: int, required: int, skill: Skill | None = None) -> str:
    """Two figures for people: "1 on shift, 2 needed", "nobody who is a man on shift, 1 needed"."""
    who = f" {who_in_words(skill)}" if skill else ""
    return f"{on_shift or 'nobody'}{who} on shift, {required} needed"


def who_in_words(skill: Skill) -> str:
    """Somebody with a skill: "who speaks Welsh", to follow "1" or "nobody"."""
    return f"who {in_words(skill)}"


def _clock(local: datetime) -> str:
    """Wall time; the hour that the clocks repeat says which of the two it is."""
    other = local.replace(fold=1 - local.fold).utcoffset()
    if other == local.utcoffset():
        return f"{local:%H:%M}"
    return f"{local:%H:%M} ({'second' if local.fold else 'first'})"
