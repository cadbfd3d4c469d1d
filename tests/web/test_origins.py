"""What comes from another site's page is refused, by what the browser says and by the token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from callback_service import create_app
from callback_service.config import Settings
from callback_service.domain.staff import Role
from callback_service.extensions import csrf
from callback_service.models.base import Base
from callback_service.web import origins
from tests.support.pages import csrf_token
from tests.support.request_builders import an_ask, mobile, row_counts, seen, send_form, stored, take
from tests.web.test_policy_matrix import Cast, address, cast  # noqa: F401 - cast is a fixture

SignInAs = Callable[..., FlaskClient]
PUBLIC = "https://callback.example.org"
pytestmark = pytest.mark.one_database


def take_a_break(client: FlaskClient, **headers: str) -> int:
    """What a press at the desk is answered, with the page's own token and ``headers``."""
    token = csrf_token(client.get("/desk").get_data(as_text=True))
    return client.post("/account/stay", data={"csrf_token": token}, headers=headers).status_code


@pytest.mark.parametrize("site", ["cross-site", "same-site", "made-up"])
def test_a_form_of_another_site_is_refused_even_with_our_token(
    sign_in_as: SignInAs, site: str
) -> None:
    assert take_a_break(sign_in_as(Role.COUNSELLOR), **{"Sec-Fetch-Site": site}) == 400


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_our_own_form_passes(sign_in_as: SignInAs, site: str) -> None:
    answered = take_a_break(sign_in_as(Role.COUNSELLOR), **{"Sec-Fetch-Site": site})
    assert answered in {204, 303}


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost.evil.example"])
def test_an_older_browser_that_names_another_origin_is_refused(
    sign_in_as: SignInAs, origin: str
) -> None:
    assert take_a_break(sign_in_as(Role.COUNSELLOR), Origin=origin) == 400


@pytest.mark.parametrize("origin", ["null", "http://localhost"])
def test_without_a_referrer_the_origin_is_null_and_passes(
    sign_in_as: SignInAs, origin: str
) -> None:
    assert take_a_break(sign_in_as(Role.COUNSELLOR), Origin=origin) in {204, 303}


def test_the_public_form_keeps_what_was_typed_and_one_more_press_sends_it(
    client: FlaskClient,
) -> None:
    client.environ_base["HTTP_SEC_FETCH_SITE"] = "cross-site"
    answer = send_form(client, name="Robin")
    assert answer.status_code == 400
    assert b'value="Robin"' in answer.get_data()
    assert b"01632 960 000" in answer.get_data()


def test_behind_a_proxy_the_public_address_is_ours(settings: Settings) -> None:
    app = create_app(replace(settings, public_base_url=PUBLIC))
    client = app.test_client()
    answer = client.get("/", base_url="https://inner.example.org")
    token = csrf_token(answer.get_data(as_text=True))
    headers = {"Origin": PUBLIC}
    sent = client.post(
        "/", data={"csrf_token": token}, base_url="https://inner.example.org", headers=headers
    )
    assert sent.status_code == 422  # read, and found empty


def test_only_rooms_that_have_a_signature_go_without(app: Flask) -> None:
    assert {room.name for room in csrf._exempt_blueprints} == origins.SIGNED
    assert csrf._exempt_views == set()


def test_each_route_of_such_a_room_refuses_what_is_not_signed_and_changes_nothing(
    app: Flask, client: FlaskClient
) -> None:
    with seen(app) as session:
        before = row_counts(session)
    routes = [r for r in app.url_map.iter_rules() if r.endpoint.split(".")[0] in origins.SIGNED]
    assert len(routes) >= 10
    for rule in routes:
        assert (rule.methods or set()) <= {"POST", "OPTIONS"}, rule
        for headers in ({}, {"X-Twilio-Signature": "A" * 28}):
            assert client.post(address(rule, 1), headers=headers).status_code == 403, rule
    with seen(app) as session:
        assert row_counts(session) == before


def test_no_address_without_a_room_is_told_apart(client: FlaskClient) -> None:
    answer = client.post("/no/such/page", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 404


#: Looks and refusals are written down; a page that asks for a new app or passkey keeps its
#: question in the row of the browser's own sign-in.
WRITTEN_BY_A_PAGE = {"audit_entry", "audit_seal", "audit_head", "sign_in"}


def test_fetching_every_page_of_what_is_there_leaves_every_row_as_it_was(
    app: Flask,
    cast: Cast,  # noqa: F811
) -> None:
    ask = an_ask(mobile(124))
    with stored(app) as session:
        take(session, ask)
    before = rows_of(app)
    fetched = 0
    for client in cast.clients.values():
        for rule in app.url_map.iter_rules():
            if "GET" not in (rule.methods or ()) or rule.endpoint == "static":
                continue
            for at in {address(rule, cast.request_id), *own_pages(rule, ask.key)}:
                fetched += client.get(at).status_code == 200
    assert fetched > 150
    assert rows_of(app) == before


def own_pages(rule: Rule, key: str) -> list[str]:
    """The page of ``rule`` for who has the link of a request; none where it is for others."""
    is_for_callers = rule.endpoint.partition(".")[0] in {"public", "own_data"}
    return [rule.rule.replace("<token>", key)] if is_for_callers else []


def rows_of(app: Flask) -> dict[str, list[str]]:
    """All rows of all tables but those that pages write to, as they are stored."""
    with seen(app) as session:
        return {
            table.name: sorted(repr(tuple(row)) for row in session.execute(table.select()))
            for table in Base.metadata.sorted_tables
            if table.name not in WRITTEN_BY_A_PAGE
        }
