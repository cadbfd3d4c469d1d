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
from itertools import repeat
from math import ceil, log, sqrt
from random import Random
from statistics import fmean
from typing import Final, NamedTuple

from callback_service.domain.escalation import NEAR_DUE
from callback_service.domain.habits import Habits
from callback_service.domain.planning import OFFER_LEASE, Availability, Task
from callback_service.domain.quote_futures import Queue, Seats, Starts, draws, start_of_newcomer
from callback_service.domain.wishes import Step

#: Futures looked at. More gained nothing with mean and standard deviation.
FUTURES: Final = 20
FEWEST_FUTURES: Final = 4
#: Requests ahead, times futures, that are followed: it bounds the time of a quote.
MOST_STEPS: Final = 800
#: The share of promises to be kept. More are, as they are rounded up and wait for older ones.
KEPT_SHARE: Final = 0.98
#: The share that z is chosen to keep stays within these, however the last promises turned out.
SHARES: Final = (0.95, 0.995)
#: z until the first quotes have turned out, and how many results it weighs as much as.
FIRST_Z: Final = 2.75
PRIOR_WEIGHT: Final = 100
MOST_RESULTS: Final = 500
#: No z is higher, whatever went wrong lately: an outage must not put off all who ask after it.
HIGHEST_Z: Final = 12.0
#: Added to every standard deviation, for what the futures do not know of.
LEAST_SPREAD: Final = timedelta(minutes=2)
#: Added as well, for each second of waiting while somebody is on shift: more of what no future
#: knows of can come between; MOST_UNKNOWN at most (source: docs/planning.md, "Quotes").
UNKNOWN_SHARE: Final = 0.3
MOST_UNKNOWN: Final = timedelta(minutes=6)
#: A newcomer is planned as if due this soon, unless an older promise stands behind that.
NEWCOMER_DUE: Final = timedelta(minutes=30)
#: Promised when the rota holds nobody: the duty lead is told at once and has this long.
NOBODY_FREE: Final = timedelta(hours=1)
#: No promise is sooner: the first offer has its whole lease before the duty lead is told.
SOONEST: Final = OFFER_LEASE + NEAR_DUE
#: Promises end on a whole such step of the clock.
STEP: Final = timedelta(minutes=5)


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


#: Exponential, as many waits are far shorter than the longest.
_FIRST_SURPRISES: Final = tuple(
    FIRST_Z * log((number + 0.5) / PRIOR_WEIGHT) / log(1 - KEPT_SHARE)
    for number in range(PRIOR_WEIGHT)
)


class Came(NamedTuple):
    """What a quote came to: see ``Forecast.surprise``; and whether the promise was kept."""

    surprise: float
    is_kept: bool


def learned_z(last: Sequence[Came]) -> float:
    """The z that would have kept the share we aim at of the last quotes.

    Promises are later than z alone would have them, as they are rounded up and wait for the
    latest one open; so where more were kept than we aim at, fewer are aimed at by as much, and the
    other way round. Source: I. Gibbs and E. Candes, "Adaptive conformal inference under
    distribution shift" (2021), with the steps of all the last quotes taken at once. Before them
    come PRIOR_WEIGHT others, of which FIRST_Z would have kept that share.
    """
    count = len(last) + PRIOR_WEIGHT
    kept = (sum(came.is_kept for came in last) + KEPT_SHARE * PRIOR_WEIGHT) / count
    share = min(max(2 * KEPT_SHARE - kept, SHARES[0]), SHARES[1])
    surprises = sorted([*_FIRST_SURPRISES, *(came.surprise for came in last)])
    return min(surprises[ceil(share * count) - 1], HIGHEST_Z)


def forecast(
    tasks: Iterable[Task],
    counsellors: Iterable[Availability],
    talked: Mapping[int, timedelta],
    *,
    latest_open_promise: datetime | None,
    habits: Habits,
    steps: Sequence[Step] = (),
    now: datetime,
    chance: Random,
) -> Forecast | None:
    """When somebody who asks ``now`` would be rung; None if the rota holds nobody to do it.

    ``talked`` says of counsellors on a call how long it has lasted. ``steps`` are those of the
    newcomer's wishes. Breaks that were planned are holes in the spans of counsellors. The same
    facts and the same ``chance`` give the same forecast.
    """
    people = list(counsellors)
    latest = (latest_open_promise - now).total_seconds() if latest_open_promise else 0.0
    queue, lengths = Queue(tasks, now=now), habits.lengths
    seats = Seats(people, talked, lengths, now=now)
    due = max(NEWCOMER_DUE.total_seconds(), latest)
    opens = [_open_from(one, steps, now) if steps else 0.0 for one in people]
    mean = repeat(lengths.mean)
    expected = start_of_newcomer(seats, seats.expected(), queue.before(due), due, mean, opens)
    if expected is None:
        return None
    due = max(latest, 1.2 * expected.taken + 15 * 60)
    before, lasting = queue.before(due), draws(lengths, habits.lapses, chance)
    futures = min(max(MOST_STEPS // (before.size + 1), FEWEST_FUTURES), FUTURES)
    starts = [
        start_of_newcomer(seats, future, before, due, lasting, opens)
        for future in seats.sampled(futures, chance)
    ]
    found = [start for start in starts if start is not None]
    if len(found) < 2:
        return Forecast(expected.taken, 0.0)
    mixed = _mixed(found, habits.lapses)
    return Forecast(mixed.mean, mixed.sd + _unknown(mixed.mean - seats.first_start(opens)))


def _unknown(staffed: float) -> float:
    """What to add to the deviation of who waits so long while somebody is on shift, in seconds."""
    return min(max(UNKNOWN_SHARE * staffed, 0.0), MOST_UNKNOWN.total_seconds())


def _open_from(one: Availability, steps: Sequence[Step], now: datetime) -> float:
    """The second from which on somebody may ring a newcomer with these steps of wishes."""
    first = (step.since for step in steps if step.needs <= one.skills)
    return max((next(first, now) - now).total_seconds(), 0.0)


def _mixed(starts: Sequence[Starts], lapses: float) -> Forecast:
    """The mean and the deviation, where the share ``lapses`` of first offers are not taken."""
    taken, lapsed = [start.taken for start in starts], [start.lapsed for start in starts]
    mean = (1 - lapses) * fmean(taken) + lapses * fmean(lapsed)
    within = (1 - lapses) * _square(taken, mean) + lapses * _square(lapsed, mean)
    return Forecast(mean, sqrt(within * len(starts) / (len(starts) - 1)))


def _square(values: Sequence[float], mean: float) -> float:
    return fmean((value - mean) ** 2 for value in values)
