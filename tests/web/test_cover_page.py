"""The cover page: the week by hour, its gaps in words, and what is needed."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from callback_service.clock import utc_now
from callback_service.domain.rota import Duty
from callback_service.domain.staff import Role
from callback_service.extensions import db, transaction
from callback_service.models.cover import CoverWarning
from callback_service.models.rota import CoverRequirement
from callback_service.services.cover_warnings import warn_of_gaps
from tests.rota_builders import LONDON, make_pattern, make_requirement
from tests.support.builders import make_staff
from tests.support.pages import submit

pytestmark = pytest.mark.one_database  # the services below are tested on both

SignIn = Callable[..., FlaskClient]
FORM = {
    "weekdays": ["5", "6"],
    "start": "18:00",
    "end": "02:00",
    "needed": "3",
    "from_on": "2026-11-23",
    "until_on": "",
}


def staff_round_the_clock(app: Flask) -> None:
    """One counsellor at every hour, and one needed; from 17:00 to 18:00 two are needed."""
    with app.app_context():
        session = db.session()
        make_pattern(session, make_staff(session, name="Amira Khan"), "08:00", "20:00")
        make_pattern(session, make_staff(session, name="Ben Okafor"), "20:00", "08:00")
        manager = make_staff(session, name="Priya Shah", role=Role.MANAGER)
        make_pattern(session, manager, "09:00", "09:00", duty=Duty.DUTY_LEAD)
        make_requirement(session, 2, "17:00", "18:00")
        session.commit()


def stored(app: Flask) -> list[CoverRequirement]:
    with app.app_context():
        return list(db.session.scalars(select(CoverRequirement)))


def rows_of(page: str) -> list[list[str]]:
    """The cells of each day of the table, without tags."""
    body = page.split("<tbody>")[1].split("</tbody>")[0]
    return [
        [
            " ".join(re.sub(r"<[^>]+>", " ", cell).split())
            for cell in re.findall(r"<td.*?</td>", row, re.S)
        ]
        for row in body.split("</tr>")[:-1]
    ]


def headings_of(page: str) -> list[str]:
    return re.findall(r'<th scope="col">(.*?)</th>', page.split("</thead>")[0])[1:]


@pytest.mark.parametrize("role", [Role.COUNSELLOR, Role.ADMINISTRATOR])
def test_cover_is_for_managers(app: Flask, sign_in_as: SignIn, role: Role) -> None:
    client = sign_in_as(role)
    assert client.get("/cover").status_code == 403
    assert submit(client, "/cover/requirements", FORM, page="/account").status_code == 403
    assert stored(app) == []


def test_an_empty_rota_is_one_long_gap_in_words(sign_in_as: SignIn) -> None:
    page = sign_in_as(Role.MANAGER).get("/cover?week=2026-11-23").get_data(as_text=True)
    assert (
        "Monday 23 November, 00:00 to 00:00 on Monday 30 November: nobody on shift, 1 needed"
        in page
    )
    assert page.count("nobody on shift") == 3  # the duty lead's, and the next gap from now


def test_each_hour_shows_who_is_on_and_needed(app: Flask, sign_in_as: SignIn) -> None:
    staff_round_the_clock(app)
    page = sign_in_as(Role.MANAGER).get("/cover?week=2027-01-04").get_data(as_text=True)
    rows = rows_of(page)
    assert [len(row) for row in rows] == [24] * 7
    assert rows[0][16] == "1/1"
    assert rows[0][17] == "1/2 ▼ 1 short"


def test_gaps_stand_above_in_words_with_how_short(app: Flask, sign_in_as: SignIn) -> None:
    staff_round_the_clock(app)
    page = sign_in_as(Role.MANAGER).get("/cover?week=2026-11-23").get_data(as_text=True)
    assert "Saturday 28 November, 17:00 to 18:00: 1 on shift, 2 needed" in page
    assert page.count(">1 short</strong>") == 7
    assert "Every hour of this week has a duty lead." in page
    assert "<strong>Priya Shah</strong>" in page


@pytest.mark.parametrize(
    ("week", "columns", "sunday", "note"),
    [
        ("2026-10-19", 25, 25, "Sunday 25 October has 25 hours: the clocks go back."),
        ("2026-03-23", 24, 23, "Sunday 29 March has 23 hours: the clocks go forward."),
    ],
)
def test_the_week_of_a_clock_change_shows_the_hours_there_are(
    app: Flask, sign_in_as: SignIn, week: str, columns: int, sunday: int, note: str
) -> None:
    staff_round_the_clock(app)
    page = sign_in_as(Role.MANAGER).get(f"/cover?week={week}").get_data(as_text=True)
    assert len(headings_of(page)) == columns
    assert ("01 (2nd)" in headings_of(page)) == (sunday == 25)
    sunday_cells = [cell for cell in rows_of(page)[-1] if "no such hour" not in cell]
    assert len(sunday_cells) == sunday
    assert note in page
    assert "nobody on shift" not in page


def test_the_same_week_stands_in_words_for_narrow_screens(app: Flask, sign_in_as: SignIn) -> None:
    staff_round_the_clock(app)
    page = sign_in_as(Role.MANAGER).get("/cover?week=2026-11-23").get_data(as_text=True)
    assert "<span>17:00 to 18:00</span> <span>1 on, 2 needed: 1 short ▼</span>" in page


def test_a_manager_states_and_removes_what_is_needed(app: Flask, sign_in_as: SignIn) -> None:
    client = sign_in_as(Role.MANAGER)
    assert submit(client, "/cover/requirements", FORM, page="/cover").status_code == 303
    [row] = stored(app)
    assert (row.needed, row.weekdays) == (3, 0b1100000)
    assert "Saturday and Sunday" in client.get("/cover").get_data(as_text=True)
    path = f"/cover/requirements/{row.id}/remove"
    assert submit(client, path, {}, page="/cover").status_code == 303
    assert "Saturday and Sunday</td>" not in client.get("/cover").get_data(as_text=True)
    assert submit(client, path, {}, page="/cover").status_code == 404


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"needed": "0"}, "Enter a number from 1 to 500."),
        ({"needed": "many"}, "Enter a number from 1 to 500."),
        ({"needed": ""}, "Enter a number from 1 to 500."),
        ({"weekdays": []}, "Choose at least one day."),
        ({"end": "soon"}, "Enter a time of the 24-hour clock, like 07:00."),
        ({"from_on": "9999-12-31"}, "Enter a date within five years of today."),
    ],
)
def test_a_wrong_answer_is_named_and_the_rest_is_kept(
    app: Flask, sign_in_as: SignIn, wrong: dict[str, object], sentence: str
) -> None:
    answer = submit(
        sign_in_as(Role.MANAGER), "/cover/requirements", {**FORM, **wrong}, page="/cover"
    )
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert sentence in page
    assert 'value="18:00"' in page
    assert stored(app) == []


def test_stating_the_same_twice_is_refused_in_words(app: Flask, sign_in_as: SignIn) -> None:
    client = sign_in_as(Role.MANAGER)
    submit(client, "/cover/requirements", FORM, page="/cover")
    again = submit(client, "/cover/requirements", {**FORM, "needed": "4"}, page="/cover")
    assert again.status_code == 409
    assert "already have a requirement, of 3" in again.get_data(as_text=True)
    assert len(stored(app)) == 1


@pytest.mark.parametrize("week", ["", "soon", "0001-01-01", "9999-12-31"])
def test_a_week_that_cannot_be_meant_is_refused(sign_in_as: SignIn, week: str) -> None:
    assert sign_in_as(Role.MANAGER).get(f"/cover?week={week}").status_code == 422


def test_a_manager_states_what_bank_holidays_and_dates_need(app: Flask, sign_in_as: SignIn) -> None:
    client = sign_in_as(Role.MANAGER)
    for applies_on, days in (("bank_holidays", "bank holidays"), ("dates", "every day between")):
        form = {**FORM, "weekdays": [], "applies_on": applies_on, "from_on": "2026-12-25"}
        assert submit(client, "/cover/requirements", form, page="/cover").status_code == 303
        assert days in client.get("/cover").get_data(as_text=True)
    assert {row.applies_on for row in stored(app)} == {"bank_holidays", "dates"}
    page = client.get("/cover?week=2026-12-21").get_data(as_text=True)
    assert "Friday 25 December (Christmas Day)" in page


def test_days_of_an_unknown_kind_are_refused(app: Flask, sign_in_as: SignIn) -> None:
    form = {**FORM, "applies_on": "birthdays"}
    answer = submit(sign_in_as(Role.MANAGER), "/cover/requirements", form, page="/cover")
    assert answer.status_code == 422
    assert stored(app) == []


def known_gap(app: Flask) -> int:
    """The empty rota, looked at; the gap's id."""
    with app.app_context(), transaction() as session:
        warn_of_gaps(session, now=utc_now(), tz=LONDON)
        return session.scalars(select(CoverWarning.id)).one()


