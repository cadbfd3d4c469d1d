"""The quick way through a plan where one counsellor comes free at a time, as on most days."""

from __future__ import annotations

from heapq import heappop, heapreplace
from typing import TYPE_CHECKING

from callback_service.domain.plan_facts import NOBODY, PLACE
from callback_service.domain.plan_queue import NO_KEY

if TYPE_CHECKING:
    from callback_service.domain.plan_run import Run


def serve_one_by_one(run: Run) -> None:  # noqa: C901 - one loop: see below
    """As ``Run`` does it for many who come free together, for as long as that is not so.

    It stops before the first instant at which several come free, a task is released, or a task is
    kept for its planned counsellor. Who is idle already is left out: no task waits that they may
    take, or they would have it. It is one long loop, as it runs once for each task of the plan.
    """
    instants, busy, free_at, until = run.instants, run.busy, run.free_at, run.until
    tasks, class_of, kinds_of = run.facts.tasks, run.facts.people.classes, run.facts.kinds_of
    kind_of, planned_for, lengths, queue = tasks.kinds, tasks.planned_for, tasks.lengths, run.queue
    heads, end_at = [NO_KEY] * len(run.facts.able), [-1] * len(run.facts.able)
    released = queue.next_release
    while queue.count and instants and (at := instants[0]) < released:
        person = busy[at][0]
        if len(busy[at]) > 1:
            return
        if free_at[person] != at or (at > until[person] and not run.is_on_shift(person, at)):
            heappop(instants)
            del busy[at]
            continue
        lowest = NO_KEY
        for kind in kinds_of[class_of[person]]:
            if end_at[kind] < at:
                heads[kind], end_at[kind] = queue.head(kind, at)
            if heads[kind] < lowest:
                lowest = heads[kind]
        if lowest == NO_KEY:
            return
        place = lowest & PLACE
        kind = kind_of[place]
        if planned_for[place] not in (NOBODY, person) and run.keeps(place, kind, at):
            return
        queue.drop_head(kind)
        end_at[kind] = -1
        queue.count -= 1
        run.places.append(place)
        run.persons.append(person)
        run.starts.append(at)
        run.calls[person] += 1
        del busy[at]
        free_at[person] = ends = at + lengths[place]
        if ends in busy:
            busy[ends].append(person)
            heappop(instants)
        else:
            busy[ends] = [person]
            heapreplace(instants, ends)
