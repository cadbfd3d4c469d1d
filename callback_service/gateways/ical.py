"""Writing iCalendar (RFC 5545): the rota as an .ics file.

A pattern goes out as one event that recurs, or as a few where one rule cannot say it, so that
reading the file finds the pattern again. RFC 5545 gives every recurrence of an event the same
length and reads a wall time that comes twice as its first, which is not the rule of
``domain.rota``; so each shift that a clock change makes special is said once more, by its own
RECURRENCE-ID with the true instants.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, vCalAddress, vText

from callback_service.domain.recurrence import first_day
from callback_service.domain.rota import Duty, Pattern
from callback_service.domain.wall_time import ONE_DAY, Span, start_of_day, starts_on, wall_span
from callback_service.gateways.ical_rules import rule_for

PRODUCT = "-//Callback service//Rota//EN"
CATEGORY = {Duty.COUNSELLING: "Counselling", Duty.DUTY_LEAD: "Duty lead"}


@dataclass(frozen=True, slots=True)
class Attendee:
    """Who works a shift, as the calendar names them."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One shift as one event. ``uid`` stays with the shift for good; ``[start, end)``, aware."""

    uid: str
    start: datetime
    end: datetime
    summary: str
    duty: Duty = Duty.COUNSELLING
    attendee: Attendee | None = None
    changed_at: datetime | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Series:
    """A pattern that one rule can say as one event, but for its shifts on days ``left_out``."""

    uid: str
    pattern: Pattern
    summary: str
    attendee: Attendee | None = None
    left_out: frozenset[date] = frozenset()


def to_ical(
    shifts: Iterable[Entry],
    *,
    name: str,
    tz: ZoneInfo,
    cancelled: Iterable[Entry] = (),
    series: Iterable[Series] = (),
    within: tuple[date, date] | None = None,
    now: datetime,
) -> bytes:
    """An .ics file: ``shifts``, those ``cancelled`` since they were shown, and whole ``series``.

    The shifts of a series that a clock change makes special are said on their own where they start
    from the first to the last day of ``within``. ``now`` stamps events that do not say when they
    last changed. The same facts give the same bytes.
    """
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("x-wr-calname", name)
    # No X-WR-TIMEZONE: readers that heed it turn instants into local times that come twice.
    changes = _days_of_clock_changes(*within, tz=tz) if within else []
    for one in series:
        for event in _series_events(one, changes, tz=tz, now=now):
            calendar.add_component(event)
    for entry in shifts:
        calendar.add_component(_event(entry, tz=tz, now=now, status="CONFIRMED"))
    for entry in cancelled:
        calendar.add_component(_event(entry, tz=tz, now=now, status="CANCELLED"))
    calendar.add_missing_timezones()
    content: bytes = calendar.to_ical()
    return content


def _event(entry: Entry, *, tz: ZoneInfo, now: datetime, status: str) -> Event:
    event = _bare_event(entry.uid, entry.summary, entry.duty, entry.attendee)
    event.add("dtstamp", entry.changed_at or now)
    event.add("sequence", entry.sequence)
    event.add("status", status)
    _add_times(event, (entry.start, entry.end), tz)
    return event


def _bare_event(uid: str, summary: str, duty: Duty, attendee: Attendee | None) -> Event:
    event = Event()
    event.add("uid", uid)
    event.add("summary", summary)
    event.add("categories", [CATEGORY[duty]])
    event.add("transp", "OPAQUE")
    if attendee is not None:
        address = vCalAddress(f"mailto:{attendee.email}")
        address.params["cn"] = vText(attendee.name)
        event.add("attendee", address, encode=False)
    return event


def _add_times(event: Event, span: Span, tz: ZoneInfo) -> None:
    """The instants in local time, or in UTC where local time could be read as another instant."""
    local = [instant.astimezone(tz) for instant in span]
    is_clear = all(at.replace(fold=0).astimezone(UTC) == at.astimezone(UTC) for at in local)
    starts, ends = local if is_clear else [at.astimezone(UTC) for at in local]
    event.add("dtstart", starts)
    event.add("dtend", ends)


