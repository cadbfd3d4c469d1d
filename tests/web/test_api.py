"""The JSON API: what it answers, who may ask, and how it says no."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import select
from werkzeug.test import TestResponse

from callback_service.domain.lifecycle import RequestState
from callback_service.domain.staff import Role
from callback_service.models.api_token import ApiToken
from callback_service.models.staff import Staff
from callback_service.services import account_changes
from callback_service.services.api_tokens import end_token, make_token
from callback_service.web import problems
from tests.rota_builders import make_pattern
from tests.support.builders import NOW, make_staff
from tests.support.pages import submit
from tests.support.request_builders import make_request, mobile, stored

pytestmark = pytest.mark.one_database  # the services below are tested on both

RANGE = "from=2026-10-24&to=2026-10-26"


def a_token(app: Flask, role: Role = Role.MANAGER) -> str:
    """A token of somebody new."""
    with stored(app) as session:
        return make_token(session, make_staff(session, role=role).id, "test", now=NOW)


def ask(app: Flask, path: str, token: str | None = None) -> TestResponse:
    """What the API answers to a program with ``token``; a manager's unless told."""
    bearer = {"Authorization": f"Bearer {token or a_token(app)}"}
    return app.test_client().get(f"/api/v1{path}", headers=bearer)


def check_problem(answer: TestResponse, status: int, kind: str) -> dict[str, Any]:
    """The problem that was answered, in the shape that programs rely on."""
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    problem: dict[str, Any] = json.loads(answer.data)
    assert problem["type"] == f"urn:callback-service:problem:{kind}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


def a_night(app: Flask) -> None:
    with stored(app) as session:
        staff = make_staff(session, name="Zoë Khan", email="zoe@example.org")
        make_pattern(session, staff, "20:00", "08:00", frozenset({5}))


@pytest.mark.parametrize("command", [["shifts"], ["cover"], ["cover", "--step", "45"]])
@pytest.mark.parametrize(
    ("start", "end"),
    [("2026-10-24", "2026-10-26"), ("2026-10-24T22:00+01:00", "2026-10-25T06:00:00Z")],
)
def test_the_api_answers_what_the_command_prints(
    app: Flask, cli: FlaskCliRunner, command: list[str], start: str, end: str
) -> None:
    a_night(app)
    printed = cli.invoke(
        args=["rota", *command, "--from", start, "--to", end, "--format", "json"]
    ).output
    step = {"step": command[2]} if len(command) > 1 else {}
    answer = app.test_client().get(
        f"/api/v1/rota/{command[0]}",
        query_string={"from": start, "to": end, **step},
        headers={"Authorization": f"bearer {a_token(app, Role.COUNSELLOR)}"},
    )
    assert answer.status_code == 200
    assert answer.json == json.loads(printed)
    assert answer.json


def test_a_plus_sign_that_was_not_encoded_is_understood(app: Flask) -> None:
    path = "/rota/cover?from=2026-10-24T22:00+01:00&to=2026-10-25T00:00+01:00"
    [row] = ask(app, path).json or []
    assert row["start"] == "2026-10-24T21:00:00Z"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/rota/shifts", "from"),
        ("/rota/shifts?from=2026-10-24", "to"),
        ("/rota/shifts?from=yesterday&to=2026-10-24", "from"),
        ("/rota/shifts?from=2026-10-24T09:00&to=2026-10-25", "from"),
        ("/rota/shifts?from=2026-10-24&to=2026-10-24", "to"),
        ("/rota/shifts?from=2020-01-01&to=2026-10-24", "to"),
        (f"/rota/shifts?{RANGE}&duty=cleaning", "duty"),
        (f"/rota/cover?{RANGE}&step=0", "step"),
        (f"/rota/cover?{RANGE}&step=x", "step"),
        (f"/rota/cover?{RANGE}&step=10081", "step"),
        ("/rota/cover?from=2023-01-01&to=2026-10-24&step=1", "step"),
        ("/callback-requests?state=lost", "state"),
        ("/callback-requests?limit=0", "limit"),
        ("/callback-requests?limit=201", "limit"),
        ("/callback-requests?limit=%C2%B2", "limit"),
        ("/callback-requests?cursor=x", "cursor"),
        ("/callback-requests?cursor=%F0%9F%98%80", "cursor"),
        ("/callback-requests?cursor=YWZ0ZXI6LTE", "cursor"),
        ("/callback-requests?limit=5&limit=200", "limit"),
        ("/rota/shifts?from=2026-10-24&to=2026-10-26&to=2027-10-26", "to"),
    ],
)
def test_a_bad_field_is_named_with_its_reason(app: Flask, path: str, field: str) -> None:
    problem = check_problem(ask(app, path), 422, "bad-input")
    [error] = problem["errors"]
    assert error["field"] == field
    assert len(error["reason"]) > 10


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer not-a-token", "Basic dXNlcjpwYXNz", "{}", "Bearer {}x"],
)
def test_without_a_live_token_one_is_asked_for(app: Flask, header: str | None) -> None:
    token = a_token(app)
    headers = {"Authorization": header.replace("{}", token)} if header is not None else {}
    answer = app.test_client().get(f"/api/v1/rota/shifts?{RANGE}", headers=headers)
    check_problem(answer, 401, "token-needed")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_in_the_address_opens_nothing(app: Flask) -> None:
    answer = app.test_client().get(f"/api/v1/rota/shifts?{RANGE}&access_token={a_token(app)}")
    check_problem(answer, 401, "token-needed")


