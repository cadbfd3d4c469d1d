"""The page on which an administrator says what somebody can do; and cover that needs it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from callback_service.domain.skills import parse_skill
from callback_service.domain.staff import Role
from callback_service.models.staff import Staff
from callback_service.services.staff_skills import set_skills, skills_of
from tests.rota_builders import make_pattern, make_requirement
from tests.support.builders import NOW, make_staff
from tests.support.pages import submit
from tests.support.request_builders import stored

pytestmark = pytest.mark.one_database  # the services below are tested on both

SignIn = Callable[..., FlaskClient]


def somebody(app: Flask, *skills: str) -> int:
    """A counsellor round the clock, with ``skills``."""
    with stored(app) as session:
        staff = make_staff(session, name="Catrin Rhys")
        make_pattern(session, staff, "00:00", "00:00")
        set_skills(session, staff.id, map(parse_skill, skills), actor_id=None, now=NOW)
        return staff.id


def own(app: Flask, staff_id: int) -> set[str]:
    with stored(app) as session:
        return set(map(str, skills_of(session, staff_id)))


def test_an_administrator_ticks_and_types_what_somebody_can_do(
    app: Flask, sign_in_as: SignIn
) -> None:
    staff_id, client = somebody(app, "skill:debt", "gender:man"), sign_in_as(Role.ADMINISTRATOR)
    path = f"/staff/{staff_id}/skills"
    page = client.get(path).get_data(as_text=True)
    assert re.search(r'name="skills"[^>]*value="debt"[^>]*checked', page)
    assert re.search(r'name="gender"[^>]*value="man"[^>]*checked', page)
    form = {
        "languages": ["cy", "pl"],
        "language": "Somali, zh-hk",
        "skills": ["family"],
        "skill": "Housing ,",
        "gender": "woman",
    }
    assert submit(client, path, form).location == f"/staff#account-{staff_id}"
    languages = {"language:cy", "language:pl", "language:so", "language:zh-HK"}
    assert own(app, staff_id) == {*languages, "skill:family", "skill:housing", "gender:woman"}
    listed = client.get("/staff").get_data(as_text=True)
    assert "Chinese (HK), Polish, Somali, Welsh, family, housing, woman" in listed
    assert submit(client, path, {"gender": "none"}).status_code == 303
    assert own(app, staff_id) == set()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"language": "cy, elvish"}, "“elvish” is no language we know."),
        ({"languages": ["cy", "<b>"]}, "is no language we know."),
        ({"skill": "x" * 31}, "A skill is a word or two"),
        ({"skill": ",".join(f"word {number}" for number in range(50))}, "at most 40"),
        ({"gender": "lady"}, "Not a valid choice"),
        ({"gender": ""}, "Choose one."),
    ],
)
def test_a_wrong_answer_is_named_and_nothing_is_saved(
    app: Flask, sign_in_as: SignIn, wrong: dict[str, object], sentence: str
) -> None:
    staff_id = somebody(app, "language:pl")
    form = {"languages": ["cy"], "language": "Somali", "gender": "none", **wrong}
    answer = submit(sign_in_as(Role.ADMINISTRATOR), f"/staff/{staff_id}/skills", form)
    assert answer.status_code == 422
    page = answer.get_data(as_text=True)
    assert sentence in page
    assert "There is a problem" in page
    assert re.search(r'name="languages"[^>]*value="cy"[^>]*checked', page)
    assert own(app, staff_id) == {"language:pl"}


@pytest.mark.parametrize("role", [Role.COUNSELLOR, Role.MANAGER])
def test_only_administrators_change_skills(app: Flask, sign_in_as: SignIn, role: Role) -> None:
    staff_id = somebody(app, "language:pl")
    answer = submit(
        sign_in_as(role), f"/staff/{staff_id}/skills", {"gender": "man"}, page="/account"
    )
    assert answer.status_code == 403
    assert own(app, staff_id) == {"language:pl"}


def test_nobody_is_not_found(sign_in_as: SignIn) -> None:
    assert sign_in_as(Role.ADMINISTRATOR).get("/staff/4711/skills").status_code == 404


def test_everybody_sees_what_is_stated_of_them(app: Flask, sign_in_as: SignIn) -> None:
    client = sign_in_as(Role.COUNSELLOR, email="catrin@example.org")
    assert "none stated" in client.get("/account").get_data(as_text=True)
    with stored(app) as session:
        [staff_id] = session.scalars(select(Staff.id))
        skills = map(parse_skill, ("language:cy", "gender:woman"))
        set_skills(session, staff_id, skills, actor_id=None, now=NOW)
    assert "Welsh, woman" in client.get("/account").get_data(as_text=True)


FORM = {
    "weekdays": [str(day) for day in range(7)],
    "start": "20:00",
    "end": "08:00",
    "needed": "1",
    "from_on": "2026-11-23",
    "until_on": "",
    "skill": "language:cy",
}


def test_a_manager_states_that_one_on_each_night_speaks_welsh(
    app: Flask, sign_in_as: SignIn
) -> None:
    somebody(app)
    client = sign_in_as(Role.MANAGER)
    assert "◆" not in client.get("/cover?week=2026-12-07").get_data(as_text=True)
    assert submit(client, "/cover/requirements", FORM, page="/cover").status_code == 303
    page = client.get("/cover?week=2026-12-07").get_data(as_text=True)
    assert "1 who speaks Welsh needed: every day, 20:00 to 08:00" in page
    assert "20:00 to 08:00 on Tuesday 8 December: nobody who speaks Welsh on shift" in page
    assert page.count("<strong>8 gaps</strong>") == 4
    assert page.count('class="app-cover__short1"') == 7 * 12 + 2  # and two in the key
    assert "1 on, 1 needed; Welsh: 0 on, 1 needed: 1 short ◆" in page
    again = submit(client, "/cover/requirements", {**FORM, "needed": "2"}, page="/cover")
    assert again.status_code == 409


@pytest.mark.parametrize("skill", ["language:elvish", "nothing", "language:en"])
def test_a_skill_that_the_list_does_not_offer_is_refused(
    app: Flask, sign_in_as: SignIn, skill: str
) -> None:
    answer = submit(
        sign_in_as(Role.MANAGER), "/cover/requirements", {**FORM, "skill": skill}, page="/cover"
    )
    assert answer.status_code == 422
    assert "Not a valid choice" in answer.get_data(as_text=True)


def test_a_met_requirement_leaves_the_week_calm(app: Flask, sign_in_as: SignIn) -> None:
    somebody(app, "language:cy")
    with stored(app) as session:
        make_requirement(session, 1, "20:00", "08:00").skill = "language:cy"
    page = sign_in_as(Role.MANAGER).get("/cover?week=2026-12-07").get_data(as_text=True)
    assert "Every hour of this week has enough people" in page
    assert "1 on, 1 needed; Welsh 1/1" in page
