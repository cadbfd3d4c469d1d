"""Before a sensitive act: a new code, with the act kept meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape

import pyotp
import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from callback_service.domain.signing_in import FRESH_FOR
from callback_service.domain.staff import Role
from callback_service.extensions import db, transaction
from callback_service.models.api_token import ApiToken
from callback_service.models.outbox import OutboxMessage
from callback_service.models.staff import HeldForm, SignIn, Staff
from callback_service.services.held_forms import Held, hold
from callback_service.services.second_step import renew_recovery_codes
from callback_service.services.tries import TRIES_PER_ACCOUNT
from callback_service.web.access import marks, needs_fresh
from tests.support.builders import PASSWORD
from tests.support.pages import csrf_token, submit
from tests.support.signing_in import be_signed_in, next_code, sign_in

EMAIL = "someone@example.org"
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
LATER = FRESH_FOR + timedelta(seconds=1)
SignInAs = Callable[..., FlaskClient]


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A session of its own: in a shared application context, requests would share theirs."""
    with app.app_context():
        engine = db.engine
    with Session(engine) as session:
        yield session


@pytest.fixture
def later(sign_in_as: SignInAs) -> Iterator[FlaskClient]:
    """An administrator's browser, some minutes after the second step."""
    client = sign_in_as(Role.ADMINISTRATOR, email=EMAIL)
    with time_machine.travel(datetime.now(UTC) + LATER, tick=False):
        yield client


def code_of(app: Flask) -> str:
    with app.app_context():
        return next_code(EMAIL)


def press(client: FlaskClient, page: TestResponse, path: str, **more: str) -> TestResponse:
    """Send the form on ``page`` with its hidden fields."""
    fields = HIDDEN.findall(page.get_data(as_text=True))
    hidden = {name: unescape(value) for name, value in fields}
    data = {**hidden, **more}
    answer = client.post(path, data=data)
    if answer.status_code == 307:  # a browser sends the same again; this client forgets it
        return client.post(answer.location, data=data)
    return client.get(answer.location) if answer.status_code == 303 else answer


def tokens(session: Session) -> list[str]:
    session.rollback()
    return list(session.scalars(select(ApiToken.name)))


@pytest.mark.one_database
def test_what_is_sensitive_is_on_the_list(app: Flask) -> None:
    assert needs_fresh(app) == {
        "account.change_password",
        "account.end_others",
        "account.make_token",
        "admin.invite",
        "calendar.make_link",
        "complaint_cases.acknowledged",
        "complaint_cases.answered",
        "complaint_cases.ask_for_erasure",
        "complaint_cases.case",
        "complaint_cases.confirm_erasure",
        "complaint_cases.new",
        "complaint_cases.take_back",
        "complaint_cases.write_down",
        "form_posts.discard",
        "holds.end",
        "holds.form",
        "holds.place",
        "looks.allow_more",
        "lost_phones.ask",
        "lost_phones.confirm",
        "own_texts.save",
        "passkeys.add",
        "passkeys.own",
        "passkeys.remove",
        "person.change_email",
        "person.change_role",
        "person.disable",
        "person.enable",
        "person.end_sign_in",
        "person.end_sign_ins",
        "person.make_link",
        "personal_data.ask_for_erasure",
        "personal_data.case",
        "personal_data.confirm_erasure",
        "personal_data.correct",
        "personal_data.correction",
        "personal_data.export",
        "personal_data.find",
        "second_step.finish_replacing",
        "second_step.renew_codes",
        "second_step.replace",
    }


