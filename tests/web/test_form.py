"""The form: what it takes, what it refuses and with which words, and that nothing gets lost."""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from callback_service import create_app
from callback_service.domain.contact import LineKind
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.staff import Role
from callback_service.extensions import db
from callback_service.models.callback import CallbackRequest, Submission
from callback_service.models.outbox import OutboxMessage, OutboxState, TextKind
from callback_service.models.rota import ShiftPattern
from callback_service.ticks import TICKS, run_tick
from callback_service.web.public_form import window_value
from tests.support.builders import NOW
from tests.support.pages import csrf_token
from tests.support.request_builders import (
    CALLER,
    TONIGHT,
    answers,
    make_manager,
    make_request,
    make_shift,
    mobile,
    row_counts,
    send_form,
    stored,
    submission_key,
)
from tests.support.settings import make_settings

SignInAs = Callable[..., FlaskClient]
GONE = "That time has just gone. Choose another. The next is tonight between 10pm and midnight"
TAKEN = (
    "That time has just been taken. Choose another. The next is tonight between midnight and 2am"
)


@pytest.fixture(autouse=True)
def _at_eight_in_the_evening() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def _somebody_on_shift(app: Flask) -> None:
    with stored(app) as session:
        make_shift(session)


def counts(app: Flask) -> dict[str, int]:
    with stored(app) as session:
        return row_counts(session)


def text_of(answer: TestResponse) -> str:
    return html.unescape(answer.get_data(as_text=True))


def errors_on(page: str) -> list[str]:
    return re.findall(
        r'<p id="[\w-]+" class="govuk-error-message">\s*<span[^>]*>Error:</span> (.+?)\s*</p>', page
    )


def the_request(app: Flask) -> CallbackRequest:
    with stored(app) as session:
        return session.scalars(select(CallbackRequest)).one()


def test_the_form_says_when_we_expect_to_ring(client: FlaskClient) -> None:
    page = text_of(client.get("/"))
    assert "We expect to ring by 8:10pm tonight." in page
    assert window_value(TONIGHT) in page


def test_what_was_sent_is_kept_and_answered_with_a_page_of_its_own(
    app: Flask, client: FlaskClient
) -> None:
    answer = send_form(client, messages="both", when=window_value(TONIGHT))
    assert answer.status_code == 303
    assert re.fullmatch(r"/done/[\w-]{43}", answer.location)
    request = the_request(app)
    assert (request.phone, request.name, request.note) == (
        "+447700900123",
        "Sam",
        "Hang up if he answers",
    )
    assert (request.ring_from, request.due_at) == (TONIGHT.start, TONIGHT.end)
    assert (request.may_text, request.may_leave_voicemail) == (True, True)
    assert request.state is RequestState.WAITING


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("said", "may_text", "may_leave_voicemail"),
    [("no", False, False), ("text", True, False), ("voicemail", False, True)],
)
def test_messages_are_left_only_as_was_said(
    app: Flask, client: FlaskClient, said: str, *, may_text: bool, may_leave_voicemail: bool
) -> None:
    send_form(client, messages=said)
    request = the_request(app)
    assert (request.may_text, request.may_leave_voicemail) == (may_text, may_leave_voicemail)


@pytest.mark.one_database
def test_name_and_note_may_be_left_out(app: Flask, client: FlaskClient) -> None:
    assert send_form(client, name="", note="").status_code == 303
    request = the_request(app)
    assert (request.name_sealed, request.note_sealed) == (None, None)


@pytest.mark.one_database
def test_a_landline_is_taken_and_never_texted(app: Flask, client: FlaskClient) -> None:
    answer = send_form(client, phone="020 7946 0123", messages="both")
    assert the_request(app).phone_kind is LineKind.LANDLINE
    assert counts(app)["outbox_message"] == 0
    assert "short text that confirms" not in text_of(client.get(answer.location))


