"""What all parts of a simulation share: the clock, the people, and what is written down."""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime, timedelta
from random import Random

import simpy

from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.simulation.people import Counsellor, Request
from callback_service.simulation.planner import Planner
from callback_service.simulation.result import Result
from callback_service.simulation.scenario import Scenario

#: What a process of the clock is: it yields until when it waits.
Process = Generator[simpy.Event, None, None]


class World:
    """The clock, and all that is true at its time."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.result = Result(scenario)
        self.open: dict[int, Request] = {}
        self.counsellors: dict[int, Counsellor] = {}
        self.planner = Planner(scenario, self.counsellors, self.open)
        self._clock = simpy.Environment()

    @property
    def now(self) -> datetime:
        """The instant it is."""
        return self._at(self._clock.now)

    def _at(self, second: float) -> datetime:
        return self.scenario.start + timedelta(seconds=second)

    def until(self, at: datetime) -> simpy.Event:
        """To be waited for until then; not at all if that is past."""
        return self.after(max(at - self.now, timedelta()))

    def after(self, wait: timedelta) -> simpy.Event:
        """To be waited for that long, to the second."""
        return self._clock.timeout(round(wait.total_seconds()))

    def start(self, process: Process) -> None:
        """Begin something that takes time."""
        self._clock.process(process)

    def step(self) -> bool:
        """Let the next thing happen; False at the end."""
        if self._at(self._clock.peek()) >= self.scenario.end:
            return False
        self._clock.step()
        return True

    def chance(self, name: object) -> Random:
        """Chances of its own for ``name``, the same in every run of the seed."""
        return Random(f"{self.scenario.seed}:{name}")  # nosec B311  # noqa: S311 - a run that can be repeated

    def begin(self, request: Request) -> None:
        """A request is kept."""
        self.open[request.id] = request
        self.result.requests.append(request)

    def close(self, request: Request, disposition: Disposition) -> None:
        """A request is over: an offer of it ends, and whoever held it does so no more."""
        request.state, request.closed_at = RequestState.CLOSED, self.now
        request.disposition = disposition
        self.end_offer(request)
        for who in self.counsellors.values():
            if who.request is request:
                who.request = who.since = None
        del self.open[request.id]

    def end_offer(self, request: Request) -> None:
        """What is on offer to somebody is not any more."""
        if request.offer is not None:
            who = request.offer.who
            who.offer = who.since = request.offer = None
