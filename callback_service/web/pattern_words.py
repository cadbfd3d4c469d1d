"""The words of the page that shows an edit of the patterns before it is saved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from callback_service.domain.rest import Breach, breach_in_words
from callback_service.domain.rota import Pattern
from callback_service.domain.rotation_words import line_in_words, turn_in_words
from callback_service.domain.wall_time import ONE_DAY, WEEKDAY_NAMES, full_date, in_a_row
from callback_service.services.pattern_edits import PatternEdit, PreviewWeek
from callback_service.services.shift_patterns import PatternLine
from callback_service.web.rota import DUTY_WORDS
from callback_service.web.weekly import zone


def facts_of(
    edit: PatternEdit, instead_of: PatternLine | None, names: Mapping[int, str]
) -> list[tuple[str, str]]:
    """What an edit says, as the page lists it."""
    facts = []
    if instead_of is not None and edit.ended is not None:
        facts += [("Until now", f"{instead_of.name}: {instead_of.words}"), _end(edit, instead_of)]
    line = edit.added
    if line is None:
        return facts
    if isinstance(line, Pattern):
        facts.append(("Who", names[line.staff_id or 0]))
    facts += [("Duty", DUTY_WORDS[line.duty]), ("When", line_in_words(line))]
    if not isinstance(line, Pattern):
        turns = [turn_in_words(turn, line.counted_in, names) for turn in line.turns]
        facts += [(f"Turn {number}", words) for number, words in enumerate(turns, start=1)]
    return facts


def _end(edit: PatternEdit, ended: PatternLine) -> tuple[str, str]:
    if edit.ended is None or edit.ended.last_on < ended.from_on:
        return "That one", "is removed: it would end before its first day"
    return "That one ends", f"with the shift that starts on {full_date(edit.ended.last_on)}"


def done_in_words(edit: PatternEdit) -> str:
    """What is said once an edit is saved."""
    if edit.added is None:
        return "It ends as you said. Everything promised is planned again now."
    deed = "Changed" if edit.ended else "Added"
    return f"{deed}: {line_in_words(edit.added)}."


def weeks_in_words(weeks: list[PreviewWeek]) -> list[tuple[str, list[str]]]:
    """Each week of a preview with a line for each run of days that the same people start on."""
    return [(full_date(week.monday), _runs(week.by_day)) for week in weeks]


def _runs(by_day: Mapping[date, tuple[str, ...]]) -> list[str]:
    """ "Monday 23 to Friday 27: Ana and Ben"; days next to each other with the same people."""
    runs: list[list[date]] = []
    for day in sorted(by_day):
        if by_day.get(day - ONE_DAY) == by_day[day]:
            runs[-1].append(day)
        else:
            runs.append([day])
    return [f"{_days(run)}: {in_a_row(by_day[run[0]])}" for run in runs]


def _days(run: list[date]) -> str:
    first, last = (f"{WEEKDAY_NAMES[day.weekday()]} {day.day}" for day in (run[0], run[-1]))
    return first if first == last else f"{first} to {last}"


def breaches_in_words(breaches: list[tuple[str, Breach]]) -> list[str]:
    """Broken rules of rest, each with whose rest it is."""
    return [f"{name}: {breach_in_words(breach, tz=zone())}" for name, breach in breaches]