NO_NUMBER = "Enter a phone number, like 07700 900 982 or 01632 960 001"
UK_ONLY = "Enter a UK phone number. We cannot ring numbers in other countries"
PREMIUM = "Enter a mobile or home number. We cannot ring premium, short or company numbers"


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"phone": ""}, NO_NUMBER),
        ({"phone": "my number"}, NO_NUMBER),
        ({"phone": "0" * 41}, NO_NUMBER),
        ({"phone": "<script>alert()</script>"}, NO_NUMBER),
        ({"phone": "+1 212 555 0123"}, UK_ONLY),
        ({"phone": "+33 1 70 18 99 00"}, UK_ONLY),
        ({"phone": "+44 7624 400123"}, UK_ONLY),
        ({"phone": "999"}, PREMIUM),
        ({"phone": "60777"}, PREMIUM),
        ({"phone": "0909 879 0123"}, PREMIUM),
        ({"phone": "0870 123 4567"}, PREMIUM),
        ({"phone": "07700 90012"}, None),
        ({"phone": "07700 900 123 ext 4"}, "Enter the number without an extension"),
        ({"name": "x" * 61}, "Use 60 characters or fewer"),
        ({"note": "x" * 201}, "Use 200 characters or fewer"),
        ({"when": ""}, "Choose when we should call"),
        ({"when": "later"}, "Choose a day and time"),
        ({"when": "yesterday"}, "Choose one of the times shown"),
        ({"when": "2026-13-45T99:99Z/x"}, "Choose one of the times shown"),
        ({"when": "' OR 1=1 --"}, "Choose one of the times shown"),
        ({"when": "a/b/c"}, "Choose one of the times shown"),
        ({"when": "later", "later": "soon"}, "Choose one of the times shown"),
        ({"when": "", "later": "soon"}, "Choose one of the times shown"),
        ({"when": "0001-01-01T00:00Z/0001-01-01T02:00Z"}, GONE),
        ({"when": "9999-12-31T22:00Z/9999-12-31T23:59Z"}, GONE),
        ({"when": "2026-11-25T23:00Z/2026-11-26T01:00Z"}, GONE),
        ({"when": "2026-11-26T00:00Z/2026-11-25T22:00Z"}, GONE),
        ({"when": "2026-11-25T18:00Z/2026-11-25T20:00Z"}, GONE),
        ({"when": "2026-11-25T20:00Z/2026-11-25T22:00Z"}, GONE),
        ({"messages": ""}, "Choose whether we can leave a message"),
        ({"messages": "everything"}, "Choose whether we can leave a message"),
        ({"consent": ""}, "Tick the box if you agree. Without it, ring us instead"),
    ],
)
def test_each_bad_answer_has_its_sentence_and_nothing_is_kept(
    app: Flask, client: FlaskClient, changes: dict[str, str], sentence: str | None
) -> None:
    before = counts(app)
    answer = send_form(client, **changes)
    page = text_of(answer)
    assert answer.status_code == 422
    assert len(errors_on(page)) == 1
    if sentence:
        assert errors_on(page) == [sentence]
    assert page.index("There is a problem") < page.index("<form")
    assert "<title>Error: " in page
    assert counts(app) == before


@pytest.mark.one_database
def test_all_that_is_wrong_is_said_at_once(client: FlaskClient) -> None:
    nothing = dict.fromkeys(("phone", "when", "messages", "consent"), "")
    assert len(errors_on(text_of(send_form(client, **nothing)))) == 4


@pytest.mark.one_database
def test_what_was_typed_is_still_there_after_an_error(client: FlaskClient) -> None:
    when = window_value(TONIGHT)
    page = text_of(send_form(client, consent="", messages="text", when=when, name="<b>Sam</b>"))
    assert f'value="{CALLER}"' in page
    assert 'value="<b>Sam</b>"' in page
    assert "Hang up if he answers</textarea>" in page
    for value in ("text", when):
        assert re.search(rf'value="{re.escape(value)}"\s+checked', page), value


