"""Whatever comes to whatever route, from whomever: an answer, and never a fault of ours."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from callback_service.clock import utc_now
from callback_service.domain import policy
from callback_service.models.staff import Staff
from callback_service.services import accounts, api_tokens, demo
from callback_service.web import twilio
from callback_service.web.access import marks
from tests.support.builders import PASSWORD
from tests.support.odd_input import (
    ODD,
    ODD_BODIES,
    ODD_HEADERS,
    ODD_IDS,
    Asked,
    Fields,
    encoded,
    in_turn,
    note_what_is_asked,
)
from tests.support.request_builders import an_ask, mobile, stored, take
from tests.web.test_policy_matrix import ROLES, Cast, cast  # noqa: F401 - cast is a fixture

FORM = "application/x-www-form-urlencoded"
#: So many odd values for each field of each route; with ODD_INPUT=60 all are tried in an hour.
EACH = int(os.environ.get("ODD_INPUT", "1"))
#: What is counted from a day must not go over the edge of the calendar.
EXTREME_DAYS = (b"0001-01-01", b"9999-12-31")
A_DAY = re.compile(rb"\d{4}-\d\d-\d\d")
#: Turns of a rotation are one field, told apart by numbers: the first tells of all.
ALIKE = re.compile(r"turn-\d*[1-9]-")
#: Ends what the rest needs: who is signed in.
ENDING = {"sign_in.sign_out", "account.end_others"}
#: What somebody might send where a page offers an empty field.
USUAL = {
    "phone": mobile(123), "name": "Sam", "email": "sam@example.org", "reason": "other",
    "words": "words", "note": "words", "day": "2026-12-01", "first_day": "2026-12-01",
    "last_day": "2026-12-02", "from_on": "2026-12-07", "review_on": "2027-01-04",
    "Digits": "1", "CallSid": "CA" + "1" * 32, "MessageSid": "SM" + "1" * 32,
    "From": "+447700900124",
    "DialCallSid": "CA" + "2" * 32, "DialCallStatus": "completed", "CallStatus": "completed",
    "MessageStatus": "delivered", "Body": "hello", "from": "2026-11-23", "to": "2026-11-30",
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """A service with everybody of the cast signed in, and links and a token that open something."""

    app: Flask
    cast: Cast
    victim_id: int
    program: FlaskClient
    links: dict[str, str]  # a token that opens something, by the start of the address

    def client_for(self, rule: Rule) -> FlaskClient:
        """Somebody who may open the route."""
        mark = marks(self.app)[rule.endpoint]
        assert mark is not None
        if mark.by_token:
            return self.program
        if mark.action is None:
            return self.cast.clients["half" if mark.stages else "anonymous"]
        who = next(one for one, role in ROLES.items() if policy.may(role, mark.action))
        return self.cast.clients[who]

    def path(self, rule: Rule, **ids: object) -> str:
        """Where the route is, for rows that are there."""
        given: dict[str, object] = dict.fromkeys(rule.arguments, 1) | {"seen": "assigned"}
        token = next((one for start, one in self.links.items() if rule.rule.startswith(start)), "x")
        given |= {"staff_id": self.victim_id, "token": token, "tag": "en-GB"} | ids
        path: str = rule.build({name: given[name] for name in rule.arguments})[1]  # type: ignore[index]
        return path


@pytest.fixture
def seeded(app: Flask) -> None:
    """The demo, before anybody else is there."""
    with stored(app) as session:
        demo.seed_demo(session, now=utc_now(), password_hash=accounts.hash_password(PASSWORD))


@pytest.fixture
def world(app: Flask, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> World:  # noqa: F811
    note_what_is_asked(app)
    monkeypatch.setattr(twilio, "is_signed_by_twilio", lambda *_: True)
    with stored(app) as session:
        people = {one.name: one for one in session.query(Staff)}
        victim = session.query(Staff).filter_by(is_active=False).one()
        asked, program = an_ask(mobile(124), may_text=True), app.test_client()
        take(session, asked, now=utc_now())
        token = api_tokens.make_token(session, people["manager"].id, "Wallboard", now=utc_now())
    program.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    links = {"/manage": asked.key, "/done": asked.key}
    return World(app, cast, victim.id, program, links)


def usual(world: World) -> dict[str, str]:
    """A value for each field: one that some page offers, or that somebody might send."""
    fields = Fields()
    for rule, method in routes(world.app):
        if method == "GET":
            fields.feed(send(world.client_for(rule), method, world.path(rule)).text)
    return fields.found | {name: v for name, v in USUAL.items() if not fields.found.get(name)}


def routes(app: Flask) -> Iterator[tuple[Rule, str]]:
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if rule.endpoint in ENDING or rule.endpoint == "static":
            continue
        for method in sorted((rule.methods or set()) & {"GET", "POST"}):
            yield rule, method


def send(client: FlaskClient, method: str, path: str, fields: str = "") -> TestResponse:
    if method == "GET":
        return client.get(path, query_string=fields)
    return client.post(path, data=fields, content_type=FORM)


@pytest.fixture
def start(database_url: str) -> int:
    """Where the round of odd values begins: half of them meet a field on each database."""
    return len(ODD) // 2 if database_url.startswith("postgresql") else 0


def test_no_value_of_any_field_of_any_route_is_a_fault(
    seeded: None, world: World, start: int
) -> None:
    faults, tried, values, known = [], 0, in_turn(ODD, EACH, start=start), usual(world)
    for rule, method in routes(world.app):
        client, path = world.client_for(rule), world.path(rule)
        if method == "POST":
            send(client, method, path, encoded((n, v.encode()) for n, v in known.items()))
        asked = sorted(Asked.names[f"{method} {rule.endpoint}"])
        fields = {name: known.get(name, "1").encode() for name in asked if not ALIKE.match(name)}
        for name in fields:
            days = EXTREME_DAYS if A_DAY.fullmatch(fields[name]) else ()
            for value in (*next(values), *days):
                answer = send(client, method, path, encoded((fields | {name: value}).items()))
                tried += 1
                if answer.status_code >= 500:
                    faults.append((rule.endpoint, name, value[:40], answer.status_code))
    assert faults == []
    assert tried > 250


def test_no_address_is_a_fault(world: World) -> None:
    faults, tried, values = [], 0, in_turn(ODD_IDS, 4, start=0)
    for rule, method in routes(world.app):
        for name in rule.arguments:
            whole = world.path(rule, **{name: 987_654})
            for value in next(values):
                path = whole.replace("987654", value)
                answer = send(world.client_for(rule), method, path)
                tried += 1
                if answer.status_code >= 500 or "X-Evil" in answer.headers:
                    faults.append((rule.endpoint, method, value[:40], answer.status_code))
    assert faults == []
    assert tried > 300


@pytest.mark.one_database  # a body is read before any database is asked
def test_no_body_that_is_not_what_it_claims_is_a_fault(world: World) -> None:
    faults, bodies = [], in_turn(ODD_BODIES, 3, start=0)
    for rule, method in routes(world.app):
        if method == "POST":
            for kind, body in next(bodies):
                path = world.path(rule)
                answer = world.client_for(rule).post(path, data=body, content_type=kind)
                if answer.status_code >= 500:
                    faults.append((rule.endpoint, kind, body[:20], answer.status_code))
    assert faults == []


PLACES = (
    "/", "/desk", "/api/v1/rota/shifts?from=2026-11-23&to=2026-11-24", "/static/vendor/app.css",
    "/no/such/page",
)  # fmt: skip


@pytest.mark.one_database  # what of a header is looked up is a digest of it
def test_no_header_is_a_fault(world: World) -> None:
    faults, headers = [], in_turn(ODD_HEADERS, len(ODD_HEADERS) // 2, start=0)
    for path in PLACES:
        for client in (world.cast.clients["manager"], world.program, world.app.test_client()):
            for name, value in next(headers):
                answer = client.get(path, headers={name: value})
                if answer.status_code >= 500 or "evil" in answer.headers.get("Location", ""):
                    faults.append((path, name, value[:40], answer.status_code))
                answer.close()
    assert faults == []
