"""Calendars of other programs: the rota they make is what they say, time by time."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from callback_service.services.rota_import import plan_import
from callback_service.services.rota_import_items import Verdict
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.calendars import at, calendar, on_rota, people, read, said_by

pytestmark = pytest.mark.one_database
NEW_YORK = ZoneInfo("America/New_York")


def instead(of: str, start: str, end: str, *, and_later: bool = False) -> str:
    """What one recurrence is instead."""
    later = ";RANGE=THISANDFUTURE" * and_later
    return f"RECURRENCE-ID{later};TZID=Europe/London:{of}00 {at(start, end)}"


BEN = "ATTENDEE:mailto:ben@example.org"
BOTH = f"ATTENDEE:mailto:ana@example.org {BEN}"
NINE = at("20260105T0900", "20260105T1700")
LATER = at("20260112T0900", "20260112T1700")
NIGHT = at("20260102T2000", "20260103T0800")
EVENING = "DTSTART:20260105T200000Z DTEND:20260106T040000Z"
ON_MONDAY = "20260202T0900", "20260202T0900", "20260202T1700"
LEFT_OUT = "EXDATE;TZID=Europe/London:20260105T090000,20260330T090000"
MORE = "RDATE;TZID=Europe/London:20260107T090000,20260108T110000"
CALENDARS = {
    "every third week": [f"{NINE} RRULE:FREQ=WEEKLY;INTERVAL=3;BYDAY=MO,WE,SU"],
    "weeks from Sunday": [f"{NINE} RRULE:FREQ=WEEKLY;INTERVAL=3;BYDAY=MO,WE,SU;WKST=SU"],
    "every fourth day": [f"{NIGHT} RRULE:FREQ=DAILY;INTERVAL=4"],
    "every second day but weekends": [f"{NINE} RRULE:FREQ=DAILY;INTERVAL=2;BYDAY=MO,TU,WE,TH,FR"],
    "a start that the rule does not give": [f"{NINE} RRULE:FREQ=WEEKLY;BYDAY=SU,TU"],
    "two people in turn by the week": [
        f"{NINE} RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU,WE,TH,FR",
        f"{LATER} UID:2 {BEN} RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU,WE,TH,FR",
    ],
    "a week on call in one event": [
        f"{at('20260105T0900', '20260112T0900')} RRULE:FREQ=WEEKLY;INTERVAL=2",
        f"{at('20260112T0900', '20260119T0900')} UID:2 {BEN} RRULE:FREQ=WEEKLY;INTERVAL=2",
    ],
    "left out and added dates": [
        f"{NINE} RRULE:FREQ=WEEKLY {LEFT_OUT} EXDATE:20260706T080000Z {MORE}",
    ],
    "added periods": [
        f"{NINE} RDATE;VALUE=PERIOD:20260209T090000Z/20260209T120000Z,20260210T090000Z/PT2H"
    ],
    "dates moved a little and far, cut short and cancelled": [
        f"{NINE} RRULE:FREQ=DAILY",
        instead("20260202T0900", "20260202T1000", "20260202T1800"),
        instead("20260203T0900", "20260520T1830", "20260520T2000"),
        instead("20260204T0900", "20260204T0900", "20260204T1200"),
        instead("20260205T0900", "20260205T0900", "20260205T1700") + " STATUS:CANCELLED",
    ],
    "a date moved before the first": [
        f"{NINE} RRULE:FREQ=WEEKLY",
        instead("20260112T0900", "20260102T0900", "20260102T1700"),
    ],
    "a colleague for one date": [
        f"{NINE} RRULE:FREQ=DAILY;UNTIL=20260401T000000Z",
        f"{instead(*ON_MONDAY)} {BEN}",
        f"{instead('20260203T0900', '20260203T0900', '20260203T1200')} {BEN}",
    ],
    "two people, one of them away once": [
        f"{NINE} RRULE:FREQ=WEEKLY;BYDAY=MO,TH {BOTH}",
        instead(*ON_MONDAY),
    ],
    "this and all future dates, twice": [
        f"{NINE} RRULE:FREQ=WEEKLY;BYDAY=MO,TU EXDATE;TZID=Europe/London:20260505T090000",
        instead("20260302T0900", "20260302T1100", "20260302T1900", and_later=True),
        instead("20260602T0900", "20260602T0900", "20260602T1200", and_later=True) + f" {BEN}",
        instead("20260608T0900", "20260608T1200", "20260608T1300"),
    ],
    "all future dates are cancelled": [
        f"{NINE} RRULE:FREQ=WEEKLY",
        instead("20260302T0900", "20260302T0900", "20260302T1700", and_later=True)
        + " STATUS:CANCELLED",
    ],
    "the last weekday of the month": [
        f"{NINE} RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"
    ],
    "the 31st": [f"{at('20260131T2000', '20260201T0800')} RRULE:FREQ=MONTHLY;BYMONTHDAY=31"],
    "every twelve hours": [
        "DTSTART:20260105T000000Z DURATION:PT1H RRULE:FREQ=HOURLY;INTERVAL=12;COUNT=300"
    ],
    "by the clock of New York": [
        at("20260105T0900", "20260105T1700", "America/New_York") + " RRULE:FREQ=WEEKLY;BYDAY=MO,FR"
    ],
    "by the clock of Paris": [
        at("20260105T2000", "20260106T0000", "Europe/Paris") + " RRULE:FREQ=WEEKLY;BYDAY=TU"
    ],
    "by UTC": [f"{EVENING} RRULE:FREQ=DAILY;UNTIL=20261231T235959Z"],
    "by UTC in one winter": [f"{EVENING} RRULE:FREQ=DAILY;COUNT=30"],
    "whole days": [
        "DTSTART;VALUE=DATE:20260105 RRULE:FREQ=WEEKLY;BYDAY=MO,SA,SU EXDATE;VALUE=DATE:20260118"
    ],
    "several whole days": [
        "DTSTART;VALUE=DATE:20260105 DTEND;VALUE=DATE:20260112 RRULE:FREQ=WEEKLY;INTERVAL=4;COUNT=6"
    ],
    "no zone at all": [
        "DTSTART:20260105T090000 DTEND:20260105T170000 RRULE:FREQ=WEEKLY;UNTIL=20260901T000000"
    ],
    "many years ago": [
        at("19970902T0900", "19970902T1700") + " RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH"
    ],
    "only exceptions": [instead("20260202T0900", "20260202T1000", "20260202T1800")],
    "a newer version": [f"{NINE} SEQUENCE:1", f"{NINE.replace('T17', 'T18')} SEQUENCE:2"],
}
YEAR = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("name", CALENDARS)
def test_the_rota_is_what_the_calendar_says(session: Session, name: str) -> None:
    assert_same(session, calendar(*CALENDARS[name]), LONDON)


@pytest.mark.parametrize(
    "name", ["by the clock of New York", "by UTC", "whole days", "every third week"]
)
def test_the_service_may_be_in_any_zone(session: Session, name: str) -> None:
    assert_same(session, calendar(*CALENDARS[name]), NEW_YORK)


def test_a_calendar_may_name_its_zone_for_all_events(session: Session) -> None:
    rule = "DTSTART:20260105T090000 DTEND:20260105T170000 RRULE:FREQ=WEEKLY"
    content = calendar(rule, head="X-WR-TIMEZONE:America/New_York")
    assert_same(session, content, LONDON)


def assert_same(session: Session, content: str, tz: ZoneInfo) -> None:
    """The rota is the calendar, but at clock changes, where lines have a rule of their own."""
    people(session)
    read(session, content, tz)
    wanted = {one for one in said_by(content, *YEAR, tz) if not _is_odd(one, tz)}
    assert wanted
    assert {one for one in on_rota(session, *YEAR, tz) if not _is_odd(one, tz)} == wanted
    again = plan_import(session, content.encode(), host="x.example", now=NOW, tz=tz)
    done = {Verdict.UNCHANGED, Verdict.BY_DATE, Verdict.NOT_UNDERSTOOD}
    assert [item for item in again if item.verdict not in done] == []


def _is_odd(one: tuple[str, datetime, datetime], tz: ZoneInfo) -> bool:
    """Whether it meets a clock change."""
    start, end = (at.astimezone(tz).utcoffset() for at in one[1:])
    return start != end