def test_a_gap_that_was_told_of_is_on_the_page_and_can_be_muted(
    app: Flask, sign_in_as: SignIn
) -> None:
    client = sign_in_as(Role.MANAGER)
    assert ">None.<" in client.get("/cover").get_data(as_text=True)
    path = f"/cover/gaps/{known_gap(app)}"
    assert " and on</th>" in client.get("/cover").get_data(as_text=True)
    empty = submit(client, f"{path}/mute", {"reason": " "})
    assert empty.status_code == 422
    assert "Give a reason." in empty.get_data(as_text=True)
    assert submit(client, f"{path}/mute", {"reason": "Not open yet"}).status_code == 303
    assert "Not open yet" in client.get("/cover").get_data(as_text=True)
    assert submit(client, f"{path}/unmute", {}, page="/cover").status_code == 303
    assert "Not open yet" not in client.get("/cover").get_data(as_text=True)


def test_a_gap_that_is_not_there_cannot_be_muted(sign_in_as: SignIn) -> None:
    client = sign_in_as(Role.MANAGER)
    assert client.get("/cover/gaps/7/mute").status_code == 404
    assert submit(client, "/cover/gaps/7/unmute", {}, page="/cover").status_code == 404


def test_only_managers_mute_gaps(app: Flask, sign_in_as: SignIn) -> None:
    sign_in_as(Role.MANAGER)
    path = f"/cover/gaps/{known_gap(app)}/mute"
    assert submit(sign_in_as(Role.COUNSELLOR), path, {}, page="/account").status_code == 403
