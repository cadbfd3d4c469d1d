"""The form under a flood: it takes what is sent, always shows the number to ring, and says so."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from callback_service.config import Settings
from callback_service.domain import flood
from callback_service.domain.flood import FormLimits
from callback_service.domain.staff import Role
from callback_service.models.callback import CallbackRequest
from callback_service.services import form_posts
from callback_service.ticks import let_posts_in
from callback_service.web import access
from tests.support.pages import submit
from tests.support.request_builders import mobile, seen, send_form

SignInAs = Callable[..., FlaskClient]
NUMBER_TO_RING = "01632 960 000"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Limits that a few posts reach."""
    return replace(settings, form_limits=FormLimits(1, 2, least_time=timedelta(0)))


def send(app: Flask, number: int, address: str) -> TestResponse:
    """A form sent from ``address`` by a browser of its own."""
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = address
    return send_form(client, phone=mobile(number))


def words(answer: TestResponse) -> str:
    return html.unescape(answer.get_data(as_text=True))


def requests(app: Flask) -> int:
    with seen(app) as session:
        return session.scalar(select(func.count()).select_from(CallbackRequest)) or 0


def test_what_is_beyond_the_limit_is_kept_and_the_caller_asked_to_ring(
    app: Flask, client: FlaskClient
) -> None:
    assert send(app, 1, "81.2.69.1").status_code == 303
    kept = send(app, 2, "81.2.69.1")
    assert kept.status_code == 303
    assert requests(app) == 1
    page = words(client.get(kept.location))
    assert "We have your request" in page
    assert NUMBER_TO_RING in page
    assert words(client.get(kept.location.replace("done", "manage"))).count("We have your") == 1


def test_when_it_is_let_in_its_page_tells_the_time(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(app, 1, "81.2.69.1")
    kept = send(app, 2, "81.2.69.1")
    monkeypatch.setattr(flood, "has_room", lambda _seen, _limits: True)  # an hour later
    with app.app_context():
        assert let_posts_in(app) == 1
        assert let_posts_in(app) == 0
    assert "What happens next" in words(client.get(kept.location))
    assert requests(app) == 2


def test_it_can_be_taken_back(app: Flask, client: FlaskClient) -> None:
    send(app, 1, "81.2.69.1")
    kept = send(app, 2, "81.2.69.1")
    path = kept.location.replace("done", "manage")
    answer = submit(client, f"{path}/withdraw", {}, page=path)
    assert "This request is cancelled" in words(answer)
    assert client.get(kept.location).status_code == 404


@pytest.mark.one_database
def test_under_a_flood_the_form_is_there_and_says_whom_to_ring(
    app: Flask, client: FlaskClient
) -> None:
    assert "Very many requests" not in words(client.get("/"))
    for number in range(3):
        send(app, number, f"81.2.69.{number}")
    page = words(client.get("/"))
    assert "Very many requests are coming in. If you can, call us now on" in page
    assert 'name="phone"' in page


@pytest.mark.one_database
def test_with_no_place_left_what_was_typed_is_shown_with_the_number_to_ring(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flood, "MOST_WAITING", 0)
    send(app, 1, "81.2.69.1")
    answer = send(app, 2, "81.2.69.1")
    assert answer.status_code == 429
    assert "We cannot take more requests from here just now. Ring us instead" in words(answer)
    assert NUMBER_TO_RING in words(answer)
    assert mobile(2) in words(answer)


def test_managers_see_how_many_wait_and_nobodys_number(app: Flask, sign_in_as: SignInAs) -> None:
    for number in range(4):
        send(app, number, "81.2.69.1")
    manager = sign_in_as(Role.MANAGER)
    assert "/waiting-outside" in words(manager.get("/findings"))
    page = words(manager.get("/waiting-outside"))
    assert "3 requests" in page
    assert "900" not in page.replace("01632 960 000", "")
    with seen(app) as session:
        [group] = form_posts.groups(session)
    path = f"/waiting-outside/{group.post_id}/let-in"
    assert submit(manager, path, {}, page="/waiting-outside").status_code == 303
    assert "3 requests are in the queue now." in words(manager.get("/waiting-outside"))
    assert requests(app) == 4


def test_throwing_away_is_a_sensitive_act(app: Flask, sign_in_as: SignInAs) -> None:
    for number in range(3):
        send(app, number, "81.2.69.1")
    manager = sign_in_as(Role.MANAGER)
    with seen(app) as session:
        [group] = form_posts.groups(session)
    path = f"/waiting-outside/{group.post_id}/discard"
    assert "Different numbers" in words(manager.get(path))
    answer = submit(manager, path, {})
    assert "form_posts.discard" in access.needs_fresh(app)
    assert answer.status_code == 303  # they gave a code when they signed in, just now
    assert "2 requests are thrown away." in words(manager.get("/waiting-outside"))
    assert manager.get(path).status_code == 404


@pytest.mark.one_database
@pytest.mark.parametrize("role", [Role.COUNSELLOR, Role.ADMINISTRATOR])
def test_others_do_not_see_it(sign_in_as: SignInAs, role: Role) -> None:
    assert sign_in_as(role).get("/waiting-outside").status_code == 403
