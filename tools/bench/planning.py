"""The planner: how quick it is, and how near to the best plan there is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from callback_service.domain.planning import Availability, Task, make_plan
from tests.optimum.instances import SLOT, START, Instance, make_instance
from tests.optimum.oracle import least_cost
from tools.bench import Figure, best_of

NOW = datetime(2026, 11, 25, 20, tzinfo=UTC)
SKILLS = ("alcohol", "cy", "family", "pl", "woman")
SEEDS = range(1, 6)


def waiting(requests: int, counsellors: int) -> tuple[list[Task], list[Availability]]:
    """So many who wait now for so many who are free now; three in ten need a skill."""
    chance = Random(1)  # noqa: S311 - the same queue again, not a secret
    tasks = [
        Task(
            number,
            NOW,
            NOW + timedelta(minutes=chance.randrange(60 * 60)),
            needs=frozenset([chance.choice(SKILLS)] if chance.random() < 0.3 else []),
        )
        for number in range(requests)
    ]
    span = (NOW, NOW + timedelta(hours=60))
    people = [
        Availability(
            number, NOW, (span,), 0, frozenset(one for one in SKILLS if chance.random() < 0.4)
        )
        for number in range(counsellors)
    ]
    return tasks, people


def figures() -> Iterator[Figure]:
    """Speed by size, and the plan against the best one at several loads."""
    for requests, counsellors in ((1_000, 10), (10_000, 100), (100_000, 1_000)):
        tasks, people = waiting(requests, counsellors)
        seconds = best_of(2, lambda: make_plan(tasks, people, now=NOW, cap=SLOT * 4))  # noqa: B023
        goal = 0.5 if requests == 100_000 else None
        name = f"a plan of {requests:,} requests for {counsellors:,} counsellors"
        yield Figure(name, seconds, "s", goal)
    tasks, people = waiting(2_001, 200)
    seconds = best_of(3, lambda: make_plan(tasks, people, now=NOW, cap=SLOT * 4))
    yield Figure("one more planned into 2,000 that wait", 1000 * seconds, "ms", 20)
    for bunched in (False, True):
        for load in (0.6, 0.8, 0.95, 1.2):
            yield from _against_the_best(load, bunched=bunched)


def _against_the_best(load: float, *, bunched: bool) -> Iterator[Figure]:
    """Points kept less than the best in the worst of the seeds, and lateness over the least."""
    behind, ratios = [], []
    for seed in SEEDS:
        instance = make_instance(seed, load, bunched=bunched)
        late = _slots_late(instance, None)
        best = least_cost(instance, lambda slots: int(slots > 0), worst=max(late)) or late
        behind.append(100 * (best.count(0) - late.count(0)) / len(late))
        strict = _slots_late(instance, timedelta(0))
        least = least_cost(instance, lambda slots: slots, worst=400) or strict
        ratios.append((sum(strict), sum(least)))
    family = f"{'bunched' if bunched else 'spread'} deadlines at load {load:g}"
    yield Figure(f"points kept less than the best: {family}", max(behind), "", 1.0)
    late_slots, least_slots = (sum(column) for column in zip(*ratios, strict=True))
    if least_slots >= len(ratios) * 100:  # a ratio of next to nothing says nothing
        yield Figure(f"lateness over the least: {family}", late_slots / least_slots, "x", 1.02)


def _slots_late(instance: Instance, cap: timedelta | None) -> list[int]:
    plan = make_plan(instance.tasks(), instance.people(), now=START, cap=cap, margin=SLOT)
    starts = {one.request_id: round((one.start - START) / SLOT) for one in plan}
    return [max(starts[number] - one.due, 0) for number, one in enumerate(instance.requests)]
