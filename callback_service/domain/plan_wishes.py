"""A plan that keeps to what callers wish for, as long as their wishes hold and can be met."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from callback_service.domain.planning import Availability, Planned, Task, make_plan
from callback_service.domain.reach import Reach
from callback_service.domain.wishes import Step, may_ring_from


def as_they_may_be_rung(
    tasks: Iterable[Task],
    steps_of: Mapping[int, Sequence[Step]],
    counsellors: Collection[Availability],
    *,
    now: datetime,
) -> list[Task]:
    """The tasks, each from when on somebody who is on shift ``now`` may ring."""
    here = {one.skills for one in counsellors if one.spans and one.spans[0][0] <= now}
    known = list(tasks)
    reached = _within_reach(known, steps_of, counsellors, now=now)
    return [
        task._replace(release=max(task.release, may_ring_from(own, here)))
        if (own := reached.get(task.request_id))
        else task
        for task in known
    ]


def plan_with_wishes(
    tasks: Iterable[Task],
    steps_of: Mapping[int, Sequence[Step]],
    counsellors: Iterable[Availability],
    *,
    now: datetime,
    cap: timedelta | None = None,
) -> list[Planned]:
    """The plan for every task, each by the first step of its wishes that the rota can keep.

    ``steps_of`` holds, by request, the steps from ``now`` on. What nobody on the rota can meet in
    time is not waited for. Whoever else cannot be rung by those they wish for before the wish is
    widened, as those have calls before theirs, is planned for the time after that, so that nobody
    is left out for the sake of a wish.
    """
    known, people = {task.request_id: task for task in tasks}, list(counsellors)
    steps_of = _within_reach(known.values(), steps_of, people, now=now)
    at = dict.fromkeys(steps_of, 0)
    while True:
        stepped = {
            request_id: _at_step(known[request_id], steps_of[request_id][number])
            for request_id, number in at.items()
        }
        planned = make_plan({**known, **stepped}.values(), people, now=now, cap=cap)
        starts = {entry.request_id: entry.start for entry in planned}
        unmet = [
            request_id
            for request_id, number in at.items()
            if number + 1 < len(steps_of[request_id])
            and _is_unmet(starts.get(request_id), steps_of[request_id][number + 1])
        ]
        if not unmet:
            return planned
        for request_id in unmet:
            at[request_id] += 1


def _at_step(task: Task, step: Step) -> Task:
    """The task for whoever may ring at a step: not before that step begins."""
    return task._replace(release=max(task.release, step.since), needs=step.needs)


def _is_unmet(start: datetime | None, following: Step) -> bool:
    return start is None or start >= following.since


def _within_reach(
    tasks: Iterable[Task],
    steps_of: Mapping[int, Sequence[Step]],
    counsellors: Iterable[Availability],
    *,
    now: datetime,
) -> dict[int, list[Step]]:
    """The steps without what nobody on the rota can meet in time."""
    if not steps_of:
        return {}
    reach = Reach(counsellors)
    return {
        task.request_id: reach.within(own, avoid=task.avoid, now=now)
        for task in tasks
        if (own := steps_of.get(task.request_id))
    }
