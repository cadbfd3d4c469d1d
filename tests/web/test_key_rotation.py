"""A new SECRET_KEY ends nothing that an older one, still named, had signed."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from callback_service import create_app
from callback_service.clock import utc_now
from callback_service.config import Settings
from callback_service.domain.staff import Role
from callback_service.extensions import db, transaction
from callback_service.services import accounts
from tests.support import signing_in
from tests.support.builders import make_staff
from tests.support.pages import csrf_token
from tests.support.request_builders import answers, submission_key

KEY = secrets.token_urlsafe(32)


def next_app(settings: Settings, *, keeps_older: bool) -> Flask:
    """The service after its restart with another key."""
    older = (settings.secret_key,) if keeps_older else ()
    return create_app(replace(settings, secret_key=KEY, secret_key_fallbacks=older))


def moved(client: FlaskClient, app: Flask) -> FlaskClient:
    """The browser of ``client``, with its cookies, before the restarted ``app``."""
    browser = app.test_client()
    browser._cookies = dict(client._cookies or {})
    return browser


@pytest.mark.parametrize(("keeps_older", "status"), [(True, 303), (False, 400)])
def test_a_form_that_was_open_is_taken_as_long_as_the_older_key_is_named(
    client: FlaskClient, settings: Settings, *, keeps_older: bool, status: int
) -> None:
    page = client.get("/").get_data(as_text=True)
    form = {"csrf_token": csrf_token(page), "submission_key": submission_key(page), **answers()}
    app = next_app(settings, keeps_older=keeps_older)
    assert moved(client, app).post("/", data=form).status_code == status
    with app.app_context():
        db.engine.dispose()


def test_who_is_signed_in_stays_so_and_their_page_still_sends(
    app: Flask, settings: Settings
) -> None:
    with app.app_context(), transaction() as session:
        email = make_staff(session, role=Role.COUNSELLOR).email
    client = app.test_client()
    assert signing_in.sign_in(client, email).status_code == 303
    token = csrf_token(client.get("/account").get_data(as_text=True))
    restarted = next_app(settings, keeps_older=True)
    browser = moved(client, restarted)
    assert browser.get("/desk").status_code == 200
    sent = browser.post("/account/stay", data={"csrf_token": token})
    assert sent.status_code in {204, 303}
    with restarted.app_context():
        db.engine.dispose()


@pytest.mark.one_database
@pytest.mark.parametrize(("keeps_older", "status"), [(True, 200), (False, 404)])
def test_an_invitation_opens_as_long_as_the_older_key_is_named(
    app: Flask, settings: Settings, *, keeps_older: bool, status: int
) -> None:
    with app.app_context(), transaction() as session:
        link = accounts.invite(
            session,
            email="new@example.org",
            name="Robin Vale",
            role=Role.COUNSELLOR,
            secret_key=settings.secret_key,
            now=utc_now(),
        )
    restarted = next_app(settings, keeps_older=keeps_older)
    assert restarted.test_client().get(f"/invitation/{link}").status_code == status
    with restarted.app_context():
        db.engine.dispose()
