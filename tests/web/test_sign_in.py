"""Signing in and out, one-time links and one's own account, through the pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from callback_service import create_app
from callback_service.config import Settings
from callback_service.domain.staff import Role
from callback_service.extensions import db
from callback_service.models.audit import AuditEntry
from callback_service.models.staff import SignIn, SignInAttempt, Staff
from callback_service.services import accounts, tries
from callback_service.web.entering import device_name
from tests.support.builders import PASSWORD, make_staff
from tests.support.pages import csrf_token, submit, without_chance
from tests.support.settings import make_settings
from tests.support.signing_in import sign_in as sign_in_twice

NEW_PASSWORD = "lantern-gravel-teapot-42"
SignInAs = Callable[..., FlaskClient]


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A session of its own: in a shared application context, requests would share theirs."""
    with app.app_context():
        engine = db.engine
    with Session(engine) as session:
        yield session


@pytest.fixture
def owner(session: Session) -> Staff:
    """A counsellor, committed."""
    staff = make_staff(session, email="owner@example.org")
    session.commit()
    return staff


def enter(client: FlaskClient, password: str = PASSWORD, **more: str) -> TestResponse:
    return sign_in_twice(client, "owner@example.org", password, **more)


def set_cookie_of(answer: TestResponse) -> str:
    return next(c for c in answer.headers.getlist("Set-Cookie") if "sid=" in c)


def token_of(client: FlaskClient) -> str:
    cookie = client.get_cookie("sid")
    assert cookie is not None
    return cookie.value


def with_token(app: Flask, token: str) -> FlaskClient:
    """A thief's browser: it has the cookie and nothing else."""
    client = app.test_client()
    client.set_cookie("sid", token)
    return client


def make_invitation(session: Session, settings: Settings) -> str:
    token = accounts.invite(
        session,
        email="new@example.org",
        name="Robin Vale",
        role=Role.COUNSELLOR,
        secret_key=settings.secret_key,
        now=datetime.now(UTC),
    )
    session.commit()
    return f"/invitation/{token}"


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("role", "home"),
    [(Role.COUNSELLOR, "/desk"), (Role.MANAGER, "/cover"), (Role.ADMINISTRATOR, "/staff")],
)
def test_each_role_comes_home_to_its_own_page(
    client: FlaskClient, session: Session, role: Role, home: str
) -> None:
    make_staff(session, role=role, email="owner@example.org")
    session.commit()
    answer = enter(client)
    assert (answer.status_code, answer.location) == (303, home)
    assert client.get("/sign-in").location == home


@pytest.mark.one_database
def test_the_cookie_is_out_of_reach_of_scripts_and_ends_with_the_browser(
    client: FlaskClient, owner: Staff
) -> None:
    parts = {part.strip() for part in set_cookie_of(enter(client)).split(";")}
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= parts
    assert not any(part.startswith(("Expires", "Max-Age", "Domain")) for part in parts)


@pytest.mark.one_database
def test_over_https_the_cookie_is_bound_to_this_very_host(
    database_url: str, tmp_path: Path
) -> None:
    base = "https://callback.example.org"
    app = create_app(make_settings(database_url, tmp_path, PUBLIC_BASE_URL=base))
    client = app.test_client()
    with app.test_request_context():
        from callback_service.web import access

        answer = app.make_response("")
        access.give_cookie(answer, "token")
    assert client.get("/sign-in").status_code == 200
    assert answer.headers["Set-Cookie"] == (
        "__Host-sid=token; Secure; HttpOnly; Path=/; SameSite=Lax"
    )


def test_a_token_handed_to_the_browser_before_is_not_taken_over(
    app: Flask, client: FlaskClient, owner: Staff
) -> None:
    client.set_cookie("sid", "planted-by-somebody-else")
    enter(client)
    assert token_of(client) != "planted-by-somebody-else"
    assert with_token(app, "planted-by-somebody-else").get("/account").status_code == 303


