"""The simulation's look for who is forgotten finds every way of being so."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

import pytest

from callback_service.domain import escalation
from callback_service.domain.contact import Window
from callback_service.domain.escalation import Step
from callback_service.domain.lifecycle import RequestState
from callback_service.simulation.people import Counsellor, Offer, Request
from callback_service.simulation.run import simulate
from callback_service.simulation.scenario import Scenario
from callback_service.simulation.watch import TICK, forgotten
from callback_service.simulation.world import World
from tests.rota_builders import LONDON
from tests.simulation.rotas import MONDAY, demo_shifts

MINUTE = timedelta(minutes=1)
DUE = MONDAY + 30 * MINUTE
SOON = MONDAY + MINUTE
LATE = DUE + 5 * MINUTE


def waiting() -> Request:
    return Request(1, MONDAY, Window(MONDAY, DUE), False, Random(1))  # noqa: S311 - draws nothing


def held(state: RequestState = RequestState.ASSIGNED) -> tuple[Request, Counsellor]:
    request = waiting()
    request.state = state
    return request, Counsellor(1, request=request)


def is_forgotten(request: Request, *counsellors: Counsellor, now: datetime) -> bool:
    return list(forgotten([request], counsellors, now=now)) == [request]


class TestIsSafe:
    def test_who_waits_and_is_not_due(self) -> None:
        assert not is_forgotten(waiting(), now=DUE)

    def test_who_is_overdue_and_the_duty_lead_was_told_of(self) -> None:
        request = waiting()
        request.told.add(Step.DUTY_LEAD)
        assert not is_forgotten(request, now=LATE)

    def test_who_came_back_overdue_until_the_first_look_at_them(self) -> None:
        request = waiting()
        request.wait_again(LATE)
        assert not is_forgotten(request, now=LATE + TICK)

    @pytest.mark.parametrize("state", [RequestState.ASSIGNED, RequestState.CALLING])
    def test_who_one_counsellor_holds(self, state: RequestState) -> None:
        assert not is_forgotten(*held(state), now=LATE)

    def test_who_is_on_offer_within_its_lease(self) -> None:
        request = waiting()
        request.offer = Offer(request, Counsellor(1), MONDAY, SOON)
        assert not is_forgotten(request, now=SOON)


class TestIsForgotten:
    def test_who_is_overdue_and_nobody_was_told_of(self) -> None:
        assert is_forgotten(waiting(), now=LATE)

    def test_who_came_back_overdue_and_was_not_looked_at(self) -> None:
        request = waiting()
        request.wait_again(LATE)
        assert is_forgotten(request, now=LATE + TICK + timedelta(seconds=1))

    def test_who_is_held_by_nobody_though_taken(self) -> None:
        assert is_forgotten(held()[0], now=SOON)

    def test_who_is_held_by_two(self) -> None:
        request, first = held()
        assert is_forgotten(request, first, Counsellor(2, request=request), now=SOON)

    def test_who_is_held_and_waits(self) -> None:
        request, holder = held(RequestState.WAITING)
        assert is_forgotten(request, holder, now=SOON)

    def test_who_is_open_though_closed(self) -> None:
        request = waiting()
        request.state = RequestState.CLOSED
        assert is_forgotten(request, now=SOON)

    def test_who_is_on_an_offer_that_should_have_lapsed(self) -> None:
        request = waiting()
        request.offer = Offer(request, Counsellor(1), MONDAY, SOON)
        assert is_forgotten(request, now=SOON + timedelta(seconds=1))


def a_day(**told: float) -> dict[str, object]:
    return simulate(Scenario(demo_shifts(1), MONDAY, 1, LONDON, **told)).figures()  # type: ignore[arg-type]


def test_a_day_on_which_the_duty_lead_is_told_of_nobody_shows_who_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(escalation, "next_step", lambda waiting, now: None)
    found = a_day(load=1.2)
    assert isinstance(found["violations"], int)
    assert found["violations"] > 0
    assert isinstance(found["unowned_minutes"], float)
    assert found["unowned_minutes"] > 0


def test_a_day_on_which_a_request_vanishes_shows_that_it_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = World.begin

    def begin_most(world: World, request: Request) -> None:
        kept(world, request)
        if request.id % 10 == 0:
            del world.open[request.id]

    monkeypatch.setattr(World, "begin", begin_most)
    found = a_day(per_day=40)
    assert isinstance(found["lost_requests"], int)
    assert found["lost_requests"] > 0