def test_a_token_that_was_ended_opens_nothing(app: Flask) -> None:
    token = a_token(app)
    with stored(app) as session:
        [row] = session.scalars(select(ApiToken))
        end_token(session, row.id, staff_id=row.staff_id, now=NOW)
    check_problem(ask(app, f"/rota/shifts?{RANGE}", token), 401, "token-needed")


def test_a_token_dies_with_its_account_and_does_not_come_back(app: Flask) -> None:
    token = a_token(app)
    with stored(app) as session:
        [owner] = session.scalars(select(Staff))
        administrator = make_staff(session, role=Role.ADMINISTRATOR)
        account_changes.disable(session, owner.id, actor_id=administrator.id, now=NOW)
    check_problem(ask(app, f"/rota/shifts?{RANGE}", token), 401, "token-needed")
    with stored(app) as session:
        account_changes.enable(session, owner.id, actor_id=administrator.id, now=NOW)
    check_problem(ask(app, f"/rota/shifts?{RANGE}", token), 401, "token-needed")


def test_a_change_of_role_bites_at_the_next_request(app: Flask) -> None:
    token = a_token(app)
    assert ask(app, "/callback-requests", token).status_code == 200
    with stored(app) as session:
        [owner] = session.scalars(select(Staff))
        owner.role = Role.COUNSELLOR
    check_problem(ask(app, "/callback-requests", token), 403, "forbidden")


def test_what_is_not_there_and_what_is_not_done_are_problems_too(app: Flask) -> None:
    check_problem(app.test_client().get("/api/v1/no/such/thing"), 404, "not-found")
    refused = app.test_client().post("/api/v1/rota/shifts")
    check_problem(refused, 405, "method-not-allowed")
    assert "GET" in refused.headers["Allow"]


