"""Calendars as another program sees and writes them."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import recurring_ical_events
from icalendar import Calendar
from sqlalchemy.orm import Session

from callback_service.domain.spans import joined
from callback_service.services.rota import shifts_between
from callback_service.services.rota_import_apply import import_calendar
from callback_service.services.rota_import_items import Item
from tests.rota_builders import LONDON
from tests.support.builders import NOW, make_staff

Duty = set[tuple[str, datetime, datetime]]


def events_of(content: bytes) -> list[Any]:
    """The events of an .ics file, as they stand in it."""
    return list(Calendar.from_ical(content).events)


def instants_of(content: bytes, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Every time that something happens in ``[start, end)``, recurrences worked out; UTC."""
    happens = recurring_ical_events.of(Calendar.from_ical(content)).between(start, end)
    spans = [(event["DTSTART"].dt, event["DTEND"].dt) for event in happens]
    return sorted((first.astimezone(UTC), last.astimezone(UTC)) for first, last in spans)


def duty_of_each(
    content: bytes, start: datetime, end: datetime
) -> dict[str, list[tuple[datetime, datetime]]]:
    """When each summary is on duty: its events joined where they meet or overlap; UTC."""
    spans: defaultdict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for event in recurring_ical_events.of(Calendar.from_ical(content)).between(start, end):
        span = event["DTSTART"].dt.astimezone(UTC), event["DTEND"].dt.astimezone(UTC)
        spans[str(event["SUMMARY"])].append(span)
    return {summary: joined(own) for summary, own in spans.items()}


def calendar(*events: str, head: str = "") -> str:
    """An .ics file; each event is its lines, which name Ana unless they say ``ATTENDEE``."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//EN", *head.split()]
    for event in events:
        own = event.split()
        uid = [] if "UID:" in event else ["UID:1"]
        who = [] if "ATTENDEE" in event else ["ATTENDEE:mailto:ana@example.org"]
        lines += ["BEGIN:VEVENT", *uid, *who, *own, "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def said_by(content: str, start: datetime, end: datetime, tz: ZoneInfo) -> Duty:
    """Who is on when, by the calendar itself."""
    found: Duty = set()
    for event in recurring_ical_events.of(Calendar.from_ical(content)).between(start, end):
        if event.get("STATUS") == "CANCELLED":
            continue
        given = event.get("ATTENDEE", [])
        spans = [event[name].dt for name in ("DTSTART", "DTEND")]
        first, last = (
            (at if isinstance(at, datetime) else datetime(at.year, at.month, at.day))  # noqa: DTZ001
            for at in spans
        )
        for person in given if isinstance(given, list) else [given]:
            found.add((person[7:], in_utc(first, tz), in_utc(last, tz)))
    return found


def in_utc(at: datetime, tz: ZoneInfo) -> datetime:
    return (at if at.tzinfo else at.replace(tzinfo=tz)).astimezone(UTC)


def on_rota(session: Session, start: datetime, end: datetime, tz: ZoneInfo) -> Duty:
    """Who is on when, by the rota."""
    shifts = shifts_between(session, start, end, tz=tz)
    return {(one.person.email, one.start, one.end) for one in shifts if one.person}


def read(session: Session, content: str, tz: ZoneInfo = LONDON) -> list[Item]:
    items = import_calendar(
        session, content.encode(), host="x.example", actor_id=None, now=NOW, tz=tz
    )
    session.commit()
    return items


def people(session: Session) -> None:
    for name in ("Ana", "Ben"):
        make_staff(session, name=name, email=f"{name.lower()}@example.org")
    session.commit()


def at(start: str, end: str, zone: str = "Europe/London") -> str:
    """When an event is, from "20260105T0900" and the like."""
    return f"DTSTART;TZID={zone}:{start}00 DTEND;TZID={zone}:{end}00"
