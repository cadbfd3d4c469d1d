"""One future of the plan, followed until a newcomer's turn comes: for ``domain.quotes``.

Seconds from now throughout, as plain numbers: a quote looks at some two thousand calls while
somebody waits for the page.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from heapq import heappop, heappush
from itertools import chain, repeat
from math import inf, log
from random import Random
from typing import Final, NamedTuple

from callback_service.domain.absences import SICK_NOTICE, SICK_SHARE
from callback_service.domain.breaks import break_to_come
from callback_service.domain.call_lengths import CallLengths
from callback_service.domain.planning import (
    HANDOVER_MARGIN,
    OFFER_LEASE,
    Availability,
    Task,
)
from callback_service.domain.presence import REST
from callback_service.domain.retry import AFTER_NO_ANSWER, RETRY_SLACK

#: Of attempts; and how long such an attempt takes, the rest after it included.
UNANSWERED_SHARE: Final = 0.25
RINGS: Final = timedelta(minutes=2)
UNANSWERED_LENGTH: Final = RINGS + REST
#: To see an offer, take it, read it and dial, about.
TAKING: Final = timedelta(minutes=1)
#: Stand for the length of an attempt that was not made, as nobody took the offer, or in vain.
LAPSED: Final = -1.0
UNANSWERED: Final = -2.0

_PAUSES: Final = tuple(pause.total_seconds() for pause in AFTER_NO_ANSWER)
_SLACK: Final = RETRY_SLACK.total_seconds()
_TAKING: Final = TAKING.total_seconds()
_IN_VAIN: Final = UNANSWERED_LENGTH.total_seconds() + _TAKING
_LEASE: Final = OFFER_LEASE.total_seconds()
_MARGIN: Final = HANDOVER_MARGIN.total_seconds()
_NOTICE: Final = SICK_NOTICE.total_seconds()

_AT_ONCE: Final = 100  # draws: each costs less so

#: When a request is to be rung by, and how often it was tried: below zero both, so that in order
#: the next one is the last.
_Waiting = tuple[float, int]
#: The second it may be rung from, and the same.
_Coming = tuple[float, _Waiting]
#: First and last second at which a call may start.
_Span = tuple[float, float]
_NO_SPAN: Final[_Span] = (inf, -inf)
_NO_BREAK: Final[_Span] = (inf, inf)
#: Somebody who is due behind the newcomer, and comes no second time.
_BEHIND: Final[_Waiting] = (-inf, -len(_PAUSES))
#: Stands behind all who come.
_NOBODY: Final[_Coming] = (inf, _BEHIND)


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

    def before(self, due: float) -> Before:
        """Those due by then."""
        some = self._due_by(due)
        waiting = [(-target, 0) for target, release in reversed(some) if not release]
        coming = [(release, (-target, 0)) for target, release in some if release]
        return Before(waiting, sorted(coming))


class Future(NamedTuple):
    """By counsellor: when they come free first, and from when on they take a break."""

    free: list[float]
    breaks: list[float]


class Starts(NamedTuple):
    """When the newcomer is rung: if the first offer is taken, and if it lapses."""

    taken: float
    lapsed: float


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
        self._breaks: list[_Span] = []  # the first and last second at which it begins
        self.break_lengths: list[float] = []
        self._shifts_to_come: list[tuple[int, float]] = []  # by place, and the last second of each
        self._lengths = lengths
        for place, one in enumerate(counsellors):
            spans = [
                (first, last)
                for start, end in one.spans
                if (first := (start - now).total_seconds())
                <= (last := (end - now).total_seconds() - _MARGIN)
            ]
            self._spans.append(spans)
            free_at = one.free_at
            self._free.append(0.0 if free_at <= now else (free_at - now).total_seconds())
            self._add_break(one, now)
            if spans and spans[0][0] > _NOTICE:
                self._shifts_to_come.append((place, spans[0][1]))
            if one.counsellor_id in talked:
                self._talked.append((place, talked[one.counsellor_id].total_seconds()))

    def _add_break(self, one: Availability, now: datetime) -> None:
        is_due = one.spans and not one.has_had_break
        found = break_to_come(one.spans[0], now=now) if is_due else None
        if found is None:
            self._breaks.append(_NO_BREAK)
            self.break_lengths.append(0.0)
        else:
            earliest, latest, lasts = found
            self._breaks.append(((earliest - now).total_seconds(), (latest - now).total_seconds()))
            self.break_lengths.append(lasts.total_seconds())

    def expected(self) -> Future:
        """What comes on average; without the breaks, each of which may also come later."""
        free = list(self._free)
        for place, talked in self._talked:
            free[place] = self._lengths.left(talked)
        return Future(free, [inf] * len(free))

    def sampled(self, futures: int, chance: Random) -> list[Future]:
        """When each comes free and takes a break, in so many futures; some are off sick."""
        random = chance.random
        free, breaks = ([[at] * futures for at in self._free], [])
        for place, talked in self._talked:
            free[place] = self._lengths.remaining(talked, [random() for _ in range(futures)])
        for earliest, latest in self._breaks:
            width = latest - earliest
            breaks.append(
                [earliest + width * random() for _ in range(futures)]
                if earliest < inf
                else [inf] * futures
            )
        for number in _some(futures * len(self._shifts_to_come), SICK_SHARE, chance):
            place, last = self._shifts_to_come[number // futures]
            free[place][number % futures] = last + 1
        return [
            Future(list(frees), list(own))
            for frees, own in zip(zip(*free, strict=True), zip(*breaks, strict=True), strict=True)
        ]

    def turns(self, free: Iterable[float]) -> list[float]:
        """When each may first begin a call, given when they come free; inf if they may not."""
        return [
            at if start <= at <= last else self.ready(place, at)
            for place, (at, (start, last)) in enumerate(zip(free, self.first_spans, strict=True))
        ]

    @cached_property
    def first_spans(self) -> list[_Span]:
        """The span in which most of the calls of each begin."""
        return [spans[0] if spans else _NO_SPAN for spans in self._spans]

    @cached_property
    def first_lasts(self) -> list[float]:
        """The end of those spans."""
        return [last for _, last in self.first_spans]

    def first_start(self, open_from: Sequence[float]) -> float:
        """The first second at which anybody on shift may ring the newcomer; inf if none may."""
        return min((self.ready(place, opens) for place, opens in enumerate(open_from)), default=inf)

    def ready(self, place: int, at: float) -> float:
        """The first second from ``at`` on at which a call may start; inf if there is none."""
        for start, last in self._spans[place]:
            if at <= last:
                return max(at, start)
        return inf

    def alone_from(self, place: int, at: float) -> float:
        """When the last colleague leaves who is on shift at ``at``; that itself without one."""
        ends = (
            last + _MARGIN
            for other, spans in enumerate(self._spans)
            if other != place
            for start, last in spans
            if start <= at <= last
        )
        return max(ends, default=at)


def _some(count: int, share: float, chance: Random) -> Iterator[int]:
    """Numbers below ``count``, each with the chance ``share``, by how many are between them."""
    number = -1
    while (number := number + 1 + int(log(1 - chance.random()) / log(1 - share))) < count:
        yield number


def draws(lengths: CallLengths, lapses: float, chance: Random) -> Iterator[float]:
    """How long one attempt after the other takes, without end, in seconds.

    LAPSED for the share ``lapses`` of offers, UNANSWERED for its share of the rest.
    """
    likely = _likely(lengths, lapses)
    return chain.from_iterable(chance.choices(likely, k=_AT_ONCE) for _ in repeat(None))


@lru_cache(maxsize=8)  # what was learned is the same for a minute, in each database
def _likely(lengths: CallLengths, lapses: float) -> tuple[float, ...]:
    """Attempts of which each is as likely as another."""
    answered = [length + _TAKING for length in lengths.likely]
    taken = len(answered) / (1 - UNANSWERED_SHARE)
    lapsed = round(taken * lapses / (1 - lapses))
    return (*answered, *[UNANSWERED] * (round(taken) - len(answered)), *[LAPSED] * lapsed)


class _Line:
    """Who is served before a newcomer ``due`` then, in one future; some of them more than once."""

    def __init__(self, before: Before, due: float) -> None:
        self.waiting, self.coming = before.waiting.copy(), [*before.coming, _NOBODY]
        self._due = due

    def release(self, at: float) -> None:
        """Let those wait who may be rung from ``at`` on."""
        while self.coming[0][0] <= at:
            insort(self.waiting, heappop(self.coming)[1])

    def missed(self, one: _Waiting, drawn: float, at: float) -> float:
        """Let somebody come again whom nobody spoke with; how many seconds that took.

        Only if they are due before the newcomer.
        """
        if drawn == LAPSED:
            lasted, release = _LEASE, at + _LEASE
        else:
            lasted, tries = _IN_VAIN, -one[1]
            if tries == len(_PAUSES):
                return lasted
            release = at + _IN_VAIN + _PAUSES[tries]
            one = -release - _SLACK, -tries - 1
        if -one[0] <= self._due:
            heappush(self.coming, (release, one))
        return lasted


def start_of_newcomer(
    seats: Seats,
    future: Future,
    before: Before,
    due: float,
    attempts: Iterator[float],
    open_from: Sequence[float],
) -> Starts | None:
    """The seconds at which a newcomer ``due`` then is rung; None if nobody is left to do it.

    Whoever comes free takes the released request that is due first. ``open_from`` says from when on
    each counsellor may take the newcomer; until then they take somebody who is due behind.
    """
    line, breaks, lasts = _Line(before, due), future.breaks, seats.first_lasts
    waiting, coming = line.waiting, line.coming
    turns = seats.turns(future.free)
    places, soonest = range(len(turns)), 0.0
    while soonest < inf:
        soonest = inf  # of second turns: until then the order of the first ones holds
        for place in sorted(places, key=turns.__getitem__):
            if (at := turns[place]) >= soonest:
                break
            if breaks[place] <= at:
                length, breaks[place] = seats.break_lengths[place], inf
            else:
                if coming[0][0] <= at:
                    line.release(at)
                if not waiting and open_from[place] <= at:
                    return Starts(at, _if_lapsed(seats, turns, place, open_from))
                taken, length = waiting.pop() if waiting else _BEHIND, next(attempts)
                if length < 0:
                    length = line.missed(taken, length, at)
            ends = at + length
            turns[place] = ends = ends if ends <= lasts[place] else seats.ready(place, ends)
            soonest = ends if ends < soonest else soonest
    return None


def _if_lapsed(
    seats: Seats, turns: Sequence[float], place: int, open_from: Sequence[float]
) -> float:
    """When the newcomer is rung whose offer to ``place`` lapses at their turn: by a colleague.

    By any of them where no other meets what is wished for, as the wish is in vain then. Or by the
    same one, once no colleague is on shift any more.
    """
    at, turns, opens = turns[place], [*turns], [*open_from]
    turns[place] = opens[place] = inf  # they are no colleague of theirs
    lapses_at = at + _LEASE
    start = min(map(max, turns, opens) if min(opens) <= at else turns)
    if start > lapses_at:
        start = min(start, seats.alone_from(place, at))
    return max(start, lapses_at)
