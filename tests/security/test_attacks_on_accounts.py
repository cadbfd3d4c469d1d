"""Attacks on accounts through the front door, as strangers and thieves make them.

Which test stands for which attack is in ``docs/attacks-on-accounts.md``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from callback_service.config import Settings
from callback_service.domain.signing_in import FRESH_FOR
from callback_service.domain.staff import Role
from callback_service.errors import BadInput
from callback_service.extensions import db
from callback_service.models.staff import SignIn, SignInAttempt, Staff
from callback_service.services import account_changes, accounts, sign_in
from callback_service.services.tries import TRIES_PER_NETWORK
from callback_service.web.access import marks
from tests.support.builders import PASSWORD, make_staff
from tests.support.pages import csrf_token, submit, without_chance
from tests.support.settings import ROOT
from tests.support.signing_in import next_code
from tests.support.signing_in import sign_in as take_both_steps

SignInAs = Callable[..., FlaskClient]
OWNER = "owner@example.org"
NEW = {"password": "lantern-gravel-teapot-42", "again": "lantern-gravel-teapot-42"}
GUESSES = 30
LATER = FRESH_FOR + timedelta(seconds=1)


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
    staff = make_staff(session, email=OWNER)
    session.commit()
    return staff


def invited(session: Session, settings: Settings, *, email: str = "new@example.org") -> str:
    """The path of an invitation's link."""
    token = accounts.invite(
        session, email=email, name="Robin Vale", role=Role.COUNSELLOR,
        secret_key=settings.secret_key, now=datetime.now(UTC),
    )  # fmt: skip
    session.commit()
    return f"/invitation/{token}"


def browser_at(app: Flask, address: str) -> FlaskClient:
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = address
    return client


# Guessing


def test_two_hundred_wrong_tries_from_fifty_addresses_keep_the_owner_in_at_a_known_browser(
    app: Flask, owner: Staff
) -> None:
    mine = browser_at(app, "203.0.113.200")
    assert take_both_steps(mine, OWNER).status_code == 303
    submit(mine, "/sign-out", {}, page="/account")
    strangers = [browser_at(app, f"198.51.{n // 10 + 1}.{n}") for n in range(50)]
    tokens = [csrf_token(stranger.get("/sign-in").text) for stranger in strangers]
    statuses = [
        stranger.post(
            "/sign-in", data={"email": OWNER, "password": f"wrong {n}", "csrf_token": token}
        ).status_code
        for n in range(4)
        for stranger, token in zip(strangers, tokens, strict=True)
    ]
    assert len(statuses) == 200
    assert set(statuses) == {422, 429}
    assert statuses.count(422) == 50  # so many were looked at; the rest cost us nothing
    assert take_both_steps(mine, OWNER).status_code == 303
    assert mine.get("/account").status_code == 200


def guess_password(client: FlaskClient, settings: Settings, n: int) -> TestResponse:
    return submit(client, "/sign-in", {"email": OWNER, "password": f"wrong {n}"})


def guess_code(client: FlaskClient, settings: Settings, n: int) -> TestResponse:
    return submit(client, "/sign-in/code", {"code": f"{n:06}"})


def guess_recovery_code(client: FlaskClient, settings: Settings, n: int) -> TestResponse:
    return submit(client, "/sign-in/recovery-code", {"code": f"aaaa-bbbb-{n:04}"})


def guess_at_set_up(client: FlaskClient, settings: Settings, n: int) -> TestResponse:
    return submit(client, "/sign-in/set-up", {"code": f"{n:06}"})


def guess_own_password(client: FlaskClient, settings: Settings, n: int) -> TestResponse:
    return submit(client, "/account/password", {"current": f"wrong {n}", **NEW}, page="/account")


def guess_at_confirming(client: FlaskClient, settings: Settings, n: int) -> TestResponse:
    return submit(client, "/confirm", {"confirm_code": f"{n:06}", "confirm_to": "/account"})


def half_way(client: FlaskClient) -> None:
    submit(client, "/sign-in", {"email": OWNER, "password": PASSWORD})


def all_the_way(client: FlaskClient) -> None:
    take_both_steps(client, OWNER)


