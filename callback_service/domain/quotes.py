"""What to promise for "as soon as you can": a few futures of the plan, and what quotes came to.

The plan is followed through some sampled futures: calls as long as calls are, those that run
already by how long they have run, some not answered and tried again. The promise is the mean start
of the newcomer plus z standard deviations, with z learned from how the last quotes turned out: what
the plan does not know of shows in them, and ends up in z. It is never earlier than the latest open
promise, and the newcomer is planned there, so that nobody is overtaken.
Source: docs/planning.md, "Quotes".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush, heapreplace
from math import ceil
from random import Random
from statistics import fmean, stdev
from typing import Final, NamedTuple

from callback_service.domain.call_lengths import CallLengths
from callback_service.domain.escalation import NEAR_DUE
from callback_service.domain.planning import HANDOVER_MARGIN, OFFER_LEASE, Availability, Task
from callback_service.domain.presence import REST
from callback_service.domain.retry import AFTER_NO_ANSWER, RETRY_SLACK

#: Futures looked at. More gained nothing with mean and standard deviation.
FUTURES: Final = 20
FEWEST_FUTURES: Final = 6
#: Requests ahead, times futures, that are followed: it bounds the time of a quote.
MOST_STEPS: Final = 1500
#: The share of promises to be kept: half a point above the goal, as learning comes after the fact.
KEPT_SHARE: Final = 0.985
#: The share that z is chosen to keep stays within these, however the last promises turned out.
SHARES: Final = (0.95, 0.995)
#: z until this many quotes have turned out one way or the other.
FIRST_Z: Final = 3.0
FEWEST_RESULTS: Final = 60
MOST_RESULTS: Final = 500
#: No z is higher, whatever went wrong lately: an outage must not put off all who ask after it.
HIGHEST_Z: Final = 12.0
#: Added to every standard deviation: somebody has to see the offer and take it.
LEAST_SPREAD: Final = timedelta(minutes=2)
#: A newcomer is planned as if due this soon, unless an older promise stands behind that.
NEWCOMER_DUE: Final = timedelta(minutes=30)
#: Promised when the rota holds nobody: the duty lead is told at once and has this long.
NOBODY_FREE: Final = timedelta(hours=1)
#: No promise is sooner: the first offer has its whole lease before the duty lead is told.
SOONEST: Final = OFFER_LEASE + NEAR_DUE
#: Promises end on a whole such step of the clock.
STEP: Final = timedelta(minutes=5)
#: Of attempts; and how long such an attempt takes, the rest after it included.
UNANSWERED_SHARE: Final = 0.25
RINGS: Final = timedelta(minutes=2)
UNANSWERED_LENGTH: Final = RINGS + REST

_PAUSES: Final = tuple(pause.total_seconds() for pause in AFTER_NO_ANSWER)
_SLACK: Final = RETRY_SLACK.total_seconds()
_UNANSWERED: Final = UNANSWERED_LENGTH.total_seconds()

#: When a request is to be rung by, and the pauses of its retries that are still to come.
_Waiting = tuple[float, int]
#: The same with the second it may be rung from.
_Coming = tuple[float, float, int]
#: First and last second at which a call may start, in order.
_Spans = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a newcomer would be rung: mean and standard deviation, in seconds from now."""

    mean: float
    sd: float

    def surprise(self, achieved: timedelta) -> float:
        """How many standard deviations later than the mean the first attempt came."""
        return (achieved.total_seconds() - self.mean) / self._spread

    def after(self, z: float) -> timedelta:
        """The wait that is ``z`` standard deviations above the mean."""
        return timedelta(seconds=max(self.mean + z * self._spread, 0))

    @property
    def _spread(self) -> float:
        return self.sd + LEAST_SPREAD.total_seconds()


def promise(
    forecast: Forecast | None, *, z: float, latest_open_promise: datetime | None, now: datetime
) -> datetime:
    """The time to promise, on a whole five minutes; never before the latest promise still open."""
    due = now + (max(forecast.after(z), SOONEST) if forecast else NOBODY_FREE)
    return round_up(max(due, latest_open_promise or due), STEP)


def round_up(at: datetime, step: timedelta) -> datetime:
    """``at`` rounded up to a whole ``step`` of the clock."""
    seconds = step.total_seconds()
    return datetime.fromtimestamp(ceil(at.timestamp() / seconds) * seconds, tz=at.tzinfo)


class Came(NamedTuple):
    """What a quote came to: see ``Forecast.surprise``; and whether the promise was kept."""

    surprise: float
    is_kept: bool


def learned_z(last: Sequence[Came]) -> float:
    """The z that would have kept the share we aim at of the last quotes.

    Promises are later than z alone would have them, as they are rounded up and wait for the
    latest one open; so where more were kept than we aim at, fewer are aimed at by as much, and the
    other way round. Source: I. Gibbs and E. Candes, "Adaptive conformal inference under
    distribution shift" (2021), with the steps of all the last quotes taken at once.
    """
    if len(last) < FEWEST_RESULTS:
        return FIRST_Z
    kept = sum(came.is_kept for came in last) / len(last)
    share = min(max(2 * KEPT_SHARE - kept, SHARES[0]), SHARES[1])
    place = ceil(share * len(last)) - 1
    return min(sorted(came.surprise for came in last)[place], HIGHEST_Z)


