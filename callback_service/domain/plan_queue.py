"""The tasks of a plan that wait, by kind: which is the next, and when that changes."""

from __future__ import annotations

from collections.abc import Collection, Set
from heapq import heapify, heappop, heappush, heapreplace
from typing import Final

from callback_service.domain.plan_facts import NEVER, PLACE, PLACES, Facts
from callback_service.domain.plan_prices import STEP, Prices

#: Stands for a kind of which nobody waits: it is after every key.
NO_KEY: Final = NEVER << PLACES


class Queue:
    """Those who wait, in ``count``, and in ``coming`` those who will, the next one last.

    A key is a rank and a place; with ``prices`` those of a kind are lowered by what it costs.
    """

    def __init__(self, facts: Facts, *, cap: int, prices: Prices | None) -> None:
        tasks, able = facts.tasks, facts.able
        self._facts, self._prices = facts, prices
        self._kind_of = tasks.kinds
        self._keys = prices.keys if prices else tasks.keys
        self.lift = [0] * len(able)  # what the price of a kind takes off its keys
        self._cap = cap << PLACES
        # A task that is missed ranks by the cap from then on, and is not missed again.
        self._missed_at = list(tasks.dues) if cap else [NEVER] * len(tasks.dues)
        # Keys of those who wait, by kind: of those who do from the first, the lowest last; and a
        # heap of those who came later or are missed.
        self._ready: list[list[int]] = [[] for _ in able]
        self._joined: list[list[int]] = [[] for _ in able]
        ready = self._ready
        self.coming: list[int] = []
        for key, kind, release in zip(self._keys, tasks.kinds, tasks.releases, strict=True):
            if not able[kind]:
                continue
            if release:
                self.coming.append(release << PLACES | key & PLACE)
            else:
                ready[kind].append(key)
        for keys in [*ready, self.coming]:
            keys.sort(reverse=True)
        self.count = sum(map(len, ready))

    @property
    def next_release(self) -> int:
        """The instant at which the next task may be rung that may not yet; NEVER without one."""
        return self.coming[-1] >> PLACES if self.coming else NEVER

    def release(self, at: int) -> Set[int]:
        """Let those tasks wait that may be rung from ``at`` on; their kinds."""
        coming, last = self.coming, at << PLACES | PLACE
        if not coming or coming[-1] > last:
            return frozenset()
        kinds, before = set[int](), len(coming)
        while coming and coming[-1] <= last:
            place = coming.pop() & PLACE
            kind = self._kind_of[place]
            heappush(self._joined[kind], self._keys[place])
            kinds.add(kind)
        self.count += before - len(coming)
        return kinds

    def heads(self, at: int, kinds: Collection[int]) -> list[int]:
        """The lowest key of each kind, as a heap."""
        found = [self.head(kind, at)[0] for kind in kinds]
        heads = [head for head in found if head != NO_KEY]
        heapify(heads)
        return heads

    def head(self, kind: int, at: int) -> tuple[int, int]:
        """The lowest key of a kind, and the last instant at which it is so unless it is dropped.

        NO_KEY if none of it waits.
        """
        ready, joined, missed_at = self._ready[kind], self._joined[kind], self._missed_at
        while ready and (end := missed_at[ready[-1] & PLACE]) < at:
            missed_at[ready[-1] & PLACE] = NEVER
            heappush(joined, ready.pop() + self._cap)
        while joined and missed_at[place := joined[0] & PLACE] < at:
            missed_at[place] = NEVER
            heapreplace(joined, joined[0] + self._cap)
        if joined and not (ready and ready[-1] < joined[0]):
            key, end = joined[0], missed_at[joined[0] & PLACE]
        elif ready:
            key = ready[-1]
        else:
            return NO_KEY, NEVER
        if not self._prices:
            return key, end
        self.lift[kind] = self._prices.of(self._facts.needs_of[kind], at) << PLACES
        return key - self.lift[kind], min(end, at - at % STEP + STEP - 1)

    def drop_head(self, kind: int) -> int:
        """Remove the task of the lowest key of a kind; its key without a price."""
        ready, joined = self._ready[kind], self._joined[kind]
        if joined and not (ready and ready[-1] < joined[0]):
            return heappop(joined)
        return ready.pop()

    def advance(self, kind: int, at: int) -> int:
        """Remove the task of the lowest key of a kind; the lowest after it, or NO_KEY."""
        ready = self._ready[kind]
        if self._joined[kind]:
            self.drop_head(kind)
        else:
            ready.pop()
            if ready and (not self._cap or self._missed_at[ready[-1] & PLACE] >= at):
                return ready[-1] - self.lift[kind]
        return self.head(kind, at)[0]

    def put_back(self, key: int) -> None:
        """Let a task wait that was dropped, by the key it had then."""
        heappush(self._joined[self._kind_of[key & PLACE]], key)
