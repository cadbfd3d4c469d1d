"""The rota's pages: who is on, the week by person, and changing the patterns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient

from callback_service.domain.rota import Duty
from callback_service.domain.staff import Role
from callback_service.extensions import db
from tests.rota_builders import make_pattern
from tests.support.builders import make_staff

pytestmark = pytest.mark.one_database  # the services below are tested on both

SignIn = Callable[..., FlaskClient]
TODAY = datetime.now(UTC).date()  # pages read the clock themselves


def person(app: Flask, name: str, role: Role = Role.COUNSELLOR, **pattern: str) -> int:
    """Somebody new, with a pattern of every day where times are given."""
    with app.app_context():
        staff = make_staff(db.session(), name=name, role=role)
        if pattern:
            duty = Duty.DUTY_LEAD if role is Role.MANAGER else Duty.COUNSELLING
            make_pattern(db.session(), staff, pattern["start"], pattern["end"], duty=duty)
        db.session.commit()
        return staff.id


@pytest.mark.parametrize("role", list(Role))
def test_everybody_who_is_signed_in_sees_who_is_on_now(
    app: Flask, sign_in_as: SignIn, role: Role
) -> None:
    person(app, "Amira Khan", start="00:00", end="00:00")
    person(app, "Priya Shah", Role.MANAGER, start="09:00", end="09:00")
    page = sign_in_as(role).get("/rota").get_data(as_text=True)
    assert "<strong>Amira Khan</strong> until" in page
    assert "<strong>Priya Shah</strong> until" in page


def test_an_empty_rota_says_that_nobody_is_on(sign_in_as: SignIn) -> None:
    page = sign_in_as(Role.COUNSELLOR).get("/rota").get_data(as_text=True)
    assert "Nobody is on shift." in page
    assert "Nobody is duty lead." in page
    assert "Nobody has a shift in this week." in page


def test_a_stranger_sees_no_rota(app: Flask, client: FlaskClient) -> None:
    person(app, "Amira Khan", start="00:00", end="00:00")
    answer = client.get("/rota")
    assert answer.status_code == 303
    assert "Amira" not in answer.get_data(as_text=True)


def test_a_week_is_chosen_by_any_of_its_days(app: Flask, sign_in_as: SignIn) -> None:
    person(app, "Amira Khan", start="20:00", end="08:00")
    page = sign_in_as(Role.COUNSELLOR).get("/rota?week=2026-10-25").get_data(as_text=True)
    assert "Week of Monday 19 October 2026" in page
    assert "from Sunday" in page


@pytest.mark.parametrize("week", ["", "soon", "0001-01-01", "9999-12-31", "2026-02-30"])
def test_a_week_that_cannot_be_meant_is_refused(sign_in_as: SignIn, week: str) -> None:
    answer = sign_in_as(Role.COUNSELLOR).get(f"/rota?week={week}")
    assert answer.status_code == 422
