"""What a program fills in waits outside the queue; a person, however quick, loses nothing."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from callback_service.domain import flood
from callback_service.domain.staff import Role
from callback_service.models.callback import CallbackRequest
from callback_service.ticks import let_posts_in
from tests.support.builders import NOW
from tests.support.pages import csrf_token, submit
from tests.support.request_builders import answers, make_shift, seen, stored, submission_key

SignInAs = Callable[..., FlaskClient]
ADDRESS = "81.2.69.1"
GIVEN = re.compile(r'name="given" value="([^"]*)"')
PERSON = timedelta(seconds=20)
#: Seconds before the clocks go back, and forward.
CLOCK_CHANGES = [
    datetime.fromisoformat("2026-10-25T01:59:55+01:00"),
    datetime.fromisoformat("2027-03-28T00:59:55+00:00"),
]


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as coordinates:
        yield coordinates


@pytest.fixture
def caller(app: Flask, clock: time_machine.Traveller) -> FlaskClient:
    """A browser at an address that tells something."""
    with stored(app) as session:
        make_shift(session)
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = ADDRESS
    return client


def hidden(page: str) -> dict[str, str]:
    given = GIVEN.search(page)
    assert given is not None
    return {
        "csrf_token": csrf_token(page),
        "submission_key": submission_key(page),
        "given": given.group(1),
    }


def fetch(client: FlaskClient) -> dict[str, str]:
    return hidden(client.get("/").get_data(as_text=True))


def send(client: FlaskClient, page: dict[str, str], **changes: str) -> TestResponse:
    return client.post("/", data={**page, **answers(**changes)})


def words(answer: TestResponse) -> str:
    return html.unescape(answer.get_data(as_text=True))


def requests(app: Flask) -> int:
    with seen(app) as session:
        return session.scalar(select(func.count()).select_from(CallbackRequest)) or 0


def is_in_the_queue(app: Flask, client: FlaskClient, answer: TestResponse) -> bool:
    """Whether a post was let in; either way it was taken and has a page."""
    assert answer.status_code == 303, words(answer)
    page = words(client.get(answer.location))
    in_queue = "What happens next" in page
    assert in_queue or "We have your request" in page
    assert requests(app) == (1 if in_queue else 0)
    return in_queue


class TestAPerson:
    def test_goes_straight_into_the_queue(
        self, app: Flask, caller: FlaskClient, clock: time_machine.Traveller
    ) -> None:
        page = fetch(caller)
        clock.shift(PERSON)
        assert is_in_the_queue(app, caller, send(caller, page))

    def test_may_leave_the_page_open_for_days(
        self, app: Flask, caller: FlaskClient, clock: time_machine.Traveller
    ) -> None:
        page = fetch(caller)
        clock.shift(timedelta(days=9))
        assert is_in_the_queue(app, caller, send(caller, page))

    def test_who_mends_a_mistake_at_once_is_not_too_fast(
        self, app: Flask, caller: FlaskClient, clock: time_machine.Traveller
    ) -> None:
        page = fetch(caller)
        clock.shift(PERSON)
        again = send(caller, page, consent="")
        assert again.status_code == 422
        assert is_in_the_queue(app, caller, send(caller, hidden(words(again))))

    def test_who_goes_back_and_sends_the_same_page_again_asks_once(
        self, app: Flask, caller: FlaskClient, clock: time_machine.Traveller
    ) -> None:
        page = fetch(caller)
        clock.shift(PERSON)
        assert is_in_the_queue(app, caller, send(caller, page))
        assert is_in_the_queue(app, caller, send(caller, page))

    def test_is_no_program_though_the_clock_of_the_server_was_set_back(
        self, app: Flask, caller: FlaskClient, clock: time_machine.Traveller
    ) -> None:
        page = fetch(caller)
        clock.shift(timedelta(minutes=-2))
        again = send(caller, page)  # the session is of a time to come, so the form is shown again
        assert again.status_code == 400
        assert is_in_the_queue(app, caller, send(caller, hidden(words(again))))

    @pytest.mark.parametrize("change", CLOCK_CHANGES)
    def test_is_in_the_queue_when_the_clocks_change_meanwhile(
        self, app: Flask, caller: FlaskClient, clock: time_machine.Traveller, change: datetime
    ) -> None:
        clock.move_to(change)
        page = fetch(caller)
        clock.shift(PERSON)
        assert is_in_the_queue(app, caller, send(caller, page))

    def test_who_is_very_quick_is_let_in_a_little_later_by_itself(
        self, app: Flask, caller: FlaskClient, clock: time_machine.Traveller
    ) -> None:
        answer = send(caller, fetch(caller))
        assert not is_in_the_queue(app, caller, answer)
        assert "01632 960 000" in words(caller.get(answer.location))
        clock.shift(flood.HELD_FOR)
        with app.app_context():
            assert let_posts_in(app) == 1
        assert "What happens next" in words(caller.get(answer.location))

    def test_where_the_address_tells_nothing_may_be_as_quick_as_they_like(
        self, app: Flask, client: FlaskClient, clock: time_machine.Traveller
    ) -> None:
        with stored(app) as session:
            make_shift(session)
        assert is_in_the_queue(app, client, send(client, fetch(client)))


class TestAProgram:
    def test_that_fills_in_what_nobody_sees_waits_wherever_it_is(
        self, app: Flask, client: FlaskClient, clock: time_machine.Traveller
    ) -> None:
        page = fetch(client)
        clock.shift(PERSON)
        assert not is_in_the_queue(app, client, send(client, page, comments="Cheap pills"))

    @pytest.mark.parametrize("given", ["", "x", "2026-11-25T20:00:00Z"])
    def test_that_makes_up_when_it_got_the_form_waits(
        self, app: Flask, caller: FlaskClient, clock: time_machine.Traveller, given: str
    ) -> None:
        page = fetch(caller)
        clock.shift(PERSON)
        assert not is_in_the_queue(app, caller, send(caller, {**page, "given": given}))

    def test_that_uses_the_time_of_another_form_waits(
        self, app: Flask, caller: FlaskClient, clock: time_machine.Traveller
    ) -> None:
        old = fetch(caller)
        clock.shift(PERSON)
        page = fetch(caller)
        assert not is_in_the_queue(app, caller, send(caller, {**page, "given": old["given"]}))

    def test_is_told_from_a_flood_on_the_managers_page(
        self, app: Flask, caller: FlaskClient, sign_in_as: SignInAs
    ) -> None:
        send(caller, fetch(caller))
        manager = sign_in_as(Role.MANAGER)
        page = words(manager.get("/waiting-outside"))
        assert "A program?" in page
        path = re.search(r'action="(/waiting-outside/\d+/let-in)"', page)
        assert path is not None
        assert submit(manager, path.group(1), {}, page="/waiting-outside").status_code == 303
        assert requests(app) == 1


@pytest.mark.one_database
def test_what_a_program_typed_is_not_shown_again(
    client: FlaskClient, clock: time_machine.Traveller
) -> None:
    page = words(send(client, fetch(client), comments="Cheap pills", consent=""))
    assert "There is a problem" in page
    assert "Cheap pills" not in page
