"""The page on which two people reset a lost second step."""

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
from sqlalchemy.orm import Session

from callback_service.domain.signing_in import FRESH_FOR
from callback_service.domain.staff import Role
from callback_service.extensions import db
from callback_service.models.second_step_reset import SecondStepReset
from callback_service.models.staff import Staff
from tests.support.builders import PASSWORD
from tests.support.pages import submit
from tests.support.signing_in import code_at, sign_in

pytestmark = pytest.mark.one_database  # the services behind it are tried on both

SignInAs = Callable[..., FlaskClient]
OWNER = "robin@example.org"
NEW = "lantern-gravel-teapot-42"
LATER = FRESH_FOR + timedelta(seconds=1)


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A session of its own: in a shared application context, requests would share theirs."""
    with app.app_context():
        engine = db.engine
    with Session(engine) as session:
        yield session


@pytest.fixture
def owner(sign_in_as: SignInAs) -> FlaskClient:
    """The browser of who is said to have lost the phone."""
    return sign_in_as(Role.COUNSELLOR, email=OWNER, name="Robin Vale")


@pytest.fixture
def manager(sign_in_as: SignInAs) -> FlaskClient:
    return sign_in_as(Role.MANAGER, name="Mo Ames")


@pytest.fixture
def administrator(sign_in_as: SignInAs) -> FlaskClient:
    return sign_in_as(Role.ADMINISTRATOR, name="Sam Field")


def staff_id(session: Session) -> int:
    return session.scalars(select(Staff.id).where(Staff.email == OWNER)).one()


def ask(client: FlaskClient, session: Session, **more: str) -> str:
    """Ask for Robin's reset; the page that follows."""
    form = {"staff_id": str(staff_id(session)), "reason": "lost", "proof": "At the office", **more}
    answer = submit(client, "/lost-phones", form)
    page = client.get(answer.location) if answer.status_code == 303 else answer
    return page.get_data(as_text=True)


def confirm_path(session: Session) -> str:
    session.rollback()
    return f"/lost-phones/{session.scalars(select(SecondStepReset.id)).one()}/confirm"


def text_of(client: FlaskClient, path: str) -> str:
    return client.get(path).get_data(as_text=True)


def test_two_people_reset_it_and_the_link_leads_in_by_password_and_app(
    app: Flask,
    owner: FlaskClient,
    manager: FlaskClient,
    administrator: FlaskClient,
    session: Session,
) -> None:
    assert "An administrator has to confirm it." in ask(manager, session)
    shown = submit(administrator, confirm_path(session), {}, page="/lost-phones")
    link = re.search(r'id="one-time-link" value="http://localhost([^"]+)"', shown.text)
    assert link is not None
    assert owner.get("/account").status_code == 303
    assert sign_in(app.test_client(), OWNER).status_code == 422
    browser = app.test_client()
    path = html.unescape(link.group(1))
    to_code = submit(browser, path, {"password": NEW, "again": NEW})
    set_up = browser.get(to_code.location)
    assert set_up.location.startswith("/sign-in/set-up")
    key = re.search(r'id="app-key">([^<]+)<', text_of(browser, set_up.location))
    assert key is not None
    code = code_at(datetime.now(UTC), key=key.group(1).replace(" ", ""))
    assert "Keep these recovery codes" in submit(browser, "/sign-in/set-up", {"code": code}).text
    after = text_of(browser, "/account")
    assert "Since you last signed in: " in after
    assert "The second step was reset, and the password taken away" in after
    assert "Mo Ames" in after


def test_who_asked_sees_no_button_to_confirm_and_cannot_confirm(
    owner: FlaskClient, administrator: FlaskClient, session: Session
) -> None:
    page = ask(administrator, session)
    assert "You asked for it: another administrator has to confirm it." in page
    assert "Confirm the reset" not in page
    answer = submit(administrator, confirm_path(session), {}, page="/lost-phones")
    assert answer.status_code == 409
    assert owner.get("/account").status_code == 200


def test_a_manager_cannot_confirm(
    owner: FlaskClient, manager: FlaskClient, session: Session
) -> None:
    ask(manager, session)
    assert submit(manager, confirm_path(session), {}, page="/lost-phones").status_code == 403


def test_both_steps_want_a_code_just_given(
    owner: FlaskClient, manager: FlaskClient, administrator: FlaskClient, session: Session
) -> None:
    ask(manager, session)
    with time_machine.travel(datetime.now(UTC) + LATER, tick=False):
        for client, path in ((manager, "/lost-phones"), (administrator, confirm_path(session))):
            answer = submit(client, path, {}, page="/lost-phones")
            assert answer.status_code == 403
            assert "Confirm that it is you" in answer.text


def test_the_owner_is_told_and_calls_it_off(
    owner: FlaskClient, manager: FlaskClient, session: Session
) -> None:
    ask(manager, session)
    assert "Mo Ames asked for a reset of your second step" in text_of(owner, "/account")
    path = confirm_path(session).replace("confirm", "call-off")
    assert submit(owner, path, {}, page="/account").location == "/account"
    assert "asked for a reset" not in text_of(owner, "/account").partition("What happened")[0]
    assert "None." in text_of(manager, "/lost-phones")


def test_what_is_missing_is_said_and_what_was_typed_stays(
    owner: FlaskClient, manager: FlaskClient, session: Session
) -> None:
    page = ask(manager, session, reason="")
    assert "Choose what became of the phone." in page
    assert "At the office" in page
    assert "Choose whose phone it is." in ask(manager, session, staff_id="999")


def test_the_page_says_what_helps_a_single_administrator(
    administrator: FlaskClient, sign_in_as: SignInAs
) -> None:
    assert "flask staff-reset-second-step" in text_of(administrator, "/lost-phones")
    sign_in_as(Role.ADMINISTRATOR)
    assert "flask staff-reset-second-step" not in text_of(administrator, "/lost-phones")


def test_a_counsellor_does_not_open_the_page(owner: FlaskClient) -> None:
    assert owner.get("/lost-phones").status_code == 403
    assert PASSWORD not in text_of(owner, "/account")
