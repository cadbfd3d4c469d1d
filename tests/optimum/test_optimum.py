"""The plan against the best there is; the benchmarks have more loads and seeds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from callback_service.domain.planning import make_plan
from tests.optimum.instances import SLOT, START, Instance, make_instance
from tests.optimum.oracle import least_cost, least_worst


def slots_late(instance: Instance, cap: timedelta | None) -> list[int]:
    """How late each request is in the plan; all of them are in it."""
    plan = make_plan(instance.tasks(), instance.people(), now=START, cap=cap, margin=SLOT)
    assert len(plan) == len(instance.requests)
    starts = {one.request_id: round((one.start - START) / SLOT) for one in plan}
    return [max(starts[number] - one.due, 0) for number, one in enumerate(instance.requests)]


def kept(late: list[int]) -> float:
    """Percent."""
    return 100 * late.count(0) / len(late)


@pytest.fixture(scope="module", params=[(0.6, False), (0.95, False), (0.95, True), (1.2, False)])
def instance(request: pytest.FixtureRequest) -> Instance:
    load, bunched = request.param
    return make_instance(2, load, bunched=bunched, requests=1000, counsellors=100)


def test_as_many_are_kept_as_by_the_best_plan_with_the_same_worst_wait(instance: Instance) -> None:
    late = slots_late(instance, None)
    best = least_cost(instance, lambda slots: int(slots > 0), worst=max(late))
    assert best is not None
    assert kept(best) - kept(late) <= 1.0


@pytest.mark.parametrize(("load", "bunched"), [(0.95, False), (1.2, False), (0.95, True)])
def test_by_due_date_the_plan_is_about_as_little_late_as_can_be(load: float, bunched: bool) -> None:
    instance = make_instance(2, load, bunched=bunched)
    late = slots_late(instance, timedelta(0))
    least = least_cost(instance, lambda slots: slots, worst=400)
    assert least is not None
    assert sum(late) <= 1.02 * sum(least)
    assert max(late) <= least_worst(instance) + 3
