"""Pages of patterns and rotations: adding, changing and ending them, looked at before saving."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from callback_service.domain.rota import Duty
from callback_service.domain.staff import Role
from callback_service.domain.wall_time import monday_of
from callback_service.extensions import db
from callback_service.models.rota import ShiftPattern
from callback_service.models.staff import Staff
from tests.rota_builders import make_pattern
from tests.support.builders import make_staff
from tests.support.pages import csrf_token, submit

pytestmark = pytest.mark.one_database  # the services below are tested on both

SignIn = Callable[..., FlaskClient]
TODAY = datetime.now(UTC).date()  # pages read the clock themselves
MONDAY = monday_of(TODAY) + timedelta(days=7)
LIST, ADD, ROTATE = "/rota/patterns", "/rota/patterns/add", "/rota/patterns/add-rotation"

FORM = {
    "duty": "counselling",
    "weekdays": ["0", "1"],
    "start": "23:00",
    "end": "7:00",
    "from_on": MONDAY.isoformat(),
    "until_on": "",
    "recurs": "weekly",
}
ROTATION = {
    "duty": "counselling",
    "weekdays": ["0", "1", "2"],
    "start": "9:00",
    "end": "12:30",
    "from_on": MONDAY.isoformat(),
    "unit": "weeks",
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
        found = list(db.session.scalars(select(ShiftPattern).order_by(ShiftPattern.id)))
        for row in found:
            assert row.turns is not None  # read now: the session ends with the context
        return found


def text_of(page: str) -> str:
    """What a page says, without tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def post(client: FlaskClient, path: str, form: Mapping[str, object], step: str = "preview") -> str:
    """The page that answers a form."""
    return submit(client, path, {**form, "step": step}).get_data(as_text=True)


def hidden_of(page: str) -> MultiDict[str, str]:
    """The hidden fields of a page, as a browser sends them."""
    found: MultiDict[str, str] = MultiDict()
    for field in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page):
        found.add(field[0], html.unescape(field[1]))
    found["csrf_token"] = csrf_token(page)
    return found


def go_on(client: FlaskClient, path: str, page: str, step: str) -> tuple[int, str]:
    """Press a button of the page that asks before saving: status and page."""
    answer = client.post(path, data=MultiDict([*hidden_of(page).items(multi=True), ("step", step)]))
    return answer.status_code, answer.get_data(as_text=True)


def turns(*given: tuple[list[int | str], object]) -> dict[str, object]:
    """The fields of turns: people, and a length."""
    fields: dict[str, object] = {}
    for number, (who, length) in enumerate(given):
        fields[f"turn-{number}-who"] = [str(one) for one in who]
        fields[f"turn-{number}-length"] = str(length)
    return fields


PATHS = [LIST, ADD, ROTATE, f"{LIST}/1/change", f"{LIST}/1/end"]


@pytest.mark.parametrize("role", [Role.COUNSELLOR, Role.ADMINISTRATOR])
def test_only_managers_see_and_change_the_patterns(
    app: Flask, sign_in_as: SignIn, role: Role
) -> None:
    client = sign_in_as(role)
    assert {client.get(path).status_code for path in PATHS} == {403}
    answers = [submit(client, path, FORM, page="/account") for path in PATHS[1:]]
    assert {answer.status_code for answer in answers} == {403}
    assert stored(app) == []


