"""Lines of the rota in words: patterns, rotations, and whose turn it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from callback_service.domain.rota import Pattern
from callback_service.domain.rotations import CountedIn, Rotation, Turn
from callback_service.domain.wall_time import ONE_DAY, full_date, in_a_row, weekly_in_words

#: A line of the rota: one person's, or one that several work in turn.
Line = Pattern | Rotation


def line_in_words(line: Line) -> str:
    """When a line runs, in words: of a rotation without whose turn it is."""
    words = weekly_in_words(line)
    if isinstance(line, Pattern):
        return words
    return f"{words}, in turns from {full_date(line.anchor_on)}"


def turn_in_words(turn: Turn, counted_in: CountedIn, names: Mapping[int, str]) -> str:
    """A turn for people: "Ana and Ben, 1 week"."""
    return f"{team_in_words(turn, names)}, {length_in_words(turn.length, counted_in)}"


def team_in_words(turn: Turn, names: Mapping[int, str]) -> str:
    """Who is on together: "Ana and Ben", "nobody"."""
    return in_a_row(sorted(names[staff_id] for staff_id in turn.staff_ids)) or "nobody"


def whose_turn(rotation: Rotation, names: Mapping[int, str], *, today: date) -> tuple[str, ...]:
    """Who has the shift of ``today``, or the first one after it, and whose turn is next."""
    days = (max(today, rotation.from_on) + ahead * ONE_DAY for ahead in range(7))
    day = next(day for day in days if day.weekday() in rotation.weekdays)
    if rotation.until_on is not None and day > rotation.until_on:
        return ()
    number, _ = rotation.turn_on(day)
    following, begins_on = rotation.turn_after(day)
    now, later = (team_in_words(rotation.turns[at], names) for at in (number, following))
    since = "now" if day == today else f"from {full_date(day)}"
    if rotation.until_on is not None and begins_on > rotation.until_on:
        return (f"{now} {since}",)
    return f"{now} {since}", f"{later} from {full_date(begins_on)}"


def length_in_words(length: int, counted_in: CountedIn) -> str:
    """The length of a turn for people: "1 week", "4 days", "3 shifts"."""
    weeks, odd_days = divmod(length, 7)
    if counted_in is CountedIn.SHIFTS:
        return f"{length} shift{'s' * (length > 1)}"
    if odd_days:
        return f"{length} day{'s' * (length > 1)}"
    return f"{weeks} week{'s' * (weeks > 1)}"