@pytest.mark.one_database
@pytest.mark.parametrize("role", Role)
def test_every_sensitive_act_asks_for_a_code_after_ten_minutes(
    app: Flask, sign_in_as: SignInAs, role: Role
) -> None:
    client = sign_in_as(role)
    token = csrf_token(client.get("/account").get_data(as_text=True))
    with time_machine.travel(datetime.now(UTC) + LATER, tick=False):
        for rule in app.url_map.iter_rules():
            if rule.endpoint not in needs_fresh(app):
                continue
            address = str(rule.build(dict.fromkeys(rule.arguments, 1))[1])  # type: ignore[index]
            mark = marks(app)[rule.endpoint]
            if mark is None or role not in mark.roles:
                assert client.open(address, method="POST").status_code in {400, 403, 405}, rule
            elif "GET" in (rule.methods or ()):
                assert client.get(address).location == f"/confirm?next={address}"
            else:
                answer = client.post(address, data={"csrf_token": token})
                assert answer.status_code == 403, rule


def test_a_sign_in_just_now_is_asked_for_nothing_more(sign_in_as: SignInAs) -> None:
    client = sign_in_as(Role.MANAGER)
    answer = submit(client, "/account/tokens", {"name": "screen"}, page="/account")
    assert "Your new token" in answer.get_data(as_text=True)


def test_the_act_is_kept_and_done_after_the_code(
    app: Flask, later: FlaskClient, session: Session
) -> None:
    held = submit(later, "/account/tokens", {"name": "screen & wall"}, page="/account")
    assert held.status_code == 403
    assert tokens(session) == []
    done = press(later, held, "/confirm", confirm_code=code_of(app))
    assert "Your new token" in done.get_data(as_text=True)
    assert tokens(session) == ["screen & wall"]


def test_a_wrong_code_does_nothing_and_keeps_the_act(
    app: Flask, later: FlaskClient, session: Session
) -> None:
    held = submit(later, "/account/tokens", {"name": "screen"}, page="/account")
    wrong = press(later, held, "/confirm", confirm_code="000000")
    assert wrong.status_code == 422
    assert tokens(session) == []
    press(later, wrong, "/confirm", confirm_code=code_of(app))
    assert tokens(session) == ["screen"]


def test_a_page_comes_after_the_code(app: Flask, later: FlaskClient) -> None:
    asked = later.get("/account/app", follow_redirects=True)
    done = press(later, asked, "/confirm", confirm_code=code_of(app))
    assert done.request.path == "/account/app"
    assert "Use this app" in done.get_data(as_text=True)


def test_the_token_of_the_browser_changes_with_the_proof(app: Flask, later: FlaskClient) -> None:
    before = later.get_cookie("sid")
    submit(later, "/confirm", {"confirm_code": code_of(app)})
    after = later.get_cookie("sid")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    copied = app.test_client()
    copied.set_cookie("sid", before.value)
    assert copied.get("/account").status_code == 303


def test_neither_the_password_nor_a_recovery_code_is_proof_enough(
    app: Flask, later: FlaskClient, session: Session
) -> None:
    with app.app_context(), transaction() as within:
        staff = within.scalars(select(Staff).where(Staff.email == EMAIL)).one()
        mine = within.scalars(select(SignIn.id).where(SignIn.staff_id == staff.id)).one()
        codes = renew_recovery_codes(within, staff.id, keep=mine, now=datetime.now(UTC))
    for given in (PASSWORD[:40], codes[0]):
        assert submit(later, "/confirm", {"confirm_code": given}).status_code == 422
    assert later.get("/account/app").status_code == 303


@pytest.mark.one_database
def test_guessing_codes_there_is_braked(later: FlaskClient) -> None:
    statuses = [
        submit(later, "/confirm", {"confirm_code": "000000"}).status_code for _ in range(30)
    ]
    assert statuses == [422] * TRIES_PER_ACCOUNT + [429] * (30 - TRIES_PER_ACCOUNT)


@pytest.mark.one_database
def test_a_password_is_not_held_in_the_page(later: FlaskClient) -> None:
    typed = {"current": "old-secret-words", "password": "new-secret-words", "again": "new-secret"}
    page = submit(later, "/account/password", typed, page="/account").get_data(as_text=True)
    assert "secret" not in page


