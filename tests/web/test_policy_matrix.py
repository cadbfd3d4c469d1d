"""Every route for every kind of visitor, as the table of who may do what has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from callback_service import clock
from callback_service.domain import policy
from callback_service.domain.inbound import InboundKind
from callback_service.domain.lifecycle import Disposition, LetGo
from callback_service.domain.policy import FIELDS, Action, Condition, Field, Sight
from callback_service.domain.staff import Role
from callback_service.models.base import Base
from callback_service.models.callback import Offer, OfferEnding
from callback_service.models.inbound import InboundText
from callback_service.models.staff import Staff
from callback_service.services import requests
from callback_service.web.access import marks, needs_fresh
from tests.rota_builders import make_pattern
from tests.support import signing_in
from tests.support.builders import PASSWORD, make_staff
from tests.support.guards import guarded
from tests.support.pages import submit, without_chance
from tests.support.request_builders import accept, make_request, stored

NOT_THERE = 999_999_999
SECRETS = {
    Field.NUMBER: ("07700 900123", "7700900123"),
    Field.NAME: ("Canarina",),
    Field.SAFE_CONTACT: ("Hang up if he answers",),
    Field.NOTES: ("Spoke of her sister",),
    Field.TEXTS_IN: ("please ring after nine",),
}


@dataclass(frozen=True)
class Cast:
    """Browsers of everybody there is, and the request that one of them holds."""

    clients: Mapping[str, FlaskClient]
    request_id: int


ROLES = {
    "holder": Role.COUNSELLOR,
    "counsellor": Role.COUNSELLOR,
    "manager": Role.MANAGER,
    "safeguarding": Role.SAFEGUARDING_LEAD,
    "administrator": Role.ADMINISTRATOR,
}
STRANGERS = ("anonymous", "half", "disabled")


@pytest.fixture
def cast(app: Flask) -> Cast:
    """Everybody signed in; a counsellor holds a request that was marked urgent."""
    with stored(app) as session:
        people = {who: make_staff(session, role=role, name=who) for who, role in ROLES.items()}
        people["disabled"] = make_staff(session, role=Role.MANAGER)
        for who in ("holder", "counsellor"):
            make_pattern(session, people[who], "00:00", "00:00")
        emails = {who: one.email for who, one in people.items()}
        now = clock.utc_now()
        request = make_request(session, name="Canarina", note="Hang up if he answers", now=now)
        request.closing_note = "Spoke of her sister"
        request.is_urgent = True
        accept(session, request, people["holder"], now=now)
        request_id = request.id
        text = InboundText(
            provider_sid="SM1", kind=InboundKind.WORDS, request_id=request_id, received_at=now
        )
        session.add(text)
        session.flush()
        text.body = "please ring after nine"
    clients = {"anonymous": app.test_client(), "half": app.test_client()}
    for who, email in emails.items():
        clients[who] = app.test_client()
        assert signing_in.sign_in(clients[who], email).status_code == 303
    submit(clients["half"], "/sign-in", {"email": emails["counsellor"], "password": PASSWORD})
    with stored(app) as session:
        row = session.query(Staff).filter_by(email=emails["disabled"]).one()
        row.is_active = False
    app.config["WTF_CSRF_ENABLED"] = False  # so that the gate and the services answer
    return Cast(clients, request_id)


def staff_routes(app: Flask) -> Iterator[tuple[Rule, str, Action]]:
    """Each route for people of staff, with each of its methods and what it is."""
    for rule in app.url_map.iter_rules():
        mark = marks(app)[rule.endpoint]
        assert mark is not None, f"{rule} says nothing of who may open it"
        if mark.is_public or mark.by_token or mark.stages:
            continue
        assert mark.action is not None, rule
        for method in sorted((rule.methods or set()) & {"GET", "POST"}):
            yield rule, method, mark.action


def address(rule: Rule, object_id: int) -> str:
    """Where ``rule`` is, with ``object_id`` for every id in it."""
    given: dict[str, object] = dict.fromkeys(rule.arguments, object_id)
    if "seen" in given:
        given["seen"] = "assigned"
    return str(rule.build(given)[1])  # type: ignore[index]


def test_every_route_lets_pass_whom_the_table_grants_it_and_nobody_else(
    app: Flask, cast: Cast, database_url: str
) -> None:
    """Who is refused is so before a row is looked for: on PostgreSQL only who may pass is tried."""
    is_whole = database_url.startswith("sqlite")
    wrong, tried = [], 0
    for rule, method, action in staff_routes(app):
        for who, client in cast.clients.items():
            if not is_whole and (who in STRANGERS or not policy.may(ROLES[who], action)):
                continue
            status = client.open(address(rule, NOT_THERE), method=method).status_code
            tried += 1
            if who in STRANGERS:
                is_right = status == (303 if method == "GET" else 401)
            elif policy.may(ROLES[who], action):
                is_right = status not in {401, 403} and status < 500
            else:
                is_right = status == 403
            if not is_right:
                wrong.append((who, method, rule.rule, status))
    assert wrong == []
    assert tried > (900 if is_whole else 250)


@pytest.mark.one_database  # the app's routes are compared with the table: no row is read
def test_a_route_asks_for_a_second_step_where_the_table_says_so(app: Flask) -> None:
    by_table = {
        rule.endpoint for rule, _, action in staff_routes(app) if policy.needs_step_up(action)
    }
    assert needs_fresh(app) == by_table


@pytest.mark.one_database  # as above
def test_every_action_of_the_table_is_a_route_or_asked_for_by_a_service(app: Flask) -> None:
    by_routes = {mark.action for mark in marks(app).values() if mark}
    by_services = {action for _, action in guarded()}
    of_links = {Action.READ_WHOLE_ROTA_CALENDAR}  # asked for by services/feeds.py
    assert set(Action) - by_routes - by_services == of_links


PAGES = {
    "/desk/requests/{id}": {"holder": 200, "counsellor": 404, "manager": 200},
    "/desk/requests/{id}/record": {"manager": 200, "safeguarding": 200},
    "/desk/requests/{id}/history": {"manager": 200, "safeguarding": 200},
}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_of_a_request_opens_for_those_it_is_for(cast: Cast, path: str) -> None:
    for who, client in cast.clients.items():
        closed = 303 if who in STRANGERS else 403
        for object_id, expected in (
            (cast.request_id, PAGES[path].get(who, closed)),
            (NOT_THERE, 404 if who in PAGES[path] else closed),
        ):
            assert client.get(path.format(id=object_id)).status_code == expected, (who, object_id)


def of_requests(app: Flask) -> list[tuple[Rule, str, Action]]:
    """The routes whose id is that of a request."""
    rooms = {"desk", "bridge", "let_go", "records"}
    return [
        (rule, method, action)
        for rule, method, action in staff_routes(app)
        if "request_id" in rule.arguments and rule.endpoint.partition(".")[0] in rooms
    ]


@pytest.mark.parametrize("standing", ["in_hand", "closed", "known"])
def test_somebody_elses_request_answers_as_one_that_is_not_there(
    app: Flask, cast: Cast, standing: str
) -> None:
    _let_stand(app, cast, standing)
    client, compared = cast.clients["counsellor"], 0
    for rule, method, action in of_requests(app):
        if not policy.may(Role.COUNSELLOR, action):
            continue
        if standing == "in_hand" and action in {Action.TAKE_REQUEST, Action.MARK_URGENT}:
            continue  # it is on everybody's desk, without anything of the caller
        answers = [
            _said(client, address(rule, one), method, one) for one in (cast.request_id, NOT_THERE)
        ]
        assert answers[0] == answers[1], (rule.rule, method)
        compared += 1
    assert compared >= 9


def test_a_request_that_is_not_urgent_is_not_there_for_the_safeguarding_lead(
    app: Flask, cast: Cast
) -> None:
    with stored(app) as session:
        requests.lock_request(session, cast.request_id).is_urgent = False
    for path in ("record", "history"):
        answers = [
            _said(cast.clients["safeguarding"], f"/desk/requests/{one}/{path}", "GET", one)
            for one in (cast.request_id, NOT_THERE)
        ]
        assert answers[0] == answers[1]
        assert answers[0][0] == 404


def _let_stand(app: Flask, cast: Cast, standing: str) -> None:
    """The request is in hand of a colleague; closed long ago; or of a caller they know."""
    with stored(app) as session:
        request = requests.lock_request(session, cast.request_id)
        now = clock.utc_now()
        if standing == "closed":
            long_ago = now - timedelta(hours=2)
            requests.close(session, request, Disposition.WITHDRAWN, now=long_ago)
        if standing == "known":
            who = session.query(Staff).filter_by(name="counsellor").one()
            requests.give_back(session, request, actor_id=None, reason="test", now=now)
            session.add(
                Offer(
                    request_id=request.id, counsellor_id=who.id, round=1, made_at=now,
                    lapses_at=now, ended_at=now, ending=OfferEnding.DECLINED,
                    reason=LetGo.KNOWS_CALLER,
                )
            )  # fmt: skip


def _said(client: FlaskClient, path: str, method: str, object_id: int) -> tuple[int, str, str]:
    """The answer without what differs by address and by form alone."""
    answer = client.open(path, method=method)
    told = (answer.location or "", without_chance(answer.get_data(as_text=True)))
    client.get("/account")  # takes the notes that were left for the next page
    to, body = (text.replace(f"/requests/{object_id}", "/requests/ID") for text in told)
    return answer.status_code, to, body


MET = {
    "holder": {Condition.HOLDS, Condition.IN_HAND, Condition.FLAGGED},
    "counsellor": {Condition.IN_HAND, Condition.FLAGGED},
    "manager": {Condition.IN_HAND, Condition.FLAGGED},
    "safeguarding": {Condition.IN_HAND, Condition.FLAGGED},
    "administrator": {Condition.IN_HAND, Condition.FLAGGED},
}


@pytest.mark.parametrize("after_a_look", [False, True])
def test_no_page_shows_a_field_to_whom_the_table_does_not(
    app: Flask, cast: Cast, *, after_a_look: bool
) -> None:
    shown: dict[str, set[Field]] = {who: set() for who in MET}
    with_look = {"manager", "safeguarding"} if after_a_look else set()
    for who in with_look:
        path = f"/desk/requests/{cast.request_id}/look"
        assert cast.clients[who].post(path, data={"reason": "at_risk"}).status_code == 303
    for rule, method, _ in staff_routes(app):
        if method != "GET":
            continue
        for who, met in MET.items():
            body = cast.clients[who].get(address(rule, cast.request_id)).get_data(as_text=True)
            conditions = met | ({Condition.REASON} if who in with_look else set())
            for field, words in SECRETS.items():
                if any(word in body for word in words):
                    shown[who].add(field)
                    is_whole = policy.sight(ROLES[who], field, conditions) is Sight.WHOLE
                    assert is_whole, (who, field, rule.rule)
    everything = set(SECRETS)
    assert shown["holder"] == everything
    assert shown["counsellor"] == shown["administrator"] == set()
    for who in ("manager", "safeguarding"):
        assert shown[who] == (everything if who in with_look else set())


#: Sealed columns that tell of staff, and of a call that nobody has asked for yet.
OF_STAFF = {
    "staff.phone_sealed", "staff.totp_secret_sealed", "sign_in.pending_totp_sealed",
    "held_form.fields_sealed", "look.words_sealed", "inbound_call.keyed_sealed",
    "data_request.words_sealed", "legal_hold.reason_sealed", "second_step_reset.proof_sealed",
    "decoy.request_sealed",
}  # fmt: skip


def test_every_sealed_column_and_every_column_of_the_table_is_known() -> None:
    columns = {f"{t.name}.{c.name}" for t in Base.metadata.sorted_tables for c in t.columns}
    named = {column for rule in FIELDS.values() for column in rule.kept_in}
    assert named <= columns
    assert {c for c in columns if c.endswith("_sealed")} == {
        c for c in named | OF_STAFF if c.endswith("_sealed")
    }
