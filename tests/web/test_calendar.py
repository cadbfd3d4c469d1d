"""Calendar links: made and ended on a page, and followed by calendars."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from callback_service.domain.staff import Role
from callback_service.models.calendar import CalendarFeed, FeedShift
from callback_service.models.rota import ShiftPattern
from callback_service.models.staff import Staff
from callback_service.services import account_changes
from tests.rota_builders import make_pattern
from tests.support.builders import NOW, make_staff
from tests.support.calendars import events_of
from tests.support.pages import submit, without_chance
from tests.support.request_builders import stored

pytestmark = pytest.mark.one_database  # the services below are tested on both

SignIn = Callable[..., FlaskClient]
PAGE = "/rota/calendar"


def make_link(client: FlaskClient, scope: str = "own") -> str:
    """The path of a new link."""
    page = submit(client, f"{PAGE}/links", {"scope": scope}, page=PAGE).text
    link = page.split('id="calendar-link" value="')[1].split('"')[0]
    return "/calendar/" + link.split("/calendar/")[1]


def give_pattern(app: Flask, email: str) -> None:
    with stored(app) as session:
        staff = session.scalars(select(Staff).where(Staff.email == email)).one()
        make_pattern(session, staff, "20:00", "08:00")


def counsellor(sign_in_as: SignIn, app: Flask) -> FlaskClient:
    client = sign_in_as(Role.COUNSELLOR, email="zoe@example.org", name="Zoë Khan")
    give_pattern(app, "zoe@example.org")
    return client


def test_a_link_is_shown_once_and_only_its_digest_is_kept(app: Flask, sign_in_as: SignIn) -> None:
    client = counsellor(sign_in_as, app)
    path = make_link(client)
    token = path.removeprefix("/calendar/").removesuffix(".ics")
    assert len(token) == 43
    page = client.get(PAGE).text
    assert token not in page
    assert "Your shifts" in page
    with stored(app) as session:
        [feed] = session.scalars(select(CalendarFeed))
        assert token.encode() not in feed.token_digest


def test_a_calendar_follows_ones_own_shifts_without_signing_in(
    app: Flask, client: FlaskClient, sign_in_as: SignIn
) -> None:
    path = make_link(counsellor(sign_in_as, app))
    with stored(app) as session:
        make_pattern(session, make_staff(session, name="Ben Okafor"), "09:00", "17:00")
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.content_type == "text/calendar; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    events = events_of(answer.data)
    assert {str(event["SUMMARY"]) for event in events} == {"Shift"}
    assert {event["DTSTART"].dt.hour for event in events} == {20}
    assert not any("ATTENDEE" in event for event in events)
    ahead = max(event["DTSTART"].dt for event in events) - datetime.now(UTC)
    assert ahead > timedelta(weeks=25)


def test_the_whole_rota_names_who_works_and_is_for_managers(
    app: Flask, client: FlaskClient, sign_in_as: SignIn
) -> None:
    counsellor(sign_in_as, app)
    path = make_link(sign_in_as(Role.MANAGER), "whole_rota")
    events = events_of(client.get(path).data)
    assert {str(event["SUMMARY"]) for event in events} == {"Zoë Khan"}
    assert {str(event["ATTENDEE"]) for event in events} == {"mailto:zoe@example.org"}
    assert {event["ATTENDEE"].params["CN"] for event in events} == {"Zoë Khan"}


def test_a_counsellor_gets_no_link_to_the_whole_rota(sign_in_as: SignIn) -> None:
    client = sign_in_as(Role.COUNSELLOR)
    answer = submit(client, f"{PAGE}/links", {"scope": "whole_rota"}, page=PAGE)
    assert answer.status_code == 403
    assert "The whole rota" not in client.get(PAGE).text


def test_a_link_to_nothing_known_is_refused(sign_in_as: SignIn) -> None:
    answer = submit(sign_in_as(Role.MANAGER), f"{PAGE}/links", {"scope": "x"}, page=PAGE)
    assert answer.status_code == 422


def test_unknown_ended_and_orphaned_links_give_the_same_answer(
    app: Flask, client: FlaskClient, sign_in_as: SignIn
) -> None:
    browser = counsellor(sign_in_as, app)
    replaced, ended = make_link(browser), make_link(browser)
    assert client.get(ended).status_code == 200
    with stored(app) as session:
        feed = session.scalars(select(CalendarFeed).where(CalendarFeed.revoked_at.is_(None))).one()
    submit(browser, f"{PAGE}/links/{feed.id}/end", {}, page=PAGE)
    with stored(app) as session:
        assert session.scalars(select(FeedShift)).all() == []
    orphaned = make_link(browser)
    with stored(app) as session:
        owner = session.scalars(select(Staff)).one()
        administrator = make_staff(session, role=Role.ADMINISTRATOR)
        account_changes.disable(session, owner.id, actor_id=administrator.id, now=NOW)
    paths = [replaced, ended, orphaned, "/calendar/unknown.ics", "/calendar/%00%F0%9F.ics"]
    answers = [client.get(path) for path in paths]
    assert {answer.status_code for answer in answers} == {404}
    assert len({without_chance(answer.text) for answer in answers}) == 1
    with stored(app) as session:
        account_changes.enable(session, owner.id, actor_id=administrator.id, now=NOW)
    assert client.get(orphaned).status_code == 404


def test_a_link_to_the_whole_rota_ends_with_the_role(
    app: Flask, client: FlaskClient, sign_in_as: SignIn
) -> None:
    path = make_link(sign_in_as(Role.MANAGER), "whole_rota")
    assert client.get(path).status_code == 200
    with stored(app) as session:
        session.scalars(select(Staff)).one().role = Role.COUNSELLOR
    assert client.get(path).status_code == 404


def test_nobody_ends_the_link_of_a_colleague_to_their_own_shifts(
    app: Flask, client: FlaskClient, sign_in_as: SignIn
) -> None:
    path = make_link(counsellor(sign_in_as, app))
    with stored(app) as session:
        feed = session.scalars(select(CalendarFeed)).one()
    manager = sign_in_as(Role.MANAGER)
    assert submit(manager, f"{PAGE}/links/{feed.id}/end", {}, page=PAGE).status_code == 404
    assert client.get(path).status_code == 200


def test_any_manager_ends_a_link_to_the_whole_rota(
    app: Flask, client: FlaskClient, sign_in_as: SignIn
) -> None:
    path = make_link(sign_in_as(Role.MANAGER, name="Priya Shah"), "whole_rota")
    with stored(app) as session:
        feed = session.scalars(select(CalendarFeed)).one()
    other = sign_in_as(Role.MANAGER)
    assert "Priya Shah" in other.get(PAGE).text
    assert submit(other, f"{PAGE}/links/{feed.id}/end", {}, page=PAGE).status_code == 303
    assert client.get(path).status_code == 404


def test_a_calendar_that_has_the_latest_is_told_so_and_nothing_is_written(
    app: Flask, client: FlaskClient, sign_in_as: SignIn
) -> None:
    path = make_link(counsellor(sign_in_as, app))
    first = client.get(path)
    with stored(app) as session:
        before = {row.uid: row.changed_at for row in session.scalars(select(FeedShift))}
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get(path).data == first.data
    assert client.head(path).status_code == 200
    with stored(app) as session:
        assert {row.uid: row.changed_at for row in session.scalars(select(FeedShift))} == before


def test_a_shift_that_went_is_shown_as_cancelled_under_its_name(
    app: Flask, client: FlaskClient, sign_in_as: SignIn
) -> None:
    path = make_link(counsellor(sign_in_as, app))
    first = client.get(path)
    shown = {str(event["UID"]) for event in events_of(first.data)}
    with stored(app) as session:
        pattern = session.scalars(select(ShiftPattern)).one()
        pattern.weekdays = 0b0011111
    then = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert then.status_code == 200
    events = events_of(then.data)
    assert {str(event["UID"]) for event in events} == shown
    gone = [event for event in events if str(event["STATUS"]) == "CANCELLED"]
    assert {event["DTSTART"].dt.weekday() for event in gone} == {5, 6}
    assert {event["SEQUENCE"] for event in gone} == {1}


def test_the_rota_leads_to_the_calendar(sign_in_as: SignIn) -> None:
    assert f'href="{PAGE}"' in sign_in_as(Role.COUNSELLOR).get("/rota").text
    assert f'href="{PAGE}"' not in sign_in_as(Role.ADMINISTRATOR).get("/rota").text
