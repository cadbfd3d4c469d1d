"""The rota's pages: who is on, the week by person, and changing the patterns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from callback_service.domain.rota import Duty
from callback_service.domain.staff import Role
from callback_service.extensions import db
from callback_service.models.rota import ShiftPattern
from callback_service.models.staff import Staff
from tests.rota_builders import make_pattern
from tests.support.builders import make_staff
from tests.support.pages import submit

pytestmark = pytest.mark.one_database  # the services below are tested on both

SignIn = Callable[..., FlaskClient]
TODAY = datetime.now(UTC).date()  # pages read the clock themselves

FORM = {
    "duty": "counselling",
    "weekdays": ["0", "1"],
    "start": "23:00",
    "end": "7:00",
    "from_on": "2026-11-23",
    "until_on": "",
}


def person(app: Flask, name: str, role: Role = Role.COUNSELLOR, **pattern: str) -> int:
    """Somebody new, with a pattern of every day where times are given."""
    with app.app_context():
        staff = make_staff(db.session(), name=name, role=role)
        if pattern:
            duty = Duty.DUTY_LEAD if role is Role.MANAGER else Duty.COUNSELLING
            make_pattern(db.session(), staff, pattern["start"], pattern["end"], duty=duty)
        db.session.commit()
        return staff.id


def stored(app: Flask) -> list[ShiftPattern]:
    with app.app_context():
        return list(db.session.scalars(select(ShiftPattern)))


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


@pytest.mark.parametrize("role", [Role.COUNSELLOR, Role.ADMINISTRATOR])
@pytest.mark.parametrize("path", ["/rota/patterns", "/rota/patterns/1/end"])
def test_only_managers_see_the_patterns(sign_in_as: SignIn, role: Role, path: str) -> None:
    assert sign_in_as(role).get(path).status_code == 403


@pytest.mark.parametrize("path", ["/rota/patterns", "/rota/patterns/1/end"])
def test_only_managers_change_the_patterns(app: Flask, sign_in_as: SignIn, path: str) -> None:
    client = sign_in_as(Role.COUNSELLOR)
    assert submit(client, path, FORM, page="/account").status_code == 403
    assert stored(app) == []


def test_a_week_is_chosen_by_any_of_its_days(app: Flask, sign_in_as: SignIn) -> None:
    person(app, "Amira Khan", start="20:00", end="08:00")
    page = sign_in_as(Role.COUNSELLOR).get("/rota?week=2026-10-25").get_data(as_text=True)
    assert "Week of Monday 19 October 2026" in page
    assert "from Sunday" in page


@pytest.mark.parametrize("week", ["", "soon", "0001-01-01", "9999-12-31", "2026-02-30"])
def test_a_week_that_cannot_be_meant_is_refused(sign_in_as: SignIn, week: str) -> None:
    answer = sign_in_as(Role.COUNSELLOR).get(f"/rota?week={week}")
    assert answer.status_code == 422


def test_a_manager_adds_a_pattern(app: Flask, sign_in_as: SignIn) -> None:
    staff_id = person(app, "Amira Khan")
    client = sign_in_as(Role.MANAGER)
    answer = submit(client, "/rota/patterns", {**FORM, "staff_id": staff_id})
    assert answer.status_code == 303
    page = client.get("/rota/patterns").get_data(as_text=True)
    assert "Added: Monday and Tuesday, 23:00 to 07:00, from 23 November 2026." in page
    [row] = stored(app)
    assert (row.staff_id, row.weekdays, row.created_by_id is not None) == (staff_id, 0b11, True)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"weekdays": []}, "Choose at least one day."),
        ({"weekdays": ["7"]}, "Choose from Monday to Sunday."),
        ({"start": "25:00"}, "Enter a time of the 24-hour clock, like 07:00."),
        ({"start": ""}, "Enter a time of the 24-hour clock, like 07:00."),
        ({"from_on": "soon"}, "Enter a date, like 22/11/2026."),
        ({"from_on": ""}, "Enter a date, like 22/11/2026."),
        ({"from_on": "0001-01-01"}, "Enter a date within five years of today."),
        ({"until_on": "2026-11-22"}, "The last day must be on or after the first day."),
        ({"staff_id": "999999"}, "Choose who works this shift."),
        ({"staff_id": ""}, "Choose who works this shift."),
        ({"duty": "idle"}, "Choose a duty."),
        ({"duty": "duty_lead"}, "Only a manager can be duty lead."),
    ],
)
def test_a_wrong_answer_is_named_and_the_rest_is_kept(
    app: Flask, sign_in_as: SignIn, wrong: dict[str, object], sentence: str
) -> None:
    staff_id = person(app, "Amira Khan")
    answer = submit(
        sign_in_as(Role.MANAGER), "/rota/patterns", {**FORM, "staff_id": staff_id, **wrong}
    )
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert sentence in page
    assert 'value="7:00"' in page
    assert "<title>Error: " in page
    assert stored(app) == []


def test_a_form_with_nothing_in_it_is_refused(app: Flask, sign_in_as: SignIn) -> None:
    assert submit(sign_in_as(Role.MANAGER), "/rota/patterns", {}).status_code == 422
    assert stored(app) == []


def test_an_overlap_names_the_other_pattern(app: Flask, sign_in_as: SignIn) -> None:
    staff_id = person(app, "Amira Khan", start="06:00", end="14:00")
    answer = submit(sign_in_as(Role.MANAGER), "/rota/patterns", {**FORM, "staff_id": staff_id})
    assert answer.status_code == 422
    assert "every day, 06:00 to 14:00, from 5 January 2026" in answer.get_data(as_text=True)
    assert len(stored(app)) == 1


def test_a_manager_ends_a_pattern(app: Flask, sign_in_as: SignIn) -> None:
    person(app, "Amira Khan", start="06:00", end="14:00")
    [row] = stored(app)
    client, path = sign_in_as(Role.MANAGER), f"/rota/patterns/{row.id}/end"
    assert "Amira Khan" in client.get(path).get_data(as_text=True)
    answer = submit(client, path, {"last_on": TODAY.isoformat()})
    assert answer.status_code == 303
    assert stored(app)[0].until_on == TODAY


def test_an_end_in_the_past_is_refused_beside_its_field(app: Flask, sign_in_as: SignIn) -> None:
    person(app, "Amira Khan", start="06:00", end="14:00")
    [row] = stored(app)
    past = (TODAY - timedelta(days=9)).isoformat()
    path = f"/rota/patterns/{row.id}/end"
    answer = submit(sign_in_as(Role.MANAGER), path, {"last_on": past})
    assert answer.status_code == 422
    assert "yesterday at the earliest" in answer.get_data(as_text=True)
    assert stored(app)[0].until_on is None


def test_a_pattern_that_is_not_there_is_not_found(sign_in_as: SignIn) -> None:
    client = sign_in_as(Role.MANAGER)
    assert client.get("/rota/patterns/4242/end").status_code == 404
    gone = submit(client, "/rota/patterns/4242/end", {"last_on": TODAY}, page="/rota/patterns")
    assert gone.status_code == 404


def test_the_list_marks_a_disabled_account(app: Flask, sign_in_as: SignIn) -> None:
    staff_id = person(app, "Amira Khan", start="06:00", end="14:00")
    with app.app_context():
        db.session.get_one(Staff, staff_id).is_active = False
        db.session.commit()
    page = sign_in_as(Role.MANAGER).get("/rota/patterns").get_data(as_text=True)
    assert "Account disabled: no cover" in page