@pytest.mark.one_database
def test_what_was_typed_never_becomes_markup(client: FlaskClient) -> None:
    raw = send_form(
        client, consent="", name='"><script>x</script>', note="</textarea><script>y</script>"
    ).get_data(as_text=True)
    assert "<script>x" not in raw
    assert "<script>y" not in raw


@pytest.mark.one_database
def test_after_an_error_the_mended_form_can_be_sent(app: Flask, client: FlaskClient) -> None:
    page = send_form(client, consent="").get_data(as_text=True)
    hidden = {"csrf_token": csrf_token(page), "submission_key": submission_key(page)}
    assert client.post("/", data={**hidden, **answers()}).status_code == 303
    assert counts(app)["callback_request"] == 1


def test_a_window_that_filled_meanwhile_is_said_and_everything_else_kept(
    app: Flask, client: FlaskClient
) -> None:
    page = client.get("/").get_data(as_text=True)
    hidden = {"csrf_token": csrf_token(page), "submission_key": submission_key(page)}
    with stored(app) as session:
        for number in range(2):
            make_request(session, mobile(number), window=TONIGHT)
    before = counts(app)
    answer = client.post("/", data={**hidden, **answers(when=window_value(TONIGHT))})
    page = text_of(answer)
    assert answer.status_code == 422
    assert errors_on(page) == [TAKEN]
    assert f'value="{CALLER}"' in page
    assert window_value(TONIGHT) not in page
    assert counts(app) == before
    mended = {"csrf_token": csrf_token(page), "submission_key": submission_key(page)}
    assert client.post("/", data={**mended, **answers()}).status_code == 303


def test_a_double_click_a_reload_and_a_second_tab_are_one_request(
    app: Flask, client: FlaskClient
) -> None:
    page = client.get("/").get_data(as_text=True)
    data = {"csrf_token": csrf_token(page), "submission_key": submission_key(page), **answers()}
    first, second = client.post("/", data=data), client.post("/", data=data)
    assert first.location == second.location
    assert counts(app)["submission"] == 1
    third = send_form(client)
    assert third.location != first.location
    assert (counts(app)["callback_request"], counts(app)["submission"]) == (1, 2)


def test_ten_posts_of_one_number_are_one_open_request_and_one_text(
    app: Flask, client: FlaskClient
) -> None:
    answered = {send_form(client, messages="text").status_code for _ in range(10)}
    assert answered == {303}
    found = counts(app)
    assert (found["callback_request"], found["outbox_message"]) == (1, 1)


@pytest.mark.one_database
@pytest.mark.parametrize("key", ["", "x", "../../x", "a/b", "?", "é", "k" * 20_000, "."])
def test_a_key_that_is_not_ours_is_replaced_by_one_that_is(client: FlaskClient, key: str) -> None:
    token = csrf_token(client.get("/").get_data(as_text=True))
    answer = client.post("/", data={"csrf_token": token, "submission_key": key, **answers()})
    assert answer.status_code == 303
    assert re.fullmatch(r"/done/[\w-]{43}", answer.location)
    assert client.get(answer.location).status_code == 200


@pytest.mark.one_database
def test_no_field_of_the_form_sets_what_is_not_asked(app: Flask, client: FlaskClient) -> None:
    extra = {
        "state": "closed",
        "disposition": "helped",
        "assigned_to_id": "1",
        "due_at": "2030-01-01T00:00Z",
        "tries": "9",
        "id": "77",
        "role": "manager",
        "may_text": "1",
        "phone_kind": "landline",
        "round": "5",
    }
    assert send_form(client, **extra).status_code == 303
    request = the_request(app)
    assert (request.state, request.disposition, request.assigned_to_id) == (
        RequestState.WAITING,
        None,
        None,
    )
    assert (request.tries, request.round, request.may_text) == (0, 1, False)
    assert request.id != 77


