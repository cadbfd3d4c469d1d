"""How long calls last: log-normal, learned from the last ones, with what we believe at first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from math import erfc, exp, log, sqrt
from random import Random
from statistics import NormalDist
from typing import Final

from callback_service.domain.presence import WRAP_UP

#: How many calls what we believe at first weighs as much as.
PRIOR_WEIGHT: Final = 20
#: As many of the last calls are learned from.
MOST_CALLS: Final = 500
#: A record outside these was made late or by mistake, and counts as the nearer of them.
SHORTEST: Final = timedelta(minutes=1)
LONGEST: Final = timedelta(hours=2)

_NORMAL: Final = NormalDist()
_LEAST: Final = 2**-52  # of chances: the normal knows no value that all are above
#: The middles of 500 parts of a standard normal that are as likely as each other.
_LIKELY: Final = tuple(_NORMAL.inv_cdf((part + 0.5) / 500) for part in range(500))
_MOST: Final = LONGEST.total_seconds()
_WRAP_UP: Final = WRAP_UP.total_seconds()


@dataclass(frozen=True)
class CallLengths:
    """Calls with their notes: ``mean`` in seconds, and ``cv``, the standard deviation over it."""

    mean: float
    cv: float

    @property
    def expected(self) -> timedelta:
        """The mean as a length of time, to the second."""
        return timedelta(seconds=round(self.mean))

    @cached_property
    def _sigma(self) -> float:
        return sqrt(log(1 + self.cv**2))

    @cached_property
    def _mu(self) -> float:
        return log(self.mean) - self._sigma**2 / 2

    def sample(self, chance: Random) -> float:
        """The length of one call, in seconds."""
        return exp(self._mu + self._sigma * chance.gauss(0, 1))

    @property
    def likely(self) -> list[float]:
        """So many lengths of calls, in seconds, that each is as likely as another."""
        mu, sigma = self._mu, self._sigma
        return [exp(mu + sigma * z) for z in _LIKELY]

    def left(self, talked: float) -> float:
        """Seconds until somebody is free, on average, who has talked so long; never 0.

        They still talk, so all of their wrap-up is to come: the call is longer than both together.
        Source: the mean of a log-normal above a value, E[X | X > e] = mean Q(z - sigma) / Q(z).
        """
        talked = min(max(talked, 0.0), _MOST)
        z = self._z(talked + _WRAP_UP)
        return self.mean * _above(z - self._sigma) / _above(z) - talked

    def remaining(self, talked: float, chances: Sequence[float]) -> list[float]:
        """The same in several futures, each by a chance of [0, 1)."""
        talked = min(max(talked, 0.0), _MOST)
        share = _above(self._z(talked + _WRAP_UP))
        mu, sigma, inverse = self._mu, self._sigma, _NORMAL.inv_cdf
        shares = [share * (1 - u if u > _LEAST else 1 - _LEAST) for u in chances]
        lefts = [exp(mu - sigma * inverse(above)) - talked for above in shares]
        return [left if left > _WRAP_UP else _WRAP_UP for left in lefts]  # quicker than max

    def _z(self, lasted: float) -> float:
        return (log(lasted) - self._mu) / self._sigma


def _above(z: float) -> float:
    """The share of a standard normal above ``z``."""
    return erfc(z / sqrt(2)) / 2


#: Until calls are measured (source: docs/design.md, "Defaults").
PRIOR: Final = CallLengths(30 * 60, 0.5)


def learned(calls: Iterable[timedelta]) -> CallLengths:
    """What the last calls that reached the caller say, with the weight of a few of ``PRIOR``."""
    count = float(PRIOR_WEIGHT)
    total = count * PRIOR.mean
    squares = count * PRIOR.mean**2 * (1 + PRIOR.cv**2)
    for call in calls:
        seconds = min(max(call, SHORTEST), LONGEST).total_seconds()
        count, total, squares = count + 1, total + seconds, squares + seconds**2
    mean = total / count
    return CallLengths(mean, sqrt(squares / count / mean**2 - 1))
