"""The desk's buttons for breaks, wrap-up, leaving early and declining; texts; the history."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from callback_service.domain.lifecycle import LetGo, RequestState
from callback_service.domain.staff import Role
from callback_service.models.callback import CallbackRequest, Offer
from callback_service.models.presence import Presence
from callback_service.models.staff import Staff
from callback_service.services import presence
from tests.rota_builders import make_pattern
from tests.support.builders import NOW
from tests.support.pages import csrf_token
from tests.support.request_builders import make_request, mobile, offer, row_counts, stored

SignInAs = Callable[..., FlaskClient]
OnShift = Callable[[str], FlaskClient]

pytestmark = pytest.mark.one_database


@pytest.fixture(autouse=True)
def _at_eight_in_the_evening() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def on_shift(app: Flask, sign_in_as: SignInAs) -> OnShift:
    """``on_shift("Jo Hill")``: a counsellor on shift, signed in."""

    def sign_in(name: str) -> FlaskClient:
        email = f"{name.lower().replace(' ', '.')}@example.org"
        client = sign_in_as(Role.COUNSELLOR, name=name, email=email)
        with stored(app) as session:
            person = session.scalars(select(Staff).where(Staff.email == email)).one()
            make_pattern(session, person, "16:00", "08:00")
        return client

    return sign_in


def a_request(app: Flask, number: int = 123) -> int:
    with stored(app) as session:
        return make_request(session, mobile(number), name="Canarina").id


def an_offer(app: Flask) -> int:
    request_id = a_request(app)
    with stored(app) as session:
        assert offer(session) == 1
    return request_id


def press(client: FlaskClient, path: str, **form: str) -> TestResponse:
    token = csrf_token(client.get("/account").get_data(as_text=True))
    return client.post(path, data={"csrf_token": token, **form})


def shown(client: FlaskClient, path: str = "/desk") -> str:
    answer = client.get(path, follow_redirects=True)
    assert answer.status_code == 200
    return html.unescape(answer.get_data(as_text=True))


class TestABreak:
    def test_says_first_what_it_moves_and_then_begins(self, app: Flask, on_shift: OnShift) -> None:
        desk, _ = on_shift("Jo Hill"), on_shift("Al Moor")
        a_request(app)
        page = shown(desk, "/desk/break")
        assert "15 minutes, until 20:15" in page
        assert "Start a break of 60 minutes" in page
        assert press(desk, "/desk/break", minutes="30").location == "/desk"
        page = shown(desk)
        assert "Your break has begun." in page
        assert "until 20:30" in page
        assert "End the break" in page

    def test_names_what_nobody_else_could_take_and_allows_it_anyway(
        self, app: Flask, on_shift: OnShift
    ) -> None:
        desk, request_id = on_shift("Jo Hill"), a_request(app)
        with stored(app) as session:
            request = session.get_one(CallbackRequest, request_id)
            request.due_at = NOW + timedelta(minutes=20)
            reference = request.reference
        page = shown(desk, "/desk/break")
        assert "1 call waits until you are back, and can still be made in time." in page
        assert f"Nobody else could take {reference} in time. Take the break later" in page
        press(desk, "/desk/break", minutes="60")
        assert "End the break" in shown(desk)

    @pytest.mark.parametrize("minutes", ["", "20", "soon", "-15", "9" * 30])
    def test_of_another_length_is_refused(self, on_shift: OnShift, minutes: str) -> None:
        desk = on_shift("Jo Hill")
        press(desk, "/desk/break", minutes=minutes)
        assert "Choose how long the break is." in shown(desk)

    def test_is_ended_with_a_press(self, on_shift: OnShift) -> None:
        desk = on_shift("Jo Hill")
        press(desk, "/desk/break", minutes="15")
        press(desk, "/desk/back")
        page = shown(desk)
        assert "You are available." in page
        assert "End the break" not in page

    def test_lasts_through_signing_out(self, app: Flask, on_shift: OnShift) -> None:
        desk = on_shift("Jo Hill")
        press(desk, "/desk/break", minutes="15")
        press(desk, "/sign-out")
        with stored(app) as session:
            assert len(presence.away_until(session, now=NOW)) == 1

    def test_is_not_for_who_is_off_shift(self, sign_in_as: SignInAs) -> None:
        client = sign_in_as(Role.COUNSELLOR)
        for path in ("/desk/break", "/desk/leave"):
            assert "This is for people who are on shift now." in shown(client, path)
            assert press(client, path, minutes="15").status_code == 303
        assert "my-state" not in shown(client)


class TestLeavingEarly:
    def test_gives_back_what_is_in_hand_and_shows_it_to_colleagues(
        self, app: Flask, on_shift: OnShift
    ) -> None:
        desk, colleague, request_id = on_shift("Jo Hill"), on_shift("Al Moor"), a_request(app)
        press(desk, f"/desk/requests/{request_id}/accept")
        assert "and have not rung. It goes back" in shown(desk, "/desk/leave")
        press(desk, "/desk/leave")
        assert "Come back first" in shown(desk)
        assert "Not here" in shown(colleague)
        with stored(app) as session:
            assert session.get_one(CallbackRequest, request_id).state is RequestState.WAITING
        press(desk, "/desk/back")
        assert "Take call" in shown(desk)

    def test_while_ringing_leaves_the_call(self, app: Flask, on_shift: OnShift) -> None:
        desk, request_id = on_shift("Jo Hill"), a_request(app)
        for button in ("accept", "ring"):
            press(desk, f"/desk/requests/{request_id}/{button}")
        assert "It stays with you until you record how it went." in shown(desk, "/desk/leave")
        press(desk, "/desk/leave")
        assert "In a call" in shown(desk)

    def test_is_said_of_an_absent_colleague_by_a_manager_alone(
        self, app: Flask, on_shift: OnShift, sign_in_as: SignInAs
    ) -> None:
        colleague, manager = on_shift("Al Moor"), sign_in_as(Role.MANAGER)
        with stored(app) as session:
            staff_id = session.scalars(select(Staff.id).where(Staff.name == "Al Moor")).one()
        path = f"/desk/people/{staff_id}/not-here"
        assert "Mark as not here" not in shown(colleague)
        assert press(colleague, path).status_code == 403
        assert "Mark as not here" in shown(manager)
        press(manager, path)
        assert "They are marked as not here." in shown(manager)
        assert "I am back" in shown(colleague)
        assert press(manager, "/desk/people/999999/not-here").status_code == 303


class TestWrapUp:
    def test_follows_a_call_and_gets_more_time_once(self, app: Flask, on_shift: OnShift) -> None:
        desk, request_id = on_shift("Jo Hill"), a_request(app)
        for button in ("accept", "ring"):
            press(desk, f"/desk/requests/{request_id}/{button}")
        press(
            desk, f"/desk/requests/{request_id}/outcome", outcome="answered", disposition="helped"
        )
        page = shown(desk)
        assert "until 20:10" in page
        assert "I am ready" in page
        press(desk, "/desk/more-time")
        page = shown(desk)
        assert "until 20:20" in page
        assert "More time" not in page
        press(desk, "/desk/more-time")
        assert "You have had more time already." in shown(desk)
        press(desk, "/desk/back")
        assert "I am ready" not in shown(desk)


class TestDeclining:
    def test_asks_why_and_goes_to_a_colleague(self, app: Flask, on_shift: OnShift) -> None:
        desk, request_id = on_shift("Jo Hill"), an_offer(app)
        assert f'id="decline-{request_id}"' in shown(desk)
        path = f"/desk/requests/{request_id}/decline"
        assert "I know this person" in shown(desk, path)
        press(desk, path, reason="needs_skill")
        assert "You declined it. It goes to a colleague." in shown(desk)
        with stored(app) as session:
            assert session.scalars(select(Offer.reason)).one() is LetGo.NEEDS_SKILL

    @pytest.mark.parametrize(
        ("form", "sentence"),
        [
            ({"reason": "lost"}, "Choose one of the reasons"),
            ({"reason": "other"}, "Say the reason in a few words"),
            ({"reason": "other", "words": " \x00 "}, "Say the reason in a few words"),
            ({"reason": "other", "words": "x" * 201}, "Use 200 characters or fewer"),
        ],
    )
    def test_without_a_reason_it_is_asked_for_again(
        self, app: Flask, on_shift: OnShift, form: dict[str, str], sentence: str
    ) -> None:
        desk, request_id = on_shift("Jo Hill"), an_offer(app)
        answer = press(desk, f"/desk/requests/{request_id}/decline", **form)
        assert answer.status_code == 422
        assert sentence in html.unescape(answer.get_data(as_text=True))
        with stored(app) as session:
            assert session.scalars(select(Offer.ended_at)).one() is None

    def test_what_is_offered_to_a_colleague_is_refused(self, app: Flask, on_shift: OnShift) -> None:
        on_shift("Jo Hill")
        request_id = an_offer(app)
        other = on_shift("Al Moor")
        assert f"decline-{request_id}" not in shown(other)
        path = f"/desk/requests/{request_id}/decline"
        assert "That request is not on offer to you." in shown(other, path)
        press(other, path)
        assert "This request is no longer on offer to you." in shown(other)

    def test_giving_back_what_one_knows_leaves_it_to_colleagues(
        self, app: Flask, on_shift: OnShift
    ) -> None:
        desk, request_id = on_shift("Jo Hill"), a_request(app)
        press(desk, f"/desk/requests/{request_id}/accept")
        assert "Give it back" in shown(desk, f"/desk/requests/{request_id}")
        press(desk, f"/desk/requests/{request_id}/release", reason="knows_caller")
        assert f"request-{request_id}" not in shown(desk)
        assert press(desk, f"/desk/requests/{request_id}/accept").status_code == 404

    def test_giving_back_with_a_reason_that_lacks_words_keeps_the_request(
        self, app: Flask, on_shift: OnShift
    ) -> None:
        desk, request_id = on_shift("Jo Hill"), a_request(app)
        press(desk, f"/desk/requests/{request_id}/accept")
        answer = press(desk, f"/desk/requests/{request_id}/release", reason="other")
        assert answer.status_code == 422
        assert "Say the reason in a few words" in html.unescape(answer.get_data(as_text=True))
        with stored(app) as session:
            assert session.get_one(CallbackRequest, request_id).state is RequestState.ASSIGNED


class TestTheHistory:
    def test_shows_managers_who_let_it_go_and_why(
        self, app: Flask, on_shift: OnShift, sign_in_as: SignInAs
    ) -> None:
        desk, request_id, manager = on_shift("Jo Hill"), an_offer(app), sign_in_as(Role.MANAGER)
        words = {"reason": "other", "words": "On the <other> line"}
        press(desk, f"/desk/requests/{request_id}/decline", **words)
        page = shown(manager, f"/desk/requests/{request_id}/history")
        for fact in ("Asked for", "Offered to Jo Hill", "Offer declined by Jo Hill"):
            assert fact in page, fact
        assert "On the <other> line" in page
        for secret in ("Canarina", "900123"):
            assert secret not in page
        assert f"/desk/requests/{request_id}/history" in shown(manager)

    def test_is_for_managers(self, app: Flask, on_shift: OnShift) -> None:
        desk, request_id = on_shift("Jo Hill"), a_request(app)
        assert desk.get(f"/desk/requests/{request_id}/history").status_code == 403
        assert "/history" not in shown(desk)

    def test_of_nothing_is_not_found(self, sign_in_as: SignInAs) -> None:
        assert sign_in_as(Role.MANAGER).get("/desk/requests/999999/history").status_code == 404


class TestTexts:
    def test_are_chosen_with_a_mobile_number(self, app: Flask, on_shift: OnShift) -> None:
        desk = on_shift("Jo Hill")
        answer = press(desk, "/account/texts", phone="07700 900801", texts_offers="y")
        assert answer.location == "/account"
        assert 'value="07700 900801"' in shown(desk, "/account/texts")
        with stored(app) as session:
            person = session.scalars(select(Staff).where(Staff.name == "Jo Hill")).one()
            assert (person.phone, person.texts_offers) == ("+447700900801", True)

    @pytest.mark.parametrize(
        ("phone", "sentence"),
        [
            ("", "Enter your mobile number, or take away the tick"),
            ("01632 960123", "Enter a mobile number. Landlines get no texts"),
            ("12", "Enter a mobile or home number"),
        ],
    )
    def test_do_not_go_where_they_cannot(
        self, on_shift: OnShift, phone: str, sentence: str
    ) -> None:
        answer = press(on_shift("Jo Hill"), "/account/texts", phone=phone, texts_offers="y")
        assert answer.status_code == 422
        assert sentence in html.unescape(answer.get_data(as_text=True))

    def test_end_when_the_number_is_taken_away(self, app: Flask, on_shift: OnShift) -> None:
        desk = on_shift("Jo Hill")
        press(desk, "/account/texts", phone="07700 900801", texts_offers="y")
        press(desk, "/account/texts", phone="")
        with stored(app) as session:
            person = session.scalars(select(Staff).where(Staff.name == "Jo Hill")).one()
            assert (person.phone, person.texts_offers) == (None, False)


def test_the_desk_says_what_everybody_is_doing(app: Flask, on_shift: OnShift) -> None:
    desk, colleague = on_shift("Jo Hill"), on_shift("Al Moor")
    press(colleague, "/desk/break", minutes="15")
    table = shown(desk).partition('id="at-desks"')[2].partition("</table>")[0]
    assert "Al Moor" in table
    assert "On a break" in table
    assert "Available" in table


def test_looking_changes_nothing(app: Flask, on_shift: OnShift) -> None:
    desk, request_id = on_shift("Jo Hill"), an_offer(app)
    with stored(app) as session:
        before = row_counts(session)
    for path in ("break", "leave", f"requests/{request_id}/decline"):
        shown(desk, f"/desk/{path}")
    shown(desk, "/account/texts")
    with stored(app) as session:
        assert row_counts(session) == before


def test_every_button_needs_its_token(app: Flask, on_shift: OnShift) -> None:
    desk = on_shift("Jo Hill")
    for path in ("break", "leave", "back", "more-time", "requests/1/decline"):
        assert desk.post(f"/desk/{path}", data={"minutes": "15"}).status_code == 400, path
    assert desk.post("/account/texts").status_code == 400
    with stored(app) as session:
        assert session.scalars(select(Presence)).all() == []


def test_a_break_is_over_by_itself(app: Flask, on_shift: OnShift) -> None:
    desk = on_shift("Jo Hill")
    press(desk, "/desk/break", minutes="15")
    with time_machine.travel(NOW + timedelta(minutes=15), tick=False):
        assert "End the break" not in shown(desk)
