"""The rota by person: hours, balance, broken rules of rest, and what is agreed about them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import TypeVar

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from callback_service.domain.staff import Role
from callback_service.extensions import db
from callback_service.models.audit import AuditEntry
from callback_service.models.rest import RestAllowance, WorkingTimeOptOut
from callback_service.models.rota import ShiftPattern
from callback_service.models.staff import Staff
from tests.rota_builders import make_pattern
from tests.support.builders import make_staff
from tests.support.pages import submit

pytestmark = pytest.mark.one_database  # the services below are tested on both

SignIn = Callable[..., FlaskClient]
Row = TypeVar("Row")
WEEK = "/rota/people?from=2026-11-23&to=2026-11-29"


def make_double(app: Flask) -> int:
    """Ann: late on Mondays and early on Tuesdays, with eight hours between; and her id."""
    with app.app_context():
        session = db.session()
        ann = make_staff(session, name="Ann Price")
        make_pattern(session, ann, "14:00", "22:00", frozenset({0}))
        make_pattern(session, ann, "06:00", "14:00", frozenset({1}))
        make_pattern(session, make_staff(session, name="Ben Okafor"), "09:00", "17:00")
        session.commit()
        return ann.id


def stored(app: Flask, model: type[Row]) -> list[Row]:
    with app.app_context():
        return list(db.session.scalars(select(model)))


def text_of(page: str) -> str:
    """What a page says, without tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def get(client: FlaskClient, path: str = WEEK) -> str:
    return client.get(path).get_data(as_text=True)


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of the first form that allows something."""
    form = page.split("/rota/people/allow")[1].split("</form>")[0]
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))
    return {name: html.unescape(value) for name, value in fields.items() if name != "csrf_token"}


@pytest.mark.parametrize("role", [Role.COUNSELLOR, Role.ADMINISTRATOR])
def test_the_page_is_for_managers(app: Flask, sign_in_as: SignIn, role: Role) -> None:
    client = sign_in_as(role)
    assert client.get("/rota/people").status_code == 403
    for path in ("/rota/people/allow", "/rota/people/opt-outs", "/rota/people/opt-outs/1/end"):
        assert submit(client, path, {}, page="/account").status_code == 403


def test_hours_balance_and_its_formula_are_shown(app: Flask, sign_in_as: SignIn) -> None:
    make_double(app)
    page = text_of(get(sign_in_as(Role.MANAGER)))
    assert "Ann Price 16 0 0 0" in page
    assert "Ben Okafor 56 0 16 0" in page
    assert "Balance 1 is even 0.29" in page
    assert "the fewer hours divided by the more" in page


def test_bank_holidays_of_the_range_are_named(app: Flask, sign_in_as: SignIn) -> None:
    make_double(app)
    page = text_of(get(sign_in_as(Role.MANAGER), "/rota/people?from=2026-12-21&to=2026-12-27"))
    assert "Friday 25 December (Christmas Day), Saturday 26 December (Boxing Day)." in page
    assert "Ben Okafor 56 0 16 16" in page


def test_without_shifts_the_page_says_so(sign_in_as: SignIn) -> None:
    page = text_of(get(sign_in_as(Role.MANAGER), "/rota/people"))
    assert "Nobody has a shift in these days." in page
    assert "No rule is broken in these days." in page


def test_a_breach_is_listed_allowed_with_a_reason_and_counted(
    app: Flask, sign_in_as: SignIn
) -> None:
    make_double(app)
    client = sign_in_as(Role.MANAGER)
    page = get(client)
    words = "8 hours of rest in the 24 from Monday 23 November, 14:00: 11 are due"
    assert words in page
    counted = text_of(page)
    assert "Rules broken 3 Allowed with a reason 0" in counted  # two by Ben, who works every day
    answer = submit(
        client,
        "/rota/people/allow?from=2026-11-23&to=2026-11-29",
        {**hidden(page), "reason": "Her own wish"},
        page=WEEK,
    )
    assert (answer.status_code, answer.location) == (303, WEEK)
    after = text_of(get(client))
    assert "Rules broken 2 Allowed with a reason 1" in after
    assert f"{words} Allowed: Her own wish" in after
    assert len(stored(app, RestAllowance)) == 1
    assert "rest.allowed" in {row.action for row in stored(app, AuditEntry)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": ""},
        {"reason": "x" * 201},
        {"rule": "sleep"},
        {"staff_id": "many"},
        {"staff_id": "99999999999999"},
        {"start": "soon"},
        {"start": "2026-11-23T14:00:00"},
        {"end": "2020-01-01T00:00:00+00:00"},
    ],
)
def test_what_no_form_of_ours_sends_is_refused(
    app: Flask, sign_in_as: SignIn, wrong: dict[str, str]
) -> None:
    make_double(app)
    client = sign_in_as(Role.MANAGER)
    fields = {**hidden(get(client)), "reason": "Her own wish", **wrong}
    assert submit(client, "/rota/people/allow", fields, page=WEEK).status_code == 422
    assert stored(app, RestAllowance) == []


@pytest.mark.parametrize(
    "query",
    [
        "from=soon",
        "from=2026-11-23&to=2026-11-22",
        "from=2026-01-01&to=2027-12-31",
        "from=0001-01-01",
        "from=9999-12-31",
        "from=2040-01-01",
    ],
)
def test_a_range_that_cannot_be_meant_is_refused(sign_in_as: SignIn, query: str) -> None:
    assert sign_in_as(Role.MANAGER).get(f"/rota/people?{query}").status_code == 422


def test_an_agreement_is_recorded_and_ended(app: Flask, sign_in_as: SignIn) -> None:
    ann = make_double(app)
    client = sign_in_as(Role.MANAGER)
    given = {"staff_id": str(ann), "agreed_on": "2026-11-02"}
    path = "/rota/people/opt-outs"
    assert submit(client, path, given, page="/rota/people").status_code == 303
    assert "Opted out of 48 hours" in get(client)
    assert submit(client, path, given, page="/rota/people").status_code == 409
    [row] = stored(app, WorkingTimeOptOut)
    assert submit(client, f"{path}/{row.id}/end", {}, page="/rota/people").status_code == 303
    assert stored(app, WorkingTimeOptOut)[0].ends_on is not None
    assert submit(client, f"{path}/{row.id}/end", {}, page="/rota/people").status_code == 404


@pytest.mark.parametrize(
    "wrong", [{"staff_id": ""}, {"agreed_on": "2999-01-01"}, {"agreed_on": ""}]
)
def test_a_wrong_agreement_is_named(app: Flask, sign_in_as: SignIn, wrong: dict[str, str]) -> None:
    given = {"staff_id": str(make_double(app)), "agreed_on": "2026-11-02", **wrong}
    client = sign_in_as(Role.MANAGER)
    answer = submit(client, "/rota/people/opt-outs", given, page="/rota/people")
    assert answer.status_code == 422
    assert "There is a problem" in answer.get_data(as_text=True)
    assert stored(app, WorkingTimeOptOut) == []


def early_friday(app: Flask, **more: str) -> dict[str, object]:
    """A line that leaves Ann six hours after her late Thursday."""
    with app.app_context():
        session = db.session()
        ann = session.scalars(select(Staff).where(Staff.name == "Ann Price")).one()
        make_pattern(session, ann, "16:00", "23:00", frozenset({3}))
        session.commit()
        return {
            "staff_id": str(ann.id),
            "duty": "counselling",
            "weekdays": ["4"],
            "start": "05:00",
            "end": "10:00",
            "from_on": "2026-11-23",
            **more,
        }


def test_a_pattern_that_breaks_rest_is_saved_only_with_a_reason(
    app: Flask, sign_in_as: SignIn
) -> None:
    make_double(app)
    form, client, path = early_friday(app), sign_in_as(Role.MANAGER), "/rota/patterns/add"
    before = len(stored(app, ShiftPattern))
    looked_at = submit(client, path, form).text
    assert "6 hours of rest in the 24 from Thursday" in looked_at
    assert "Why this is allowed" in looked_at
    for reason in ("", " ", "x" * 201):
        refused = submit(client, path, {**form, "step": "save", "rest_reason": reason})
        assert refused.status_code == 409
        assert "There is a problem" in refused.text
    assert len(stored(app, ShiftPattern)) == before
    saved = submit(client, path, {**form, "step": "save", "rest_reason": "Agreed"})
    assert saved.status_code == 303
    assert len(stored(app, ShiftPattern)) == before + 1
    assert "Allowed: Agreed" in text_of(get(client, "/rota/people?from=2027-01-04&to=2027-01-10"))


def test_a_pattern_that_breaks_nothing_asks_for_no_reason(app: Flask, sign_in_as: SignIn) -> None:
    make_double(app)
    form, client = early_friday(app, start="11:00", end="17:00"), sign_in_as(Role.MANAGER)
    assert "Why this is allowed" not in submit(client, "/rota/patterns/add", form).text
    saved = submit(client, "/rota/patterns/add", {**form, "step": "save"})
    assert saved.status_code == 303
