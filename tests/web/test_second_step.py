"""The second step of signing in, through the pages, and who tries to get around it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from callback_service.domain.signing_in import HALF_WAY_LIMIT, RECOVERY_CODES
from callback_service.extensions import db
from callback_service.models.audit import AuditEntry
from callback_service.models.staff import RecoveryCode, Staff
from callback_service.services.tries import STRANGERS_TRIES, TRIES_PER_ACCOUNT
from tests.support.builders import PASSWORD, make_staff
from tests.support.pages import submit
from tests.support.signing_in import code_at, sign_in

OWNER = "owner@example.org"
CODE = re.compile(r"<code>([a-z2-9]{4}-[a-z2-9]{4}-[a-z2-9]{4})</code>")
KEY = re.compile(r'<code id="app-key">([A-Z2-7 ]+)</code>')


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A session of its own: in a shared application context, requests would share theirs."""
    with app.app_context():
        engine = db.engine
    with Session(engine) as session:
        yield session


@pytest.fixture
def owner(session: Session) -> Staff:
    """A counsellor with an app, committed."""
    staff = make_staff(session, email=OWNER)
    session.commit()
    return staff


@pytest.fixture
def newcomer(session: Session) -> Staff:
    """A counsellor who has set up no app yet, committed."""
    staff = make_staff(session, email=OWNER, app_key=None)
    session.commit()
    return staff


def give_password(client: FlaskClient) -> TestResponse:
    return submit(client, "/sign-in", {"email": OWNER, "password": PASSWORD})


def token_of(client: FlaskClient) -> str:
    cookie = client.get_cookie("sid")
    assert cookie is not None
    return cookie.value


def key_of(page: TestResponse) -> str:
    found = KEY.search(page.get_data(as_text=True))
    assert found is not None, page.get_data(as_text=True)
    return found.group(1).replace(" ", "")


def set_up(client: FlaskClient) -> list[str]:
    """Finish a set-up; the recovery codes."""
    key = key_of(client.get("/sign-in/set-up"))
    answer = submit(client, "/sign-in/set-up", {"code": code_at(datetime.now(UTC), key=key)})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return CODE.findall(answer.get_data(as_text=True))


def test_a_code_works_once(app: Flask, client: FlaskClient, owner: Staff) -> None:
    with time_machine.travel("2026-11-25 20:00:05Z", tick=False):
        code = code_at(datetime.now(UTC))
        give_password(client)
        assert submit(client, "/sign-in/code", {"code": code}).location == "/desk"
        thief = app.test_client()
        give_password(thief)
        answer = submit(thief, "/sign-in/code", {"code": code})
    assert answer.status_code == 422
    assert "was used already" in answer.get_data(as_text=True)
    assert thief.get("/account").status_code == 303


def test_each_step_changes_the_token_and_the_one_before_is_dead(
    app: Flask, client: FlaskClient, owner: Staff
) -> None:
    give_password(client)
    half = token_of(client)
    submit(client, "/sign-in/code", {"code": code_at(datetime.now(UTC))})
    assert token_of(client) != half
    copied = app.test_client()
    copied.set_cookie("sid", half)
    assert copied.get("/account").location.startswith("/sign-in?")
    assert client.get("/account").status_code == 200


def test_the_page_that_was_wanted_comes_after_both_steps(client: FlaskClient, owner: Staff) -> None:
    first = submit(client, "/sign-in", {"email": OWNER, "password": PASSWORD, "next": "/account"})
    assert first.location == "/sign-in/code?next=/account"
    data = {"code": code_at(datetime.now(UTC)), "next": "/account"}
    assert submit(client, "/sign-in/code", data).location == "/account"


@pytest.mark.one_database
def test_what_is_half_done_after_ten_minutes_begins_again(app: Flask, owner: Staff) -> None:
    with time_machine.travel("2026-11-25 20:00:00Z", tick=False) as clock:
        client = app.test_client()
        give_password(client)
        clock.shift(HALF_WAY_LIMIT)
        answer = client.get("/sign-in/code")
        assert answer.location.startswith("/sign-in?next=")
        assert "took too long" in client.get(answer.location).get_data(as_text=True)


def test_a_newcomer_sets_up_an_app_and_gets_recovery_codes_once(
    client: FlaskClient, session: Session, newcomer: Staff
) -> None:
    give_password(client)
    assert client.get("/sign-in/code").location == "/sign-in/set-up"
    codes = set_up(client)
    assert len(set(codes)) == RECOVERY_CODES
    assert client.get("/account").status_code == 200
    assert client.get("/sign-in/set-up").location == "/desk"
    assert codes[0] not in client.get("/account").get_data(as_text=True)
    session.expire_all()
    kept = session.scalars(select(RecoveryCode.digest)).all()
    assert len(kept) == RECOVERY_CODES
    assert codes[0].replace("-", "").encode() not in b"".join(kept)


def test_the_key_is_sealed_in_the_database(
    client: FlaskClient, session: Session, newcomer: Staff
) -> None:
    give_password(client)
    key = key_of(client.get("/sign-in/set-up"))
    set_up(client)
    session.expire_all()
    staff = session.scalars(select(Staff)).one()
    assert staff.totp_secret == key
    assert key.encode() not in (staff.totp_secret_sealed or b"")


