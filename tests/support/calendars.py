"""Calendars as another program sees them."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import recurring_ical_events
from icalendar import Calendar

from callback_service.domain.spans import joined


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