@pytest.mark.one_database
def test_nothing_of_the_browsers_session_from_before_is_carried_in(
    client: FlaskClient, owner: Staff
) -> None:
    client.get("/sign-in")
    with client.session_transaction() as browser_session:
        browser_session["planted"] = True
        before = browser_session["csrf_token"]
    enter(client)
    with client.session_transaction() as browser_session:
        assert "planted" not in browser_session
        assert browser_session.get("csrf_token") != before


def test_signing_in_again_ends_the_sign_in_before(
    app: Flask, client: FlaskClient, owner: Staff
) -> None:
    enter(client)
    first = token_of(client)
    client.post(
        "/sign-in",
        data={
            "email": owner.email,
            "password": PASSWORD,
            "csrf_token": csrf_token(client.get("/account").get_data(as_text=True)),
        },
    )
    assert token_of(client) != first
    assert with_token(app, first).get("/account").status_code == 303
    assert client.get("/account").location == "/sign-in/code?next=/account"


def test_a_copied_cookie_is_dead_after_sign_out(
    app: Flask, client: FlaskClient, owner: Staff
) -> None:
    enter(client)
    thief = with_token(app, token_of(client))
    assert thief.get("/account").status_code == 200
    answer = submit(client, "/sign-out", {}, page="/account")
    assert answer.status_code == 303
    assert answer.headers["Clear-Site-Data"] == '"storage"'
    assert client.get_cookie("sid") is None
    assert client.get_cookie("device") is not None
    assert thief.get("/account").status_code == 303
    assert "You are signed out." in client.get(answer.location).get_data(as_text=True)


def test_unknown_wrong_disabled_and_invited_get_the_same_answer(
    app: Flask, session: Session, settings: Settings, owner: Staff
) -> None:
    make_staff(session, email="off@example.org").is_active = False
    make_invitation(session, settings)
    emails = ("owner@example.org", "nobody@example.org", "off@example.org", "new@example.org")
    answers = []
    for email in emails:
        answer = submit(app.test_client(), "/sign-in", {"email": email, "password": "wrong"})
        page = answer.get_data(as_text=True).replace(email, "EMAIL")
        answers.append((answer.status_code, without_chance(page), len(answer.headers)))
    assert answers[0][0] == 422
    assert "The e-mail address or the password is not right." in answers[0][1]
    assert answers.count(answers[0]) == len(emails)


@pytest.mark.one_database
def test_a_refused_password_is_never_sent_back(client: FlaskClient, owner: Staff) -> None:
    page = enter(client, "not-the-password-at-all").get_data(as_text=True)
    assert "not-the-password-at-all" not in page
    assert "owner@example.org" in page


def test_after_ten_wrong_tries_the_right_password_must_wait_too_and_all_were_counted(
    client: FlaskClient, session: Session, owner: Staff
) -> None:
    for _ in range(tries.TRIES_PER_ACCOUNT):
        assert enter(client, "wrong").status_code == 422
    answer = enter(client)
    assert answer.status_code == 429
    assert "Wait 15 minutes" in answer.get_data(as_text=True)
    session.rollback()
    assert len(session.scalars(select(SignInAttempt)).all()) == tries.TRIES_PER_ACCOUNT
    refused = session.scalars(
        select(AuditEntry.id).where(AuditEntry.action == "staff.sign_in_refused")
    ).all()
    assert len(refused) == tries.TRIES_PER_ACCOUNT
    with time_machine.travel(datetime.now(UTC) + tries.TRIES_WINDOW, tick=False):
        assert enter(client).status_code == 303


def test_a_stranger_elsewhere_does_not_keep_the_owner_out(
    app: Flask, client: FlaskClient, owner: Staff
) -> None:
    stranger = app.test_client()
    stranger.environ_base["REMOTE_ADDR"] = "203.0.113.9"
    for _ in range(tries.TRIES_PER_ACCOUNT):
        enter(stranger, "wrong")
    assert enter(stranger).status_code == 429
    assert enter(client).status_code == 303


@pytest.mark.one_database
def test_an_empty_form_says_what_is_missing(client: FlaskClient) -> None:
    answer = submit(client, "/sign-in", {})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "Enter your e-mail address." in page
    assert "Enter your password." in page


