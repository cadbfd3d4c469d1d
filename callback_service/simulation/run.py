"""One simulation: callers, counsellors and the rules of the service on a virtual clock."""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime, timedelta
from random import Random
from typing import Final

import simpy

from callback_service.domain import escalation, retry
from callback_service.domain.contact import Window
from callback_service.domain.escalation import Step
from callback_service.domain.lifecycle import Outcome, RequestState
from callback_service.domain.planning import HANDOVER_MARGIN
from callback_service.domain.quote_futures import UNANSWERED_LENGTH
from callback_service.simulation.people import Counsellor, OnDuty, Request
from callback_service.simulation.planner import Planner
from callback_service.simulation.result import Result
from callback_service.simulation.scenario import Scenario

#: Demand is drawn for so long at once.
DRAWN: Final = timedelta(minutes=30)
#: How long it takes to see an offer, take it and dial, in seconds.
TAKES_OFFER: Final = (20, 90)
#: How long who will not wait does wait, on average.
PATIENCE: Final = timedelta(hours=1)
#: Somebody is off sick: known this long before the shift.
SICK_NOTICE: Final = timedelta(hours=1)
#: Escalations are looked into so often.
TICK: Final = timedelta(minutes=1)

#: What a process of the clock is: it yields until when it waits.
Process = Generator[simpy.Event, None, None]


def simulate(scenario: Scenario) -> Result:
    """Run it to its end."""
    return _Run(scenario).run()


