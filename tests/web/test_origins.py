"""What comes from another site's page is refused, by what the browser says and by the token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from callback_service import create_app
from callback_service.config import Settings
from callback_service.domain.staff import Role
from callback_service.extensions import csrf
from callback_service.web import origins
from tests.support.pages import csrf_token
from tests.support.request_builders import row_counts, seen, send_form

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


def test_no_address_without_a_room_is_told_apart(client: FlaskClient) -> None:
    answer = client.post("/no/such/page", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 404


@pytest.mark.parametrize("role", Role)
def test_fetching_every_page_changes_no_row_but_what_says_so(
    app: Flask, sign_in_as: SignInAs, role: Role
) -> None:
    client = sign_in_as(role)
    with seen(app) as session:
        before = row_counts(session)
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()):
            path = str(rule.build(dict.fromkeys(rule.arguments, 1))[1])  # type: ignore[index]
            assert client.get(path).status_code < 500 or path == "/health/ready", path
    with seen(app) as session:
        after = row_counts(session)
    looks = {"audit_entry", "audit_seal"}  # looks and refusals are written down
    assert {name for name in after if after[name] != before[name]} <= looks
