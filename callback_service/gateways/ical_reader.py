"""Reading iCalendar (RFC 5545): what an .ics file says of shifts, exceptions and all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import recurring_ical_events
from icalendar import Calendar, Event

from callback_service.domain.rota import Duty
from callback_service.domain.wall_time import ONE_DAY, WEEK, Span
from callback_service.errors import BadInput
from callback_service.gateways.ical import CATEGORY

#: How far a rule that counts its times is followed to find the last.
_FURTHEST = timedelta(days=5 * 366)
#: Rules that would be worked out for hours.
_TOO_OFTEN = frozenset({"SECONDLY", "MINUTELY", "HOURLY"})
_NO_FILE = "This is not an iCalendar file."


@dataclass(frozen=True, slots=True)
class Found:
    """What a file says of one event: who, how it recurs if it does, and each time it happens.

    ``planned`` are its times by the rule alone, from its first; ``actual`` are those that remain
    in the range with every exception. Times are in the zone of the rota, half-open.
    ``until_on`` is the last local day the rule allows. ``fault`` is why it can be no shift.
    """

    uid: str
    summary: str
    duty: Duty
    emails: tuple[str, ...]
    recurs: bool = False
    planned: tuple[Span, ...] = ()
    actual: tuple[Span, ...] = ()
    until_on: date | None = None
    fault: str | None = None


def read_ical(content: bytes, start: datetime, end: datetime, *, tz: ZoneInfo) -> list[Found]:
    """Every event of an .ics file, in the file's order, with its times in ``[start, end)``.

    Times without a zone are wall time in ``tz``. Raises BadInput for what is no .ics file.
    """
    try:
        calendar = Calendar.from_ical(content)
    except (ValueError, IndexError, KeyError) as error:
        raise BadInput(_NO_FILE, {"file": _NO_FILE}) from error
    if not isinstance(calendar, Calendar):
        raise BadInput(_NO_FILE, {"file": _NO_FILE})
    by_uid: dict[str, list[Event]] = {}
    for number, event in enumerate(calendar.events):
        by_uid.setdefault(str(event.get("UID", f"event {number + 1}")), []).append(event)
    return [_found(uid, events, (start, end), tz) for uid, events in by_uid.items()]


def _found(uid: str, events: list[Event], within: Span, tz: ZoneInfo) -> Found:
    master = next((event for event in events if "RECURRENCE-ID" not in event), events[0])
    summary = " ".join(str(master.get("SUMMARY", "")).split())
    found = Found(uid, summary or "an event without a name", _duty(master), _emails(master))
    try:
        return _with_times(found, master, events, within, tz)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        return replace(found, fault=f"it cannot be read ({type(error).__name__})")


def _with_times(
    found: Found, master: Event, events: list[Event], within: Span, tz: ZoneInfo
) -> Found:
    starts = _value(master, "DTSTART").dt
    if not isinstance(starts, datetime):
        return replace(found, fault="it lasts whole days and says no times")
    if _is_cancelled(master):
        return replace(found, fault="it is cancelled")
    rule = _value(master, "RRULE")
    if rule is None:
        return replace(found, actual=_occurrences(events, within, tz))
    if isinstance(rule, list):
        return replace(found, fault="it has more than one rule")
    if str(rule.get("FREQ", [""])[0]).upper() in _TOO_OFTEN:
        return replace(found, fault="it recurs more often than once a day")
    actual, first = _occurrences(events, within, tz), _local(starts, tz)
    furthest = first + _FURTHEST if "COUNT" in rule else max(within[1], first + 3 * WEEK)
    planned = _occurrences([_without_exceptions(master)], (first, furthest), tz)
    until_on = _until_on(rule, planned, first, tz)
    return replace(found, recurs=True, planned=planned, actual=actual, until_on=until_on)


def _occurrences(events: list[Event], within: Span, tz: ZoneInfo) -> tuple[Span, ...]:
    calendar = Calendar()
    for event in events:
        calendar.add_component(event)
    happens = recurring_ical_events.of(calendar).between(*within)
    spans = [
        (_local(one["DTSTART"].dt, tz), _local(one["DTEND"].dt, tz))
        for one in happens
        if not _is_cancelled(one)
    ]
    return tuple(sorted(spans, key=lambda span: (span[0].timestamp(), span[1].timestamp())))


def _local(instant: datetime, tz: ZoneInfo) -> datetime:
    return instant.astimezone(tz) if instant.tzinfo else instant.replace(tzinfo=tz)


def _without_exceptions(master: Event) -> Event:
    bare = cast(Event, Event.from_ical(master.to_ical()))
    for name in ("EXDATE", "RDATE", "EXRULE"):
        bare.pop(name, None)
    return bare


def _until_on(
    rule: dict[str, list[object]], planned: tuple[Span, ...], first: datetime, tz: ZoneInfo
) -> date | None:
    """The last local day on which the rule lets an event start; None where it goes on."""
    if "COUNT" in rule:
        return planned[-1][0].date() if planned else None
    if "UNTIL" not in rule:
        return None
    until = rule["UNTIL"][0]
    if not isinstance(until, date):
        return None
    if not isinstance(until, datetime):  # a bare date is read as its midnight, as dateutil does
        until = datetime.combine(until, time(0), tzinfo=tz)
    last = _local(until, tz)
    is_too_early = last.time() < first.time()
    return last.date() - ONE_DAY if is_too_early else last.date()


def _value(event: Event, name: str) -> Any:
    return event.get(name)


def _is_cancelled(event: Event) -> bool:
    return str(event.get("STATUS", "")).upper() == "CANCELLED"


def _duty(event: Event) -> Duty:
    said = {category.casefold() for category in event.categories}
    is_lead = CATEGORY[Duty.DUTY_LEAD].casefold() in said
    return Duty.DUTY_LEAD if is_lead else Duty.COUNSELLING


def _emails(event: Event) -> tuple[str, ...]:
    given = _value(event, "ATTENDEE") or []
    addresses = given if isinstance(given, list) else [given]
    emails = (_email(str(address)) for address in addresses)
    return tuple(dict.fromkeys(email for email in emails if email))


def _email(address: str) -> str:
    scheme, colon, rest = address.partition(":")
    return (rest if colon and scheme.lower() == "mailto" else address).strip().lower()