def test_a_pattern_is_looked_at_and_then_saved(app: Flask, sign_in_as: SignIn) -> None:
    staff_id = person(app, "Amira Khan")
    client = sign_in_as(Role.MANAGER)
    page = post(client, ADD, {**FORM, "staff_id": staff_id})
    assert "Save this?" in page
    assert f"Monday {MONDAY.day} to Tuesday" in text_of(page)
    assert text_of(page).count("Amira Khan") >= 7
    assert "Gaps that close or get smaller" in page
    assert stored(app) == []
    status, _ = go_on(client, ADD, page, "save")
    assert status == 303
    assert "Added: Monday and Tuesday, 23:00 to 07:00, from" in client.get(LIST).text
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
        ({"recurs": "weeks", "weeks": "1"}, "Enter a number from 2 to 52."),
        ({"recurs": "weeks", "weeks": "٢"}, "Enter a number from 2 to 52."),
        ({"recurs": "weeks", "weeks": "2"}, "Enter a date, like 22/11/2026."),
        ({"recurs": "days", "days_on": "4", "days_off": "0"}, "Enter a number from 1 to 99."),
        ({"recurs": "days", "days_on": "4", "days_off": "4"}, "Enter a date, like 22/11/2026."),
    ],
)
def test_a_wrong_answer_is_named_and_the_rest_is_kept(
    app: Flask, sign_in_as: SignIn, wrong: dict[str, object], sentence: str
) -> None:
    staff_id = person(app, "Amira Khan")
    page = post(sign_in_as(Role.MANAGER), ADD, {**FORM, "staff_id": staff_id, **wrong})
    assert sentence in page
    assert 'value="7:00"' in page
    assert "<title>Error: " in page
    assert stored(app) == []


@pytest.mark.parametrize("path", [ADD, ROTATE])
def test_a_form_with_nothing_in_it_is_refused(app: Flask, sign_in_as: SignIn, path: str) -> None:
    for step in ({}, {"step": "save"}):
        assert submit(sign_in_as(Role.MANAGER), path, step).status_code == 422
    assert stored(app) == []


def test_an_overlap_names_the_other_pattern_before_anything_is_shown(
    app: Flask, sign_in_as: SignIn
) -> None:
    staff_id = person(app, "Amira Khan", start="06:00", end="14:00")
    page = post(sign_in_as(Role.MANAGER), ADD, {**FORM, "staff_id": staff_id})
    assert "every day, 06:00 to 14:00, from 5 January 2026" in page
    assert "Save this?" not in page


@pytest.mark.parametrize(
    ("given", "cycle"),
    [
        ({"recurs": "weeks", "weeks": "2", "week_of": "2026-11-25"}, ("2026-11-23", 14, 7)),
        (
            {"recurs": "days", "days_on": "4", "days_off": "3", "cycle_from_on": "2026-11-25",
             "weekdays": []},
            ("2026-11-25", 7, 4),
        ),
    ],
)  # fmt: skip
def test_a_pattern_of_some_weeks_or_days_is_kept_and_comes_back_in_the_form(
    app: Flask, sign_in_as: SignIn, given: dict[str, object], cycle: tuple[str, int, int]
) -> None:
    staff_id = person(app, "Amira Khan")
    client = sign_in_as(Role.MANAGER)
    page = post(client, ADD, {**FORM, "end": "23:30", "staff_id": staff_id, **given})
    assert go_on(client, ADD, page, "save")[0] == 303
    page = post(
        client, ADD, {**FORM, "staff_id": staff_id, **given, "rest_reason": "Agreed"}, "save"
    )
    [row] = stored(app)
    assert (row.cycle_from_on.isoformat(), row.cycle_days, row.cycle_on_days) == cycle
    form = client.get(f"{LIST}/{row.id}/change?day={MONDAY}").text
    for name, value in given.items():
        if isinstance(value, str) and name not in {"recurs", "week_of"}:
            assert re.search(rf'name="{name}"[^>]* value="{value}"', form), name
    assert f'value="{given["recurs"]}" checked' in form


def test_change_goes_back_to_the_form_with_all_that_was_typed(
    app: Flask, sign_in_as: SignIn
) -> None:
    ann, ben = person(app, "Ann"), person(app, "Ben")
    client = sign_in_as(Role.MANAGER)
    form = {**ROTATION, **turns(([ann, ben], 2), ([""], 1), ([ben], 3))}
    page = post(client, ROTATE, form)
    assert "Ann and Ben, 2 weeks" in page
    _, again = go_on(client, ROTATE, page, "edit")
    assert len(re.findall(r"<option value=\"\d+\" selected>(Ann|Ben)", again)) == 3
    assert re.findall(r'name="turn-\d-length" value="(\d)"', again) == ["2", "1", "3"]
    assert 'value="12:30"' in again
    assert stored(app) == []


