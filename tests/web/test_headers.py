"""The headers that every answer carries, whatever its status."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from callback_service import create_app
from callback_service.config import Settings
from callback_service.domain.staff import Role
from callback_service.errors import CallbackServiceError
from callback_service.extensions import transaction
from callback_service.web import access
from callback_service.web.headers import content_security_policy
from tests.support import signing_in
from tests.support.builders import make_staff

pytestmark = pytest.mark.one_database

STATUSES = (200, 302, 304, 400, 404, 405, 413, 429, 500, 503)


def client_of_every_status(app: Flask) -> FlaskClient:
    """A browser for an app that answers /give/<status>; 999 is a fault that nobody foresaw."""

    @access.public
    def give(status: int) -> tuple[str, int]:
        if status == 999:
            raise ZeroDivisionError
        if status == 418:
            raise CallbackServiceError("This is refused.")
        if status >= 400:
            abort(status)
        return "", status

    app.add_url_rule("/give/<int:status>", "give", give)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    return app.test_client()


@pytest.mark.parametrize("status", [*STATUSES, 418, 999])
def test_every_status_carries_the_headers(app: Flask, status: int) -> None:
    answer = client_of_every_status(app).get(f"/give/{status}")
    assert answer.status_code == (status if status in STATUSES else 500)
    check_guarded(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in answer.headers


def check_guarded(answer: TestResponse) -> None:
    """``answer`` tells the browser all that is to be refused."""
    headers, policy = answer.headers, answer.headers["Content-Security-Policy"]
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert policy == content_security_policy(nonce or None)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Access-Control-Allow-Origin" not in headers
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    closed = headers["Permissions-Policy"].split(", ")
    assert "geolocation=()" in closed
    assert all(feature.endswith("=()") for feature in closed)


def test_the_answers_that_flask_gives_itself_carry_them_too(app: Flask) -> None:
    client = app.test_client()
    too_large = client.post("/sign-in", data={"email": "x" * 70_000})
    answers = [client.get("/no/such/page"), client.delete("/sign-in"), too_large]
    assert [answer.status_code for answer in answers] == [404, 405, 413]
    for answer in answers:
        check_guarded(answer)
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/static/vendor/app.css", 200),
        ("GET", "/static/no-such.css", 404),
        ("GET", "/api/v1/openapi.json", 200),
        ("GET", "/api/v1/rota/shifts", 401),
        ("GET", "/api/v1/nothing", 404),
        ("POST", "/twilio/texts/1/status", 403),
        ("POST", "/twilio/calls/inbound", 403),
        ("GET", "/health/live", 200),
        ("GET", "/health/ready", 503),
        ("GET", "/exit", 303),
        ("GET", "/desk", 303),
        ("GET", "/.well-known/security.txt", 404),
    ],
)
def test_every_room_carries_them(client: FlaskClient, method: str, path: str, status: int) -> None:
    answer = client.open(path, method=method)
    assert answer.status_code == status
    check_guarded(answer)
    answer.close()


def test_a_file_that_has_not_changed_is_guarded_as_well(client: FlaskClient) -> None:
    first = client.get("/static/vendor/app.css")
    since = {"If-Modified-Since": first.headers["Last-Modified"]}
    again = client.get("/static/vendor/app.css", headers=since)
    first.close()
    again.close()
    assert again.status_code == 304
    check_guarded(again)


def test_every_page_that_anybody_can_fetch_says_its_letters_and_is_not_kept(
    app: Flask, sign_in_as: Callable[..., FlaskClient]
) -> None:
    client = sign_in_as(Role.MANAGER)
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.endpoint == "static":
            continue
        answer = client.get(str(rule.build(dict.fromkeys(rule.arguments, 1))[1]))  # type: ignore[index]
        check_guarded(answer)
        assert answer.headers["Cache-Control"] == "no-store", rule
        if (answer.mimetype or "").startswith("text/"):
            assert answer.mimetype_params.get("charset", "").lower() == "utf-8", rule


def noting(cookies: list[str]) -> type[TestResponse]:
    """Answers that add the cookies they set to ``cookies``."""

    class Noted(TestResponse):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            cookies.extend(self.headers.getlist("Set-Cookie"))

    return Noted


def test_over_https_each_cookie_is_bound_to_this_host(settings: Settings) -> None:
    app = create_app(replace(settings, public_base_url="https://localhost"))
    with app.app_context(), transaction() as session:
        email = make_staff(session, role=Role.MANAGER).email
    app.config["PREFERRED_URL_SCHEME"] = "https"  # of the test's own browser
    cookies: list[str] = []

    client = app.test_client()
    client.response_wrapper = noting(cookies)  # each answer as it comes
    client.get("/")
    assert signing_in.sign_in(client, email).status_code == 303
    given = [cookie for cookie in cookies if "Max-Age=0" not in cookie]
    assert {cookie.partition("=")[0] for cookie in given} == {
        "__Host-form", "__Host-sid", "__Host-device",
    }  # fmt: skip
    for cookie in given:
        attributes = {part.strip() for part in cookie.split(";")[1:]}
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= attributes, cookie
        assert "domain" not in cookie.lower()


def test_over_https_browsers_are_told_to_stay_there(settings: Settings) -> None:
    app = create_app(replace(settings, public_base_url="https://callback.example.org"))
    answer = app.test_client().get("/sign-in")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


def test_static_files_may_be_kept_and_are_guarded_as_well(client: FlaskClient) -> None:
    answer = client.get("/static/vendor/app.css")
    assert answer.status_code == 200
    assert "no-store" not in answer.headers["Cache-Control"]
    check_guarded(answer)
    answer.close()
