"""The page on which an administrator runs the accounts."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from callback_service.domain.staff import Role
from callback_service.extensions import db
from callback_service.models.staff import Staff
from tests.support.builders import make_staff
from tests.support.pages import submit

pytestmark = pytest.mark.one_database  # the services behind it are tried on both

SignInAs = Callable[..., FlaskClient]
NEWCOMER = {"name": "Robin Vale", "email": "robin@example.org", "role": "counsellor"}


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A session of its own: in a shared application context, requests would share theirs."""
    with app.app_context():
        engine = db.engine
    with Session(engine) as session:
        yield session


@pytest.fixture
def administrator(sign_in_as: SignInAs) -> FlaskClient:
    """An administrator's browser."""
    return sign_in_as(Role.ADMINISTRATOR, name="Sam Field")


def link_in(answer: TestResponse) -> str:
    found = re.search(r'id="one-time-link" value="([^"]+)"', answer.get_data(as_text=True))
    assert found is not None
    return html.unescape(found.group(1))


def test_the_list_shows_every_account_and_its_state(
    administrator: FlaskClient, session: Session
) -> None:
    make_staff(session, name="Robin Vale", email="robin@example.org").is_active = False
    session.commit()
    page = administrator.get("/staff").get_data(as_text=True)
    for text in ("Sam Field", "tag--grey", "Robin Vale", "robin@example.org", "Disabled"):
        assert text in page


def test_an_invitation_shows_its_link_once_and_the_link_works(
    app: Flask, administrator: FlaskClient
) -> None:
    answer = submit(administrator, "/staff", NEWCOMER)
    link = link_in(answer)
    assert link.startswith("http://localhost/invitation/")
    assert app.test_client().get(link.removeprefix("http://localhost")).status_code == 200
    page = administrator.get("/staff").get_data(as_text=True)
    assert "Invited" in page
    assert "/invitation/" not in page


def test_a_link_is_made_on_the_configured_address_whatever_host_is_named(
    administrator: FlaskClient,
) -> None:
    forged = {"HTTP_X_FORWARDED_HOST": "evil.example"}
    administrator.environ_base.update(forged)
    assert "evil.example" not in submit(administrator, "/staff", NEWCOMER).get_data(as_text=True)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("name", "", "Enter a name."),
        ("email", "no address", "Enter an e-mail address"),
        ("role", "owner", "Not a valid choice"),
    ],
)
def test_a_faulty_invitation_is_refused_with_the_reason(
    administrator: FlaskClient, session: Session, field: str, value: str, reason: str
) -> None:
    answer = submit(administrator, "/staff", {**NEWCOMER, field: value})
    assert answer.status_code == 422
    assert reason in answer.get_data(as_text=True)
    assert len(session.scalars(select(Staff)).all()) == 1


def test_nobody_is_invited_twice(administrator: FlaskClient, session: Session) -> None:
    submit(administrator, "/staff", NEWCOMER)
    again = submit(administrator, "/staff", NEWCOMER)
    assert again.status_code == 422
    assert "There is an account with this e-mail address already." in again.get_data(as_text=True)


def test_fields_that_the_form_does_not_have_are_ignored(
    administrator: FlaskClient, session: Session
) -> None:
    submit(administrator, "/staff", {**NEWCOMER, "is_active": "0", "password_hash": "x", "id": 9})
    robin = session.scalars(select(Staff).where(Staff.email == NEWCOMER["email"])).one()
    assert (robin.is_active, robin.password_hash, robin.id == 9) == (True, None, False)


def test_an_account_is_disabled_and_enabled(administrator: FlaskClient, session: Session) -> None:
    staff = make_staff(session)
    session.commit()
    staff_id = staff.id
    for deed, is_active in (("disable", False), ("enable", True)):
        answer = submit(administrator, f"/staff/{staff_id}/{deed}", {}, page="/staff")
        assert answer.location == f"/staff/{staff_id}"
        session.rollback()
        assert session.get_one(Staff, staff_id).is_active is is_active


def test_an_administrator_does_not_lock_the_last_door(
    administrator: FlaskClient, session: Session
) -> None:
    own_id = session.scalars(select(Staff.id)).one()
    answer = submit(administrator, f"/staff/{own_id}/disable", {}, page="/staff")
    assert answer.status_code == 409
    assert administrator.get("/staff").status_code == 200


def test_a_new_link_helps_who_forgot_the_password(
    app: Flask, administrator: FlaskClient, session: Session
) -> None:
    staff = make_staff(session)
    session.commit()
    answer = submit(administrator, f"/staff/{staff.id}/link", {}, page="/staff")
    path = link_in(answer).removeprefix("http://localhost")
    new = {"password": "lantern-gravel-teapot-42", "again": "lantern-gravel-teapot-42"}
    assert submit(app.test_client(), path, new).status_code == 303


@pytest.mark.parametrize("deed", ["disable", "enable", "link"])
def test_an_account_that_is_not_there_is_not_found(administrator: FlaskClient, deed: str) -> None:
    assert submit(administrator, f"/staff/4711/{deed}", {}, page="/staff").status_code == 404