def test_buttons_arrange_the_turns_and_keep_what_was_typed(app: Flask, sign_in_as: SignIn) -> None:
    ann = person(app, "Ann")
    form = {**ROTATION, "start": "nine", **turns(([ann], 1), ([""], 2), ([ann], 3))}
    page = post(sign_in_as(Role.MANAGER), ROTATE, form, "down-0")
    assert re.findall(r'name="turn-\d-length" value="(\d)"', page) == ["2", "1", "3"]
    assert 'value="nine"' in page
    assert "There is a problem" not in page


def test_a_turn_that_cannot_be_meant_is_named(app: Flask, sign_in_as: SignIn) -> None:
    client, ann = sign_in_as(Role.MANAGER), person(app, "Ann")
    page = post(client, ROTATE, {**ROTATION, **turns(([ann], 1), ([4242], 1), ([ann], "x"))})
    assert "Turn 2: Choose somebody who has an active account." in page
    assert 'id="turn-3-error"' in page
    assert 'href="#turns"' in page
    assert "<title>Error: " in page
    long = post(client, ROTATE, {**ROTATION, **turns(([ann], 52), ([ann], 52), ([ann], 52))})
    assert "its turns take 1092 days, more than 1000" in long


def test_a_rotation_shows_whose_turn_it_is_for_six_weeks(app: Flask, sign_in_as: SignIn) -> None:
    ann, ben = person(app, "Ann"), person(app, "Ben")
    client = sign_in_as(Role.MANAGER)
    page = post(client, ROTATE, {**ROTATION, **turns(([ann, ben], 1), ([""], 1))})
    weeks = re.findall(r"(Ann and Ben|No shift)\s*<", page.split("Its next six weeks")[-1])
    assert weeks == ["Ann and Ben", "No shift"] * 3
    assert go_on(client, ROTATE, page, "save")[0] == 303
    [row] = stored(app)
    assert [(turn.place, turn.length, turn.staff_id) for turn in row.turns] == [
        (0, 7, ann), (0, 7, ben), (1, 7, None),
    ]  # fmt: skip
    listed = text_of(client.get(LIST).text)
    assert "Ann and Ben from" in listed
    assert "1. " not in listed
    assert "nobody, 1 week" in listed


def test_a_rotation_changes_from_a_day_and_whoever_is_next_stays_next(
    app: Flask, sign_in_as: SignIn
) -> None:
    ann, ben, cy = (person(app, name) for name in ("Ann", "Ben", "Cy"))
    client = sign_in_as(Role.MANAGER)
    page = post(client, ROTATE, {**ROTATION, **turns(([ann], 1), ([ben], 1))})
    go_on(client, ROTATE, page, "save")
    [old] = stored(app)
    path, day = f"{LIST}/{old.id}/change", MONDAY + timedelta(days=7)
    assert "First day of the change" in client.get(path).text
    form = client.get(f"{path}?day={day}").text
    assert re.findall(r"selected>(Ann|Ben)<", form) == ["Ben", "Ann"]
    sent = {
        **ROTATION,
        "from_on": day,
        "anchor_on": day,
        **turns(([ben], 1), ([ann], 1), ([cy], 1)),
    }
    page = submit(client, path, sent, page=f"{path}?day={day}").text
    assert "That one ends" in page
    assert stored(app)[0].until_on is None
    assert go_on(client, path, page, "save")[0] == 303
    old, new = stored(app)
    assert (old.until_on, new.from_on) == (day - timedelta(days=1), day)
    assert "Changed: " in client.get(LIST).text


@pytest.mark.parametrize("day", ["soon", ""])
def test_a_day_of_change_that_is_none_is_asked_for_again(
    app: Flask, sign_in_as: SignIn, day: str
) -> None:
    person(app, "Amira Khan", start="06:00", end="14:00")
    [row] = stored(app)
    page = sign_in_as(Role.MANAGER).get(f"{LIST}/{row.id}/change?day={day}").text
    assert "Enter a date, like 22/11/2026." in page


def test_a_change_from_a_day_long_gone_is_refused_beside_its_first_day(
    app: Flask, sign_in_as: SignIn
) -> None:
    staff_id = person(app, "Amira Khan", start="06:00", end="14:00")
    [row] = stored(app)
    path = f"{LIST}/{row.id}/change"
    sent = {**FORM, "staff_id": staff_id, "from_on": TODAY - timedelta(days=9)}
    answer = submit(sign_in_as(Role.MANAGER), path, sent, page=f"{path}?day={TODAY}")
    assert answer.status_code == 422
    assert 'id="from_on-error"' in answer.text
    assert [one.until_on for one in stored(app)] == [None]


