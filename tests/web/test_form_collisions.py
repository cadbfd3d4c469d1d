"""Two posts of the form that meet: both are kept, whichever comes second."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from callback_service.config import Settings
from callback_service.domain.flood import FormLimits
from callback_service.extensions import reading
from callback_service.models.callback import CallbackRequest, Submission
from callback_service.services import audit_chain, intake_look
from tests.support.request_builders import mobile, send_form


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, form_limits=FormLimits(100, 100, least_time=timedelta(0)))


@pytest.fixture
def overtaken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next look at a number comes too early to see that it has an open request."""
    look, looks = intake_look.look, []

    def early(*args: Any, **given: Any) -> intake_look.Looked:
        looks.append(args)
        found = look(*args, **given)
        return replace(found, open_id=None) if len(looks) == 1 else found

    monkeypatch.setattr(intake_look, "look", early)


@pytest.fixture
def caller(app: Flask) -> FlaskClient:
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = "81.2.69.1"
    assert send_form(client, phone=mobile(1), messages="text").status_code == 303
    return client


def test_a_post_that_was_overtaken_joins_the_request_of_the_other(
    app: Flask, caller: FlaskClient, overtaken: None
) -> None:
    assert send_form(caller, phone=mobile(1), messages="text").status_code == 303
    with app.app_context(), reading() as session:
        assert session.scalar(select(func.count()).select_from(CallbackRequest)) == 1
        assert session.scalar(select(func.count()).select_from(Submission)) == 2


def test_nothing_of_its_first_try_is_in_the_chain(
    app: Flask, caller: FlaskClient, overtaken: None
) -> None:
    assert send_form(caller, phone=mobile(1), messages="text").status_code == 303
    with app.app_context(), reading() as session:
        found = audit_chain.verify(session)
    assert (found.sealed, found.trouble) == (2, None)
