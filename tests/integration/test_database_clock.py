"""Two schedulers whose machines disagree about the time decide alike: by the server's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from callback_service.domain.ticks import TICK_NAMES, TickName
from callback_service.extensions import database_now, reading
from callback_service.models.callback import Escalation, Offer
from callback_service.models.heartbeat import Heartbeat
from callback_service.scheduler import Metronome
from callback_service.services import heartbeat
from callback_service.ticks import TICKS, run_tick
from tests.support.request_builders import make_manager, make_request, make_shift, stored

pytestmark = [pytest.mark.database_clock, pytest.mark.traced_on_both]

SECOND = timedelta(seconds=1)
WRONG = [timedelta(hours=-3), timedelta(hours=3)]


def is_server(app: Flask) -> bool:
    return str(app.config["SETTINGS"].database_url).startswith("postgresql")


def run(app: Flask, *names: TickName) -> None:
    assert all(run_tick(app, one) for one in TICKS if one.name in names)


def test_the_clock_is_the_servers_or_that_of_the_one_machine(app: Flask) -> None:
    true = datetime.now(UTC)
    for wrong in WRONG:
        with time_machine.travel(true + wrong), app.app_context(), reading() as session:
            shown = database_now(session)
        assert shown.tzinfo is UTC
        off = shown - true if is_server(app) else shown - true - wrong
        assert abs(off) < 60 * SECOND


def test_schedulers_with_wrong_clocks_agree_on_offers_and_on_what_is_late(app: Flask) -> None:
    if not is_server(app):
        pytest.skip("SQLite has one machine and so one clock")
    true = datetime.now(UTC)
    with stored(app) as session:
        make_manager(session, is_duty_lead=True)
        make_shift(session, "00:00", "00:00")
        request = make_request(session, now=true)
        request.due_at = true + timedelta(hours=1)
    for wrong in WRONG:
        with time_machine.travel(true + wrong):
            run(app, TickName.PLAN, TickName.OFFERS, TickName.ESCALATION, TickName.AUDIT)
    with stored(app) as session:
        [offer] = session.scalars(select(Offer))
        assert abs(offer.made_at - true) < 60 * SECOND
        assert offer.ended_at is None
        assert session.scalars(select(Escalation)).all() == []


def test_a_scheduler_with_a_wrong_clock_is_not_taken_for_stopped(app: Flask) -> None:
    if not is_server(app):
        pytest.skip("SQLite has one machine and so one clock")
    metronome = Metronome(app)
    true = datetime.now(UTC)
    with time_machine.travel(true + WRONG[0]), app.app_context():
        for tick in TICKS:
            metronome._run(tick)
        metronome._beat(app)
    with app.app_context(), reading() as session:
        now = database_now(session)
        assert heartbeat.stopped_ticks(session, TICK_NAMES, now=now) == []
        assert all(
            abs(row.succeeded_at - true) < 60 * SECOND for row in session.scalars(select(Heartbeat))
        )
