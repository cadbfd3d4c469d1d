"""How often the counsellor planned for a request changes from one minute's plan to the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from callback_service.domain.rota import resolve_shifts
from callback_service.services.demo import counselling_patterns
from callback_service.simulation.rotas import large_rota
from callback_service.simulation.run import Process, _Run
from callback_service.simulation.scenario import Scenario
from tools.bench import Figure

LONDON = ZoneInfo("Europe/London")
START = datetime(2026, 3, 2, tzinfo=UTC)
ROTAS = {"demo": counselling_patterns, "large": large_rota}
DAYS = 3
#: Percent of a minute's re-plans, at a load of 0.8.
GOAL = 4.0


@dataclass(frozen=True, slots=True)
class Steadiness:
    """Of ``pairs``, a request in the plans of two minutes in a row, how many changed hands."""

    pairs: int
    changes: int
    mean_wait: float  # minutes until the first attempt, for "as soon as you can"

    @property
    def changed_percent(self) -> float:
        """Percent of the re-plans that named another counsellor."""
        return 100 * self.changes / max(self.pairs, 1)


class _ByTheMinute(_Run):
    """A simulation that plans every minute too, as the service does, and compares."""

    pairs = changes = 0

    def _ticks(self) -> Process:
        before: dict[int, int] = {}
        for tick in super()._ticks():
            before = self._replan(before)
            yield tick

    def _replan(self, before: dict[int, int]) -> dict[int, int]:
        """The counsellor of each who waits, by the plan of this minute."""
        waiting = {one.id for one in self._released(self._now)}
        plan = self._planner.make_plan(self._now) if waiting else []
        who_by = {planned.request_id: planned.counsellor_id for planned in plan}
        for request in self._planner.open.values():
            request.planned_for = who_by.get(request.id)
        both = waiting & who_by.keys() & before.keys()
        self.pairs += len(both)
        self.changes += sum(who_by[one] != before[one] for one in both)
        return {one: who_by[one] for one in waiting & who_by.keys()}


def steadiness(rota: str, *, days: int, load: float = 0.8, seed: int = 1) -> Steadiness:
    """Simulated days of a rota, with as many calls at every hour."""
    patterns = ROTAS[rota](date(2026, 1, 5))
    shifts = resolve_shifts(patterns, START, START + timedelta(days=days + 2), tz=LONDON)
    run = _ByTheMinute(Scenario(shifts, START, days, LONDON, load=load, seed=seed))
    waits = [
        (one.first_attempt_at - one.asked_at) / timedelta(minutes=1)
        for one in run.run().requests
        if one.first_attempt_at is not None and not one.is_window
    ]
    return Steadiness(run.pairs, run.changes, sum(waits) / len(waits))


def figures() -> Iterator[Figure]:
    """Both rotas at a load of 0.8."""
    for rota in ROTAS:
        found = steadiness(rota, days=DAYS)
        name = f"{DAYS} days of the {rota} rota at 0.8: counsellor changed"
        yield Figure(f"{name}, by the minute", found.changed_percent, "%", GOAL)
        yield Figure("the same days: mean wait", found.mean_wait, "min")
