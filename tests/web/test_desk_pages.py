"""The desk in the browser: who sees what, and what each button does."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.domain.staff import Role
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import CallbackRequest
from callback_service.models.outbox import OutboxMessage, OutboxState
from callback_service.models.staff import Staff
from callback_service.services import requests
from tests.rota_builders import make_pattern
from tests.support.builders import NOW
from tests.support.pages import csrf_token, submit
from tests.support.request_builders import (
    TONIGHT,
    make_request,
    mobile,
    offer,
    plan,
    row_counts,
    stored,
)

SignInAs = Callable[..., FlaskClient]


@pytest.fixture(autouse=True)
def _at_eight_in_the_evening() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def on_shift(app: Flask, sign_in_as: SignInAs) -> Callable[[str], FlaskClient]:
    """``on_shift("Jo Hill")``: a counsellor on shift, signed in."""

    def sign_in(name: str) -> FlaskClient:
        email = f"{name.lower().replace(' ', '.')}@example.org"
        client = sign_in_as(Role.COUNSELLOR, name=name, email=email)
        with stored(app) as session:
            person = session.scalars(select(Staff).where(Staff.email == email)).one()
            make_pattern(session, person, "16:00", "08:00")
        return client

    return sign_in


def a_request(app: Flask) -> int:
    with stored(app) as session:
        return make_request(session, name="Canarina", note="Hang up if he answers").id


def press(client: FlaskClient, request_id: int, button: str, **form: str) -> TestResponse:
    token = csrf_token(client.get("/desk").get_data(as_text=True))
    return client.post(f"/desk/requests/{request_id}/{button}", data={"csrf_token": token, **form})


def not_shown(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 404
    return html.unescape(answer.get_data(as_text=True))


def shown(client: FlaskClient, path: str = "/desk", **headers: str) -> str:
    answer = client.get(path, headers=headers, follow_redirects=True)
    assert answer.status_code == 200
    return html.unescape(answer.get_data(as_text=True))


def state_of(app: Flask, request_id: int) -> RequestState:
    with stored(app) as session:
        return session.get_one(CallbackRequest, request_id).state


def test_a_request_is_taken_rung_and_closed_at_the_desk(
    app: Flask, on_shift: Callable[[str], FlaskClient]
) -> None:
    desk, request_id = on_shift("Jo Hill"), a_request(app)
    call = f"/desk/requests/{request_id}"
    answer = press(desk, request_id, "accept")
    assert (answer.status_code, answer.location) == (303, call)
    sheet = shown(desk, call)
    for fact in ("07700 900123", "Canarina", "Hang up if he answers", "no message", "141"):
        assert fact in sheet, fact
    assert press(desk, request_id, "ring").location == call
    assert 'name="outcome"' in shown(desk, call)
    press(desk, request_id, "outcome", outcome="answered", disposition="helped", note="Went well")
    assert state_of(app, request_id) is RequestState.CLOSED
    with stored(app) as session:
        request = session.get_one(CallbackRequest, request_id)
        assert (request.disposition, request.closing_note) == (Disposition.HELPED, "Went well")
    assert "07700" not in not_shown(desk, call)


def test_the_queue_names_nobody_and_no_number(
    app: Flask, on_shift: Callable[[str], FlaskClient]
) -> None:
    desk, request_id = on_shift("Jo Hill"), a_request(app)
    with stored(app) as session:
        offer(session)
    for page in (shown(desk), shown(desk, **{"HX-Request": "true"})):
        assert f"request-{request_id}" in page
        for secret in ("Canarina", "900123", "07700", "Hang up", "+447"):
            assert secret not in page, secret


def test_before_it_is_taken_nobody_sees_the_number(
    app: Flask, on_shift: Callable[[str], FlaskClient], sign_in_as: SignInAs
) -> None:
    request_id = a_request(app)
    for client in (on_shift("Jo Hill"), sign_in_as(Role.MANAGER)):
        page = not_shown(client, f"/desk/requests/{request_id}")
        assert "That request is not with you" in page
        assert "900123" not in page


def test_a_counsellor_off_shift_has_no_button_and_is_refused(
    app: Flask, sign_in_as: SignInAs
) -> None:
    request_id, desk = a_request(app), sign_in_as(Role.COUNSELLOR)
    page = shown(desk)
    assert "You are not on shift now, so you cannot take a request." in page
    assert "/accept" not in page
    assert press(desk, request_id, "accept").location == "/desk"
    assert "You are not on shift, so you cannot take a request now." in shown(desk)
    assert state_of(app, request_id) is RequestState.WAITING


def test_of_two_who_press_the_slower_is_told_who_has_it(
    app: Flask, on_shift: Callable[[str], FlaskClient]
) -> None:
    quick, slow, request_id = on_shift("Jo Hill"), on_shift("Al Moor"), a_request(app)
    press(quick, request_id, "accept")
    assert press(slow, request_id, "accept").location == "/desk"
    assert "Jo Hill took this call 0 seconds ago." in shown(slow)


def test_a_colleague_gets_nothing_of_anothers_call_by_any_address(
    app: Flask, on_shift: Callable[[str], FlaskClient]
) -> None:
    holder, colleague, request_id = on_shift("Jo Hill"), on_shift("Al Moor"), a_request(app)
    press(holder, request_id, "accept")
    page = not_shown(colleague, f"/desk/requests/{request_id}")
    assert "900123" not in page
    assert "Canarina" not in page
    for button in ("ring", "release", "outcome"):
        answer = press(colleague, request_id, button, outcome="no_answer")
        assert answer.status_code == 404, button
    assert state_of(app, request_id) is RequestState.ASSIGNED
    with stored(app) as session:
        looks = session.scalars(
            select(AuditEntry.actor_id).where(AuditEntry.action == "request.read")
        ).all()
        assert looks == []


def test_a_manager_steps_in_with_a_reason_and_the_look_is_written_down(
    app: Flask, on_shift: Callable[[str], FlaskClient], sign_in_as: SignInAs
) -> None:
    holder, manager, request_id = on_shift("Jo Hill"), sign_in_as(Role.MANAGER), a_request(app)
    press(holder, request_id, "accept")
    assert "Step in" in shown(manager)
    page = f"/desk/requests/{request_id}"
    masked = shown(manager, page)
    assert "•••• 123" in masked
    assert "07700 900123" not in masked
    record = f"{page}/record"
    submit(manager, f"{page}/look", {"reason": "stepping_in"}, page=record)
    assert "07700 900123" in shown(manager, record)
    assert "07700 900123" in shown(manager, page)
    press(manager, request_id, "ring")
    press(manager, request_id, "outcome", outcome="answered", disposition="referred")
    assert state_of(app, request_id) is RequestState.CLOSED
    with stored(app) as session:
        reader = session.scalars(
            select(Staff.role)
            .join(AuditEntry, AuditEntry.actor_id == Staff.id)
            .where(AuditEntry.action == "request.read")
        ).all()
        assert reader == [Role.MANAGER] * 2


def test_an_administrator_sees_no_desk(app: Flask, sign_in_as: SignInAs) -> None:
    request_id, client = a_request(app), sign_in_as(Role.ADMINISTRATOR)
    for path in ("/desk", f"/desk/requests/{request_id}", "/messages"):
        assert client.get(path).status_code == 403, path


def test_giving_it_back_puts_it_into_the_queue_again(
    app: Flask, on_shift: Callable[[str], FlaskClient]
) -> None:
    desk, request_id = on_shift("Jo Hill"), a_request(app)
    press(desk, request_id, "accept")
    press(desk, request_id, "release")
    assert "The request is back in the queue." in shown(desk)
    assert state_of(app, request_id) is RequestState.WAITING


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({}, "Choose how it went"),
        ({"outcome": "lost"}, "Choose how it went"),
        ({"outcome": "answered"}, "Choose how the call ended"),
        (
            {"outcome": "answered", "disposition": "helped", "follow_up_at": "2026-11-01T09:00"},
            "Choose a time in the next 28 days",
        ),
        ({"outcome": "answered", "disposition": "expired"}, "Choose how the call ended"),
        ({"outcome": "not_safe_now", "again_at": "soon"}, "Enter a day and time"),
        (
            {"outcome": "not_safe_now", "again_at": "2026-11-24T10:00"},
            "Choose a time in the next 14 days",
        ),
        (
            {"outcome": "not_safe_now", "again_at": "0001-01-01T00:00"},
            "Choose a time in the next 14 days",
        ),
        (
            {"outcome": "not_safe_now", "again_at": "9999-12-31T23:59"},
            "Choose a time in the next 14 days",
        ),
        ({"outcome": "no_answer", "note": "x" * 2001}, None),
    ],
)
def test_an_outcome_that_lacks_something_is_asked_for_again_with_the_note_kept(
    app: Flask,
    on_shift: Callable[[str], FlaskClient],
    form: dict[str, str],
    sentence: str | None,
) -> None:
    desk, request_id = on_shift("Jo Hill"), a_request(app)
    press(desk, request_id, "accept")
    press(desk, request_id, "ring")
    answer = press(desk, request_id, "outcome", **{"note": "what was said", **form})
    page = html.unescape(answer.get_data(as_text=True))
    assert answer.status_code == 422
    assert "There is a problem" in page
    if sentence:
        assert sentence in page
        assert "what was said</textarea>" in page
    assert state_of(app, request_id) is RequestState.CALLING


def test_not_safe_now_takes_the_time_they_named_as_london_time(
    app: Flask, on_shift: Callable[[str], FlaskClient]
) -> None:
    desk, request_id = on_shift("Jo Hill"), a_request(app)
    press(desk, request_id, "accept")
    press(desk, request_id, "ring")
    press(desk, request_id, "outcome", outcome="not_safe_now", again_at="2026-11-26T09:30")
    with stored(app) as session:
        request = session.get_one(CallbackRequest, request_id)
        assert request.ring_from == NOW + timedelta(hours=13, minutes=30)
    assert "is to be rung again from 09:30 on Thursday." in shown(desk)


def test_a_further_call_is_kept_for_the_time_they_agreed_on(
    app: Flask, on_shift: Callable[[str], FlaskClient]
) -> None:
    desk, request_id = on_shift("Jo Hill"), a_request(app)
    press(desk, request_id, "accept")
    press(desk, request_id, "ring")
    press(
        desk, request_id, "outcome", outcome="answered", disposition="helped",
        follow_up_at="2026-11-27T14:30", follow_up_with_me="y",
    )  # fmt: skip
    assert "A further call is kept for 14:30 on Friday 27 November." in shown(desk)
    with stored(app) as session:
        again = session.scalars(
            select(CallbackRequest).where(CallbackRequest.follows_id == request_id)
        ).one()
        assert again.ring_from == datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
        assert again.wish_counsellor_id is not None


def test_a_call_withdrawn_meanwhile_is_told_of_kindly(
    app: Flask, on_shift: Callable[[str], FlaskClient]
) -> None:
    desk, request_id = on_shift("Jo Hill"), a_request(app)
    press(desk, request_id, "accept")
    with stored(app) as session:
        request = session.get_one(CallbackRequest, request_id)
        requests.close(session, request, Disposition.WITHDRAWN, now=NOW)
    assert press(desk, request_id, "ring").location == "/desk"
    assert "The caller may have withdrawn it." in shown(desk)


def test_a_text_that_did_not_arrive_is_told_on_the_call_page(
    app: Flask, on_shift: Callable[[str], FlaskClient]
) -> None:
    with stored(app) as session:
        request_id = make_request(session, may_text=True).id
        message = session.scalars(select(OutboxMessage)).one()
        message.state, message.reason = OutboxState.FAILED, "The phone is off. Ring anyway."
    desk = on_shift("Jo Hill")
    press(desk, request_id, "accept")
    assert "Ring anyway." in shown(desk, f"/desk/requests/{request_id}")


def test_a_request_whose_time_has_not_come_has_no_button(
    app: Flask, on_shift: Callable[[str], FlaskClient]
) -> None:
    desk = on_shift("Jo Hill")
    with stored(app) as session:
        request_id = make_request(session, window=TONIGHT).id
        plan(session)
    page = shown(desk)
    assert "from 22:00" in page
    assert "Not yet" in page
    press(desk, request_id, "accept")
    assert "This caller asked not to be rung before 22:00." in shown(desk)


def test_an_empty_queue_says_so(on_shift: Callable[[str], FlaskClient]) -> None:
    page = shown(on_shift("Jo Hill"))
    assert "0 waiting, 0 late" in page
    assert "Nobody is waiting. New requests appear here by themselves." in page


def test_a_queue_of_three_hundred_is_shown_whole(
    app: Flask, on_shift: Callable[[str], FlaskClient]
) -> None:
    desk = on_shift("Jo Hill")
    with stored(app) as session:
        first = make_request(session, mobile(0))
        copied = {
            column.name: getattr(first, column.name)
            for column in first.__table__.columns
            if column.name not in {"id", "uid", "reference", "phone_index"}
        }
        for number in range(1, 300):
            session.add(
                CallbackRequest(
                    **copied, reference=f"R{number:04}", phone_index=number.to_bytes(16, "big")
                )
            )
        session.flush()
        plan(session)
    page = shown(desk)
    assert "300 waiting" in page
    assert len(re.findall(r'<tr[^>]* id="request-\d+"', page)) == 300


@pytest.mark.one_database
def test_the_part_that_refreshes_is_the_queue_alone(
    app: Flask, on_shift: Callable[[str], FlaskClient]
) -> None:
    desk, request_id = on_shift("Jo Hill"), a_request(app)
    fragment = shown(desk, **{"HX-Request": "true"})
    assert "<html" not in fragment
    assert f"request-{request_id}" in fragment


@pytest.mark.one_database
def test_a_look_at_the_queue_changes_nothing(
    app: Flask, on_shift: Callable[[str], FlaskClient]
) -> None:
    desk = on_shift("Jo Hill")
    a_request(app)
    with stored(app) as session:
        before = row_counts(session)
    shown(desk)
    shown(desk, **{"HX-Request": "true"})
    with stored(app) as session:
        assert row_counts(session) == before


@pytest.mark.one_database
def test_buttons_need_their_token(app: Flask, on_shift: Callable[[str], FlaskClient]) -> None:
    desk, request_id = on_shift("Jo Hill"), a_request(app)
    for button in ("accept", "ring", "release", "outcome"):
        assert desk.post(f"/desk/requests/{request_id}/{button}").status_code == 400
    assert state_of(app, request_id) is RequestState.WAITING


@pytest.mark.one_database
@pytest.mark.parametrize("number", ["0", "999999", "9" * 30])
def test_a_request_there_is_not_is_no_fault(
    on_shift: Callable[[str], FlaskClient], number: str
) -> None:
    desk = on_shift("Jo Hill")
    token = csrf_token(desk.get("/desk").get_data(as_text=True))
    assert desk.get(f"/desk/requests/{number}").status_code in {303, 404}
    for button in ("accept", "ring", "release"):
        answer = desk.post(f"/desk/requests/{number}/{button}", data={"csrf_token": token})
        assert answer.status_code == 404, button
