"""Reading iCalendar (RFC 5545): what an .ics file says of shifts, exceptions and all.

``icalendar`` reads the file and ``recurring-ical-events`` works out when its events happen; here
that is put in the words of the rota.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event

from callback_service.domain.recurrence import line_through
from callback_service.domain.rota import Duty, Pattern
from callback_service.domain.wall_time import EARLIEST, LATEST, ONE_DAY, WEEK, Span, is_meant
from callback_service.errors import BadInput
from callback_service.gateways.ical import CATEGORY
from callback_service.gateways.ical_rules import NobodyWorksThisError, Rules, rules_of
from callback_service.gateways.ical_times import (
    Series,
    Source,
    Time,
    TooMuchWorkError,
    is_cancelled,
    local,
    within_seconds,
)

#: How far ahead a rule that is no line and does not end is followed: after today, or after the
#: last date that the file names if that is later.
READ_AHEAD = 105 * WEEK
MOST_BYTES = 8 * 1024 * 1024
#: Dates of one event. More is a rule that nobody works.
_MOST_DATES = 20_000
#: Seconds of the processor for one event, and for taking the file apart.
_PATIENCE, _PATIENCE_WITH_FILE = 3, 20
#: Events that take longer than that, after which the file is given up.
_MOST_SLOW = 3
#: What an exception may reach beyond the day it names: a long shift that was moved.
_AROUND = 35 * ONE_DAY
_LONGEST_NAME = 200
#: Dates too few to see a rule in, were it not for the first of them.
_FEW = 3
_READ = frozenset(
    {
        "DTSTART",
        "DTEND",
        "DURATION",
        "RRULE",
        "RDATE",
        "EXDATE",
        "RECURRENCE-ID",
        "ATTENDEE",
        "SEQUENCE",
    }
)


@dataclass(frozen=True, slots=True)
class Said:
    """Whom an event is for, and what. ``declined`` are those who said that they will not come."""

    summary: str
    duty: Duty
    emails: tuple[str, ...]
    declined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Happening:
    """One time that something happens, in local time. ``run`` is the run whose rule gives it."""

    span: Span
    said: Said
    run: int | None = None
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """What one rule says: for whom, and the line it is; or in words why it is none.

    ``is_single`` where it is none because it gives too few dates; ``is_late`` where the first of
    them is beside the line, as a start may be that its own rule does not give.
    """

    said: Said
    line: Pattern | str
    is_single: bool = False
    is_late: bool = False
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What a file says of one event.

    ``runs`` are what its rule says, one after the other where it was changed for this and all
    future dates. ``happenings`` are its times with all exceptions, which ``looked_at`` holds: the
    first and last local day on which they start. ``goes_on`` says that the rule has more after
    that. ``fault`` is why the event can be no shift.
    """

    uid: str
    said: Said
    runs: tuple[Run, ...] = ()
    happenings: tuple[Happening, ...] = ()
    looked_at: tuple[date, date] | None = None
    goes_on: bool = False
    is_cancelled: bool = False
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Where dates are looked for: from ``first`` if told, to ``last`` at the latest."""

    first: date | None
    last: date
    is_told: bool
    tz: ZoneInfo


def read_ical(
    content: bytes,
    *,
    first: date | None = None,
    last: date | None = None,
    today: date,
    tz: ZoneInfo,
) -> list[Found]:
    """Every event of an .ics file, which may be several calendars, in the file's order.

    Single dates and exceptions are looked for from ``first`` to ``last``, or wherever the file has
    some; a rule without end that is no line of the rota is followed for ``READ_AHEAD``. Times
    without a zone are wall time in ``tz``. Raises BadInput for what is no .ics file, or too much.
    """
    zones: dict[str, object] = {}
    by_uid: dict[str, list[Event]] = {}
    told = [(event, one) for one in _calendars(content) for event in one.events]
    for number, (event, calendar) in enumerate(told):
        uid = str(event.get("UID", f"event {number + 1}"))
        by_uid.setdefault(uid, []).append(event)
        zones.setdefault(uid, calendar.get("X-WR-TIMEZONE"))
    named = [day for event, _ in told for day in _starts(event, tz)]
    furthest = min(last or max([today, *named]) + READ_AHEAD, LATEST)
    bounds = _Bounds(first, furthest, last is not None, tz)
    found: list[Found] = []
    slow = 0
    for uid, events in by_uid.items():
        try:
            found += _found(uid, events, zones[uid], bounds)
        except TooMuchWorkError:
            slow += 1
            if slow > _MOST_SLOW:
                raise _refusal("The rules in this file take too long to work out.") from None
            words = "its rule takes too long to work out"
            found.append(Found(uid, _said(events[0]), fault=words))
    return found


def _refusal(sentence: str) -> BadInput:
    return BadInput(sentence, {"file": sentence})


def _calendars(content: bytes) -> list[Calendar]:
    if len(content) > MOST_BYTES:
        raise _refusal("The file is too large.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refusal("This is not an iCalendar file: its text is not UTF-8.") from error
    try:
        with within_seconds(_PATIENCE_WITH_FILE):
            first, *others = Calendar.from_ical(text, multiple=True)
    except TooMuchWorkError as error:
        raise _refusal("This file takes too long to read.") from error
    except (ValueError, IndexError, KeyError, RecursionError) as error:
        raise _refusal("This is not an iCalendar file, or not a whole one.") from error
    if not all(isinstance(one, Calendar) for one in (first, *others)):
        raise _refusal("This is not an iCalendar file.")
    return [first, *others]


def _starts(event: Event, tz: ZoneInfo) -> list[date]:
    """The local day an event starts on, if it says one that can be meant."""
    starts = getattr(_value(event, "DTSTART"), "dt", None)
    if not isinstance(starts, date) or not is_meant(_day(starts)):
        return []
    return [local(starts, tz).date()]


def _sequence(event: Event) -> int:
    """Which version an event is; one that cannot be read is the oldest."""
    value = _value(event, "SEQUENCE")
    return value if isinstance(value, int) else -1


def _found(uid: str, events: list[Event], zone: object, bounds: _Bounds) -> list[Found]:
    """The event of one name; and one for each older version of it, as only the newest counts."""
    masters = [event for event in events if "RECURRENCE-ID" not in event]
    newest = max(masters, key=_sequence, default=None)
    older = [event for event in masters if event is not newest]
    counted = [event for event in events if not any(event is one for one in older)]
    found = Found(uid, _said(newest or events[0]))
    found = replace(found, is_cancelled=newest is not None and is_cancelled(newest))
    try:
        with within_seconds(_PATIENCE):
            found = _with_times(found, newest, counted, zone, bounds)
    except NobodyWorksThisError as refusal:
        found = replace(found, fault=str(refusal))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        found = replace(found, fault=f"it cannot be read ({type(error).__name__})")
    fault = "another event of the same name (UID) in the file counts instead"
    return [found, *(Found(uid, _said(event), fault=fault) for event in older)]


def _with_times(
    found: Found, master: Event | None, events: list[Event], zone: object, bounds: _Bounds
) -> Found:
    if fault := next(filter(None, (_fault(event) for event in events)), None):
        return replace(found, fault=fault)
    series = Series(events, zone, bounds.tz)
    rules = rules_of(master, bounds.tz) if master is not None else None
    if master is None or rules is None:
        return _single(found, series, bounds)
    if is_cancelled(master):
        return replace(found, fault="it is cancelled")
    return _recurring(found, master, rules, series, bounds)


def _single(found: Found, series: Series, bounds: _Bounds) -> Found:
    """The dates of an event without a rule."""
    named = series.named_days()
    days = _limited(named[0] - ONE_DAY, named[-1] + _AROUND, bounds)
    return replace(found, happenings=_happenings(found, series, (), days), looked_at=days)


def _recurring(found: Found, master: Event, rules: Rules, series: Series, bounds: _Bounds) -> Found:
    bare = series.without_exceptions()
    first = _starts(master, bounds.tz)[0]
    since = max(bare.named_days())
    until = rules.probed_until(since)
    times = bare.between(first - ONE_DAY, until)
    sources = tuple(dict.fromkeys(one.source for one in times))
    runs = tuple(
        _run(found.said, rules, [one for one in times if one.source == source], times, until)
        for source in sources
    )
    found = replace(found, runs=runs)
    if all(isinstance(run.line, Pattern) for run in runs):
        is_late = any(run.is_late for run in runs)
        if bare is series and not is_late:
            return found
        named = series.named_days()
        if not is_late:
            named.remove(first)
        days = _limited(named[0] - _AROUND, named[-1] + _AROUND, bounds)
    else:
        named = series.named_days()
        ends_on = _last_day(rules, times, named, bounds)
        days = _limited(named[0] - ONE_DAY, ends_on, bounds)
        found = replace(found, goes_on=rules.goes_on_after(ends_on))
    happenings = _happenings(found, series, sources, days)
    return replace(found, happenings=happenings, looked_at=days)


def _last_day(rules: Rules, times: Sequence[Time], named: Sequence[date], bounds: _Bounds) -> date:
    """The last day to look at of a rule that is no line: its own if it has one."""
    if rules.counts:
        return max(named[-1], *(one.span[0].date() for one in times)) + _AROUND
    if rules.until is not None:
        return min(max(named[-1], rules.until.date()) + _AROUND, LATEST)
    return bounds.last


def _limited(first: date, last: date, bounds: _Bounds) -> tuple[date, date]:
    first = max(first, bounds.first or EARLIEST)
    return first, min(last, bounds.last) if bounds.is_told else min(last, LATEST)


def _run(said: Said, rules: Rules, own: Sequence[Time], times: Sequence[Time], until: date) -> Run:
    """What one of the events with a rule says by it: the first, or a change from some date on."""
    event = own[0].event
    who = said if event is None else _said(event)
    if event is not None and is_cancelled(event):
        return Run(who, "it is cancelled", is_cancelled=True)
    is_last = own[-1] is times[-1]
    goes_on = is_last and rules.goes_on_after(until)
    if len(own) < (3 if goes_on else 2):
        return Run(who, "it is on single dates", is_single=True)
    last = own[-1].span[0]
    until_on = rules.last_day_of(last.time()) if is_last else None
    if not goes_on:
        until_on = max(last.date(), until_on or last.date())
    through = partial(
        line_through,
        duty=who.duty,
        until_on=until_on,
        checked_until=until if is_last else None,
        weeks=rules.weeks,
        week_starts_on=rules.week_starts_on,
    )
    spans = [one.span for one in own]
    line = through(spans)
    if (
        isinstance(line, str)
        and len(spans) > _FEW
        and isinstance(later := through(spans[1:]), Pattern)
    ):
        return Run(who, later, is_late=True)
    return Run(who, line)


def _happenings(
    found: Found, series: Series, sources: Sequence[Source], days: tuple[date, date]
) -> tuple[Happening, ...]:
    """The times that start on ``days``, with all exceptions."""
    if days[0] > days[1]:
        return ()
    times = series.between(*days)
    if len(times) > _MOST_DATES:
        raise TooMuchWorkError
    places = {source: place for place, source in enumerate(sources)}
    return tuple(
        Happening(
            one.span,
            found.said if one.event is None else _said(one.event),
            places.get(one.source),
            is_cancelled(one.event) if one.event is not None else found.is_cancelled,
        )
        for one in times
    )


def _fault(event: Event) -> str | None:
    """Why an event can be no shift, whatever its rule says."""
    for name, reason in event.errors:
        if name is None or name.upper() in _READ:
            return f"its {name} cannot be read ({reason})"
    if "EXRULE" in event:
        return "it leaves out dates by a rule (EXRULE), which the standard has given up"
    starts, ends = _value(event, "DTSTART"), _value(event, "DTEND")
    if starts is None:
        return "it says no start"
    if not is_meant(_day(starts.dt)):
        return "its start cannot be meant"
    for value in (starts, ends):
        zone = value.params.get("TZID") if value is not None else None
        if zone and isinstance(value.dt, datetime) and value.dt.tzinfo is None:
            return f"nobody knows its time zone {zone}"
    return None


def _day(at: date) -> date:
    return at.date() if isinstance(at, datetime) else at


def _said(event: Event) -> Said:
    summary = " ".join(str(event.get("SUMMARY", "")).split())
    return Said(summary[:_LONGEST_NAME] or "an event without a name", _duty(event), *_emails(event))


def _value(event: Event, name: str) -> Any:
    return event.get(name)


def _duty(event: Event) -> Duty:
    said = {category.casefold() for category in event.categories}
    is_lead = CATEGORY[Duty.DUTY_LEAD].casefold() in said
    return Duty.DUTY_LEAD if is_lead else Duty.COUNSELLING


def _emails(event: Event) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Who is named: those who may come, and those who declined."""
    given = _value(event, "ATTENDEE") or []
    emails: dict[str, bool] = {}
    for address in given if isinstance(given, list) else [given]:
        params = getattr(address, "params", {})
        has_declined = str(params.get("PARTSTAT", "")).upper() == "DECLINED"
        if email := _email(str(address)):
            emails[email] = emails.get(email, False) or has_declined
    coming = tuple(email for email, has_declined in emails.items() if not has_declined)
    return coming, tuple(email for email, has_declined in emails.items() if has_declined)


def _email(address: str) -> str:
    scheme, colon, rest = address.partition(":")
    return (rest if colon and scheme.lower() == "mailto" else address).strip().lower()
