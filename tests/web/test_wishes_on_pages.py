"""Wishes on the form, on the caller's pages, and at the desk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from callback_service.domain.skills import Gender, SkillKind, skill
from callback_service.domain.staff import Role
from callback_service.domain.wishes import Wishes, WishKind, widened_at
from callback_service.domain.wording import time_spoken
from callback_service.models.callback import CallbackRequest
from callback_service.models.staff import Staff
from callback_service.services.staff_skills import set_skills
from callback_service.web.public_form import window_value
from tests.rota_builders import LONDON, make_pattern
from tests.support.builders import NOW
from tests.support.pages import submit
from tests.support.request_builders import TONIGHT, make_shift, mobile, plan, send_form, stored


@pytest.fixture(autouse=True)
def frozen() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


WOMAN = skill(SkillKind.GENDER, "woman")


@contextmanager
def a_rota(app: Flask, *, with_a_woman: bool = False) -> Iterator[None]:
    """Somebody until tomorrow morning, perhaps a woman too; from midnight one who speaks Polish."""
    with stored(app) as session:
        make_shift(session)
        if with_a_woman:
            mia = make_shift(session, name="Mia Low")
            set_skills(session, mia.id, [WOMAN], actor_id=None, now=NOW)
        ola = make_shift(session, "00:00", "08:00", name="Ola Nowak")
        skills = skill(SkillKind.LANGUAGE, "pl"), WOMAN
        set_skills(session, ola.id, skills, actor_id=None, now=NOW)
    yield


def holds_until(app: Flask, kind: WishKind) -> datetime:
    request = the_request(app)
    return widened_at(kind, ring_from=request.ring_from, due_at=request.due_at)


def text_of(answer: TestResponse) -> str:
    return answer.get_data(as_text=True)


def the_request(app: Flask) -> CallbackRequest:
    with stored(app) as session:
        return session.scalars(select(CallbackRequest)).one()


def test_only_what_somebody_can_meet_is_offered(app: Flask, client: FlaskClient) -> None:
    assert 'name="gender"' not in text_of(client.get("/"))
    with a_rota(app):
        page = text_of(client.get("/"))
    assert re.findall(r'name="gender" type="radio" value="(\w*)"', page) == ["", "woman"]
    assert '<option value="pl">Polish</option>' in page
    assert "<details" in page
    assert not re.search(r"<details[^>]*\sopen", page)


def test_wishes_are_kept_and_the_page_says_until_when_they_hold(
    app: Flask, client: FlaskClient
) -> None:
    with a_rota(app, with_a_woman=True):
        answer = send_form(client, gender="woman", same_counsellor="y")
    assert the_request(app).wishes == Wishes(gender=Gender.WOMAN)
    gender, same = (
        time_spoken(holds_until(app, kind), now=NOW, tz=LONDON)
        for kind in (WishKind.GENDER, WishKind.COUNSELLOR)
    )
    for address in (answer.location, answer.location.replace("/done/", "/manage/")):
        page = text_of(client.get(address))
        assert f"the person you spoke with before. We try that until {same} at the" in page
        assert f"You asked for a woman. If that cannot be by {gender}, somebody else" in page


def test_the_page_says_at_once_when_nobody_can_meet_a_wish_in_time(
    app: Flask, client: FlaskClient
) -> None:
    with a_rota(app):
        answer = send_form(client, gender="woman")
    for address in (answer.location, answer.location.replace("/done/", "/manage/")):
        page = text_of(client.get(address))
        assert "You asked for a woman. We are sorry, that is not possible in time, so some" in page


def test_of_the_same_counsellor_the_page_tells_nobody_whether_we_know_the_number(
    app: Flask, client: FlaskClient
) -> None:
    """Whoever holds the phone of somebody else learns nothing from it, whoever is on shift."""
    with a_rota(app):
        answer = send_form(client, same_counsellor="y")
        page = text_of(client.get(answer.location))
    with stored(app) as session:
        away = make_shift(session, "00:00", "08:00", name="Alex Marsh")
        session.scalars(select(CallbackRequest)).one().wishes = Wishes(counsellor_id=away.id)
    assert said_of_wishes(text_of(client.get(answer.location))) == said_of_wishes(page) != []


def said_of_wishes(page: str) -> list[str]:
    return re.findall(r"You asked for[^<]*", page)


def test_the_page_says_when_a_wish_could_not_be_met(app: Flask, client: FlaskClient) -> None:
    with a_rota(app):
        answer = send_form(client, gender="woman")
    with time_machine.travel(the_request(app).due_at, tick=False):
        page = text_of(client.get(answer.location))
    assert "We could not find a woman in time, so somebody else may ring." in page


def test_a_page_says_nothing_of_the_wishes_of_somebody_else(
    app: Flask, client: FlaskClient
) -> None:
    with a_rota(app):
        send_form(client, gender="woman")
        answer = send_form(app.test_client(), gender="")
    assert "You asked for" not in text_of(client.get(answer.location))


def test_a_time_without_whom_they_wish_for_shows_the_form_with_times_that_have_them(
    app: Flask, client: FlaskClient
) -> None:
    with a_rota(app):
        answer = send_form(client, language="pl", when=window_value(TONIGHT))
        page = text_of(answer)
    assert answer.status_code == 422
    sentence = "At that time we cannot promise somebody who speaks Polish. Choose another"
    assert f"{sentence}. The next is tonight between midnight and 2am" in page
    assert window_value(TONIGHT) not in page
    assert 'value="07700 900123"' in page
    assert '<option value="pl" selected>Polish</option>' in page
    assert re.search(r"<details[^>]*\sopen", page)
    with stored(app) as session:
        assert session.scalars(select(CallbackRequest)).all() == []


def test_a_wish_that_was_not_offered_is_no_wish(app: Flask, client: FlaskClient) -> None:
    with a_rota(app):
        assert send_form(client, language="xx", gender="dragon").status_code == 303
    assert the_request(app).wishes == Wishes()


def test_the_desk_shows_the_wish_and_why_the_plan_is_as_it_is(
    app: Flask, client: FlaskClient, sign_in_as: Callable[..., FlaskClient]
) -> None:
    with a_rota(app):
        send_form(client, gender="woman")
    with stored(app) as session:
        plan(session)
    page = text_of(sign_in_as(Role.MANAGER).get("/desk"))
    assert "Asked for a woman (nobody can in time, so for everybody)" in page
    assert "due first; no longer kept for a woman" in page


def test_the_desk_lets_somebody_take_a_call_only_if_the_caller_asked_for_them(
    app: Flask, client: FlaskClient, sign_in_as: Callable[..., FlaskClient]
) -> None:
    with a_rota(app, with_a_woman=True):
        send_form(client, gender="woman")
    until = f"{holds_until(app, WishKind.GENDER).astimezone(LONDON):%H:%M}"
    for name, is_woman in (("Sam Hill", False), ("Jo Hill", True)):
        email = f"{name[:2].lower()}@example.org"
        desk = sign_in_as(Role.COUNSELLOR, name=name, email=email)
        with stored(app) as session:
            person = session.scalars(select(Staff).where(Staff.email == email)).one()
            make_pattern(session, person, "16:00", "08:00")
            own = [skill(SkillKind.GENDER, "woman")] if is_woman else []
            set_skills(session, person.id, own, actor_id=None, now=NOW)
        page = text_of(desk.get("/desk"))
        assert ("Take call" in page) is is_woman
        assert (f"For a woman. For everybody from {until}" in page) is not is_woman
        assert f"Asked for a woman (until {until})" in page


def test_once_a_wish_is_over_anybody_may_take_the_call(
    app: Flask, client: FlaskClient, sign_in_as: Callable[..., FlaskClient]
) -> None:
    with a_rota(app, with_a_woman=True):
        send_form(client, gender="woman")
    with time_machine.travel(holds_until(app, WishKind.GENDER), tick=False):
        desk = sign_in_as(Role.COUNSELLOR, name="Sam Hill", email="sam@example.org")
        with stored(app) as session:
            person = session.scalars(select(Staff).where(Staff.email == "sam@example.org")).one()
            make_pattern(session, person, "16:00", "08:00")
        assert "Take call" in text_of(desk.get("/desk"))


def test_a_manager_puts_a_request_before_all_others_and_back(
    app: Flask, client: FlaskClient, sign_in_as: Callable[..., FlaskClient]
) -> None:
    with a_rota(app):
        send_form(client)
        send_form(app.test_client(), phone=mobile(7))
    manager = sign_in_as(Role.MANAGER)
    with stored(app) as session:
        last = max(session.scalars(select(CallbackRequest.id)))
    for sent, first in (("yes", True), ("no", False)):
        submit(manager, f"/desk/requests/{last}/urgent", {"is_urgent": sent}, page="/desk")
        with stored(app) as session:
            assert session.get_one(CallbackRequest, last).is_urgent is first
        tag = re.search(r"Urgent\s*</strong>", text_of(manager.get("/desk")))
        assert (tag is not None) is first
