"""Foresight for a plan that is to be least late in all: what is scarce later is served sooner.

Strictly by due date a plan looks no further than the instant at hand. So when a skill will be short
it may spend those who have it on tasks that others could have taken later. From one such plan it is
known for how long tasks of a kind will be late: a call of that kind now spares so many seconds of
lateness. That is its price, and with prices in their ranks tasks are planned again, until no more
is gained. (The same is done to find prices in Lagrangian relaxation; the mean of all rounds so far
keeps them from swinging.)
"""

from __future__ import annotations

from itertools import accumulate, groupby
from typing import TYPE_CHECKING, Final

from callback_service.domain.plan_facts import PLACE, PLACES, Facts

if TYPE_CHECKING:
    from callback_service.domain.plan_run import Run

#: Seconds for which a price holds.
STEP: Final = 15 * 60
#: Tasks of the same target are spread over the time since the one before, at most so much: seconds.
SPREAD: Final = 2 * 60 * 60


class Prices:
    """Seconds of lateness that a call of a kind spares, by step; and the keys it is set against."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._rounds = 0
        self._by_needs: list[list[float]] = [[] for _ in range(max(facts.needs_of, default=-1) + 1)]
        self.keys = _spread(facts.tasks.keys)

    def of(self, needs: int, at: int) -> int:
        """The price at an instant, in seconds."""
        prices, step = self._by_needs[needs], at // STEP
        return round(prices[step]) if step < len(prices) else 0

    def learn(self, run: Run) -> None:
        """Take in what a plan says."""
        self._rounds += 1
        share = 1 / (self._rounds + 0.5)
        for known, found in zip(self._by_needs, self._found(run), strict=True):
            known.extend([0.0] * (len(found) - len(known)))
            found.extend([0.0] * (len(known) - len(found)))
            known[:] = [old + share * (new - old) for old, new in zip(known, found, strict=True)]

    def _found(self, run: Run) -> list[list[float]]:
        """For each of the needs, from each step on: how long somebody is late until none waits."""
        tasks, steps = self._facts.tasks, max(run.starts) // STEP + 1
        waits = [[0] * (steps + 1) for _ in self._by_needs]
        late = [[0] * (steps + 1) for _ in self._by_needs]
        for place, start in zip(run.places, run.starts, strict=True):
            needs, end = self._facts.needs_of[tasks.kinds[place]], start // STEP
            release, due = tasks.releases[place], tasks.dues[place]
            waits[needs][release // STEP] += 1
            waits[needs][end] -= 1
            if start > due:
                late[needs][max(due, release) // STEP] += 1
                late[needs][end] -= 1
        return [_until_empty(*both) for both in zip(waits, late, strict=True)]


def _until_empty(waits: list[int], late: list[int]) -> list[float]:
    """From changes in how many wait, and how many of them late: seconds late until none waits."""
    found, price = list[float](), 0.0
    in_queue, are_late = list(accumulate(waits)), list(accumulate(late))
    for queue, number in zip(reversed(in_queue), reversed(are_late), strict=True):
        price = price + STEP * (number > 0) if queue else 0.0
        found.append(price)
    return found[::-1]


def _spread(keys: list[int]) -> list[int]:
    """Ranks in order, of which hardly two are equal any more.

    Where many share a rank a small price would move all of them at once.
    """
    found, before = list(keys), -SPREAD
    in_order = sorted(keys)
    for rank, several in groupby(in_order, key=lambda key: key >> PLACES):
        places = [key & PLACE for key in several]
        gap = min(rank - before, SPREAD)
        for number, place in enumerate(places, 1):
            found[place] = rank - gap + gap * number // len(places) << PLACES | place
        before = rank
    return found
