"""Both steps of signing in, as the browsers of tests take them."""

from __future__ import annotations

from datetime import datetime
from http.cookies import SimpleCookie

import pyotp
from flask import Response
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from callback_service.clock import utc_now
from callback_service.domain.signing_in import Proof, Stage
from callback_service.extensions import reading, transaction
from callback_service.models.staff import Staff
from callback_service.services import sign_in as sign_ins
from callback_service.services.sign_in import Opened
from callback_service.web import entering
from tests.support.builders import APP_KEY, PASSWORD
from tests.support.pages import submit


def code_at(now: datetime, *, key: str = APP_KEY) -> str:
    """What an app with ``key`` shows at ``now``."""
    return pyotp.TOTP(key).at(now)


def next_code(email: str) -> str:
    """What the app of an account shows now, as if its codes before had run out meanwhile.

    Needs an application context.
    """
    with transaction() as session:
        session.execute(update(Staff).where(Staff.email == email).values(totp_last_step=None))
    with reading() as session:
        key = session.scalars(select(Staff).where(Staff.email == email)).one().totp_secret
    assert key is not None, f"{email} has no app"
    return code_at(utc_now(), key=key)


def sign_in(client: FlaskClient, email: str, password: str = PASSWORD, **more: str) -> TestResponse:
    """Take both steps with ``client``; the answer to the last one sent."""
    first = submit(client, "/sign-in", {"email": email, "password": password, **more})
    if first.status_code != 303:
        return first
    with client.application.app_context():
        code = next_code(email)
    return submit(client, "/sign-in/code", {"code": code, **more})


def be_signed_in(client: FlaskClient, email: str) -> None:
    """Leave ``client`` as both steps do, without taking them through their pages.

    It is for tests of what comes afterwards.
    """
    with client.application.test_request_context():
        with transaction() as session:
            opened = _opened(session, email)
        response = Response()
        entering.settle(response, opened)
    for cookie in SimpleCookie("; ".join(response.headers.getlist("Set-Cookie"))).values():
        client.set_cookie(cookie.key, cookie.value)


def _opened(session: Session, email: str) -> Opened:
    staff, now = session.scalars(select(Staff).where(Staff.email == email)).one(), utc_now()
    half = sign_ins.start(session, staff, device=entering.device(), now=now)
    this = sign_ins.visit_by_token(session, half.token, now=now).sign_in_id
    assert this is not None
    row, staff = sign_ins.locked_row(session, this, Stage.PASSWORD)
    return sign_ins.complete(session, row, staff, by=Proof.CODE, now=now)