@pytest.mark.one_database
@pytest.mark.parametrize("to", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_the_way_on_stays_in_the_house(app: Flask, later: FlaskClient, to: str) -> None:
    data = {"confirm_code": code_of(app), "confirm_to": to, "confirm_sends": "1"}
    assert submit(later, "/confirm", data).location == "/account"


@pytest.mark.one_database
def test_another_app_takes_the_place_of_the_first_and_ends_other_sign_ins(
    app: Flask, sign_in_as: SignInAs
) -> None:
    client, other = sign_in_as(Role.COUNSELLOR, email=EMAIL), app.test_client()
    be_signed_in(other, EMAIL)
    assert other.get("/account").status_code == 200
    page = client.get("/account/app").get_data(as_text=True)
    key = re.search(r'id="app-key">([A-Z2-7 ]+)<', page)
    assert key is not None

    code = pyotp.TOTP(key.group(1).replace(" ", "")).now()
    answer = submit(client, "/account/app", {"code": code})
    assert "Keep these recovery codes" in answer.get_data(as_text=True)
    assert client.get("/account").status_code == 200
    assert other.get("/account").status_code == 303
    with app.app_context():
        assert next_code(EMAIL) == code


def test_new_recovery_codes_end_other_sign_ins_and_both_page_and_text_say_so(
    app: Flask, sign_in_as: SignInAs, session: Session
) -> None:
    client, other = sign_in_as(Role.COUNSELLOR, email=EMAIL), app.test_client()
    be_signed_in(other, EMAIL)
    with app.app_context(), transaction() as within:
        within.scalars(select(Staff).where(Staff.email == EMAIL)).one().phone = "+447700900777"
    assert "your other sign-ins" in page_of(client, "/account")
    answer = submit(client, "/account/recovery-codes", {}, page="/account")
    assert "your other sign-ins are ended" in answer.get_data(as_text=True)
    assert client.get("/account").status_code == 200
    assert other.get("/account").status_code == 303
    told = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id.desc()).limit(1)).one()
    assert "other sign-ins ended" in told.body


def test_what_was_sent_too_late_waits_sealed_for_its_sender_and_nobody_else(
    app: Flask, sign_in_as: SignInAs, session: Session
) -> None:
    client = sign_in_as(Role.COUNSELLOR, email=EMAIL)
    with time_machine.travel(datetime.now(UTC), tick=False) as now:
        form = {"name": "what we spoke of", "csrf_token": csrf_token(page_of(client, "/account"))}
        now.shift(timedelta(minutes=30))
        late = client.post("/account/tokens", data=form)
        assert late.status_code == 401
        assert "What you sent is kept" in late.get_data(as_text=True)
        assert b"spoke" not in (session.scalars(select(HeldForm)).one().fields_sealed or b"")
        assert page_of(sign_in_as(Role.COUNSELLOR), "/account/held").count("spoke") == 0
        answer = sign_in(client, EMAIL, next="/account/held")
        assert answer.location == "/account/held"
        shown = client.get("/account/held")
        assert "what we spoke of" in shown.get_data(as_text=True)
        press(client, shown, "/account/held")
    assert tokens(session) == ["what we spoke of"]
    assert session.scalars(select(HeldForm)).all() == []


@pytest.mark.one_database
def test_what_was_sent_too_late_can_be_thrown_away(
    app: Flask, sign_in_as: SignInAs, session: Session
) -> None:
    client = sign_in_as(Role.COUNSELLOR, email=EMAIL)
    with app.app_context(), transaction() as within:
        staff = within.scalars(select(Staff).where(Staff.email == EMAIL)).one()
        form = Held("/account/tokens", [("name", "a b")], datetime.now(UTC))
        hold(within, staff.id, form)
    submit(client, "/account/held/drop", {}, page="/account/held")
    assert client.get("/account/held").location == "/desk"
    assert tokens(session) == []


def page_of(client: FlaskClient, path: str) -> str:
    return client.get(path).get_data(as_text=True)