def no_way(client: FlaskClient) -> None:
    """Nothing is known."""


@pytest.mark.parametrize(
    ("prepare", "guess", "has_app"),
    [
        (no_way, guess_password, True),
        (half_way, guess_code, True),
        (half_way, guess_recovery_code, True),
        (half_way, guess_at_set_up, False),
        (all_the_way, guess_own_password, True),
        (all_the_way, guess_at_confirming, True),
    ],
)
def test_thirty_guesses_at_any_form_are_ten(
    client: FlaskClient,
    session: Session,
    settings: Settings,
    prepare: Callable[[FlaskClient], None],
    guess: Callable[[FlaskClient, Settings, int], TestResponse],
    has_app: bool,
) -> None:
    staff = make_staff(session, email=OWNER)
    staff.totp_secret = staff.totp_secret if has_app else None
    session.commit()
    prepare(client)
    statuses = [guess(client, settings, n).status_code for n in range(GUESSES)]
    assert statuses == [422] * 10 + [429] * (GUESSES - 10)


def test_of_a_hundred_and_twenty_guesses_at_links_a_hundred_are_looked_at(
    client: FlaskClient, session: Session
) -> None:
    token = csrf_token(client.get("/sign-in").text)
    form = {**NEW, "csrf_token": token}
    statuses = {client.post(f"/invitation/guess-{n}", data=form).status_code for n in range(120)}
    assert statuses == {404}
    assert len(session.scalars(select(SignInAttempt.id)).all()) == TRIES_PER_NETWORK


# Telling whether an account exists


def accounts_of_each_kind(session: Session, settings: Settings) -> list[str]:
    make_staff(session, email=OWNER)
    make_staff(session, email="off@example.org").is_active = False
    invited(session, settings)
    return [OWNER, "nobody@example.org", "off@example.org", "new@example.org"]


