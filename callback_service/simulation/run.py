"""One simulation: callers, counsellors and the rules of the service on a virtual clock."""

from __future__ import annotations

from callback_service.simulation.callers import Callers
from callback_service.simulation.desk import Desk
from callback_service.simulation.result import Result
from callback_service.simulation.scenario import Scenario
from callback_service.simulation.shifts import Shifts
from callback_service.simulation.watch import Watch
from callback_service.simulation.world import World


def simulate(scenario: Scenario) -> Result:
    """All events in order; after each of them nobody may be forgotten."""
    world = World(scenario)
    desk, watch = Desk(world), Watch(world)
    Shifts(world, desk)
    world.start(Callers(world, desk).come())
    world.start(watch.ticks())
    while world.step():
        watch.check()
    world.result.end(world.open.values())
    return world.result