def test_a_fault_is_a_problem_that_tells_nothing(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("callback_service.services.rota.shifts_between", fail)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    problem = check_problem(ask(app, f"/rota/shifts?{RANGE}"), 500, "fault")
    assert "secret" not in json.dumps(problem)
    assert problem["error_id"]


def test_every_kind_of_problem_has_a_name_of_its_own() -> None:
    names = [kind for kind, _ in problems.KINDS.values()]
    assert len(set(names)) == len(names)


# The queue


def test_the_queue_comes_in_pages_without_personal_data(app: Flask) -> None:
    with stored(app) as session:
        for number in range(5):
            make_request(session, mobile(number), name="Robin Caller")
    token, seen, path = a_token(app), [], "/callback-requests?limit=2"
    pages = 0
    while True:
        answer = ask(app, path, token)
        assert "Robin" not in answer.text
        assert "7700" not in answer.text
        page = answer.json or {}
        seen += [item["reference"] for item in page["items"]]
        pages += 1
        if page["next_cursor"] is None:
            break
        path = f"/callback-requests?limit=2&cursor={page['next_cursor']}"
    assert (pages, len(seen), len(set(seen))) == (3, 5, 5)


def test_the_queue_shows_one_state_where_one_is_asked_for(app: Flask) -> None:
    with stored(app) as session:
        make_request(session, mobile(1))
    waiting = (ask(app, f"/callback-requests?state={RequestState.WAITING}").json or {})["items"]
    assert [item["state"] for item in waiting] == ["waiting"]
    assert set(waiting[0]) == {
        "reference", "state", "created_at", "ring_from", "due_at", "is_window", "tries",
        "counsellor_id", "first_attempt_at", "closed_at", "disposition",
    }  # fmt: skip
    assert (ask(app, "/callback-requests?state=closed").json or {})["items"] == []


# The description


def test_the_description_knows_every_route_and_parameter(app: Flask) -> None:
    described = app.test_client().get("/api/v1/openapi.json").json or {}
    routes = {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("api.")}
    assert set(described["paths"]) == routes
    assert described["openapi"] == "3.1.0"
    named = {
        parameter["name"]
        for path in described["paths"].values()
        for parameter in path["get"]["parameters"]
    }
    assert named == {"from", "to", "duty", "step", "state", "limit", "cursor"}


def test_every_reference_in_the_description_leads_somewhere(app: Flask) -> None:
    described = app.test_client().get("/api/v1/openapi.json").json or {}

    def references(part: object) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if "$ref" in part else []
            return own + [found for value in part.values() for found in references(value)]
        return (
            [found for one in part for found in references(one)] if isinstance(part, list) else []
        )

    for reference in references(described):
        place: Any = described
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
        assert place


# The page


def test_a_token_is_made_on_the_account_page_and_shown_once(
    app: Flask, sign_in_as: Callable[..., FlaskClient]
) -> None:
    client = sign_in_as(Role.COUNSELLOR)
    page = submit(client, "/account/tokens", {"name": "Call room"}, page="/account").text
    token = page.split('id="new-token" value="')[1].split('"')[0]
    assert len(token) == 43
    assert token not in client.get("/account").text
    assert ask(app, f"/rota/shifts?{RANGE}", token).status_code == 200
    assert "Call room" in client.get("/account").text
    with stored(app) as session:
        [row] = session.scalars(select(ApiToken))
        assert token.encode() not in row.token_digest
        assert row.last_used_at is not None
    assert submit(client, f"/account/tokens/{row.id}/end", {}, page="/account").status_code == 303
    assert "Call room" not in client.get("/account").text
    assert ask(app, f"/rota/shifts?{RANGE}", token).status_code == 401


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\u202eb"])
def test_a_token_needs_a_name(sign_in_as: Callable[..., FlaskClient], name: str) -> None:
    client = sign_in_as(Role.MANAGER)
    answer = submit(client, "/account/tokens", {"name": name}, page="/account")
    assert answer.status_code == 422
    assert "There is a problem" in answer.text


def test_nobody_ends_the_token_of_somebody_else(
    app: Flask, sign_in_as: Callable[..., FlaskClient]
) -> None:
    token = a_token(app)
    with stored(app) as session:
        [row] = session.scalars(select(ApiToken))
    client = sign_in_as(Role.MANAGER)
    answer = submit(client, f"/account/tokens/{row.id}/end", {}, page="/account")
    assert answer.status_code == 404
    assert ask(app, f"/rota/shifts?{RANGE}", token).status_code == 200


def test_there_is_a_most_of_tokens(app: Flask, sign_in_as: Callable[..., FlaskClient]) -> None:
    client = sign_in_as(Role.MANAGER)
    answers = [
        submit(client, "/account/tokens", {"name": f"number {number}"}, page="/account").status_code
        for number in range(11)
    ]
    assert answers == [200] * 10 + [422]


def test_use_is_noted_once_an_hour(app: Flask) -> None:
    token = a_token(app)
    ask(app, f"/rota/shifts?{RANGE}", token)
    with stored(app) as session:
        [row] = session.scalars(select(ApiToken))
        first = row.last_used_at
    ask(app, f"/rota/shifts?{RANGE}", token)
    with stored(app) as session:
        [row] = session.scalars(select(ApiToken))
        assert row.last_used_at == first
        assert first is not None
        row.last_used_at = first - timedelta(hours=1)
    ask(app, f"/rota/shifts?{RANGE}", token)
    with stored(app) as session:
        [row] = session.scalars(select(ApiToken))
        assert row.last_used_at is not None
        assert row.last_used_at >= first