def test_the_end_of_a_pattern_shows_the_gaps_it_leaves(app: Flask, sign_in_as: SignIn) -> None:
    person(app, "Amira Khan", start="06:00", end="14:00")
    [row] = stored(app)
    client, path = sign_in_as(Role.MANAGER), f"{LIST}/{row.id}/end"
    page = post(client, path, {"last_on": TODAY.isoformat()})
    assert "Gaps that open" in page
    assert "06:00 to 14:00: nobody on shift, 1 needed" in page
    assert stored(app)[0].until_on is None
    assert go_on(client, path, page, "save")[0] == 303
    assert stored(app)[0].until_on == TODAY


def test_an_end_in_the_past_is_refused_beside_its_field(app: Flask, sign_in_as: SignIn) -> None:
    person(app, "Amira Khan", start="06:00", end="14:00")
    [row] = stored(app)
    past = (TODAY - timedelta(days=9)).isoformat()
    answer = submit(sign_in_as(Role.MANAGER), f"{LIST}/{row.id}/end", {"last_on": past})
    assert answer.status_code == 422
    assert "yesterday at the earliest" in answer.text
    assert stored(app)[0].until_on is None


@pytest.mark.parametrize("what", ["end", "change"])
def test_a_pattern_that_is_not_there_is_not_found(sign_in_as: SignIn, what: str) -> None:
    client = sign_in_as(Role.MANAGER)
    path = f"{LIST}/4242/{what}"
    assert client.get(path).status_code == 404
    assert submit(client, path, {"last_on": TODAY}, page=ADD).status_code == 404


def test_the_list_marks_a_disabled_account_and_its_line_can_pass_to_another(
    app: Flask, sign_in_as: SignIn
) -> None:
    staff_id = person(app, "Amira Khan", start="06:00", end="14:00")
    with app.app_context():
        db.session.get_one(Staff, staff_id).is_active = False
        db.session.commit()
    client = sign_in_as(Role.MANAGER)
    assert "Account disabled: no cover" in client.get(LIST).text
    [row] = stored(app)
    assert "Choose somebody" in client.get(f"{LIST}/{row.id}/change?day={MONDAY}").text


def test_a_turn_of_somebody_who_left_says_so_in_the_form(app: Flask, sign_in_as: SignIn) -> None:
    ann, ben = person(app, "Ann"), person(app, "Ben")
    client = sign_in_as(Role.MANAGER)
    page = post(client, ROTATE, {**ROTATION, **turns(([ann], 1), ([ben], 1))})
    go_on(client, ROTATE, page, "save")
    with app.app_context():
        db.session.get_one(Staff, ben).is_active = False
        db.session.commit()
    [row] = stored(app)
    form = client.get(f"{LIST}/{row.id}/change?day={MONDAY}").text
    assert form.count("Somebody of this turn has no active account now.") == 1


def test_a_long_list_can_be_cut_down_to_one_person(app: Flask, sign_in_as: SignIn) -> None:
    client = sign_in_as(Role.MANAGER)
    ids = [person(app, f"Person {n:02}", start="06:00", end="14:00") for n in range(10)]
    assert 'id="who"' not in client.get(LIST).text
    ids.append(person(app, "Person 10", start="06:00", end="14:00"))
    assert 'id="who"' in client.get(LIST).text
    one = client.get(f"{LIST}?who={ids[3]}").text
    assert one.count("06:00 to 14:00</td>") == 1
    assert f'value="{ids[3]}" selected' in one
    assert client.get(f"{LIST}?who=nobody").status_code == 200


def test_an_empty_list_says_so_and_leads_to_the_forms(sign_in_as: SignIn) -> None:
    page = sign_in_as(Role.MANAGER).get(LIST).text
    assert page.count("None.") == 2
    assert f'href="{ADD}"' in page
    assert f'href="{ROTATE}"' in page