@pytest.mark.one_database
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/account/password", "/staff"])
def test_a_form_without_its_token_is_refused(sign_in_as: SignInAs, path: str) -> None:
    client = sign_in_as(Role.ADMINISTRATOR)
    assert client.post(path, data={"email": "x@example.org"}).status_code == 400
    assert client.get("/account").status_code == 200


def test_thirty_minutes_without_use_lead_to_the_sign_in_page_which_says_so(
    app: Flask, session: Session, owner: Staff
) -> None:
    with time_machine.travel("2026-11-25 20:00:00Z", tick=False) as clock:
        client = app.test_client()
        enter(client)
        clock.shift(timedelta(minutes=29))
        assert client.get("/account").status_code == 200
        clock.shift(timedelta(minutes=30))
        answer = client.get("/account?x=1")
        assert answer.status_code == 303
        page = client.get(answer.location).get_data(as_text=True)
        assert "You were signed out after a time without use." in page
        assert 'value="/account?x=1"' in page
    session.rollback()
    assert session.scalars(select(SignIn)).all() == []


def test_a_page_that_refreshes_itself_is_not_use(app: Flask, owner: Staff) -> None:
    with time_machine.travel("2026-11-25 20:00:00Z", tick=False) as clock:
        client = app.test_client()
        enter(client)
        for _ in range(2):
            clock.shift(timedelta(minutes=14))
            assert client.get("/account", headers={"HX-Request": "true"}).status_code == 200
        clock.shift(timedelta(minutes=2))
        poll = client.get("/account", headers={"HX-Request": "true"})
        assert poll.status_code == 401


def test_a_form_sent_after_the_sign_in_ran_out_says_that_nothing_was_changed(
    app: Flask, owner: Staff
) -> None:
    with time_machine.travel("2026-11-25 20:00:00Z", tick=False) as clock:
        client = app.test_client()
        enter(client)
        token = csrf_token(client.get("/account").get_data(as_text=True))
        clock.shift(timedelta(minutes=30))
        answer = client.post(
            "/account/password",
            data={"csrf_token": token},
            headers={"HX-Current-URL": "http://localhost/account"},
        )
    page = answer.get_data(as_text=True)
    assert answer.status_code == 401
    assert "You were signed out after a time without use. Nothing was changed." in page
    assert 'name="next" value="/account"' in page


@pytest.mark.one_database
def test_twelve_hours_are_the_end_of_any_sign_in(app: Flask, owner: Staff) -> None:
    with time_machine.travel("2026-11-25 08:00:00Z", tick=False) as clock:
        client = app.test_client()
        enter(client)
        for _ in range(36):
            clock.shift(timedelta(minutes=19, seconds=59))
            assert client.get("/account").status_code == 200
        clock.shift(timedelta(minutes=1))
        assert "ended=age" in client.get("/account").location


def test_a_disabled_person_is_out_at_the_next_request_and_not_revived(
    app: Flask, client: FlaskClient, sign_in_as: SignInAs, owner: Staff
) -> None:
    enter(client)
    staff_id = owner.id
    administrator = sign_in_as(Role.ADMINISTRATOR)
    submit(administrator, f"/staff/{staff_id}/disable", {}, page="/staff")
    assert client.get("/account").status_code == 303
    submit(administrator, f"/staff/{staff_id}/enable", {}, page="/staff")
    assert client.get("/account").status_code == 303


def test_an_invitation_link_lets_in_once(
    app: Flask, client: FlaskClient, session: Session, settings: Settings
) -> None:
    link = make_invitation(session, settings)
    passwords = {"password": NEW_PASSWORD, "again": NEW_PASSWORD}
    page = client.get(link).get_data(as_text=True)
    assert "Robin Vale" in page
    assert submit(client, link, passwords).location == "/sign-in/code"
    assert client.get("/sign-in/code").location == "/sign-in/set-up"
    other = app.test_client()
    assert other.get(link).status_code == 404
    token = csrf_token(other.get("/sign-in").get_data(as_text=True))
    assert other.post(link, data={**passwords, "csrf_token": token}).status_code == 404
    assert other.get_cookie("sid") is None


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("password", "again", "reason"),
    [
        ("short", "short", "Use at least 15 characters."),
        ("callback lantern teapot", "callback lantern teapot", "Leave out your name"),
        (NEW_PASSWORD, NEW_PASSWORD + "x", "The two passwords are not the same."),
        ("", "", "Enter a new password."),
    ],
)
def test_a_password_that_will_not_do_is_refused_and_the_link_stays_good(
    client: FlaskClient,
    session: Session,
    settings: Settings,
    password: str,
    again: str,
    reason: str,
) -> None:
    link = make_invitation(session, settings)
    answer = submit(client, link, {"password": password, "again": again})
    assert answer.status_code == 422
    assert reason in answer.get_data(as_text=True)
    good = {"password": NEW_PASSWORD, "again": NEW_PASSWORD}
    assert submit(client, link, good).status_code == 303


