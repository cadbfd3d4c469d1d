"""When the events of an .ics file happen, as ``recurring-ical-events`` works it out."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from types import FrameType
from typing import Any, cast
from zoneinfo import ZoneInfo

import recurring_ical_events
from icalendar import Calendar, Event

from callback_service.domain.wall_time import ONE_DAY, Span

#: Seconds after which giving up is tried again. What is raised while Python tidies up (a finaliser,
#: the collector's callbacks) is printed and lost.
_TRY_AGAIN_AFTER = 1.0

#: What names the event that a time is from: the ids of an exception; none for the rule's own event.
Source = tuple[object, ...]


class TooMuchWorkError(Exception):
    """What a file asks for takes longer than anybody would wait."""


@contextmanager
def within_seconds(seconds: float) -> Iterator[None]:
    """Give up with TooMuchWorkError after so many seconds of the processor.

    A rule that never comes true, such as every 30 February, keeps ``dateutil`` busy for hours.
    Signals reach the main thread only, where commands run; elsewhere there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def give_up(_signal: int, _frame: FrameType | None) -> None:
        raise TooMuchWorkError

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, _TRY_AGAIN_AFTER)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@dataclass(frozen=True, slots=True)
class Time:
    """One time that something happens, in local time, and what the file says of it.

    ``event`` is the exception that says so; None for the event that has the rule.
    """

    span: Span
    source: Source
    event: Event | None


class Series:
    """All that a file says under one name (UID), in the local time of ``tz``.

    ``zone`` is the calendar's X-WR-TIMEZONE, which some programs use instead of the standard's.
    """

    def __init__(self, events: Sequence[Event], zone: object, tz: ZoneInfo) -> None:
        calendar = Calendar()
        if zone is not None:
            calendar["X-WR-TIMEZONE"] = zone
        for event in events:
            calendar.add_component(event)
        self._events, self._zone, self._tz = events, zone, tz
        [self._series] = recurring_ical_events.of(calendar).series
        self._exceptions: dict[Source, Event] = {}

    def between(self, first: date, last: date) -> list[Time]:
        """The times that start from the local day ``first`` to ``last``, in order."""
        start, end = (
            datetime.combine(day, time(0), tzinfo=self._tz) for day in (first, last + ONE_DAY)
        )
        times = [self._time(one) for one in self._series.between(start, end)]
        kept = [one for one in times if first <= one.span[0].date() <= last]
        return sorted(kept, key=lambda one: (one.span[0].timestamp(), one.span[1].timestamp()))

    def _time(self, occurrence: Any) -> Time:
        span = local(occurrence.start, self._tz), local(occurrence.end, self._tz)
        source: Source = occurrence.recurrence_ids
        if not source:
            return Time(span, (), None)
        if source not in self._exceptions:
            self._exceptions[source] = occurrence.as_component(False)
        return Time(span, source, self._exceptions[source])

    def named_days(self) -> list[date]:
        """The local days that the file names itself, in order: its starts and exceptions."""
        return sorted(local(at, self._tz).date() for event in self._events for at in _named(event))

    def without_exceptions(self) -> Series:
        """What the rule alone says, and each change of it for this and all future dates."""
        masters = [event for event in self._events if "RECURRENCE-ID" not in event]
        ranges = [event for event in self._events if _is_range(event)]
        if len(masters + ranges) == len(self._events) and not any(map(_has_dates, masters)):
            return self
        return Series([*map(_bare, masters), *ranges], self._zone, self._tz)


def local(at: date, tz: ZoneInfo) -> datetime:
    """A time of a file by the clock of ``tz``, in which times without a zone and dates are."""
    if not isinstance(at, datetime):
        return datetime.combine(at, time(0), tzinfo=tz)
    return at.astimezone(tz) if at.tzinfo else at.replace(tzinfo=tz)


def is_cancelled(event: Event) -> bool:
    """Whether the event is said not to happen."""
    return str(event.get("STATUS", "")).upper() == "CANCELLED"


def _is_range(event: Event) -> bool:
    """Whether this exception holds for all later dates too."""
    value: Any = event.get("RECURRENCE-ID")
    return value is not None and str(value.params.get("RANGE", "")).upper() == "THISANDFUTURE"


def _has_dates(event: Event) -> bool:
    return "EXDATE" in event or "RDATE" in event


def _bare(event: Event) -> Event:
    bare = event.copy()
    for name in ("EXDATE", "RDATE"):
        bare.pop(name, None)
    return bare


def _named(event: Event) -> Iterator[date]:
    """Every date or instant that an event names."""
    for name in ("DTSTART", "RECURRENCE-ID"):
        if name in event:
            yield cast(Any, event[name]).dt
    for name in ("EXDATE", "RDATE"):
        lists: Any = event.get(name, [])
        for one in lists if isinstance(lists, list) else [lists]:
            for value in one.dts:
                yield value.dt[0] if isinstance(value.dt, tuple) else value.dt
