"""Who waits and who is idle while a plan is made; see ``domain.planning``. Times are in seconds."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass

#: A task that waits: minus its rank, minus its request's id, when it is missed, its place among the
#: tasks. In order the one of the lowest rank is last, where it is quickly taken from.
Waiting = tuple[int, int, int, int]
#: More tasks at once than this are sorted in; fewer are put where they belong one by one.
_MANY = 50


class Kind:
    """The tasks that the same people may take: same needs, same people to avoid."""

    __slots__ = ("able", "able_set", "first", "missed", "on_time")

    def __init__(self, able: list[int]) -> None:
        self.able = able  # classes of people, those of fewest skills first
        self.able_set = frozenset(able)
        self.first = 0  # those of ``able`` before this one have nobody left at this instant
        self.on_time: list[Waiting] = []
        self.missed: list[Waiting] = []

    def add(self, several: list[Waiting]) -> None:
        """Let tasks wait that may be on time."""
        if len(several) > _MANY:
            self.on_time += several
            self.on_time.sort()
        else:
            for one in several:
                insort(self.on_time, one)

    def head(self, at: int, cap: int) -> Waiting | None:
        """The task of the lowest rank at ``at``; it stays."""
        on_time, missed = self.on_time, self.missed
        while on_time and on_time[-1][2] < at:
            rank, request_id, due, place = on_time.pop()
            insort(missed, (rank - cap, request_id, due, place))
        if on_time and missed:
            return max(on_time[-1], missed[-1])
        return on_time[-1] if on_time else missed[-1] if missed else None

    def take(self, head: Waiting) -> None:
        """Remove the head."""
        (self.on_time if self.on_time and self.on_time[-1] == head else self.missed).pop()


class Person:
    """A counsellor while the plan is made. Times are seconds from now."""

    __slots__ = ("calls", "class_of", "free_at", "id", "is_idle", "spans")

    def __init__(self, id: int, calls: int, spans: list[tuple[int, int]], class_of: int) -> None:
        self.id, self.calls, self.class_of = id, calls, class_of
        self.spans = spans  # first and last instant a call may start; the next shift is the last
        self.free_at = 0
        self.is_idle = False

    def ready_from(self, at: int) -> int | None:
        """The first instant from ``at`` on at which a call may start; None if there is none."""
        spans = self.spans
        while spans and spans[-1][1] < at:
            spans.pop()
        return max(at, spans[-1][0]) if spans else None


@dataclass(eq=False, slots=True)
class Placed:
    """A task that has somebody at the instant that is being planned."""

    place: int
    kind: Kind
    person: Person