@pytest.mark.one_database
def test_a_made_up_link_is_not_found(client: FlaskClient) -> None:
    for made_up in ("x", "WzEsIngiLDFd.signature", "%00", "é" * 40):
        assert client.get(f"/invitation/{made_up}").status_code == 404


def test_the_own_page_lists_sign_ins_and_ends_the_others(
    app: Flask, client: FlaskClient, owner: Staff
) -> None:
    other = app.test_client()
    other.environ_base["HTTP_USER_AGENT"] = "Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0"
    enter(other)
    enter(client)
    page = client.get("/account").get_data(as_text=True)
    assert "Firefox on Linux" in page
    assert page.count("This one") == 1
    answer = submit(client, "/account/sign-ins/end-others", {}, page="/account")
    assert answer.location == "/account"
    assert other.get("/account").status_code == 303
    assert "You are signed in nowhere else." in client.get("/account").get_data(as_text=True)


def test_changing_the_password_needs_the_one_that_holds_and_ends_other_sign_ins(
    app: Flask, client: FlaskClient, owner: Staff
) -> None:
    other = app.test_client()
    enter(other)
    enter(client)
    before = token_of(client)
    new = {"password": NEW_PASSWORD, "again": NEW_PASSWORD}
    wrong = submit(client, "/account/password", {"current": "wrong", **new}, page="/account")
    assert wrong.status_code == 422
    assert "This is not your password." in wrong.get_data(as_text=True)
    assert other.get("/account").status_code == 200
    right = submit(client, "/account/password", {"current": PASSWORD, **new}, page="/account")
    assert right.location == "/account"
    assert token_of(client) != before
    assert "Your password is changed." in client.get("/account").get_data(as_text=True)
    assert other.get("/account").status_code == 303
    assert enter(app.test_client()).status_code == 422
    assert enter(app.test_client(), NEW_PASSWORD).status_code == 303


@pytest.mark.one_database
def test_guessing_the_password_on_the_own_page_is_braked_too(
    client: FlaskClient, owner: Staff
) -> None:
    enter(client)
    guess = {"current": "wrong", "password": NEW_PASSWORD, "again": NEW_PASSWORD}
    for _ in range(tries.TRIES_PER_ACCOUNT):
        assert submit(client, "/account/password", guess, page="/account").status_code == 422
    assert submit(client, "/account/password", guess, page="/account").status_code == 429


@pytest.mark.one_database
def test_a_foreign_host_does_not_change_where_anything_leads(
    client: FlaskClient, owner: Staff
) -> None:
    foreign = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    for path in ("/sign-in", "/account"):
        answer = client.get(path, headers=foreign)
        assert "evil.example" not in str(answer.headers)
        assert "evil.example" not in answer.get_data(as_text=True)


@pytest.mark.one_database
def test_no_page_of_accounts_holds_the_token_or_a_hash(client: FlaskClient, owner: Staff) -> None:
    enter(client)
    page = client.get("/account").get_data(as_text=True)
    assert token_of(client) not in page
    assert not re.search(r"argon2", page)


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/150.0 Safari/537.36 Edg/150.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; like Mac OS X) Version/19.0 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Android 16; Mobile; rv:150.0) Firefox/150.0", "Firefox on Android"),
        ("curl/9", "A browser on an unknown device"),
    ],
)
def test_a_device_is_named_in_words_its_owner_knows(user_agent: str, name: str) -> None:
    assert device_name(user_agent) == name
