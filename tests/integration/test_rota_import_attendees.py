"""Calendars whose people have declined, and several calendars in one file."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.models.rota_change import RotaChange
from callback_service.services.rota_import import plan_import
from callback_service.services.rota_import_apply import import_calendar
from callback_service.services.rota_import_items import Item, Verdict
from tests.rota_builders import LONDON
from tests.support.builders import NOW, make_staff

ZOE = "ATTENDEE;CN=Zoe:MAILTO:zoe@example.org"
BEN_DECLINED = "ATTENDEE;PARTSTAT=DECLINED:mailto:ben@example.org"
NIGHTS = (
    "DTSTART;TZID=Europe/London:20261130T200000",
    "DTEND;TZID=Europe/London:20261201T080000",
)
WEEKDAY_NIGHTS = "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"


@pytest.fixture(autouse=True)
def people(session: Session) -> None:
    for name in ("Zoë", "Ben"):
        email = f"{name.replace('ë', 'e').lower()}@example.org"
        make_staff(session, name=name, email=email)
    session.commit()


def event(*lines: str, uid: str = "1@elsewhere.example") -> str:
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}", "SUMMARY:Helpline", *lines, "END:VEVENT"])


def calendar(*events: str) -> str:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//EN", *events, "END:VCALENDAR", ""]
    return "\r\n".join(lines)


def taken(session: Session, content: str) -> list[Item]:
    items = import_calendar(
        session, content.encode(), host="x.example", actor_id=None, now=NOW, tz=LONDON
    )
    session.commit()
    return items


def verdicts(items: list[Item]) -> list[Verdict]:
    return [item.verdict for item in items]


def test_who_declined_is_not_put_on_shift_and_named(session: Session) -> None:
    both = event(*NIGHTS, WEEKDAY_NIGHTS, ZOE, BEN_DECLINED)
    items = taken(session, calendar(both, event(*NIGHTS, BEN_DECLINED, uid="2")))
    assert verdicts(items) == [Verdict.DECLINED, Verdict.ADDED, Verdict.DECLINED]
    assert items[0].words == "Helpline: Ben has declined"
    assert session.scalars(select(RotaChange)).all() == []


def test_who_declined_one_date_of_a_series_is_taken_off_for_it(session: Session) -> None:
    declined = event(
        "RECURRENCE-ID;TZID=Europe/London:20261201T200000",
        "DTSTART;TZID=Europe/London:20261201T200000",
        "DTEND;TZID=Europe/London:20261202T080000",
        ZOE.replace(";CN", ";PARTSTAT=DECLINED;CN"),
    )
    content = calendar(event(*NIGHTS, WEEKDAY_NIGHTS, ZOE), declined)
    expected = [Verdict.DECLINED, Verdict.ADDED, Verdict.DATE_REMOVED]
    assert verdicts(taken(session, content)) == expected
    again = plan_import(session, content.encode(), host="x.example", now=NOW, tz=LONDON)
    assert verdicts(again) == [Verdict.DECLINED, Verdict.UNCHANGED, Verdict.UNCHANGED]


def test_several_calendars_in_one_file_are_read(session: Session) -> None:
    single = event("DTSTART:20261202T200000Z", "DTEND:20261203T010000Z", ZOE, uid="2")
    there = calendar("X-WR-TIMEZONE:America/New_York", single)
    items = taken(session, calendar(event(*NIGHTS, ZOE)) + there)
    assert verdicts(items) == [Verdict.DATE_ADDED] * 2
    changes = session.scalars(select(RotaChange).order_by(RotaChange.starts_at)).all()
    assert [change.starts_at.day for change in changes] == [30, 2]
