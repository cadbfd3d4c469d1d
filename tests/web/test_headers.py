"""The headers that every answer carries, whatever its status."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient

from callback_service import create_app
from callback_service.config import Settings
from callback_service.errors import CallbackServiceError
from callback_service.web import access
from callback_service.web.headers import CONTENT_SECURITY_POLICY

pytestmark = pytest.mark.one_database

STATUSES = (200, 302, 404, 405, 413, 429, 500)


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
    headers = answer.headers
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "geolocation=()" in headers["Permissions-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in headers


def test_the_answers_that_flask_gives_itself_carry_them_too(app: Flask) -> None:
    client = app.test_client()
    too_large = client.post("/sign-in", data={"email": "x" * 70_000})
    answers = [client.get("/no/such/page"), client.delete("/sign-in"), too_large]
    assert [answer.status_code for answer in answers] == [404, 405, 413]
    for answer in answers:
        assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["Cache-Control"] == "no-store"


def test_the_policy_is_word_for_word_what_was_decided() -> None:
    assert CONTENT_SECURITY_POLICY == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'; manifest-src 'self'; object-src 'none'"
    )


def test_over_https_browsers_are_told_to_stay_there(settings: Settings) -> None:
    app = create_app(replace(settings, public_base_url="https://callback.example.org"))
    answer = app.test_client().get("/sign-in")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


def test_static_files_may_be_kept_and_are_guarded_as_well(client: FlaskClient) -> None:
    answer = client.get("/static/vendor/app.css")
    assert answer.status_code == 200
    assert "no-store" not in answer.headers["Cache-Control"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    answer.close()