def test_a_refused_password_costs_the_same_whoever_it_is_for(
    session: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    emails = accounts_of_each_kind(session, settings)
    verified: list[str] = []
    verify = PasswordHasher.verify

    def watched(hasher: PasswordHasher, kept: str | bytes, given: str | bytes) -> object:
        verified.append(str(kept).rpartition("$")[0].rpartition("$")[0])
        return verify(hasher, kept, given)

    monkeypatch.setattr(PasswordHasher, "verify", watched)
    for email in emails:
        with pytest.raises(BadInput):
            sign_in.check_password(session, email=email, password="wrong")
    assert len(verified) == len(emails)
    assert len(set(verified)) == 1  # the same algorithm, memory and passes


def test_a_refused_password_takes_the_same_time_whoever_it_is_for(
    session: Session, settings: Settings
) -> None:
    emails = accounts_of_each_kind(session, settings)
    quickest = dict.fromkeys(emails, float("inf"))
    for _ in range(7):
        for email in emails:
            began = time.process_time()
            with pytest.raises(BadInput):
                sign_in.check_password(session, email=email, password="wrong")
            quickest[email] = min(quickest[email], time.process_time() - began)
    assert max(quickest.values()) < 1.5 * min(quickest.values())


def test_every_dead_link_gives_the_same_answer(
    app: Flask, session: Session, settings: Settings
) -> None:
    boss = make_staff(session, role=Role.ADMINISTRATOR)
    used, off, late = (
        invited(session, settings, email=f"{n}@example.org") for n in ("used", "off", "late")
    )
    assert submit(app.test_client(), used, NEW).status_code == 303
    disabled = accounts.staff_by_email(session, "off@example.org").id
    account_changes.disable(session, disabled, actor_id=boss.id, now=datetime.now(UTC))
    session.commit()
    made_up = f"{late[:-6]}aaaaaa"
    answers = [app.test_client().get(path) for path in (used, off, made_up, "/invitation/x")]
    with time_machine.travel(datetime.now(UTC) + accounts.INVITATION_LIFETIME, tick=False):
        answers.append(app.test_client().get(late))
    pages = [without_chance(answer.text) for answer in answers]
    assert {answer.status_code for answer in answers} == {404}
    assert set(pages) == {pages[0]}


# Stolen browsers, cookies and pages


def test_a_browser_asked_for_a_passkey_opens_nothing_but_the_answer(
    app: Flask, session: Session
) -> None:
    client = app.test_client()
    token = csrf_token(client.get("/sign-in").text)
    answer = client.post("/sign-in/passkey", data={"csrf_token": token})
    assert answer.status_code == 200
    assert session.scalars(select(SignIn.staff_id)).one() is None
    for rule in app.url_map.iter_rules():
        mark = marks(app)[rule.endpoint]
        is_open = mark is None or mark.is_public or mark.by_token
        if is_open or rule.endpoint == "passkeys.answer" or "GET" not in (rule.methods or ()):
            continue
        address = str(rule.build(dict.fromkeys(rule.arguments, 1))[1])  # type: ignore[index]
        assert client.get(address).status_code in {303, 401}, rule


def test_no_form_of_staff_is_taken_without_its_token(app: Flask, sign_in_as: SignInAs) -> None:
    clients = {role: sign_in_as(role) for role in Role}
    tried = 0
    for rule in app.url_map.iter_rules():
        mark = marks(app)[rule.endpoint]
        if mark is None or mark.is_public or "POST" not in (rule.methods or ()):
            continue
        address = str(rule.build(dict.fromkeys(rule.arguments, 1))[1])  # type: ignore[index]
        for role in mark.roles or set(Role):
            answer = clients[role].post(address, data={"email": "x@example.org"})
            assert answer.status_code == 400, (rule, role)
            tried += 1
    assert tried > 60


def test_a_cookie_copied_before_the_second_step_is_dead_after_it(
    app: Flask, client: FlaskClient, owner: Staff
) -> None:
    half_way(client)
    thief = app.test_client()
    cookie = client.get_cookie("sid")
    assert cookie is not None
    thief.set_cookie("sid", cookie.value)
    with app.app_context():
        code = next_code(OWNER)
    submit(client, "/sign-in/code", {"code": code})
    assert client.get("/account").status_code == 200
    assert thief.get("/account").status_code == 303
    assert thief.get("/sign-in/code").location.startswith("/sign-in?")


@pytest.mark.parametrize("change", ["disabled", "demoted", "moved", "ended"])
def test_a_thief_with_the_cookie_is_out_at_the_next_request_after_any_change(
    app: Flask, client: FlaskClient, session: Session, owner: Staff, change: str
) -> None:
    boss = make_staff(session, role=Role.ADMINISTRATOR)
    session.commit()
    all_the_way(client)
    thief, cookie = app.test_client(), client.get_cookie("sid")
    assert cookie is not None
    thief.set_cookie("sid", cookie.value)
    assert thief.get("/account").status_code == 200
    boss_id, now = boss.id, datetime.now(UTC)
    if change == "disabled":
        account_changes.disable(session, owner.id, actor_id=boss_id, now=now)
        account_changes.enable(session, owner.id, actor_id=boss_id, now=now)
    elif change == "demoted":
        account_changes.change_role(session, owner.id, Role.MANAGER, actor_id=boss_id, now=now)
    elif change == "moved":
        account_changes.change_email(
            session, owner.id, "else@example.org", actor_id=boss_id, now=now
        )
    else:
        account_changes.end_sign_ins(session, owner.id, actor_id=boss_id, now=now)
    session.commit()
    assert thief.get("/account").status_code == 303
    assert client.get("/account").status_code == 303


def test_a_thief_in_an_open_browser_turns_no_text_away_without_a_code(
    client: FlaskClient, session: Session, owner: Staff
) -> None:
    owner.phone = "+447700900101"
    session.commit()
    all_the_way(client)
    with time_machine.travel(datetime.now(UTC) + LATER, tick=False):
        answer = submit(client, "/account/texts", {"phone": "07700 900999"})
    assert answer.status_code == 403
    session.expire_all()
    assert owner.phone == "+447700900101"


# The table


def test_every_test_that_the_table_names_is_there() -> None:
    table = Path(ROOT, "docs", "attacks-on-accounts.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", table)
    assert len(named) > 25
    for path, name in named:
        assert f"def {name}(" in Path(ROOT, path).read_text(encoding="utf-8"), (path, name)
