"""The pages behind a caller's link: what they say, to whom, and taking a call back."""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.domain.retention import USUAL, Kept
from callback_service.models.callback import CallbackRequest, Submission
from callback_service.services import attempts, requests, retention
from callback_service.web.public_form import window_value
from tests.support.builders import NOW
from tests.support.pages import csrf_token, without_chance
from tests.support.request_builders import (
    LATE_TONIGHT,
    TONIGHT,
    accept,
    make_request,
    make_shift,
    member,
    row_counts,
    send_form,
    stored,
    submission_key,
)


@pytest.fixture(autouse=True)
def _at_eight_in_the_evening() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def _somebody_on_shift(app: Flask) -> None:
    with stored(app) as session:
        make_shift(session)


def page(answer: TestResponse) -> str:
    return html.unescape(answer.get_data(as_text=True))


def ask(client: FlaskClient, **changes: str) -> str:
    """Send the form; the key of the pages about it."""
    answer = send_form(client, **changes)
    assert answer.status_code == 303
    return answer.location.removeprefix("/done/")


def withdraw(client: FlaskClient, key: str) -> TestResponse:
    token = csrf_token(client.get(f"/manage/{key}").get_data(as_text=True))
    return client.post(f"/manage/{key}/withdraw", data={"csrf_token": token})


def states(app: Flask) -> list[RequestState]:
    with stored(app) as session:
        return list(session.scalars(select(CallbackRequest.state)))


def test_the_page_says_what_is_promised_and_what_happens_next(client: FlaskClient) -> None:
    shown = page(client.get(f"/done/{ask(client, messages='text')}"))
    assert "By 8:10pm tonight" in shown
    assert "The number that ends in" not in shown
    assert ">123<" in shown
    assert "You will get a short text that confirms this." in shown
    window = page(client.get(f"/done/{ask(client, when=window_value(TONIGHT))}"))
    assert "Tonight between 10pm and midnight" in window


def test_the_page_says_what_was_said_then_however_late_it_is_read(client: FlaskClient) -> None:
    key = ask(client)
    with time_machine.travel(NOW + timedelta(days=2), tick=False):
        assert "By 8:10pm tonight" in page(client.get(f"/done/{key}"))


@pytest.mark.one_database
def test_neither_title_nor_address_says_who_we_are_or_who_asked(client: FlaskClient) -> None:
    key = ask(client, name="Canarina", note="canary-note")
    for path in ("/", f"/done/{key}", f"/manage/{key}"):
        shown = page(client.get(path)).lower()
        title = shown.partition("<title>")[2].partition("</title>")[0]
        for word in ("help", "drug", "alcohol", "addict", "counsel", "canarina", "123"):
            assert word not in title, path
        assert "canarina" not in shown
        assert "canary-note" not in shown
        assert "07700" not in shown.replace("07700 900 982", "")


@pytest.mark.one_database
def test_the_pages_are_kept_by_no_browser_and_no_search_engine(client: FlaskClient) -> None:
    for path in (f"/done/{(key := ask(client))}", f"/manage/{key}"):
        answer = client.get(path)
        assert answer.headers["Cache-Control"] == "no-store"
        assert '<meta name="robots" content="noindex">' in page(answer)


class TestTwoPeopleBehindOneNumber:
    def test_the_second_gets_a_page_like_the_first_without_a_word_of_the_first(
        self, app: Flask, client: FlaskClient
    ) -> None:
        first = ask(client, name="Canarina", note="canary", messages="both")
        second = ask(app.test_client(), name="", note="", when=window_value(TONIGHT))
        shown = page(client.get(f"/done/{second}")) + page(client.get(f"/manage/{second}"))
        for secret in ("Canarina", "canary", "By 8:10pm", "already", "voicemail", first):
            assert secret not in shown, secret
        assert "Tonight between 10pm and midnight" in shown
        assert "We will not leave any message." in shown

    def test_each_page_says_what_its_own_person_was_promised(
        self, app: Flask, client: FlaskClient
    ) -> None:
        first, second = ask(client, messages="text"), ask(app.test_client(), messages="no")
        assert "send a text" in page(client.get(f"/done/{first}"))
        assert "We will not leave any message." in page(client.get(f"/done/{second}"))

    def test_one_who_withdraws_leaves_the_other_their_call(
        self, app: Flask, client: FlaskClient
    ) -> None:
        first = ask(client, when=window_value(TONIGHT))
        second = ask(app.test_client(), when=window_value(LATE_TONIGHT))
        withdraw(client, first)
        assert "We will not call you." in page(client.get(f"/manage/{first}"))
        assert "Cancel this call" in page(client.get(f"/manage/{second}"))
        assert states(app) == [RequestState.WAITING]

    def test_one_who_joins_later_is_not_told_that_the_other_withdrew(
        self, app: Flask, client: FlaskClient
    ) -> None:
        first, second = ask(client), ask(app.test_client())
        before = page(client.get(f"/done/{second}"))
        withdraw(client, first)
        assert without_chance(page(client.get(f"/done/{second}"))) == without_chance(before)


