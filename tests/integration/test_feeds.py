"""Calendar feeds and tokens of the API as services, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.staff import Role, StaffMember
from callback_service.domain.wall_time import ONE_DAY, WEEK
from callback_service.errors import BadInput, NotFound
from callback_service.models.calendar import CalendarFeed, FeedScope, FeedShift
from callback_service.models.staff import Staff
from callback_service.services import api_tokens, feeds
from tests.rota_builders import LONDON, make_pattern
from tests.support.builders import NOW, make_staff
from tests.support.calendars import events_of


def member(staff: Staff) -> StaffMember:
    return StaffMember(staff.id, staff.name, staff.email, staff.role)


def a_feed(session: Session, staff: Staff, scope: FeedScope = FeedScope.OWN) -> feeds.Feed:
    return feeds.feed_by_token(session, feeds.make_link(session, member(staff), scope, now=NOW))


def shown(session: Session, feed: feeds.Feed, ahead: timedelta = timedelta(0)) -> bytes:
    """What a calendar gets that asks at NOW or later."""
    now = NOW + ahead
    if feeds.has_news(session, feed, now=now, tz=LONDON):
        feeds.remember(session, feed, now=now, tz=LONDON)
        session.commit()
    return feeds.feed_as_ical(
        session, feed, service_name="Test", host="example.org", now=now, tz=LONDON
    )


def states(content: bytes) -> dict[str, tuple[str, int]]:
    return {str(one["UID"]): (str(one["STATUS"]), one["SEQUENCE"]) for one in events_of(content)}


def test_a_feed_is_the_same_until_the_rota_changes(session: Session) -> None:
    staff = make_staff(session)
    make_pattern(session, staff, "20:00", "08:00")
    feed = a_feed(session, staff)
    first = shown(session, feed)
    assert shown(session, feed, timedelta(hours=3)) == first
    assert not feeds.has_news(session, feed, now=NOW, tz=LONDON)


def test_the_next_day_brings_one_shift_and_drops_the_oldest(session: Session) -> None:
    staff = make_staff(session)
    make_pattern(session, staff, "09:00", "17:00")
    feed = a_feed(session, staff)
    before, after = states(shown(session, feed)), states(shown(session, feed, ONE_DAY))
    assert len(set(after) - set(before)) == len(set(before) - set(after)) == 1
    assert all(state == ("CONFIRMED", 0) for state in after.values())
    assert session.scalar(select(func.count()).select_from(FeedShift)) == len(after)


def test_a_shift_goes_and_comes_back_under_its_name(session: Session) -> None:
    staff = make_staff(session)
    pattern = make_pattern(session, staff, "09:00", "17:00", frozenset({0, 3}))
    feed = a_feed(session, staff)
    first = states(shown(session, feed))
    pattern.weekdays = 1
    gone = states(shown(session, feed))
    assert set(gone) == set(first)
    assert set(gone.values()) == {("CONFIRMED", 0), ("CANCELLED", 1)}
    pattern.weekdays = 0b1001
    assert set(states(shown(session, feed)).values()) == {("CONFIRMED", 0), ("CONFIRMED", 2)}


def test_another_end_keeps_the_name_of_a_shift(session: Session) -> None:
    staff = make_staff(session)
    pattern = make_pattern(session, staff, "09:00", "17:00")
    feed = a_feed(session, staff)
    first = states(shown(session, feed))
    pattern.ends = pattern.ends.replace(hour=18)
    then = states(shown(session, feed))
    assert set(then) == set(first)
    assert set(then.values()) == {("CONFIRMED", 1)}


def test_a_cancelled_shift_is_forgotten_once_it_is_past(session: Session) -> None:
    staff = make_staff(session)
    day = NOW.date() + ONE_DAY
    pattern = make_pattern(session, staff, from_on=day, until_on=day)
    feed = a_feed(session, staff)
    assert len(states(shown(session, feed))) == 1
    session.delete(pattern)
    session.flush()
    assert [state for state, _ in states(shown(session, feed)).values()] == ["CANCELLED"]
    assert states(shown(session, feed, 6 * WEEK)) == {}


def test_the_whole_rota_leaves_out_who_is_gone(session: Session) -> None:
    person, manager = make_staff(session), make_staff(session, role=Role.MANAGER)
    make_pattern(session, person)
    feed = a_feed(session, manager, FeedScope.WHOLE_ROTA)
    assert {state for state, _ in states(shown(session, feed)).values()} == {"CONFIRMED"}
    person.is_active = False
    session.flush()
    assert {state for state, _ in states(shown(session, feed)).values()} == {"CANCELLED"}


def test_two_live_links_of_a_kind_are_impossible(session: Session) -> None:
    staff = make_staff(session)
    feed = a_feed(session, staff)
    session.add(
        CalendarFeed(owner_id=staff.id, scope=feed.scope, token_digest=b"x" * 32, created_at=NOW)
    )
    with pytest.raises(IntegrityError):
        session.flush()


def test_a_new_link_ends_the_old_one(session: Session) -> None:
    staff = member(make_staff(session))
    old = feeds.make_link(session, staff, FeedScope.OWN, now=NOW)
    new = feeds.make_link(session, staff, FeedScope.OWN, now=NOW)
    assert len({old, new}) == 2
    with pytest.raises(NotFound):
        feeds.feed_by_token(session, old)
    assert feeds.feed_by_token(session, new).owner_id == staff.id


def test_a_token_stands_for_its_owner_until_it_is_ended(session: Session) -> None:
    staff = make_staff(session)
    token = api_tokens.make_token(session, staff.id, "  call   room ", now=NOW)
    holder = api_tokens.holder_of(session, token, now=NOW)
    assert holder is not None
    assert holder.staff == member(staff)
    [row] = api_tokens.live_tokens(session, staff.id)
    assert row.name == "call room"
    api_tokens.end_token(session, row.id, staff_id=staff.id, now=NOW)
    assert api_tokens.holder_of(session, token, now=NOW) is None
    with pytest.raises(NotFound):
        api_tokens.end_token(session, row.id, staff_id=staff.id, now=NOW)


def test_a_token_needs_a_name_that_can_be_read(session: Session) -> None:
    with pytest.raises(BadInput) as refused:
        api_tokens.make_token(session, make_staff(session).id, "\x00", now=NOW)
    assert set(refused.value.fields) == {"name"}
