"""The quick way through a plan where one counsellor comes free at a time, as on most days."""

from __future__ import annotations

from heapq import heappop, heapreplace
from operator import itemgetter
from typing import TYPE_CHECKING

from callback_service.domain.plan_facts import NEVER, NOBODY, PLACE
from callback_service.domain.plan_queue import NO_KEY

if TYPE_CHECKING:
    from callback_service.domain.plan_run import Run


class Singles:
    """As ``Run`` does it for many who come free together, for as long as that is not so."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._heads = _Heads(run)

    def serve(self) -> None:
        """Let calls begin, each of whoever comes free next.

        It stops before the first instant at which several come free, a task is released, or a task
        is kept for its planned counsellor. Who is idle already is left out: no task waits that they
        may take, or they would have it.
        """
        run, heads = self.run, self._heads
        instants, busy, queue, tasks = run.instants, run.busy, run.queue, run.facts.tasks
        class_of, kind_of, planned_for = run.facts.people.classes, tasks.kinds, tasks.planned_for
        released = queue.next_release
        heads.forget()
        while queue.count and instants and (at := instants[0]) < released:
            if len(busy[at]) > 1:
                return
            person = busy[at][0]
            if run.free_at[person] != at or (
                at > run.until[person] and not run.is_on_shift(person, at)
            ):
                heappop(instants)
                del busy[at]
                continue
            lowest = heads.lowest(class_of[person], at)
            if lowest == NO_KEY:
                return
            place = lowest & PLACE
            kind = kind_of[place]
            if planned_for[place] not in (NOBODY, person) and run.keeps(place, kind, at):
                return
            heads.drop(kind, at)
            self._begin(place, person, at)

    def _begin(self, place: int, person: int, at: int) -> None:
        """Let the call begin of the one who comes free next."""
        run = self.run
        run.places.append(place)
        run.persons.append(person)
        run.starts.append(at)
        run.calls[person] += 1
        del run.busy[at]
        run.free_at[person] = ends = at + run.facts.tasks.lengths[place]
        if ends in run.busy:
            run.busy[ends].append(person)
            heappop(run.instants)
        else:
            run.busy[ends] = [person]
            heapreplace(run.instants, ends)


class _Heads:
    """The lowest key of each kind, and of all that a class may take."""

    def __init__(self, run: Run) -> None:
        kinds = len(run.facts.able)
        self._queue = run.queue
        self._keys = [NO_KEY] * (kinds + 1)  # the last is of no kind, and stays so
        self._ends = [-1] * kinds
        self._first_end = -1
        # Twice the last, as of one place it would be no tuple.
        self._of_class = [itemgetter(kinds, kinds, *of) for of in run.facts.kinds_of]

    def forget(self) -> None:
        """The queue has changed by other hands."""
        self._ends = [-1] * len(self._ends)
        self._first_end = -1

    def lowest(self, class_of: int, at: int) -> int:
        """The lowest key of what a class may take; NO_KEY if none of it waits."""
        if self._first_end < at:
            self._look_again(at)
        found: tuple[int, ...] = self._of_class[class_of](self._keys)
        return min(found)

    def drop(self, kind: int, at: int) -> None:
        """Remove the task of the lowest key of a kind."""
        self._queue.drop_head(kind)
        self._queue.count -= 1
        self._keys[kind], self._ends[kind] = self._queue.head(kind, at)
        self._first_end = min(self._first_end, self._ends[kind])

    def _look_again(self, at: int) -> None:
        for kind, end in enumerate(self._ends):
            if end < at:
                self._keys[kind], self._ends[kind] = self._queue.head(kind, at)
        self._first_end = min(self._ends, default=NEVER)