class TestWithdrawing:
    def test_closes_the_request_and_says_so_on_every_page(
        self, app: Flask, client: FlaskClient
    ) -> None:
        key = ask(client)
        answer = withdraw(client, key)
        assert (answer.status_code, answer.location) == (303, f"/manage/{key}")
        for path in (f"/manage/{key}", f"/done/{key}"):
            shown = page(client.get(path))
            assert "This call is cancelled" in shown
            assert "We will not call you." in shown
            assert "/withdraw" not in shown
        assert states(app) == [RequestState.CLOSED]

    def test_twice_changes_nothing_more(self, app: Flask, client: FlaskClient) -> None:
        key = ask(client)
        token = csrf_token(client.get(f"/manage/{key}").get_data(as_text=True))
        client.post(f"/manage/{key}/withdraw", data={"csrf_token": token})
        with stored(app) as session:
            before = row_counts(session)
        answer = client.post(f"/manage/{key}/withdraw", data={"csrf_token": token})
        assert answer.status_code == 303
        with stored(app) as session:
            assert row_counts(session) == before

    @pytest.mark.one_database
    def test_needs_a_press_of_the_button(self, app: Flask, client: FlaskClient) -> None:
        key = ask(client)
        assert client.get(f"/manage/{key}/withdraw").status_code == 405
        assert client.post(f"/manage/{key}/withdraw").status_code == 400
        assert states(app) == [RequestState.WAITING]

    def test_and_asking_again_is_a_new_call(self, app: Flask, client: FlaskClient) -> None:
        withdraw(client, ask(client))
        ask(client)
        assert sorted(states(app)) == [RequestState.CLOSED, RequestState.WAITING]


def test_during_and_after_the_call_the_page_says_so_and_offers_nothing_to_cancel(
    app: Flask, client: FlaskClient
) -> None:
    key = ask(client)
    with stored(app) as session:
        request = session.scalars(select(CallbackRequest)).one()
        counsellor = make_shift(session)
        accept(session, request, counsellor)
        attempts.start_attempt(session, request.id, staff=member(counsellor), now=NOW)
    shown = page(client.get(f"/manage/{key}"))
    assert "We are ringing you now" in shown
    assert "/withdraw" not in shown
    with stored(app) as session:
        request = session.scalars(select(CallbackRequest)).one()
        requests.close(session, request, Disposition.HELPED, now=NOW)
    assert "This call is finished" in page(client.get(f"/manage/{key}"))


def test_every_link_we_do_not_know_gets_one_answer(app: Flask, client: FlaskClient) -> None:
    with stored(app) as session:
        reference = make_request(session).reference
    erased = ask(client, phone="07700 900777")
    with stored(app) as session:
        newest = session.scalars(select(Submission).order_by(Submission.id.desc())).first()
        assert newest is not None
        newest.request.phone = None
    unknown = ("x", "A" * 43, reference, erased, "%00", "' OR 1=1", "x" * 5000, "%FF%FE")
    bodies = set()
    for key in unknown:
        for path in (f"/done/{key}", f"/manage/{key}"):
            answer = client.get(path)
            assert answer.status_code == 404, path
            bodies.add(answer.get_data())
    assert len(bodies) == 1
    assert b"This link does not work" in bodies.pop()


@pytest.mark.one_database
def test_withdrawing_by_a_link_we_do_not_know_tells_nothing(client: FlaskClient) -> None:
    token = csrf_token(client.get("/").get_data(as_text=True))
    answer = client.post("/manage/unknown/withdraw", data={"csrf_token": token})
    assert (answer.status_code, answer.location) == (303, "/manage/unknown")


@pytest.mark.one_database
def test_leaving_forgets_the_session_and_goes_somewhere_harmless(client: FlaskClient) -> None:
    client.get("/")
    answer = client.get("/exit")
    assert answer.status_code == 303
    assert answer.location == "https://www.bbc.co.uk/weather"
    assert answer.headers["Clear-Site-Data"] == '"cookies"'
    assert client.get_cookie("form") is None


