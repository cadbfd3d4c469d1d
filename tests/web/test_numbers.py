"""The service's own number is nobody's to be rung at, wherever one is typed."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from callback_service.config import Settings
from callback_service.domain.staff import Role
from callback_service.models.callback import CallbackRequest
from callback_service.models.staff import Staff
from tests.support.pages import submit
from tests.support.request_builders import make_request, make_shift, send_form, stored
from tests.support.settings import make_settings

SignInAs = Callable[..., FlaskClient]
OURS, TYPED = "+441632960001", "01632 960 001"
SENTENCE = "Enter your own number. This one is ours"


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return make_settings(
        database_url,
        tmp_path,
        TWILIO_ACCOUNT_SID="AC" + "1" * 32,
        TWILIO_AUTH_TOKEN="0123456789abcdef0123456789abcdef",
        TWILIO_FROM=OURS,
        TWILIO_API_URL="http://127.0.0.1:9",
    )


def refused(answer: TestResponse) -> bool:
    return answer.status_code == 422 and SENTENCE in html.unescape(answer.get_data(as_text=True))


def test_by_the_form(app: Flask, client: FlaskClient) -> None:
    with stored(app) as session:
        make_shift(session)
    answer = send_form(client, phone=TYPED, name="Robin")
    assert refused(answer)
    assert "Robin" in answer.get_data(as_text=True)
    with stored(app) as session:
        assert session.scalars(select(CallbackRequest)).all() == []


def test_by_a_correction(app: Flask, sign_in_as: SignInAs) -> None:
    with stored(app) as session:
        make_shift(session)
        request_id = make_request(session, "07700 900123").id
    manager = sign_in_as(Role.MANAGER)
    asked = {"phone": "07700 900123", "about": "access", "words": "Rang us, and knew the reference"}
    path = submit(manager, "/personal-data", asked).location
    assert refused(submit(manager, f"{path}/requests/{request_id}/correct", {"phone": TYPED}))
    with stored(app) as session:
        assert session.get_one(CallbackRequest, request_id).phone == "+447700900123"


@pytest.mark.one_database
def test_by_a_counsellor_for_their_own_phone(app: Flask, sign_in_as: SignInAs) -> None:
    counsellor = sign_in_as(Role.COUNSELLOR, name="Jo Hill")
    assert refused(submit(counsellor, "/account/texts", {"phone": TYPED}))
    with stored(app) as session:
        assert session.scalars(select(Staff).where(Staff.name == "Jo Hill")).one().phone is None