class _Run:
    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._clock = simpy.Environment()
        self._result = Result(scenario)
        self._planner = Planner(scenario, [])
        self._everybody = self._planner.counsellors
        self._chance = Random(f"{scenario.seed}")  # noqa: S311 - a run that can be repeated

    def run(self) -> Result:
        """All events in order; after each, nobody may be forgotten."""
        self._add_shifts()
        self._clock.process(self._callers())
        self._clock.process(self._ticks())
        while self._at(self._clock.peek()) < self._scenario.end:
            self._clock.step()
            self._check()
        self._result.end(self._planner.open.values())
        return self._result

    @property
    def _now(self) -> datetime:
        return self._at(self._clock.now)

    def _at(self, second: float) -> datetime:
        return self._scenario.start + timedelta(seconds=second)

    def _until(self, at: datetime) -> simpy.Event:
        return self._clock.timeout(max(round((at - self._now).total_seconds()), 0))

    # Callers

    def _callers(self) -> Process:
        """Everybody who asks, at the hours of the profile."""
        number, begins = 0, self._scenario.start
        chance = Random(f"{self._scenario.seed}:callers")  # noqa: S311 - the same callers again
        while begins < self._scenario.end:
            for second in self._asks(begins, chance):
                yield self._until(begins + timedelta(seconds=second))
                number += 1
                self._ask(number)
            begins += DRAWN
            yield self._until(begins)

    def _asks(self, begins: datetime, chance: Random) -> list[int]:
        """The seconds from ``begins`` at which somebody asks: a Poisson process."""
        weight = self._scenario.profile.weight(begins.astimezone(self._scenario.tz))
        a_second = self._scenario.asks_a_day * weight / timedelta(days=1).total_seconds()
        found, second = [], 0.0
        while (
            a_second and (second := second + chance.expovariate(a_second)) < DRAWN.total_seconds()
        ):
            found.append(int(second))
        return found

    def _ask(self, number: int) -> None:
        now, chance = self._now, Random(f"{self._scenario.seed}:{number}")  # noqa: S311
        window = self._chosen_window(chance)
        if window is None:
            due, forecast = self._planner.quote(now)
            self._result.quoted(due, self._planner.open.values())
            promised = Window(now, due)
        else:
            promised, forecast = window, None
        request = Request(
            number, now, promised, window is not None, forecast, chance,
            ring_from=promised.start, due_at=promised.end, aims_at_window=window is not None,
        )  # fmt: skip
        self._planner.open[number] = request
        self._result.requests.append(request)
        self._clock.process(self._wait(request))
        if chance.random() < self._scenario.withdrawals:
            self._clock.process(self._lose_patience(request))

    def _chosen_window(self, chance: Random) -> Window | None:
        if chance.random() >= self._scenario.windows:
            return None
        windows = self._planner.windows_with_room(self._now)
        return chance.choice(windows) if windows else None

    def _wait(self, request: Request) -> Process:
        """The request may be rung from its time on."""
        yield self._until(request.ring_from)
        self._dispatch()

    def _lose_patience(self, request: Request) -> Process:
        waits = request.chance.expovariate(1 / PATIENCE.total_seconds())
        yield self._until(request.ring_from + timedelta(seconds=waits))
        if request.state is RequestState.WAITING:
            self._close(request)

    # Counsellors

    def _add_shifts(self) -> None:
        for shift in sorted(self._scenario.shifts, key=lambda shift: shift.start):
            if shift.staff_id is None:
                continue
            who = self._everybody.setdefault(shift.staff_id, Counsellor(shift.staff_id))
            is_sick = self._chance.random() < self._scenario.sickness
            self._clock.process(self._work(who, who.add(shift), is_sick=is_sick))

    def _work(self, who: Counsellor, shift: OnDuty, *, is_sick: bool) -> Process:
        """One shift: off sick, or calls whenever there are any, and a break."""
        if is_sick:
            yield self._until(shift.start - SICK_NOTICE)
            who.shifts.remove(shift)
            self._planner.rota_changed()
            return
        self._result.on_duty(shift)
        yield self._until(shift.start)
        self._dispatch()
        if shift.break_from is not None:
            yield self._until(shift.break_from - HANDOVER_MARGIN)
            self._come_free(who)

    def _come_free(self, who: Counsellor) -> None:
        """Their break if it is due, and then whoever waits."""
        shift = who.break_is_due(self._now)
        if shift is not None:
            who.away_until, shift.break_from = self._now + shift.break_length, None
            self._clock.process(self._come_back(who))
        self._dispatch()

    def _come_back(self, who: Counsellor) -> Process:
        if who.away_until is not None:
            yield self._until(who.away_until)
        who.away_until = None
        self._dispatch()

    # Plan and calls

    def _dispatch(self) -> None:
        """Make the plan, as a fact has changed, and begin what it says for now."""
        now = self._now
        waiting = self._released(now)
        if not waiting:
            return
        plan = self._planner.make_plan(now)
        who_by = {planned.request_id: planned.counsellor_id for planned in plan}
        self._result.planned(waiting, who_by)
        for request in self._planner.open.values():
            request.planned_for = who_by.get(request.id)
        for planned in plan:
            who = self._everybody[planned.counsellor_id]
            if planned.start <= now and who.is_idle(now):
                request = self._planner.open[planned.request_id]
                request.state, who.request, who.since = RequestState.ASSIGNED, request, now
                self._clock.process(self._call(request, who))

    def _released(self, now: datetime) -> list[Request]:
        return [
            one
            for one in self._planner.open.values()
            if one.state is RequestState.WAITING and one.ring_from <= now
        ]

    def _call(self, request: Request, who: Counsellor) -> Process:
        """One attempt, and what follows from it."""
        chance = request.chance
        yield self._clock.timeout(chance.randint(*TAKES_OFFER))
        self._begin(request, who)
        is_reached = chance.random() >= self._scenario.unanswered
        lasts = round(
            self._scenario.lengths.sample(chance)
            if is_reached
            else UNANSWERED_LENGTH.total_seconds()
        )
        yield self._clock.timeout(lasts)
        self._result.busy_seconds += (self._now - (who.since or self._now)).total_seconds()
        who.request = who.since = None
        if is_reached:
            self._planner.learn_call(timedelta(seconds=lasts))
            self._close(request)
        else:
            self._try_again(request)
        self._come_free(who)

    def _begin(self, request: Request, who: Counsellor) -> None:
        now = self._now
        request.state = RequestState.CALLING
        request.tries += 1
        request.told, request.last_told_at = set(), None
        who.calls.append(now)
        if request.first_attempt_at is None:
            request.first_attempt_at = now
            self._planner.learn_quote(request, now)
            self._result.first_attempt(request, self._planner.open.values())

    def _try_again(self, request: Request) -> None:
        now = self._now
        is_inside = request.is_window and request.promised.end > now
        decision = retry.after_attempt(
            Outcome.NO_ANSWER,
            attempts=request.tries,
            now=now,
            ring_until=request.promised.end if is_inside else None,
            later=(),
        )
        if isinstance(decision, retry.GiveUp):
            self._close(request)
            return
        request.state, request.aims_at_window = RequestState.WAITING, False
        request.ring_from, request.due_at = decision.at, decision.due
        self._clock.process(self._wait(request))

    def _close(self, request: Request) -> None:
        request.state, request.closed_at = RequestState.CLOSED, self._now
        del self._planner.open[request.id]

    # Nobody is forgotten

    def _ticks(self) -> Process:
        """The duty lead hears in time though nothing else happens."""
        while True:
            now = self._now
            self._escalate(self._released(now), now)
            yield self._clock.timeout(round(TICK.total_seconds()))

    def _escalate(self, waiting: list[Request], now: datetime) -> None:
        on_shift = sum(one.shift_at(now) is not None for one in self._everybody.values())
        for request in waiting:
            facts = escalation.Waiting(
                request.ring_from,
                request.due_at,
                on_shift=on_shift,
                untried=on_shift,
                told=frozenset(request.told),
                last_told_at=request.last_told_at,
            )
            if step := escalation.next_step(facts, now=now):
                request.told.add(step[0])
                request.last_told_at = now
                self._result.escalations.append(step[1])

    def _check(self) -> None:
        """Every open request is somebody's, or has a deadline, or the duty lead knows of it."""
        now = self._now
        held = {one.request.id for one in self._everybody.values() if one.request}
        for request in self._planner.open.values():
            is_waiting = request.state is RequestState.WAITING
            is_safe = now <= request.due_at or Step.DUTY_LEAD in request.told
            if is_waiting == (request.id in held) or (is_waiting and not is_safe):
                self._result.forgotten(request, now)
