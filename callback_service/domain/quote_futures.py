"""One future of the plan, followed until a newcomer's turn comes: for ``domain.quotes``.

Seconds from now throughout, as plain numbers: a quote looks at some two thousand calls while
somebody waits for the page.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from heapq import heappop, heappush
from math import inf
from random import Random
from typing import Final, NamedTuple

from callback_service.domain.call_lengths import CallLengths
from callback_service.domain.planning import HANDOVER_MARGIN, Availability, Task
from callback_service.domain.presence import REST
from callback_service.domain.retry import AFTER_NO_ANSWER, RETRY_SLACK

#: Of attempts; and how long such an attempt takes, the rest after it included.
UNANSWERED_SHARE: Final = 0.25
RINGS: Final = timedelta(minutes=2)
UNANSWERED_LENGTH: Final = RINGS + REST

_PAUSES: Final = tuple(pause.total_seconds() for pause in AFTER_NO_ANSWER)
_SLACK: Final = RETRY_SLACK.total_seconds()
_UNANSWERED: Final = UNANSWERED_LENGTH.total_seconds()

#: When a request is to be rung by, and how often it was tried.
_Waiting = tuple[float, int]
#: The same with the second it may be rung from.
_Coming = tuple[float, float, int]
#: First and last second at which a call may start.
_Span = tuple[float, float]
_NO_SPAN: Final[_Span] = (inf, -inf)


class Before(NamedTuple):
    """Who is served before the newcomer: those who wait, the last due first; and those to come."""

    waiting: list[_Waiting]
    coming: list[_Coming]

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.waiting) + len(self.coming)


class Queue:
    """Who waits and who is to come. Only what is due before the newcomer is served before them."""

    def __init__(self, tasks: Iterable[Task], *, now: datetime) -> None:
        self._all = sorted(
            (
                (task.target - now).total_seconds(),
                0.0 if task.release <= now else (task.release - now).total_seconds(),
            )
            for task in tasks
        )

    def _due_by(self, due: float) -> list[tuple[float, float]]:
        return self._all[: bisect_right(self._all, (due, inf))]

    def released_by(self, due: float) -> int:
        """How many of those due by then wait already."""
        return sum(release == 0 for _, release in self._due_by(due))

    def before(self, due: float) -> Before:
        """Those due by then."""
        some = self._due_by(due)
        waiting = [(target, 0) for target, release in reversed(some) if not release]
        return Before(waiting, sorted((release, target, 0) for target, release in some if release))


class Seats:
    """The counsellors: when each comes free, and the spans in which a call of theirs may start."""

    def __init__(
        self,
        counsellors: Iterable[Availability],
        talked: Mapping[int, timedelta],
        lengths: CallLengths,
        *,
        now: datetime,
    ) -> None:
        self._spans: list[list[_Span]] = []
        self._free: list[float] = []
        self._talked: list[tuple[int, float]] = []
        self._lengths = lengths
        self.idle = 0
        margin = HANDOVER_MARGIN.total_seconds()
        for place, one in enumerate(counsellors):
            spans = [
                ((start - now).total_seconds(), (end - now).total_seconds() - margin)
                for start, end in one.spans
            ]
            self._spans.append([span for span in spans if span[0] <= span[1]])
            free = max((one.free_at - now).total_seconds(), 0.0)
            self._free.append(free)
            if one.counsellor_id in talked:
                self._talked.append((place, talked[one.counsellor_id].total_seconds()))
            elif free == 0 and self.ready(place, 0) == 0:
                self.idle += 1

    def expected(self) -> list[float]:
        """When each comes free on average."""
        free = list(self._free)
        for place, talked in self._talked:
            free[place] = self._lengths.left(talked)
        return free

    def sampled(self, futures: int, chance: Random) -> list[list[float]]:
        """When each comes free, in so many futures."""
        found = [list(self._free) for _ in range(futures)]
        for place, talked in self._talked:
            chances = [chance.random() for _ in range(futures)]
            for free, left in zip(found, self._lengths.remaining(talked, chances), strict=True):
                free[place] = left
        return found

    def turns(self, free: Iterable[float]) -> list[tuple[float, int]]:
        """Who may begin a call, and when, in order; given when they come free."""
        found = [(self.ready(place, at), place) for place, at in enumerate(free)]
        return sorted((at, place) for at, place in found if at is not None)

    def first_spans(self) -> list[_Span]:
        """The span in which most of the calls of each begin."""
        return [spans[0] if spans else _NO_SPAN for spans in self._spans]

    def ready(self, place: int, at: float) -> float | None:
        """The first second from ``at`` on at which a call may start; None if there is none."""
        for start, last in self._spans[place]:
            if at <= last:
                return max(at, start)
        return None


def draws(lengths: CallLengths, chance: Random) -> Iterator[float | None]:
    """How long one attempt after the other takes, without end; None where nobody answers."""
    random, answered = chance.random, lengths.samples(chance)
    while True:
        yield None if random() < UNANSWERED_SHARE else next(answered)


def start_of_newcomer(
    seats: Seats,
    free: Iterable[float],
    before: Before,
    due: float,
    attempts: Iterator[float | None],
) -> float | None:
    """The second at which a newcomer ``due`` then is rung; None if nobody is left to do it.

    Whoever comes free takes the released request that is due first. ``free`` says when each does.
    """
    waiting, coming = before.waiting.copy(), before.coming.copy()
    again: list[_Waiting] = []  # a heap of those released meanwhile
    spans = seats.first_spans()
    turns = seats.turns(free)
    for turn, (at, place) in enumerate(turns):  # it grows meanwhile
        while coming and coming[0][0] <= at:
            heappush(again, heappop(coming)[1:])
        if again and not (waiting and waiting[-1] <= again[0]):
            tries = heappop(again)[1]
        elif waiting:
            tries = waiting.pop()[1]
        else:
            return at  # the newcomer is the next
        if (length := next(attempts)) is None:
            length = _UNANSWERED
            _try_again(coming, at + length, tries, due)
        ends = at + length
        start, last = spans[place]
        following = ends if start <= ends <= last else seats.ready(place, ends)
        if following is not None:
            insort(turns, (following, place), turn)  # later than this turn
    return None


def _try_again(coming: list[_Coming], at: float, tries: int, due: float) -> None:
    """Let a request that was not answered come again, if that is due before the newcomer."""
    if tries < len(_PAUSES):
        release = at + _PAUSES[tries]
        if release + _SLACK <= due:
            heappush(coming, (release, release + _SLACK, tries + 1))
