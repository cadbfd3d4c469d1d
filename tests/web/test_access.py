"""The gate: closed unless a route says otherwise."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from callback_service.domain.policy import Action
from callback_service.domain.staff import Role, StaffMember
from callback_service.extensions import transaction
from callback_service.services.api_tokens import make_token
from callback_service.web import access
from callback_service.web.access import Mark, landing, marks, safe_next
from tests.support.builders import APP_KEY, NOW, PASSWORD, make_staff
from tests.support.pages import submit

SignInAs = Callable[..., FlaskClient]


def address(rule: Rule) -> str:
    """An address that reaches ``rule``, whether or not anything is there."""
    return str(rule.build(dict.fromkeys(rule.arguments, 1))[1])  # type: ignore[index]


@pytest.mark.one_database
def test_every_route_says_who_may_open_it(app: Flask) -> None:
    assert [endpoint for endpoint, mark in marks(app).items() if mark is None] == []


@pytest.mark.one_database
def test_a_route_without_a_mark_is_found_and_opens_for_nobody(
    app: Flask, client: FlaskClient, sign_in_as: SignInAs
) -> None:
    app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    assert marks(app)["forgotten"] is None
    assert client.get("/forgotten").status_code == 303
    for role in Role:
        assert sign_in_as(role).get("/forgotten").status_code == 403


@pytest.mark.one_database
def test_no_stranger_opens_a_page_of_staff_by_any_method(app: Flask, client: FlaskClient) -> None:
    for rule in app.url_map.iter_rules():
        mark = marks(app)[rule.endpoint]
        assert mark is not None
        if mark.is_public:
            continue
        for method in sorted(rule.methods or ()):
            answer = client.open(address(rule), method=method)
            assert answer.status_code in {303, 400, 401}, (rule, method)
            if answer.status_code == 303:
                assert answer.location.startswith("/sign-in?next="), (rule, method)


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "PROPFIND", "X" * 200])
@pytest.mark.parametrize("path", ["/", "/desk", "/static/vendor/app.css", "/api/v1/rota/shifts"])
def test_no_method_but_those_of_the_pages_does_anything(
    client: FlaskClient, method: str, path: str
) -> None:
    answer = client.open(path, method=method, headers={"X-Secret": "echoed"})
    assert answer.status_code in {303, 401, 405}
    assert b"echoed" not in answer.get_data()
    answer.close()


@pytest.mark.one_database
@pytest.mark.parametrize("role", Role)
def test_the_wrong_role_is_refused_at_every_page(
    app: Flask, sign_in_as: SignInAs, role: Role
) -> None:
    client = sign_in_as(role)
    closed = [
        rule
        for rule in app.url_map.iter_rules()
        if (mark := marks(app)[rule.endpoint])
        and not (mark.is_public or mark.by_token or mark.stages)
        and role not in mark.roles
    ]
    assert closed
    for rule in closed:
        if "GET" in (rule.methods or ()):
            assert client.get(address(rule)).status_code == 403, rule


@pytest.mark.one_database
@pytest.mark.parametrize("app_key", [APP_KEY, None])
def test_who_gave_a_password_only_opens_the_steps_that_follow_and_nothing_else(
    app: Flask, client: FlaskClient, app_key: str | None
) -> None:
    with app.app_context(), transaction() as session:
        email = make_staff(session, role=Role.MANAGER, app_key=app_key).email
    submit(client, "/sign-in", {"email": email, "password": PASSWORD})
    for rule in app.url_map.iter_rules():
        mark = marks(app)[rule.endpoint]
        assert mark is not None
        if mark.is_public or mark.by_token or mark.stages:
            continue
        for method in sorted(rule.methods or ()):
            answer = client.open(address(rule), method=method)
            assert answer.status_code in {303, 400, 401}, (rule, method)
            if answer.status_code == 303:
                assert answer.location.startswith("/sign-in/code?next="), (rule, method)


@pytest.mark.one_database
def test_the_steps_of_signing_in_are_closed_to_strangers_and_lead_on_who_is_in(
    app: Flask, client: FlaskClient, sign_in_as: SignInAs
) -> None:
    steps = [r for r in app.url_map.iter_rules() if (m := marks(app)[r.endpoint]) and m.stages]
    assert len(steps) >= 6
    manager = sign_in_as(Role.MANAGER)
    for rule in steps:
        if "GET" in (rule.methods or ()):
            assert client.get(address(rule)).location.startswith("/sign-in?next="), rule
            assert manager.get(address(rule)).location == "/cover", rule
        else:
            assert client.post(address(rule)).status_code in {400, 401}, rule


def by_token(app: Flask) -> list[tuple[Rule, Mark]]:
    """The routes for programs."""
    every = [(rule, marks(app)[rule.endpoint]) for rule in app.url_map.iter_rules()]
    return [(rule, mark) for rule, mark in every if mark and mark.by_token]


def token_of(app: Flask, role: Role) -> str:
    """A token of somebody new."""
    with app.app_context(), transaction() as session:
        return make_token(session, make_staff(session, role=role).id, "test", now=NOW)


@pytest.mark.one_database
@pytest.mark.parametrize("role", Role)
def test_a_token_opens_what_its_role_may_see_and_nothing_else(app: Flask, role: Role) -> None:
    bearer = {"Authorization": f"Bearer {token_of(app, role)}"}
    client = app.test_client()
    assert by_token(app)
    for rule, mark in by_token(app):
        status = client.get(address(rule), headers=bearer).status_code
        assert status == 403 if role not in mark.roles else status in {200, 422}, rule


@pytest.mark.one_database
@pytest.mark.parametrize("role", Role)
def test_no_cookie_opens_a_route_for_programs(app: Flask, sign_in_as: SignInAs, role: Role) -> None:
    client = sign_in_as(role)
    assert {client.get(address(rule)).status_code for rule, _ in by_token(app)} == {401}


@pytest.mark.one_database
@pytest.mark.parametrize("role", Role)
def test_no_token_opens_a_page(app: Flask, role: Role) -> None:
    bearer = {"Authorization": f"Bearer {token_of(app, role)}"}
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        mark = marks(app)[rule.endpoint]
        if mark and not mark.is_public and not mark.by_token and "GET" in (rule.methods or ()):
            assert client.get(address(rule), headers=bearer).status_code == 303, rule


@pytest.mark.one_database
def test_every_route_for_programs_only_reads(app: Flask) -> None:
    assert all((rule.methods or set()) <= {"GET", "HEAD", "OPTIONS"} for rule, _ in by_token(app))


@pytest.mark.one_database
def test_signing_in_does_not_lead_to_a_route_for_programs(app: Flask) -> None:
    manager = StaffMember(1, "Alex", "alex@example.org", Role.MANAGER)
    with app.test_request_context():
        assert landing(manager, "/api/v1/callback-requests") == "/cover"


@pytest.mark.one_database
def test_the_administrator_opens_no_page_that_shows_callers(app: Flask) -> None:
    open_to_administrator = {
        endpoint.partition(".")[0]
        for endpoint, mark in marks(app).items()
        if mark and not mark.is_public and Role.ADMINISTRATOR in mark.roles
    }
    assert {"account", "admin"} <= open_to_administrator
    assert open_to_administrator.isdisjoint({"desk", "manager", "cover", "personal_data"})


@pytest.mark.one_database
@pytest.mark.parametrize("role", Role)
def test_every_page_of_staff_but_the_one_on_paper_has_its_way_out(
    app: Flask, sign_in_as: SignInAs, role: Role
) -> None:
    client, has_way_out = sign_in_as(role), dict[str, bool]()
    for rule in app.url_map.iter_rules():
        mark = marks(app)[rule.endpoint]
        if mark is None or mark.action is None or "GET" not in (rule.methods or ()):
            continue
        answer = client.get(address(rule))
        page = answer.get_data(as_text=True)
        if answer.status_code == 200 and "<html" in page:  # and no part of one
            has_way_out[rule.endpoint] = 'method="post" action="/sign-out"' in page
    assert {page for page, has in has_way_out.items() if not has} == {"rota.print_week"}
    assert len(has_way_out) > 4


@pytest.mark.one_database
def test_a_script_gets_a_status_and_a_person_gets_the_sign_in_page(client: FlaskClient) -> None:
    assert client.get("/account", headers={"Accept": "application/json"}).status_code == 401
    assert client.get("/account", headers={"HX-Request": "true"}).status_code == 401
    person = client.get("/account", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (person.status_code, person.location) == (303, "/sign-in?next=/account")


@pytest.mark.one_database
def test_what_is_not_there_is_not_found_rather_than_closed(client: FlaskClient) -> None:
    assert client.get("/no/such/page").status_code == 404
    assert client.delete("/sign-in").status_code == 405


@pytest.mark.one_database
def test_a_stray_cookie_of_another_library_changes_nothing(sign_in_as: SignInAs) -> None:
    client = sign_in_as(Role.COUNSELLOR)
    client.set_cookie("remember_token", "1|whatever")
    assert client.get("/account").status_code == 200


@pytest.mark.one_database
def test_the_session_cookie_of_forms_signs_nobody_in(app: Flask, client: FlaskClient) -> None:
    client.get("/sign-in")
    with client.session_transaction() as browser_session:
        browser_session.update(_user_id="1", _fresh=True)
    assert client.get("/account").status_code == 303


@pytest.mark.parametrize(
    "url", ["/desk", "/desk?page=2", "/rota/week/2026-W48", "/a:b", "/%2F%2Fevil.example"]
)
def test_a_path_of_this_service_may_be_gone_back_to(url: str) -> None:
    assert safe_next(url) == url


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "desk",
        "https://evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "\n//evil.example",
        " //evil.example",
        "/desk\r\nSet-Cookie: a=b",
        "/desk\x00",
        "javascript:alert(1)",
        "/[",
    ],
)
def test_nothing_else_may_be(url: str | None) -> None:
    assert safe_next(url) in {None, "/["}


@pytest.mark.one_database
def test_after_signing_in_one_lands_where_one_may_be(app: Flask) -> None:
    counsellor = StaffMember(1, "Alex", "alex@example.org", Role.COUNSELLOR)
    with app.test_request_context():
        assert landing(counsellor, "/account?x=1") == "/account?x=1"
        for elsewhere in ("/staff", "/no/such/page", "//evil.example", "/sign-out", None):
            assert landing(counsellor, elsewhere) == "/desk"


def test_a_mark_admits_its_roles_only() -> None:
    manager = StaffMember(1, "Alex", "alex@example.org", Role.MANAGER)
    assert Mark(is_public=True).admits(None)
    assert not Mark().admits(manager)
    assert Mark(action=Action.EDIT_ROTA).admits(manager)
    assert not Mark(action=Action.EDIT_ROTA).admits(None)


def test_each_role_has_a_home() -> None:
    assert set(access.HOME) == set(Role)
