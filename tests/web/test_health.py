"""Health tells the truth, to anybody, and nothing else."""

from __future__ import annotations

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from callback_service.domain.ticks import TICK_NAMES
from callback_service.services.heartbeat import STALE_AFTER, beat
from tests.support.builders import NOW
from tests.support.request_builders import stored


def test_the_process_lives(client: FlaskClient) -> None:
    answer = client.get("/health/live")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_without_a_scheduler_it_is_not_ready_and_says_what_stands_still(
    client: FlaskClient,
) -> None:
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json == {
        "status": "failing",
        "database": "ok",
        "stopped_ticks": sorted(TICK_NAMES),
    }


def test_with_all_ticks_beating_it_is_ready(app: Flask, client: FlaskClient) -> None:
    with stored(app) as session:
        beat(session, dict.fromkeys(TICK_NAMES, NOW))
    with time_machine.travel(NOW, tick=False):
        answer = client.get("/health/ready")
    assert (answer.status_code, answer.json) == (200, {"status": "ok", "database": "ok"})


def test_a_scheduler_that_died_is_noticed(app: Flask, client: FlaskClient) -> None:
    with stored(app) as session:
        beat(session, dict.fromkeys(TICK_NAMES, NOW))
    with time_machine.travel(NOW + STALE_AFTER, tick=False):
        assert client.get("/health/ready").status_code == 503


@pytest.mark.one_database  # the tables of PostgreSQL are shared by the tests of a run
def test_without_its_tables_it_is_alive_and_not_ready(app: Flask, client: FlaskClient) -> None:
    with stored(app) as session:
        session.connection().exec_driver_sql("ALTER TABLE heartbeat RENAME TO gone")
    assert client.get("/health/live").status_code == 200
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json == {"status": "failing", "database": "failing"}
