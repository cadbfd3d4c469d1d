"""Rotations: one line of the rota that several people, or teams, work in turn.

A rotation comes apart into a pattern for each person, with the days that are their turn as its
cycle, so the resolver, the calendars and the checks know only patterns.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from enum import StrEnum
from math import gcd

from callback_service.domain.rota import Duty, Pattern
from callback_service.domain.wall_time import LONGEST_CYCLE, ONE_DAY, Cycle


class CountedIn(StrEnum):
    """What the length of a turn counts."""

    DAYS = "days"  # of the calendar: a week is seven, whatever the weekdays
    SHIFTS = "shifts"  # days on which the rotation runs, so that nobody's turn falls on none


@dataclass(frozen=True, slots=True)
class Turn:
    """Who is on together, and for how many days or shifts. Nobody: a time off for all."""

    staff_ids: frozenset[int]
    length: int


@dataclass(frozen=True, slots=True)
class Rotation:
    """A line of the rota that is worked in ``turns``, over and over, the first from ``anchor_on``.

    The other fields are those of a ``Pattern``. The weekday of ``anchor_on`` is that of handover
    where all turns are whole weeks. A turn takes over with the shift that starts on its first day.
    Raises ValueError for turns that are none, or that take longer than the longest cycle.
    """

    id: int | None
    duty: Duty
    weekdays: frozenset[int]
    start: time
    end: time
    from_on: date
    until_on: date | None
    anchor_on: date
    counted_in: CountedIn
    turns: tuple[Turn, ...]

    def __post_init__(self) -> None:
        if any(turn.length < 1 for turn in self.turns):
            raise ValueError("a turn lasts for one day or shift at least")
        if not any(turn.staff_ids for turn in self.turns):
            raise ValueError("a rotation needs somebody who takes turns")
        if self.days > LONGEST_CYCLE:
            raise ValueError(f"its turns take {self.days} days, more than {LONGEST_CYCLE}")

    @property
    def cycle(self) -> None:
        """None: the line as a whole runs every week."""
        return None

    @property
    def days(self) -> int:
        """After how many days of the calendar everything is as it was."""
        total = sum(turn.length for turn in self.turns)
        if self.counted_in is CountedIn.DAYS:
            return total
        return 7 * total // gcd(total, len(self.weekdays))

    def lines(self) -> list[Pattern]:
        """A pattern for each person, in order of id; none has a shift outside their turns."""
        places: dict[int, set[int]] = {}
        for place, number in self._turn_by_day():
            for staff_id in self.turns[number].staff_ids:
                places.setdefault(staff_id, set()).add(place)
        return [
            Pattern(
                self.id, staff_id, self.duty, self.weekdays, self.start, self.end,
                self.from_on, self.until_on, Cycle(self.anchor_on, self.days, frozenset(on)),
            )
            for staff_id, on in sorted(places.items())
        ]  # fmt: skip

    def turn_on(self, day: date) -> tuple[int, date]:
        """The number of the turn, from 0, that ``day`` falls in, and the first day of that turn."""
        return self._begun(day, 0)

    def turn_after(self, day: date) -> tuple[int, date]:
        """The number of the turn after that of ``day``, and its first day."""
        return self._begun(day, 1)

    def listed_from(self, day: date) -> Rotation:
        """The same rotation with the turn of ``day`` as its first: who is next stays next.

        So turns can be added and taken away from that day on without a jump in the order.
        """
        number, begins_on = self.turn_on(day)
        turns = self.turns[number:] + self.turns[:number]
        return replace(self, anchor_on=begins_on, turns=turns)

    def _begun(self, day: date, ahead: int) -> tuple[int, date]:
        begins = self._begins()
        cycles, place = divmod((day - self.anchor_on).days, self.days)
        at = bisect_right(begins, place, key=lambda begin: begin[0]) - 1 + ahead
        more, at = divmod(at, len(begins))
        first, number = begins[at]
        return number, self.anchor_on + timedelta(days=(cycles + more) * self.days + first)

    def _begins(self) -> list[tuple[int, int]]:
        """The places in the cycle at which a turn begins, in order, each with the turn's number."""
        firsts = {sum(turn.length for turn in self.turns[:n]) for n in range(len(self.turns))}
        total = sum(turn.length for turn in self.turns)
        return [
            (place, number)
            for counted, (place, number) in enumerate(self._turn_by_day())
            if counted % total in firsts
        ]

    def _turn_by_day(self) -> Iterator[tuple[int, int]]:
        """Each day of the cycle that counts, by its place, and the number of its turn."""
        by_count = [number for number, turn in enumerate(self.turns) for _ in range(turn.length)]
        counted = 0
        for place in range(self.days):
            is_run = (self.anchor_on + place * ONE_DAY).weekday() in self.weekdays
            if is_run or self.counted_in is CountedIn.DAYS:
                yield place, by_count[counted % len(by_count)]
                counted += 1
