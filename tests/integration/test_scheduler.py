"""The ticks: each does its work, none takes the others with it, and silence is noticed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from callback_service import sender
from callback_service.domain.ticks import TICK_NAMES, TickName
from callback_service.extensions import transaction
from callback_service.models.callback import Escalation, Offer
from callback_service.models.heartbeat import Heartbeat
from callback_service.models.outbox import OutboxMessage, OutboxState
from callback_service.models.plan import PlanEntry
from callback_service.scheduler import SILENCE, Metronome
from callback_service.ticks import TICKS, Tick, run_tick
from tests.support.builders import NOW
from tests.support.request_builders import (
    make_manager,
    make_request,
    make_shift,
    mobile,
    row_counts,
    stored,
)


@pytest.fixture(autouse=True)
def _at_eight_in_the_evening() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def tick(name: TickName) -> Tick:
    return next(one for one in TICKS if one.name == name)


def test_every_tick_that_is_watched_is_run_and_no_other() -> None:
    assert tuple(one.name for one in TICKS) == TICK_NAMES


def test_on_an_empty_database_every_tick_succeeds_and_changes_nothing(app: Flask) -> None:
    with stored(app) as session:
        before = row_counts(session)
    assert all(run_tick(app, one) for one in TICKS)
    with stored(app) as session:
        assert row_counts(session) == before


def test_one_round_of_ticks_plans_offers_and_sends(app: Flask) -> None:
    with stored(app) as session:
        counsellor_id = make_shift(session).id
        request_id = make_request(session, may_text=True).id
    assert all(run_tick(app, one) for one in TICKS)
    with stored(app) as session:
        assert session.get_one(PlanEntry, request_id).counsellor_id == counsellor_id
        assert session.scalars(select(Offer.counsellor_id)).all() == [counsellor_id]
        assert session.scalars(select(OutboxMessage.state)).all() == [OutboxState.KEPT]
        assert session.scalars(select(Escalation)).all() == []


def test_with_nobody_on_shift_one_round_tells_the_duty_lead(app: Flask) -> None:
    with stored(app) as session:
        make_manager(session, is_duty_lead=True)
        make_request(session)
    assert all(run_tick(app, one) for one in TICKS)
    with stored(app) as session:
        assert len(session.scalars(select(Escalation)).all()) == 1


def test_the_plan_is_made_anew_as_time_passes_though_nothing_changed(app: Flask) -> None:
    with stored(app) as session:
        make_shift(session, "16:00", "20:30")
        late = make_shift(session, "20:30", "04:00").id
        request_id = make_request(session).id
    run_tick(app, tick(TickName.PLAN))
    with time_machine.travel(NOW + timedelta(minutes=15), tick=False):
        run_tick(app, tick(TickName.PLAN))
        with stored(app) as session:
            assert session.get_one(PlanEntry, request_id).counsellor_id != late
        run_tick(app, tick(TickName.REPLAN))
        with stored(app) as session:
            assert session.get_one(PlanEntry, request_id).counsellor_id == late


def test_a_backlog_of_texts_is_sent_in_portions_and_whole(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "FIRST", 10)
    monkeypatch.setattr(sender, "AT_ONCE", 10)
    with stored(app) as session:
        make_shift(session)
        for number in range(25):
            make_request(session, mobile(number), may_text=True)
    run_tick(app, tick(TickName.TEXTS))
    with stored(app) as session:
        kept = select(func.count()).where(OutboxMessage.state == OutboxState.KEPT)
        assert session.scalar(kept) == 25


@pytest.mark.one_database
def test_a_tick_that_fails_is_logged_and_the_next_one_runs(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_app: Flask) -> int:
        raise ValueError("broken")

    assert not run_tick(app, Tick("broken", broken, timedelta(seconds=1)))
    assert "tick broken failed" in caplog.text
    assert run_tick(app, tick(TickName.PLAN))


@pytest.mark.one_database
def test_a_tick_that_fails_half_way_leaves_nothing_behind(app: Flask) -> None:
    def broken(_app: Flask) -> int:
        with transaction() as session:
            make_manager(session)
            raise ValueError("half way")

    with stored(app) as session:
        before = row_counts(session)
    run_tick(app, Tick("broken", broken, timedelta(seconds=1)))
    with stored(app) as session:
        assert row_counts(session) == before


@pytest.mark.one_database
def test_moving_nothing_is_not_worth_a_line(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "callback_service")
    for one in TICKS:
        run_tick(app, one)
    assert [r for r in caplog.records if r.name == "callback_service.scheduler"] == []


class TestTheMetronome:
    @pytest.fixture
    def metronome(self, app: Flask) -> Metronome:
        return Metronome(app)

    def test_beats_for_the_ticks_that_succeeded_only(
        self, app: Flask, metronome: Metronome
    ) -> None:
        metronome._run(tick(TickName.PLAN))
        metronome._run(Tick("broken", lambda _: 1 // 0, timedelta(seconds=1)))
        with app.app_context():
            metronome._beat(app)
        with stored(app) as session:
            beats = {row.tick: row.succeeded_at for row in session.scalars(select(Heartbeat))}
        assert set(beats) == {"plan"}
        assert timedelta() <= NOW - beats["plan"] < timedelta(seconds=20)

    @pytest.mark.one_database
    def test_wakes_a_tick_that_fell_silent_by_the_monotonic_clock(
        self, metronome: Metronome
    ) -> None:
        began = time.monotonic()
        assert metronome.wake_silent(began) == []
        wait = timedelta(seconds=10)
        soon = began + (SILENCE + wait).total_seconds()
        assert metronome.wake_silent(soon) == [one.name for one in TICKS if one.every < wait]
        metronome._run(tick(TickName.PLAN))
        metronome.began_at[TickName.PLAN] = soon
        assert TickName.PLAN not in metronome.wake_silent(soon)
