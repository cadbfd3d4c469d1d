"""One address that asks for more than people do is told to wait, and always whom to ring."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from callback_service.web import pace

pytestmark = pytest.mark.one_database


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "PER_MINUTE", {"public": 3, "sign_in": 3, "api": 3, "calendar": 3})
    monkeypatch.setattr(pace, "_minute_now", lambda: 1)


def browser(app: Flask, address: str) -> FlaskClient:
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = address
    return client


@pytest.mark.parametrize("path", ["/cookies", "/sign-in", "/api/v1/openapi.json"])
def test_beyond_the_pace_of_people_an_address_waits_and_no_other(app: Flask, path: str) -> None:
    loud, quiet = browser(app, "81.2.69.1"), browser(app, "81.2.69.2")
    assert [loud.get(path).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    assert quiet.get(path).status_code == 200


def test_guesses_of_calendar_links_are_slowed_down_too(app: Flask) -> None:
    loud = browser(app, "81.2.69.1")
    statuses = [loud.get(f"/calendar/guess{n}.ics").status_code for n in range(5)]
    assert statuses == [404, 404, 404, 429, 429]


def test_who_has_to_wait_is_told_for_how_long_and_whom_to_ring(app: Flask) -> None:
    loud = browser(app, "81.2.69.1")
    answer = [loud.get("/cookies") for _ in range(4)][-1]
    assert answer.headers["Retry-After"] == "60"
    assert b"01632 960 000" in answer.get_data()


def test_the_next_minute_begins_anew(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    loud = browser(app, "81.2.69.1")
    assert [loud.get("/cookies").status_code for _ in range(4)][-1] == 429
    monkeypatch.setattr(pace, "_minute_now", lambda: 2)
    assert loud.get("/cookies").status_code == 200


@pytest.mark.parametrize("path", ["/exit", "/health/live", "/static/favicon.svg", "/desk"])
def test_leaving_and_what_others_watch_are_never_kept_waiting(app: Flask, path: str) -> None:
    loud = browser(app, "81.2.69.1")
    for _ in range(5):
        answer = loud.get(path)
        assert answer.status_code in {200, 303}
        answer.close()


def test_an_address_of_ipv6_is_its_whole_network(app: Flask) -> None:
    ways = [browser(app, f"2a00:1450:4009:81f::{n:x}") for n in range(1, 6)]
    assert [one.get("/cookies").status_code for one in ways] == [200, 200, 200, 429, 429]


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "nonsense"])
def test_an_address_that_tells_nothing_is_not_counted(app: Flask, address: str) -> None:
    loud = browser(app, address)
    assert {loud.get("/cookies").status_code for _ in range(6)} == {200}


def test_more_addresses_than_are_remembered_are_let_pass(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "MOST_ADDRESSES", 2)
    first = browser(app, "81.2.69.1")
    assert first.get("/cookies").status_code == 200
    browser(app, "81.2.69.2").get("/cookies")
    third = browser(app, "81.2.69.3")
    assert {third.get("/cookies").status_code for _ in range(6)} == {200}
    assert [first.get("/cookies").status_code for _ in range(3)][-1] == 429


def test_a_program_is_told_in_json(app: Flask) -> None:
    loud = browser(app, "81.2.69.1")
    answer = [loud.get("/api/v1/rota/shifts") for _ in range(4)][-1]
    assert answer.status_code == 429
    assert answer.mimetype == "application/problem+json"
