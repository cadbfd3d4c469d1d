"""The rota as everybody sees it: week, four weeks, by hour, and to print."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import Change, Leave, LeaveReason, OpenShift
from callback_service.domain.staff import Role
from callback_service.domain.wall_time import monday_of
from callback_service.extensions import db
from callback_service.models.staff import Staff
from callback_service.services import rota_changes
from callback_service.web.rota_grid import DASH
from tests.rota_builders import LONDON, make_pattern, make_requirement
from tests.support.builders import make_staff

pytestmark = pytest.mark.one_database  # what they show is tested on both in test_roster

SignIn = Callable[..., FlaskClient]
NOW = datetime.now(UTC)  # pages read the clock themselves
NEXT_WEEK = monday_of(NOW.astimezone(LONDON).date()) + timedelta(days=7)
MIDDAY = datetime.combine(NEXT_WEEK + timedelta(days=2), datetime.min.time(), LONDON).replace(
    hour=12
)
VIEWS = ("/rota", "/rota/four-weeks", "/rota/hours", "/rota/hours/week", "/rota/print")
NASTY = '<b>Bobby</b> & "Co" \'); DROP'
LONG = "Alexandria-Wilhelmina Constantinopoulos-Featherstonehaugh III of Llanfairpwll"


def person(app: Flask, name: str, start: str = "", end: str = "", role: Role | None = None) -> int:
    """Somebody new, with a pattern of every day where times are given."""
    with app.app_context():
        staff = make_staff(db.session(), name=name, role=role or Role.COUNSELLOR)
        if start:
            duty = Duty.DUTY_LEAD if role else Duty.COUNSELLING
            make_pattern(db.session(), staff, start, end, duty=duty)
        db.session.commit()
        return staff.id


def change(app: Flask, made: Change) -> None:
    with app.app_context():
        rota_changes.make_change(db.session(), made, actor_id=None, now=NOW, tz=LONDON)
        db.session.commit()


def text(client: FlaskClient, path: str) -> str:
    """The page at ``path`` without its markup, in single spaces."""
    answer = client.get(path)
    assert answer.status_code == 200
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.get_data(as_text=True))).split())


@pytest.mark.parametrize("path", VIEWS)
@pytest.mark.parametrize("role", list(Role))
def test_each_view_is_there_on_an_empty_rota_for_everybody_who_is_signed_in(
    sign_in_as: SignIn, role: Role, path: str
) -> None:
    page = text(sign_in_as(role), path)
    if "hours" in path:
        assert "nobody on shift, 1 needed" in page
    else:
        assert "Nobody has a shift in " in page


@pytest.mark.parametrize("path", VIEWS)
def test_a_stranger_sees_no_view(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 303


@pytest.mark.parametrize("path", VIEWS)
def test_names_are_shown_as_they_are_however_long_or_odd(
    app: Flask, sign_in_as: SignIn, path: str
) -> None:
    person(app, NASTY, "09:00", "17:00")
    person(app, LONG, "09:00", "17:00")
    client = sign_in_as(Role.MANAGER)
    page = client.get(path).get_data(as_text=True)
    assert "<b>Bobby" not in page
    if path != "/rota/hours/week":  # which has figures only
        assert NASTY in unescape(page)
        assert LONG in page


@pytest.mark.parametrize(
    "query",
    ["duty=idle", "who=-1", "who=amira", "who=²", "who=99999999999", "week=soon", "day=x"],
)
def test_what_no_link_asks_for_is_refused(sign_in_as: SignIn, query: str) -> None:
    client = sign_in_as(Role.COUNSELLOR)
    path = "/rota/hours" if query.startswith("day") else "/rota"
    assert client.get(f"{path}?{query}").status_code == 422


def test_an_open_shift_stands_in_the_grid_and_leads_to_where_it_is_taken(
    app: Flask, sign_in_as: SignIn
) -> None:
    change(app, OpenShift(MIDDAY, MIDDAY + timedelta(hours=4)))
    client = sign_in_as(Role.COUNSELLOR)
    page = client.get(f"/rota?week={NEXT_WEEK}").get_data(as_text=True)
    assert "Nobody yet" in page
    assert re.search(r'href="/rota/open-shifts">12:00 to 16:00<', page)
    assert f"12{DASH}16" in text(client, f"/rota/four-weeks?week={NEXT_WEEK}")
    assert "nobody yet (open shift)" in text(client, f"/rota/hours?day={MIDDAY.date()}")
    assert "12:00 to 16:00" in text(client, f"/rota/print?week={NEXT_WEEK}")


def test_an_open_shift_of_a_duty_lead_is_no_link_for_counsellors(
    app: Flask, sign_in_as: SignIn
) -> None:
    change(app, OpenShift(MIDDAY, MIDDAY + timedelta(hours=4), Duty.DUTY_LEAD))
    page = sign_in_as(Role.COUNSELLOR).get(f"/rota?week={NEXT_WEEK}").get_data(as_text=True)
    assert "12:00 to 16:00" in page
    assert 'href="/rota/open-shifts">12:00' not in page


def test_leave_is_marked_in_a_word_and_never_says_why(app: Flask, sign_in_as: SignIn) -> None:
    staff_id = person(app, "Amira Khan", "13:00", "17:00")
    change(app, Leave(staff_id, MIDDAY, MIDDAY + timedelta(days=1), LeaveReason.SICK))
    client = sign_in_as(Role.COUNSELLOR)
    for path in ("/rota", "/rota/four-weeks", "/rota/print"):
        page = text(client, f"{path}?week={NEXT_WEEK}")
        assert "away" in page
        assert "sick" not in page.lower().replace("i am ill", "")
    assert "away from 12:00" in text(client, f"/rota?week={NEXT_WEEK}")


def test_a_shift_and_an_empty_day_lead_a_manager_to_the_form_filled_in(
    app: Flask, sign_in_as: SignIn
) -> None:
    with app.app_context():
        staff = make_staff(db.session(), name="Amira Khan")
        make_pattern(db.session(), staff, "23:00", "07:00", frozenset({0}))
        db.session.commit()
        staff_id = staff.id
    client = sign_in_as(Role.MANAGER)
    page = client.get(f"/rota?week={NEXT_WEEK}&who={staff_id}").get_data(as_text=True)
    links = [unescape(link) for link in re.findall(r'href="(/rota/changes\?[^"]+)"', page)]
    assert len(links) == 7
    replaced = next(link for link in links if "what=replace" in link)
    form = client.get(replaced).get_data(as_text=True)
    next_day = NEXT_WEEK + timedelta(days=1)
    for name, value in (
        ("from_on", str(NEXT_WEEK)),
        ("from_at", "23:00"),
        ("until_on", str(next_day)),
        ("until_at", "07:00"),
    ):
        assert re.search(rf'name="{name}"[^>]*value="{value}"', form)
    assert f'<option value="{staff_id}" selected>Amira Khan</option>' in form
    assert "There is a problem" not in form
    assert 'value="add" selected' in client.get(links[-1]).get_data(as_text=True)


@pytest.mark.parametrize("query", ["what=fly", "from_on=soon", "staff_id=x&duty=y&from_at=99"])
def test_a_form_is_not_filled_in_with_nonsense(sign_in_as: SignIn, query: str) -> None:
    answer = sign_in_as(Role.MANAGER).get(f"/rota/changes?{query}")
    assert answer.status_code == 200
    assert "There is a problem" not in answer.get_data(as_text=True)


def test_a_counsellor_has_no_links_to_change_shifts(app: Flask, sign_in_as: SignIn) -> None:
    person(app, "Amira Khan", "09:00", "17:00")
    page = sign_in_as(Role.COUNSELLOR).get(f"/rota?week={NEXT_WEEK}").get_data(as_text=True)
    assert "/rota/changes" not in page


def test_own_shifts_come_first_and_can_stand_alone(app: Flask, sign_in_as: SignIn) -> None:
    person(app, "Amira Khan", "09:00", "17:00")
    client = sign_in_as(Role.COUNSELLOR, name="Zoe Last", email="zoe@example.org")
    with app.app_context():
        me = db.session.scalars(select(Staff).where(Staff.email == "zoe@example.org")).one()
        make_pattern(db.session(), me, "10:00", "12:00")
        db.session.commit()
    names = re.findall(r'rota-person__name">(?:<a[^>]*>)?([^<]+)', client.get("/rota").text)
    assert names == ["Zoe Last", "Amira Khan"]
    assert "09:00 to 17:00" not in text(client, "/rota?who=me")


def test_a_filter_for_one_duty_leaves_out_the_other(app: Flask, sign_in_as: SignIn) -> None:
    person(app, "Amira Khan", "09:00", "17:00")
    person(app, "Priya Shah", "08:00", "08:00", Role.MANAGER)
    client = sign_in_as(Role.COUNSELLOR)
    page = client.get(f"/rota?duty=duty_lead&week={NEXT_WEEK}").get_data(as_text=True)
    assert ">09:00 to 17:00<" not in page
    assert "08:00 to 08:00" in page
    assert f"week={NEXT_WEEK + timedelta(days=7)}&amp;duty=duty_lead" in page


def test_the_heads_of_days_count_gaps_and_lead_to_the_hours(app: Flask, sign_in_as: SignIn) -> None:
    person(app, "Amira Khan", "00:00", "22:00")
    page = sign_in_as(Role.COUNSELLOR).get(f"/rota?week={NEXT_WEEK}").get_data(as_text=True)
    assert page.count("1 gap</strong>") == 7
    assert f'href="/rota/hours?duty=counselling&amp;day={NEXT_WEEK}"' in page


def test_a_night_into_the_week_says_where_it_comes_from(app: Flask, sign_in_as: SignIn) -> None:
    person(app, "Amira Khan", "20:00", "08:00")
    client = sign_in_as(Role.COUNSELLOR)
    assert "to 08:00 from Sunday 20:00" in text(client, "/rota?week=2026-11-23")
    assert "to 08:00 (from Sunday 20:00)" in text(client, "/rota/print?week=2026-11-23")
    assert f"…{DASH}08 20{DASH}08" in text(client, "/rota/four-weeks?week=2026-11-23")


@pytest.mark.parametrize(
    ("day", "length", "night"), [("2026-03-29", 23, 11), ("2026-10-25", 25, 13)]
)
def test_the_hours_of_a_day_are_those_the_clock_shows(
    app: Flask, sign_in_as: SignIn, day: str, length: int, night: int
) -> None:
    person(app, "Amira Khan", "20:00", "08:00")
    person(app, "Ben Okafor", "08:00", "20:00")
    client = sign_in_as(Role.COUNSELLOR)
    page = client.get(f"/rota/hours?day={day}").get_data(as_text=True)
    hours = re.findall(r'<th scope="row"[^>]*>(\d\d:\d\d(?: \(\w+\))?)', page)
    assert len(hours) == length
    assert ("01:00 (second)" in hours) is (length == 25)
    assert ("01:00" in hours) is False
    assert f"has {length} hours" in page
    assert "Enough people in every hour" in page
    assert f"{night} hours: the clocks change" in text(client, f"/rota?week={day}")


def test_a_week_by_hour_has_the_repeated_hour_and_marks_days_without_it(
    app: Flask, sign_in_as: SignIn
) -> None:
    person(app, "Amira Khan", "00:00", "00:00")
    client = sign_in_as(Role.COUNSELLOR)
    autumn = client.get("/rota/hours/week?week=2026-10-25").get_data(as_text=True)
    assert autumn.count('<th scope="row">') == 25
    assert "01:00 (first)" in autumn
    assert "01:00 (second)" in autumn
    assert autumn.count("no such hour on this day") == 6
    spring = client.get("/rota/hours/week?week=2026-03-29").get_data(as_text=True)
    assert spring.count('<th scope="row">') == 24
    assert spring.count("no such hour on this day") == 1


def test_an_hour_says_who_is_on_for_a_part_of_it_and_how_many_are_short(
    app: Flask, sign_in_as: SignIn
) -> None:
    person(app, "Amira Khan", "07:00", "14:30")
    person(app, "Ben Okafor", "14:30", "22:00")
    with app.app_context():
        make_requirement(db.session(), 3, "14:00", "15:00")
        db.session.commit()
    page = text(sign_in_as(Role.COUNSELLOR), f"/rota/hours?day={NEXT_WEEK}")
    assert "14:00 1 of 3 2 short Amira Khan until 14:30, Ben Okafor from 14:30" in page
    assert "14:00 to 15:00: 1 on shift, 3 needed" in page


def test_four_weeks_sum_up_the_hours(app: Flask, sign_in_as: SignIn) -> None:
    person(app, "Amira Khan", "09:00", "17:30")
    page = text(sign_in_as(Role.COUNSELLOR), "/rota/four-weeks?week=2026-11-23")
    assert f"Amira Khan 238 hours 09{DASH}17:30" in page


def test_the_sheet_to_print_has_nothing_to_press(app: Flask, sign_in_as: SignIn) -> None:
    person(app, "Amira Khan", "00:00", "22:00")
    page = sign_in_as(Role.MANAGER).get("/rota/print?week=2026-11-23").get_data(as_text=True)
    assert "Monday 23 November 2026 to Sunday 29 November 2026" in page
    assert "Too few: Monday 23 November, 22:00 to 00:00" in page
    for thing in ("<script", "<form", "<button", "<nav", "style="):
        assert thing not in page


@pytest.mark.parametrize(
    ("role", "path"),
    [
        (Role.COUNSELLOR, "/desk"),
        (Role.MANAGER, "/desk"),
        (Role.MANAGER, "/cover"),
        (Role.MANAGER, "/messages"),
        (Role.MANAGER, "/rota/people"),
        (Role.ADMINISTRATOR, "/staff"),
        (Role.ADMINISTRATOR, "/rota"),
    ],
)
def test_who_is_on_and_who_is_next_stands_on_the_pages_of_everybody(
    app: Flask, sign_in_as: SignIn, role: Role, path: str
) -> None:
    for number in range(8):
        person(app, f"Counsellor {number}", "00:00", "00:00")
    page = text(sign_in_as(role), path)
    assert "On now, at" in page
    assert "Counsellor 0 until 00:00" in page
    assert "and 2 more" in page
    assert "Nobody is duty lead." in page
    assert "None in the next 7 days." in page