@pytest.mark.one_database
def test_a_missing_token_keeps_what_was_typed_and_one_more_press_sends_it(
    app: Flask, client: FlaskClient
) -> None:
    before = counts(app)
    answer = client.post("/", data=answers(name="Sam"))
    page = text_of(answer)
    assert answer.status_code == 400
    assert "The page had been open for a long time. Check it, then send it again" in page
    assert f'value="{CALLER}"' in page
    assert counts(app) == before
    hidden = {"csrf_token": csrf_token(page)}
    assert client.post("/", data={**hidden, **answers()}).status_code == 303


@pytest.mark.one_database
def test_a_token_of_another_browser_is_refused(app: Flask, client: FlaskClient) -> None:
    stranger = app.test_client()
    token = csrf_token(stranger.get("/").get_data(as_text=True))
    assert client.post("/", data={"csrf_token": token, **answers()}).status_code == 400
    assert counts(app)["callback_request"] == 0


@pytest.mark.one_database
@pytest.mark.parametrize("kind", ["form", "multipart", "unsaid length"])
def test_a_body_over_64_kib_is_refused_with_the_number_to_ring(
    app: Flask, client: FlaskClient, kind: str
) -> None:
    token = csrf_token(client.get("/").get_data(as_text=True))
    data: dict[str, str] = {"csrf_token": token, **answers(note="x" * 70_000)}
    content_type = "multipart/form-data" if kind == "multipart" else None
    if kind == "unsaid length":
        answer = client.post(
            "/",
            input_stream=BytesIO(b"note=" + b"x" * 70_000),
            content_type="application/x-www-form-urlencoded",
            headers={"Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input_terminated": True},
        )
    else:
        answer = client.post("/", data=data, content_type=content_type)
    assert answer.status_code == 413
    assert "We have not booked a call." in text_of(answer)
    assert "01632 960 000" in text_of(answer)
    assert counts(app)["callback_request"] == 0


@pytest.mark.one_database
def test_what_is_sent_twice_counts_once_and_as_it_was_checked(
    app: Flask, client: FlaskClient
) -> None:
    page = client.get("/").get_data(as_text=True)
    twice = MultiDict(answers(phone="07700 900123", consent=""))
    twice.update({"csrf_token": csrf_token(page), "submission_key": submission_key(page)})
    twice.add("phone", "0909 8790000")
    twice.add("consent", "y")
    assert client.post("/", data=twice).status_code == 303
    with stored(app) as session:
        assert session.scalars(select(CallbackRequest)).one().phone == "+447700900123"


@pytest.mark.one_database
def test_a_form_in_very_many_parts_is_refused(client: FlaskClient) -> None:
    parts = {f"part{n}": "x" for n in range(101)}
    answer = client.post("/", data=parts, content_type="multipart/form-data")
    assert answer.status_code == 413
    assert b"01632 960 000" in answer.get_data()


@pytest.mark.one_database
def test_broken_utf_8_and_nul_are_no_fault(app: Flask, client: FlaskClient) -> None:
    token = csrf_token(client.get("/").get_data(as_text=True))
    body = f"csrf_token={token}&phone=07700900123&when=asap&messages=no&consent=y"
    answer = client.post(
        "/",
        data=body.encode() + b"&name=%FF%FE%00Sam&note=%00%ED%A0%80",
        content_type="application/x-www-form-urlencoded",
    )
    assert answer.status_code == 303
    assert "Sam" in (the_request(app).name or "")


@pytest.mark.one_database
def test_with_nobody_on_the_rota_a_request_can_still_be_left(
    app: Flask, client: FlaskClient
) -> None:
    with stored(app) as session:
        for row in session.scalars(select(ShiftPattern)):
            session.delete(row)
    assert "Nobody is free to call you straight away" in text_of(client.get("/"))
    assert send_form(client).status_code == 303


@pytest.mark.one_database
def test_staff_are_told_on_every_page_that_texts_do_not_go_out(
    sign_in_as: SignInAs,
) -> None:
    client = sign_in_as(Role.MANAGER)
    for path in ("/desk", "/messages", "/cover", "/rota"):
        assert "Texts are not going out" in text_of(client.get(path)), path


