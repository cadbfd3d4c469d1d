"""The planner: how quick it is, and how near to the best plan there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import log2
from random import Random
from statistics import fmean

from callback_service.domain.planning import Availability, Task, make_plan
from tests.optimum import simple_rules
from tests.optimum.instances import SLOT, START, Instance, make_instance
from tests.optimum.oracle import least_cost
from tools.bench import Figure, best_of

NOW = datetime(2026, 11, 25, 20, tzinfo=UTC)
SKILLS = ("alcohol", "cy", "family", "pl", "woman")
SEEDS = range(1, 6)
RULES = {
    "first come": simple_rules.first_come,
    "plain earliest due": simple_rules.earliest_due,
}


def waiting(requests: int, counsellors: int) -> tuple[list[Task], list[Availability]]:
    """So many who wait now for so many who are free now; three in ten need a skill."""
    chance = Random(1)  # nosec B311  # noqa: S311 - the same queue again, not a secret
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
        seconds = best_of(5, lambda: make_plan(tasks, people, now=NOW))  # noqa: B023
        goal = 0.5 if requests == 100_000 else None
        name = f"a plan of {requests:,} requests for {counsellors:,} counsellors"
        yield Figure(name, seconds, "s", goal)
        per_request = seconds * 1_000_000 / requests / log2(requests)
        yield Figure(f"the same over n log n, n = {requests:,}", per_request, "us")
    tasks, people = waiting(2_001, 200)
    seconds = best_of(5, lambda: make_plan(tasks, people, now=NOW))
    yield Figure("one more planned into 2,000 that wait", 1000 * seconds, "ms", 20)
    for bunched in (False, True):
        for load in (0.6, 0.8, 0.95, 1.2):
            yield from _against_the_best(load, bunched=bunched)


def _against_the_best(load: float, *, bunched: bool) -> Iterator[Figure]:
    """The plan and two simple rules: what each keeps, and how late it is, beside the best."""
    days = [_day(make_instance(seed, load, bunched=bunched)) for seed in SEEDS]
    family = f"{'bunched' if bunched else 'spread'}, load {load:g}"
    behind = [day.points_behind(day.plan) for day in days]
    yield Figure(f"{family}: points kept less than the best, mean", fmean(behind), "", 0.75)
    yield Figure(f"{family}: the same, worst day", max(behind), "", 1.0)
    for name in RULES:
        points = fmean(day.points_behind(day.rules[name]) for day in days)
        yield Figure(f"{family}: the same by {name}, mean", points, "")
    least = sum(sum(day.least) for day in days)
    if least < len(days) * 100:  # a ratio of next to nothing says nothing
        return
    strict = sum(sum(day.strict) for day in days) / least
    yield Figure(f"{family}: lateness over the least, by due date", strict, "x", 1.02)
    for name in RULES:
        late = sum(sum(day.rules[name]) for day in days) / least
        yield Figure(f"{family}: the same by {name}", late, "x")


@dataclass(frozen=True, slots=True)
class _Day:
    """How late each request is, in slots: in our plans, by simple rules, and at the best."""

    plan: list[int]
    strict: list[int]
    rules: dict[str, list[int]]
    most_kept: list[int]  # with no wait longer than the plan's
    least: list[int]

    def points_behind(self, late: list[int]) -> float:
        """Percent of all requests that are kept in the best plan and are not in this one."""
        return 100 * (self.most_kept.count(0) - late.count(0)) / len(late)


def _day(instance: Instance) -> _Day:
    plan, strict = _slots_late(instance, None), _slots_late(instance, timedelta(0))
    most_kept = least_cost(instance, lambda slots: int(slots > 0), worst=max(plan))
    least = least_cost(instance, lambda slots: slots, worst=400)
    rules = {name: simple_rules.slots_late(instance, key) for name, key in RULES.items()}
    return _Day(plan, strict, rules, most_kept or plan, least or strict)


def _slots_late(instance: Instance, cap: timedelta | None) -> list[int]:
    plan = make_plan(instance.tasks(), instance.people(), now=START, cap=cap, margin=SLOT)
    starts = {one.request_id: round((one.start - START) / SLOT) for one in plan}
    return [max(starts[number] - one.due, 0) for number, one in enumerate(instance.requests)]
