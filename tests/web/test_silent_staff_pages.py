"""Whose phone takes no texts is said on the managers' page, on the person's, and to themselves."""

from __future__ import annotations

import html
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from callback_service.clock import utc_now
from callback_service.domain.staff import Role
from callback_service.extensions import transaction
from callback_service.models.number import SaidBy
from callback_service.models.staff import Staff
from callback_service.services import silent_staff, suppression
from tests.support.request_builders import mobile, phone_of, stored

pytestmark = pytest.mark.one_database  # the service behind it is tried on both

SignInAs = Callable[..., FlaskClient]
ANA = "ana@example.org"
PHONE = phone_of(mobile(1)).e164


@pytest.fixture
def ana(app: Flask, sign_in_as: SignInAs) -> FlaskClient:
    """A counsellor who said STOP, at their own pages."""
    client = sign_in_as(Role.COUNSELLOR, email=ANA, name="Ana Reyes")
    with stored(app) as session:
        session.scalars(select(Staff).where(Staff.email == ANA)).one().phone = PHONE
        suppression.suppress(session, PHONE, said_by=SaidBy.TEXT, now=utc_now())
        silent_staff.look(session, now=utc_now())
    return client


def shown(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return html.unescape(answer.get_data(as_text=True))


def allow_again(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        suppression.lift(session, PHONE, now=utc_now())
        silent_staff.look(session, now=utc_now())


@pytest.mark.parametrize("path", ["/account", "/account/texts"])
def test_the_person_is_told_how_to_get_them_again(app: Flask, ana: FlaskClient, path: str) -> None:
    assert "text START to us from that phone" in shown(ana, path)
    allow_again(app)
    assert "text START" not in shown(ana, path)


def test_managers_read_who_it_is_beside_the_texts(
    app: Flask, ana: FlaskClient, sign_in_as: SignInAs
) -> None:
    manager = sign_in_as(Role.MANAGER)
    assert "no text reaches Ana Reyes: their phone takes none" in shown(manager, "/messages")
    allow_again(app)
    assert "no text reaches Ana Reyes" not in shown(manager, "/messages")


def test_the_page_of_their_account_says_so(
    app: Flask, ana: FlaskClient, sign_in_as: SignInAs
) -> None:
    administrator = sign_in_as(Role.ADMINISTRATOR)
    with stored(app) as session:
        path = f"/staff/{session.scalars(select(Staff.id).where(Staff.email == ANA)).one()}"
    page = shown(administrator, path)
    assert "Their phone has taken no texts from us since" in page
    assert "The phone takes no texts any more" in page
    allow_again(app)
    assert "Their phone has taken no texts" not in shown(administrator, path)