def test_a_set_up_begun_before_the_owners_is_refused_after_it(
    app: Flask, client: FlaskClient, newcomer: Staff
) -> None:
    thief = app.test_client()
    give_password(thief)
    key = key_of(thief.get("/sign-in/set-up"))
    page = thief.get("/sign-in/set-up").get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token is not None
    give_password(client)
    set_up(client)
    code = code_at(datetime.now(UTC), key=key)
    answer = thief.post("/sign-in/set-up", data={"code": code, "csrf_token": token.group(1)})
    assert answer.status_code in {401, 403}
    assert thief.get("/account").status_code == 303


def test_who_has_an_app_cannot_set_up_another_with_the_password_alone(
    client: FlaskClient, owner: Staff
) -> None:
    give_password(client)
    assert client.get("/sign-in/set-up").status_code == 403


@pytest.mark.one_database
def test_the_set_up_page_draws_its_code_within_the_policy_and_says_the_key_in_text(
    client: FlaskClient, newcomer: Staff
) -> None:
    give_password(client)
    page = client.get("/sign-in/set-up").get_data(as_text=True)
    assert "<svg" in page
    assert "style=" not in page
    assert "data:" not in page
    assert KEY.search(page)
    assert "noindex" in page


def test_a_recovery_code_lets_in_once(app: Flask, client: FlaskClient, newcomer: Staff) -> None:
    give_password(client)
    codes = set_up(client)
    other = app.test_client()
    give_password(other)
    answer = submit(other, "/sign-in/recovery-code", {"code": codes[0].upper()})
    assert answer.location == "/desk"
    assert "You have 7 recovery codes left." in other.get("/account").get_data(as_text=True)
    third = app.test_client()
    give_password(third)
    assert submit(third, "/sign-in/recovery-code", {"code": codes[0]}).status_code == 422
    assert submit(third, "/sign-in/recovery-code", {"code": codes[1]}).status_code == 303


@pytest.mark.one_database
def test_who_has_few_recovery_codes_is_told_so(
    app: Flask, client: FlaskClient, newcomer: Staff
) -> None:
    give_password(client)
    codes = set_up(client)
    answers = []
    for code in codes[:6]:
        browser = app.test_client()
        give_password(browser)
        answers.append(submit(browser, "/sign-in/recovery-code", {"code": code}).location)
    assert answers == ["/desk"] * 5 + ["/account"]
    assert "You have 2 recovery codes left" in client.get("/account").get_data(as_text=True)


@pytest.mark.one_database
def test_new_recovery_codes_end_the_old(app: Flask, client: FlaskClient, newcomer: Staff) -> None:
    give_password(client)
    old = set_up(client)
    page = submit(client, "/account/recovery-codes", {}, page="/account").get_data(as_text=True)
    new = CODE.findall(page)
    assert len(new) == RECOVERY_CODES
    browser = app.test_client()
    give_password(browser)
    assert submit(browser, "/sign-in/recovery-code", {"code": old[0]}).status_code == 422
    assert submit(browser, "/sign-in/recovery-code", {"code": new[0]}).status_code == 303


@pytest.mark.parametrize("path", ["/sign-in/code", "/sign-in/recovery-code"])
def test_thirty_guesses_at_a_code_are_braked(
    client: FlaskClient, session: Session, owner: Staff, path: str
) -> None:
    give_password(client)
    statuses = [submit(client, path, {"code": "000000"}).status_code for _ in range(30)]
    assert statuses == [422] * TRIES_PER_ACCOUNT + [429] * (30 - TRIES_PER_ACCOUNT)
    refused = select(AuditEntry.id).where(AuditEntry.action == "staff.sign_in_refused")
    assert len(session.scalars(refused).all()) == TRIES_PER_ACCOUNT


@pytest.mark.one_database
def test_giving_the_password_again_wins_no_more_guesses(client: FlaskClient, owner: Staff) -> None:
    for _ in range(TRIES_PER_ACCOUNT):
        give_password(client)
        assert submit(client, "/sign-in/code", {"code": "000000"}).status_code == 422
    give_password(client)
    assert submit(client, "/sign-in/code", {"code": "000000"}).status_code == 429


@pytest.mark.one_database
def test_strangers_who_know_the_password_use_up_no_try_of_the_owners_browser(
    app: Flask, client: FlaskClient, owner: Staff
) -> None:
    sign_in(client, OWNER)
    submit(client, "/sign-out", {}, page="/account")
    stranger = app.test_client()
    for number in range(4):
        stranger = app.test_client()
        stranger.environ_base["REMOTE_ADDR"] = f"203.0.113.{number}"
        give_password(stranger)
        for _ in range(TRIES_PER_ACCOUNT):
            submit(stranger, "/sign-in/code", {"code": "000000"})
    give_password(stranger)
    assert submit(stranger, "/sign-in/code", {"code": "000000"}).status_code == 429
    assert min(STRANGERS_TRIES.values()) >= TRIES_PER_ACCOUNT
    assert sign_in(client, OWNER).location == "/desk"


@pytest.mark.one_database
def test_the_codes_of_a_demonstration_are_shown_in_a_demonstration_only(
    app: Flask, client: FlaskClient, owner: Staff
) -> None:
    assert client.get("/demo").status_code == 404
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=1), tick=False):
        app.config["SETTINGS"] = dataclasses.replace(app.config["SETTINGS"], demo=True)
        page = client.get("/demo").get_data(as_text=True)
        assert f'data-code-of="{OWNER}">{code_at(datetime.now(UTC))}<' in page
        assert client.get("/demo", headers={"Host": "127.0.0.1:8000"}).status_code == 200
        assert client.get("/demo", headers={"Host": "[::1]:8000"}).status_code == 200
        assert client.get("/demo", headers={"Host": "elsewhere.example"}).status_code == 404
