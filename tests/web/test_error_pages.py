"""Every error is a page with a sentence and a way on; a fault gives nothing of itself away."""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Callable

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient

from callback_service.domain.staff import Role
from callback_service.errors import CallbackServiceError, Refused
from callback_service.web.access import public
from tests.support.request_builders import send_form, stored

SignInAs = Callable[..., FlaskClient]
pytestmark = pytest.mark.one_database


def fail_with(app: Flask, error: Exception) -> None:
    def broken() -> str:
        raise error

    app.add_url_rule("/broken", "broken", public(broken))


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (400, "The page had been open for a long time, or something was missing. Try again."),
        (403, "You may not open this page."),
        (404, "Check the address. The page may have gone."),
        (405, "This page cannot be used in that way."),
        (413, "What was sent is too large. Shorten it and try again."),
        (418, "The page had been open for a long time, or something was missing. Try again."),
        (429, "Wait a few minutes, then try again."),
        (503, "This is our fault. Try again in a few minutes."),
    ],
)
def test_each_status_has_its_sentence_and_the_number_to_ring(
    app: Flask, client: FlaskClient, status: int, sentence: str
) -> None:
    app.add_url_rule("/status", "status", public(lambda: abort(status)))
    answer = client.get("/status")
    page = html.unescape(answer.get_data(as_text=True))
    assert answer.status_code == status
    assert sentence in page
    assert "01632 960 000" in page
    assert "Exit this page" in page


def test_an_address_that_is_not_there_is_a_page(client: FlaskClient) -> None:
    answer = client.get("/nothing/here")
    assert answer.status_code == 404
    assert answer.mimetype == "text/html"
    assert b"Page not found" in answer.get_data()


def test_a_method_that_is_not_allowed_still_says_which_are(client: FlaskClient) -> None:
    answer = client.delete("/")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_a_refusal_is_shown_in_its_own_words(app: Flask, client: FlaskClient) -> None:
    fail_with(app, Refused("Somebody was quicker."))
    answer = client.get("/broken")
    assert answer.status_code == 409
    assert b"Somebody was quicker." in answer.get_data()


def test_a_fault_has_a_code_that_stands_in_the_log_and_says_nothing_else(
    app: Flask, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    fail_with(app, ZeroDivisionError("the-inside"))
    answer = client.get("/broken?phone=07700900123")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 500
    for inside in ("the-inside", "ZeroDivisionError", "Traceback", "07700900123"):
        assert inside not in page, inside
    code = re.search(r'app-number">([0-9a-f]{8})<', page)
    assert code is not None
    assert code.group(1) in caplog.text
    assert "07700900123" not in caplog.text


def test_a_fault_of_the_database_logs_no_values(
    app: Flask, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with stored(app) as session:
        session.connection().exec_driver_sql("ALTER TABLE submission RENAME TO gone")
    client.get("/")
    answer = send_form(client, name="Canarina")
    assert answer.status_code == 500
    assert b"We have not booked a call." in answer.get_data()
    for secret in ("Canarina", "900123", "parameters: ("):
        assert secret not in caplog.text, secret


def test_after_a_fault_the_next_visitor_is_served(app: Flask, client: FlaskClient) -> None:
    fail_with(app, RuntimeError("once"))
    client.get("/broken")
    assert client.get("/").status_code == 200


def test_a_fault_of_ours_by_its_own_name_is_logged(
    app: Flask, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    fail_with(app, CallbackServiceError("We could not keep it just now."))
    assert client.get("/broken").status_code == 500
    assert "We could not keep it just now." in caplog.text


def test_staff_see_an_error_in_their_own_frame(sign_in_as: SignInAs) -> None:
    client = sign_in_as(Role.COUNSELLOR)
    page = client.get("/messages").get_data(as_text=True)
    assert "Your account does not open this page." in page
    assert "Exit this page" not in page
    assert "Sign out" in page


@pytest.mark.parametrize(
    ("accept", "mimetype"),
    [
        ("application/json", "application/problem+json"),
        ("application/problem+json, application/json;q=0.9", "application/problem+json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("application/json, text/html;q=0.5", "text/html"),
        ("*/*", "text/html"),
        (None, "text/html"),
    ],
)
def test_a_program_that_takes_no_page_gets_a_problem(
    client: FlaskClient, accept: str | None, mimetype: str
) -> None:
    answer = client.get("/nothing/here", headers={"Accept": accept} if accept else {})
    assert answer.status_code == 404
    assert answer.mimetype == mimetype