def _series_events(
    series: Series, changes: Collection[date], *, tz: ZoneInfo, now: datetime
) -> list[Event]:
    pattern = series.pattern
    first = first_day(pattern, pattern.from_on)
    if first is None:
        return []
    odd = {day for day in changes if starts_on(pattern, day) and _is_odd(pattern, day, tz)}
    odd -= series.left_out
    master = _master(series, first, now=now, tz=tz)
    empty = {day for day in odd if _is_empty(pattern, day, tz)}
    left_out = {day for day in series.left_out if starts_on(pattern, day)}
    for day in sorted(left_out | empty):
        master.add("exdate", datetime.combine(day, pattern.start, tzinfo=tz))
    return [master, *(_odd_one(series, day, now=now, tz=tz) for day in sorted(odd - empty))]


def _master(series: Series, first: date, *, now: datetime, tz: ZoneInfo) -> Event:
    pattern = series.pattern
    event = _bare_event(series.uid, series.summary, pattern.duty, series.attendee)
    event.add("dtstamp", now)
    event.add("status", "CONFIRMED")
    event.add("dtstart", datetime.combine(first, pattern.start, tzinfo=tz))
    if _is_odd(pattern, first, tz):  # the length of this one is not that of the rest
        event.add("duration", _length(pattern))
    else:
        ends_on = first if pattern.end > pattern.start else first + ONE_DAY
        event.add("dtend", datetime.combine(ends_on, pattern.end, tzinfo=tz))
    rule = rule_for(pattern)
    if pattern.until_on is not None:  # in UTC, as RFC 5545 asks where the start has a zone
        rule["until"] = start_of_day(pattern.until_on + ONE_DAY, tz=tz) - timedelta(seconds=1)
    event.add("rrule", rule)
    return event


def _odd_one(series: Series, day: date, *, now: datetime, tz: ZoneInfo) -> Event:
    pattern = series.pattern
    event = _bare_event(series.uid, series.summary, pattern.duty, series.attendee)
    event.add("dtstamp", now)
    event.add("status", "CONFIRMED")
    event.add("recurrence-id", datetime.combine(day, pattern.start, tzinfo=tz))
    _add_times(event, wall_span(day, pattern.start, pattern.end, tz=tz), tz)
    return event


def _length(pattern: Pattern) -> timedelta:
    """From start to end by the clock on the wall."""
    start = datetime.combine(date.min, pattern.start, tzinfo=UTC)
    end = datetime.combine(date.min, pattern.end, tzinfo=UTC)
    return end - start if end > start else end - start + ONE_DAY


def _is_odd(pattern: Pattern, day: date, tz: tzinfo) -> bool:
    """Whether RFC 5545 alone would place the shift of ``day`` elsewhere than the rota does."""
    starts, ends = wall_span(day, pattern.start, pattern.end, tz=tz)
    plain = datetime.combine(day, pattern.start, tzinfo=tz).astimezone(UTC)
    return (starts, ends - starts) != (plain, _length(pattern))


def _is_empty(pattern: Pattern, day: date, tz: tzinfo) -> bool:
    starts, ends = wall_span(day, pattern.start, pattern.end, tz=tz)
    return starts >= ends


def _days_of_clock_changes(first: date, last: date, *, tz: tzinfo) -> list[date]:
    """The days from ``first`` to ``last`` on which a shift that meets a clock change can start.

    In Cairo the clocks change at midnight, so the day before counts too.
    """
    return [
        day
        for day in (first + ahead * ONE_DAY for ahead in range((last - first).days + 1))
        if len({_offset(day + ahead * ONE_DAY, tz) for ahead in range(-1, 4)}) > 1
    ]


def _offset(day: date, tz: tzinfo) -> timedelta | None:
    return start_of_day(day, tz=tz).astimezone(tz).utcoffset()