def test_with_the_gateway_down_the_form_works_and_the_text_goes_later(
    database_url: str, app: Flask
) -> None:
    down = create_app(
        make_settings(
            database_url,
            app.config["SETTINGS"].instance_path,
            TWILIO_ACCOUNT_SID="AC" + "1" * 32,
            TWILIO_AUTH_TOKEN="0123456789abcdef0123456789abcdef",
            TWILIO_FROM="+441632960001",
            TWILIO_API_URL="http://127.0.0.1:9",
        )
    )
    assert send_form(down.test_client(), messages="text").status_code == 303
    send_texts = next(tick for tick in TICKS if tick.name == "texts")
    assert run_tick(down, send_texts)
    with stored(app) as session:
        message = session.scalars(select(OutboxMessage)).one()
        assert message.state is OutboxState.QUEUED
        assert message.send_after > NOW
        assert len(session.scalars(select(Submission)).all()) == 1
    with down.app_context():
        db.engine.dispose()


SECRETS = ("900123", "7700", "Canarina", "canary-note", "Sam-the-counsellor")


@pytest.mark.one_database
def test_no_number_name_or_note_is_in_any_log_line_of_a_whole_journey(
    app: Flask,
    client: FlaskClient,
    sign_in_as: SignInAs,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with stored(app) as session:
        make_manager(session, is_duty_lead=True)
    mine = {"name": "Canarina", "note": "canary-note", "messages": "both"}
    send_form(client, phone="+1 212 900123", **mine)
    done = send_form(client, **mine).location
    client.get(done)
    client.post("/", data=answers(**mine))
    for tick in TICKS:
        assert run_tick(app, tick)
    request_id = the_request(app).id
    desk = sign_in_as(Role.MANAGER)
    token = csrf_token(desk.get("/desk").get_data(as_text=True))
    for step, form in (
        ("accept", {}),
        ("ring", {}),
        ("outcome", {"outcome": "no_answer", "note": "canary-note"}),
    ):
        answer = desk.post(
            f"/desk/requests/{request_id}/{step}", data={"csrf_token": token, **form}
        )
        assert answer.status_code == 303, step
    with time_machine.travel(NOW + timedelta(minutes=10), tick=False):
        for tick in TICKS:
            assert run_tick(app, tick)
    assert the_request(app).tries == 1
    said = "\n".join(
        f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records
    )
    assert said
    for secret in SECRETS:
        assert secret not in said, secret


def a_window_hours_ahead(client: FlaskClient, hours: int) -> str:
    """The value of the first window on the form that begins so many hours ahead or more."""
    page = client.get("/").get_data(as_text=True)
    for value in re.findall(r'value="(\d{4}-\d\d-\d\dT[^"/]+/[^"]+)"', page):
        start = datetime.strptime(value.partition("/")[0], "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
        if start - NOW >= timedelta(hours=hours):
            return str(value)
    raise AssertionError("the form offers no such window")


def test_a_reminder_is_asked_for_by_itself_and_shown_before(
    app: Flask, client: FlaskClient
) -> None:
    page = text_of(client.get("/"))
    assert "It comes an hour before, if that time is 4 hours away or more: “Hi, as you" in page
    chosen = a_window_hours_ahead(client, 4)
    send_form(client, when=chosen, messages="text", reminder="y")
    with stored(app) as session:
        kinds = session.scalars(select(OutboxMessage.kind).order_by(OutboxMessage.id)).all()
    assert kinds == [TextKind.CONFIRMATION, TextKind.REMINDER]


@pytest.mark.parametrize("changes", [{"messages": "no", "reminder": "y"}, {"messages": "text"}])
def test_no_reminder_is_kept_for_who_allows_no_text_or_asked_for_none(
    app: Flask, client: FlaskClient, changes: dict[str, str]
) -> None:
    send_form(client, when=a_window_hours_ahead(client, 4), **changes)
    with stored(app) as session:
        kinds = session.scalars(select(OutboxMessage.kind)).all()
    assert TextKind.REMINDER not in kinds
