"""A counsellor who looks at the plan finds the same calls there a minute later, nearly always."""

from __future__ import annotations

import pytest

from callback_service.domain import plan_run
from callback_service.simulation.run import simulate
from callback_service.simulation.scenario import Scenario
from tests.rota_builders import LONDON
from tests.simulation.rotas import MONDAY, demo_shifts

#: Percent of a minute's re-plans at a load of 0.8: the goal.
GOAL = 4
DAYS = 3


def changed_percent() -> float:
    """How often the planned counsellor of somebody who waits changed within a minute."""
    scenario = Scenario(demo_shifts(DAYS), MONDAY, DAYS, LONDON, load=0.8)
    found = simulate(scenario).figures()["counsellors"]
    assert isinstance(found, dict)
    return float(found["plan_changes_percent"])


def test_from_minute_to_minute_few_requests_change_counsellor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = changed_percent()
    monkeypatch.setattr(plan_run, "KEEP_SECONDS", 0)
    assert kept < 0.75 * GOAL
    assert kept < changed_percent() / 2