class TestAskingAgain:
    @pytest.fixture
    def unreached(self, app: Flask, client: FlaskClient) -> str:
        """The key of a request that was closed because we did not reach the caller."""
        key = ask(client, name="Canarina", note="canary-note", messages="text")
        with stored(app) as session:
            request = session.scalars(select(CallbackRequest)).one()
            requests.close(session, request, Disposition.UNREACHABLE, now=NOW)
        return key

    def again(self, client: FlaskClient, key: str, **answers: str) -> TestResponse:
        shown = page(client.get(f"/manage/{key}/again"))
        hidden = {"csrf_token": csrf_token(shown), "submission_key": submission_key(shown)}
        return client.post(f"/manage/{key}/again", data={**hidden, **answers})

    def test_is_offered_on_both_pages(self, client: FlaskClient, unreached: str) -> None:
        for path in (f"/done/{unreached}", f"/manage/{unreached}"):
            shown = page(client.get(path))
            assert "We could not reach you" in shown
            assert f"/manage/{unreached}/again" in shown
            assert "We will call you" not in shown

    def test_asks_only_when_and_shows_three_digits(
        self, client: FlaskClient, unreached: str
    ) -> None:
        shown = page(client.get(f"/manage/{unreached}/again"))
        assert 'name="when"' in shown
        assert ">123<" in shown
        for question in ("phone", "name", "messages", "note", "consent"):
            assert f'name="{question}"' not in shown
        for secret in ("Canarina", "canary-note", "07700 900123", "900123"):
            assert secret not in shown

    def test_keeps_a_new_request_under_a_key_of_its_own(
        self, app: Flask, client: FlaskClient, unreached: str
    ) -> None:
        answer = self.again(client, unreached, when="asap")
        assert answer.status_code == 303
        assert answer.location.startswith("/done/")
        assert unreached not in answer.location
        assert "We will call you" in page(client.get(answer.location))
        with stored(app) as session:
            states = select(CallbackRequest.state).order_by(CallbackRequest.id)
            assert session.scalars(states).all() == [RequestState.CLOSED, RequestState.WAITING]
            again = session.scalars(select(CallbackRequest).order_by(CallbackRequest.id)).all()[1]
            assert (again.name, again.note, again.may_text) == ("Canarina", "canary-note", True)

    def test_without_a_time_it_is_asked_for(
        self, app: Flask, client: FlaskClient, unreached: str
    ) -> None:
        answer = self.again(client, unreached)
        assert answer.status_code == 422
        assert "Choose when we should call" in page(answer)
        assert states(app) == [RequestState.CLOSED]

    def test_a_time_that_has_gone_is_asked_for_again(
        self, app: Flask, client: FlaskClient, unreached: str
    ) -> None:
        with time_machine.travel(TONIGHT.end, tick=False):
            answer = self.again(client, unreached, when=window_value(TONIGHT))
            assert answer.status_code == 422
            assert "That time has just gone" in page(answer)
        assert states(app) == [RequestState.CLOSED]

    @pytest.mark.one_database
    def test_is_not_offered_for_a_call_that_ended_well(
        self, app: Flask, client: FlaskClient
    ) -> None:
        key = ask(client)
        with stored(app) as session:
            request = session.scalars(select(CallbackRequest)).one()
            requests.close(session, request, Disposition.HELPED, now=NOW)
        assert "/again" not in page(client.get(f"/manage/{key}"))
        answer = client.get(f"/manage/{key}/again")
        assert (answer.status_code, answer.location) == (303, f"/manage/{key}")

    @pytest.mark.one_database
    def test_is_over_once_what_was_told_is_erased(
        self, app: Flask, client: FlaskClient, unreached: str
    ) -> None:
        with stored(app) as session:
            retention.erase_old(session, now=NOW + USUAL.lasts(Kept.CALLERS))
        token = csrf_token(client.get("/").get_data(as_text=True))
        assert client.get(f"/manage/{unreached}/again").status_code == 404
        sent = client.post(f"/manage/{unreached}/again", data={"csrf_token": token, "when": "asap"})
        assert sent.status_code == 404

    @pytest.mark.one_database
    def test_needs_its_token(self, client: FlaskClient, unreached: str) -> None:
        answer = client.post(f"/manage/{unreached}/again", data={"when": "asap"})
        assert answer.status_code == 400
        assert "not booked" in page(answer)
