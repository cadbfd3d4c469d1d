"""The pages that change the rota for given dates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import LeaveReason, OpenShift, Override, OverrideKind
from callback_service.domain.staff import Role
from callback_service.extensions import db
from callback_service.models.rest import RestAllowance
from callback_service.models.rota_change import ChangeKind, RotaChange
from callback_service.models.staff import Staff
from callback_service.services import rota_changes
from tests.rota_builders import LONDON, local, make_pattern
from tests.support.builders import make_staff
from tests.support.pages import submit

pytestmark = pytest.mark.one_database  # the services below are tested on both

SignIn = Callable[..., FlaskClient]
NOW = datetime.now(UTC)  # pages read the clock themselves
TODAY = NOW.astimezone(LONDON).date()
SOON = TODAY + timedelta(days=2)
CHANGES = "/rota/changes"


def person(app: Flask, name: str, role: Role = Role.COUNSELLOR, times: str = "") -> int:
    """Somebody new, on shift every day at ``times`` ("09:00-17:00") where given."""
    with app.app_context():
        staff = make_staff(db.session(), name=name, role=role)
        if times:
            start, _, end = times.partition("-")
            make_pattern(db.session(), staff, start, end)
        db.session.commit()
        return staff.id


def make(app: Flask, change: OpenShift | Override) -> int:
    with app.app_context():
        row = rota_changes.make_change(
            db.session(), change, actor_id=None, now=datetime.now(UTC), tz=LONDON
        )
        db.session.commit()
        return row.id


def stored(app: Flask) -> list[RotaChange]:
    with app.app_context():
        return list(db.session.scalars(select(RotaChange).order_by(RotaChange.id)))


def form(**answers: object) -> dict[str, object]:
    """The form of the changes page, for leave of a whole day soon."""
    return {
        "what": "annual",
        "staff_id": "",
        "by_id": "",
        "duty": "counselling",
        "from_on": SOON.isoformat(),
        "from_at": "09:00",
        "until_on": SOON.isoformat(),
        "until_at": "17:00",
        "step": "preview",
        **answers,
    }


def post(client: FlaskClient, **answers: object) -> TestResponse:
    return submit(client, CHANGES, form(**answers))


def page(answer: TestResponse) -> str:
    return answer.get_data(as_text=True)


def test_a_manager_sees_what_a_change_breaks_before_it_is_saved(
    app: Flask, sign_in_as: SignIn
) -> None:
    amira = person(app, "Amira Khan", times="09:00-17:00")
    client = sign_in_as(Role.MANAGER)
    asked = post(client, staff_id=amira)
    assert asked.status_code == 200
    assert "Save this change?" in page(asked)
    assert "Gaps that open" in page(asked)
    assert "09:00 to 17:00: nobody on shift, 1 needed" in page(asked)
    assert stored(app) == []
    saved = post(client, staff_id=amira, step="save")
    assert (saved.status_code, saved.location) == (303, CHANGES)
    [row] = stored(app)
    assert (row.kind, row.reason, row.staff_id) == (ChangeKind.LEAVE, LeaveReason.ANNUAL, amira)
    assert row.created_by_id is not None
    assert "Amira Khan is away (annual leave)" in page(client.get(CHANGES))


def test_the_confirm_page_carries_every_answer_and_goes_back_to_them(
    app: Flask, sign_in_as: SignIn
) -> None:
    amira = person(app, "Amira Khan", times="09:00-17:00")
    client = sign_in_as(Role.MANAGER)
    asked = page(post(client, staff_id=amira))
    for name, value in form(staff_id=amira).items():
        if name != "step":
            assert f'<input type="hidden" name="{name}" value="{value}">' in asked
    again = page(post(client, staff_id=amira, step="edit"))
    assert 'value="17:00"' in again
    assert stored(app) == []


def test_an_extra_shift_that_breaks_rest_asks_for_a_reason_and_keeps_it(
    app: Flask, sign_in_as: SignIn
) -> None:
    amira = person(app, "Amira Khan", times="14:00-22:00")
    client = sign_in_as(Role.MANAGER)
    early = {"what": "add", "staff_id": amira, "from_at": "06:00", "until_at": "12:00"}
    assert "This breaks a rule of rest" in page(post(client, **early))
    refused = post(client, **early, step="save")
    assert (refused.status_code, stored(app)) == (409, [])
    assert "Give a reason." in page(refused)
    assert post(client, **early, step="save", rest_reason="Two are ill").status_code == 303
    assert len(stored(app)) == 1
    with app.app_context():
        reasons = {row.reason for row in db.session.scalars(select(RestAllowance))}
    assert reasons == {"Two are ill"}


def test_a_change_that_costs_nothing_says_so(app: Flask, sign_in_as: SignIn) -> None:
    amira = person(app, "Amira Khan", times="09:00-17:00")
    ben = person(app, "Ben Ito")
    answer = post(sign_in_as(Role.MANAGER), what="replace", staff_id=amira, by_id=ben)
    assert "No gap opens and no promise is lost." in page(answer)
    assert "Ben Ito" in page(answer)


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("replace", ChangeKind.REPLACE),
        ("remove", ChangeKind.REMOVE),
        ("sick", ChangeKind.LEAVE),
        ("open", ChangeKind.OPEN),
    ],
)
def test_every_kind_of_change_is_saved(
    app: Flask, sign_in_as: SignIn, what: str, kind: ChangeKind
) -> None:
    amira = person(app, "Amira Khan", times="09:00-17:00")
    ben = person(app, "Ben Ito")
    answer = post(
        sign_in_as(Role.MANAGER),
        what=what,
        staff_id="" if what == "open" else amira,
        by_id=ben if what == "replace" else "",
        step="save",
    )
    assert answer.status_code == 303
    assert [row.kind for row in stored(app)] == [kind]


def test_an_extra_shift_through_the_night_ends_on_the_next_day(
    app: Flask, sign_in_as: SignIn
) -> None:
    ben = person(app, "Ben Ito")
    client = sign_in_as(Role.MANAGER)
    until = SOON + timedelta(days=1)
    post(client, what="add", staff_id=ben, from_at="22:00", until_on=until, until_at="6:00",
         step="save")  # fmt: skip
    [row] = stored(app)
    assert row.starts_at == local(f"{SOON} 22:00")
    assert row.ends_at == local(f"{until} 06:00")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"what": "party"}, "Choose what changes."),
        ({"what": ""}, "Choose what changes."),
        ({"staff_id": ""}, "Choose whose rota changes."),
        ({"staff_id": "999999"}, "Choose whose rota changes."),
        ({"staff_id": "x"}, "Choose whose rota changes."),
        ({"what": "replace"}, "Choose who works instead."),
        ({"duty": "idle"}, "Choose a duty."),
        ({"until_at": "09:00"}, "The end must be after the start."),
        ({"from_on": "2020-01-01"}, "A change can begin a day ago at the earliest."),
        ({"until_on": "2020-01-01"}, "The end must be after the start."),
        ({"until_on": "2999-01-01"}, "Enter a date within five years of today."),
        ({"from_at": "25:00"}, "Enter a time of the 24-hour clock"),
        ({"what": "add"}, "Amira Khan has a shift then already"),
        ({"what": "remove", "duty": "duty_lead"}, "They have no shift of this duty then."),
    ],
)
@pytest.mark.parametrize("step", ["preview", "save"])
def test_a_wrong_answer_is_named_and_the_rest_is_kept(
    app: Flask, sign_in_as: SignIn, wrong: dict[str, object], sentence: str, step: str
) -> None:
    amira = person(app, "Amira Khan", times="09:00-17:00")
    answer = post(sign_in_as(Role.MANAGER), **{"staff_id": amira, "step": step, **wrong})
    assert answer.status_code == 422
    assert sentence in page(answer)
    assert "<title>Error: " in page(answer)
    assert stored(app) == []


def test_nobody_works_instead_of_themselves(app: Flask, sign_in_as: SignIn) -> None:
    amira = person(app, "Amira Khan", times="09:00-17:00")
    answer = post(sign_in_as(Role.MANAGER), what="replace", staff_id=amira, by_id=amira)
    assert "Choose somebody else to work instead." in page(answer)


@pytest.mark.parametrize("step", ["preview", "save"])
def test_an_overlap_names_the_other_change(app: Flask, sign_in_as: SignIn, step: str) -> None:
    amira = person(app, "Amira Khan", times="09:00-17:00")
    client = sign_in_as(Role.MANAGER)
    post(client, staff_id=amira, step="save")
    answer = post(client, what="training", staff_id=amira, step=step)
    assert answer.status_code == 409
    assert "This overlaps another change: Amira Khan is away (annual leave)" in page(answer)
    assert len(stored(app)) == 1


def test_a_manager_cancels_a_change_after_seeing_what_that_breaks(
    app: Flask, sign_in_as: SignIn
) -> None:
    ben = person(app, "Ben Ito")
    span = local(f"{SOON} 09:00"), local(f"{SOON} 17:00")
    change_id = make(app, Override(OverrideKind.ADD, ben, *span))
    client, path = sign_in_as(Role.MANAGER), f"{CHANGES}/{change_id}/cancel"
    assert "09:00 to 17:00: nobody on shift, 1 needed" in page(client.get(path))
    assert submit(client, path, {}).status_code == 303
    assert stored(app)[0].cancelled_at is not None
    assert "No changes to come." in page(client.get(CHANGES))
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("role", [Role.COUNSELLOR, Role.ADMINISTRATOR])
def test_only_managers_change_the_rota(app: Flask, sign_in_as: SignIn, role: Role) -> None:
    amira = person(app, "Amira Khan", times="09:00-17:00")
    client = sign_in_as(role)
    assert client.get(CHANGES).status_code == 403
    answer = submit(client, CHANGES, form(staff_id=amira, step="save"), page="/account")
    assert answer.status_code == 403
    assert stored(app) == []


def test_a_counsellor_takes_an_open_shift_and_the_next_is_told_who(
    app: Flask, sign_in_as: SignIn
) -> None:
    span = local(f"{SOON} 09:00"), local(f"{SOON} 17:00")
    change_id = make(app, OpenShift(*span))
    first = sign_in_as(Role.COUNSELLOR, name="Amira Khan")
    second = sign_in_as(Role.COUNSELLOR, name="Ben Ito")
    assert "Open shifts (1)" in page(first.get("/rota"))
    path = f"/rota/open-shifts/{change_id}/take"
    for client in (first, second):
        answer = submit(client, path, {}, page="/rota/open-shifts")
        assert (answer.status_code, answer.location) == (303, "/rota/open-shifts")
    assert "The shift is yours" in page(first.get("/rota/open-shifts"))
    assert "Amira Khan took this shift first." in page(second.get("/rota/open-shifts"))
    with app.app_context():
        row = db.session.get_one(RotaChange, change_id)
        assert row.staff is not None
        assert row.staff.name == "Amira Khan"


def test_a_counsellor_is_not_shown_an_open_shift_of_the_duty_lead(
    app: Flask, sign_in_as: SignIn
) -> None:
    span = local(f"{SOON} 09:00"), local(f"{SOON} 17:00")
    make(app, OpenShift(*span, Duty.DUTY_LEAD))
    assert "There is no open shift." in page(sign_in_as(Role.COUNSELLOR).get("/rota/open-shifts"))
    assert "Take this shift" in page(sign_in_as(Role.MANAGER).get("/rota/open-shifts"))


def test_an_administrator_takes_no_shift_and_is_not_asked_to(sign_in_as: SignIn) -> None:
    client = sign_in_as(Role.ADMINISTRATOR)
    assert client.get("/rota/open-shifts").status_code == 403
    assert client.get("/rota/ill").status_code == 403
    assert "I am ill" not in page(client.get("/rota"))


def ill_counsellor(app: Flask, sign_in_as: SignIn) -> FlaskClient:
    """Somebody signed in who is on shift now."""
    client = sign_in_as(Role.COUNSELLOR, email="amira@example.org", name="Amira Khan")
    with app.app_context():
        staff = db.session.scalars(select(Staff).where(Staff.email == "amira@example.org")).one()
        make_pattern(db.session(), staff, "00:00", "00:00")
        db.session.commit()
    return client


def test_a_counsellor_who_is_ill_is_off_the_rota_after_one_question(
    app: Flask, sign_in_as: SignIn
) -> None:
    client = ill_counsellor(app, sign_in_as)
    assert "I am ill from now" in page(client.get("/rota"))
    asked = page(client.get("/rota/ill"))
    assert "Your shifts in the next seven days" in asked
    assert stored(app) == []
    answer = submit(client, "/rota/ill", {"back_on": SOON.isoformat()})
    assert (answer.status_code, answer.location) == (303, "/rota")
    [row] = stored(app)
    assert (row.reason, row.ends_at) == (LeaveReason.SICK, local(f"{SOON} 00:00"))
    rota = page(client.get("/rota"))
    assert "Get well soon." in rota
    assert "Nobody is on shift." in rota
    twice = submit(client, "/rota/ill", {"back_on": SOON.isoformat()})
    assert twice.status_code == 409


@pytest.mark.parametrize("back_on", ["", "soon", "2999-01-01"])
def test_a_day_that_cannot_be_meant_is_refused_beside_its_field(
    app: Flask, sign_in_as: SignIn, back_on: str
) -> None:
    client = ill_counsellor(app, sign_in_as)
    answer = submit(client, "/rota/ill", {"back_on": back_on})
    assert answer.status_code == 422
    assert "<title>Error: " in page(answer)
    assert stored(app) == []


def test_who_is_not_on_shift_is_ill_at_least_until_tomorrow(sign_in_as: SignIn) -> None:
    answer = submit(sign_in_as(Role.COUNSELLOR), "/rota/ill", {"back_on": TODAY.isoformat()})
    assert answer.status_code == 422
    assert "Choose a time that is still to come." in page(answer)


def test_the_week_marks_what_comes_from_a_change(app: Flask, sign_in_as: SignIn) -> None:
    ben = person(app, "Ben Ito")
    span = local(f"{SOON} 09:00"), local(f"{SOON} 17:00")
    make(app, Override(OverrideKind.ADD, ben, *span))
    shown = page(sign_in_as(Role.COUNSELLOR).get(f"/rota?week={SOON}"))
    assert "by a change" in shown
