"""The turns of a rotation in a form: added, moved and taken away without losing what was typed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wtforms import Field

from callback_service.domain.rotations import CountedIn, Rotation, Turn

MOST_TURNS = 52
#: People who can be on together in one turn.
MOST_TOGETHER = 20
WEEKS = "weeks"
#: What a length may be typed in, with the longest.
UNITS = {WEEKS: 52, CountedIn.DAYS.value: 366, CountedIn.SHIFTS.value: 366}


@dataclass
class TypedTurn:
    """One turn as it was typed: a list with an entry for each person, empty for nobody."""

    who: list[str] = field(default_factory=lambda: [""])
    length: str = "1"
    error: str = ""


class TurnsField(Field):
    """The list of turns. Without scripts: each button sends the form, and the list comes back."""

    data: list[TypedTurn]

    def __init__(self, label: str, **more: Any) -> None:
        super().__init__(label, default=lambda: [TypedTurn(), TypedTurn()], **more)

    def process(self, formdata: Any, data: Any = None, extra_filters: Any = None) -> None:
        """Take the turns of a form that was sent, or the default."""
        self.process_errors = []
        self.errors = []
        self.data = data if isinstance(data, list) else [TypedTurn(), TypedTurn()]
        if formdata:
            self.data = _typed(formdata)

    def rearrange(self, step: str) -> None:
        """Do what a button asks for: "add", or "person-2", "up-2", "down-2", "remove-2"."""
        what, _, number = step.partition("-")
        if what == "add" and len(self.data) < MOST_TURNS:
            last = self.data[-1].length if self.data else "1"
            self.data.append(TypedTurn(length=last))
        at = int(number) if number.isdecimal() and len(number) < 4 else MOST_TURNS
        if at >= len(self.data):
            return
        if what == "person" and len(self.data[at].who) < MOST_TOGETHER:
            self.data[at].who.append("")
        elif what == "remove":
            del self.data[at]
        elif what in {"up", "down"}:
            other = at - 1 if what == "up" else at + 1
            if 0 <= other < len(self.data):
                self.data[at], self.data[other] = self.data[other], self.data[at]

    def turns(self, unit: str, people: Collection[str]) -> tuple[Turn, ...]:
        """The turns, lengths in what a rotation counts; none where a field is wrong: see errors."""
        for turn in self.data:
            turn.error = _fault(turn, unit, people)
        self.errors = [f"Turn {n}: {turn.error}" for n, turn in _numbered(self.data) if turn.error]
        if not self.errors and not any(who for turn in self.data for who in turn.who):
            self.errors = ["Choose somebody for one turn at least."]
        if self.errors:
            return ()
        factor = 7 if unit == WEEKS else 1
        return tuple(
            Turn(frozenset(int(who) for who in turn.who if who), int(turn.length) * factor)
            for turn in self.data
        )


def _numbered(turns: Iterable[TypedTurn]) -> Iterable[tuple[int, TypedTurn]]:
    return enumerate(turns, start=1)


def _typed(formdata: Any) -> list[TypedTurn]:
    """The turns among the fields "turn-0-who" (any number of times) and "turn-0-length"."""
    numbers = [
        number
        for number in range(MOST_TURNS)
        if f"turn-{number}-length" in formdata or f"turn-{number}-who" in formdata
    ]
    return [
        TypedTurn(
            who=formdata.getlist(f"turn-{number}-who")[:MOST_TOGETHER] or [""],
            length="".join(formdata.getlist(f"turn-{number}-length")[:1]).strip(),
        )
        for number in numbers
    ]


def _fault(turn: TypedTurn, unit: str, people: Collection[str]) -> str:
    if any(who and who not in people for who in turn.who):
        return "Choose somebody who has an active account."
    longest = UNITS[unit]
    is_number = turn.length.isascii() and turn.length.isdecimal() and len(turn.length) < 4
    if not is_number or not 1 <= int(turn.length) <= longest:
        return f"Enter a length from 1 to {longest} {unit}."
    return ""


def unit_of(rotation: Rotation) -> str:
    """What the lengths of a stored rotation are best typed in."""
    if rotation.counted_in is CountedIn.SHIFTS:
        return CountedIn.SHIFTS.value
    is_weeks = all(turn.length % 7 == 0 for turn in rotation.turns)
    return WEEKS if is_weeks else CountedIn.DAYS.value


def typed_turns(rotation: Rotation, people: Mapping[str, str]) -> list[TypedTurn]:
    """The turns of a stored rotation for the form; says whose account is gone."""
    factor = 7 if unit_of(rotation) == WEEKS else 1
    typed = []
    for turn in rotation.turns:
        who = [str(staff_id) for staff_id in sorted(turn.staff_ids)]
        known = [one for one in who if one in people]
        error = "" if len(known) == len(who) else "Somebody of this turn has no active account now."
        typed.append(TypedTurn(known or [""], str(turn.length // factor), error))
    return typed