def forecast(
    tasks: Iterable[Task],
    counsellors: Iterable[Availability],
    talked: Mapping[int, timedelta],
    *,
    latest_open_promise: datetime | None,
    lengths: CallLengths,
    now: datetime,
    chance: Random,
) -> Forecast | None:
    """When somebody who asks ``now`` would be rung; None if the rota holds nobody to do it.

    ``talked`` says of counsellors on a call how long it has lasted. Breaks are holes in the spans
    of counsellors. The same facts and the same ``chance`` give the same forecast.
    """
    latest = (latest_open_promise - now).total_seconds() if latest_open_promise else 0.0
    queue = _Queue(tasks, now=now)
    seats = _Seats(counsellors, talked, lengths, now=now)
    due = max(NEWCOMER_DUE.total_seconds(), latest)
    if seats.idle > queue.released_by(due):
        return Forecast(0.0, 0.0)
    expected = _start(seats.expected(), seats.spans, queue, due, lengths, None)
    if expected is None:
        return None
    due = max(latest, 1.2 * expected + 15 * 60)
    futures = min(max(MOST_STEPS // (queue.count_by(due) + 1), FEWEST_FUTURES), FUTURES)
    starts = [
        _start(free, seats.spans, queue, due, lengths, chance)
        for free in seats.sampled(futures, chance)
    ]
    found = [start for start in starts if start is not None]
    return Forecast(fmean(found), stdev(found)) if len(found) > 1 else Forecast(expected, 0.0)


class _Queue:
    """Who waits and who is to come. Only what is due before the newcomer is served before them."""

    def __init__(self, tasks: Iterable[Task], *, now: datetime) -> None:
        self._all = sorted(
            (
                (task.target - now).total_seconds(),
                max((task.release - now).total_seconds(), 0.0),
            )
            for task in tasks
        )

    def released_by(self, due: float) -> int:
        return sum(release == 0 for target, release in self._all if target <= due)

    def count_by(self, due: float) -> int:
        return sum(target <= due for target, _ in self._all)

    def before(self, due: float) -> tuple[list[_Waiting], list[_Coming]]:
        """Those due by then: who waits, and who is to be released; each a heap."""
        waiting: list[_Waiting] = []
        coming: list[_Coming] = []
        for target, release in self._all:
            if target > due:
                break
            if release:
                coming.append((release, target, 0))
            else:
                waiting.append((target, 0))
        heapify(coming)
        return waiting, coming


class _Seats:
    """The counsellors: when each comes free, and the spans in which a call of theirs may start."""

    def __init__(
        self,
        counsellors: Iterable[Availability],
        talked: Mapping[int, timedelta],
        lengths: CallLengths,
        *,
        now: datetime,
    ) -> None:
        self.spans: list[_Spans] = []
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
            self.spans.append(spans)
            free = max((one.free_at - now).total_seconds(), 0.0)
            self._free.append(free)
            if one.counsellor_id in talked:
                self._talked.append((place, talked[one.counsellor_id].total_seconds()))
            elif free == 0 and _ready(spans, 0) == 0:
                self.idle += 1

    def expected(self) -> list[float]:
        """When each comes free on average, in seconds from now."""
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


def _ready(spans: _Spans, at: float) -> float | None:
    """The first second from ``at`` on at which a call may start; None if there is none."""
    for start, last in spans:
        if at <= last and start <= last:
            return max(at, start)
    return None


def _start(
    free: list[float],
    spans: list[_Spans],
    queue: _Queue,
    due: float,
    lengths: CallLengths,
    chance: Random | None,
) -> float | None:
    """The second at which a newcomer ``due`` then is rung; None if nobody is left to do it.

    Whoever comes free takes the released request that is due first. Without ``chance`` every call
    is answered and of mean length.
    """
    waiting, coming = queue.before(due)
    heap = [(at, place) for place, at in enumerate(free)]
    heapify(heap)
    while heap:
        at, place = heap[0]
        ready = _ready(spans[place], at)
        if ready is None:
            heappop(heap)
            continue
        if ready > at:
            heapreplace(heap, (ready, place))
            continue
        while coming and coming[0][0] <= at:
            _, target, tries = heappop(coming)
            heappush(waiting, (target, tries))
        if not waiting:
            return at  # the newcomer is the next
        _, tries = heappop(waiting)
        if chance is None:
            length = lengths.mean
        elif chance.random() < UNANSWERED_SHARE:
            length = _UNANSWERED
            _try_again(coming, at + length, tries, due)
        else:
            length = lengths.sample(chance)
        heapreplace(heap, (at + length, place))
    return None


def _try_again(coming: list[_Coming], at: float, tries: int, due: float) -> None:
    """Let a request that was not answered come again, if that is due before the newcomer."""
    if tries < len(_PAUSES):
        release = at + _PAUSES[tries]
        if release + _SLACK <= due:
            heappush(coming, (release, release + _SLACK, tries + 1))
