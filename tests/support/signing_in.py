"""Both steps of signing in, as the browsers of tests take them."""

from __future__ import annotations

from datetime import datetime

import pyotp
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from callback_service.clock import utc_now
from callback_service.extensions import reading, transaction
from callback_service.models.staff import Staff
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
