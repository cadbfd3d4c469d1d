"""The resolver against ``dateutil`` and ``recurring-ical-events``, shift by shift over a year."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import recurring_ical_events
from dateutil.rrule import DAILY, WEEKLY, rrule
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar as ICalendar
from icalendar import Event

from callback_service.domain.rota import Duty, Pattern, resolve_shifts
from callback_service.domain.wall_time import (
    ONE_DAY,
    Cycle,
    Span,
    every_weeks,
    start_of_day,
    wall_span,
)

ZONES = st.sampled_from(
    ["Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]
)
YEAR = date(2026, 1, 1), date(2027, 1, 1)
WALL_TIMES = st.integers(0, 1439).map(lambda minute: time(minute // 60, minute % 60))
DAYS = st.dates(date(2025, 10, 1), date(2026, 9, 1))


@st.composite
def lines(draw: st.DrawFn) -> Pattern:
    """A line that recurs every few weeks or every few days."""
    from_on = draw(DAYS)
    weeks = draw(st.integers(1, 5))
    days = draw(st.none() | st.integers(2, 40))
    return Pattern(
        1,
        1,
        Duty.COUNSELLING,
        frozenset(range(7)) if days else draw(st.frozensets(st.integers(0, 6), min_size=1)),
        draw(WALL_TIMES),
        draw(WALL_TIMES),
        from_on,
        draw(st.none() | st.dates(from_on, date(2027, 2, 1))),
        Cycle(draw(DAYS), days, frozenset({0})) if days else every_weeks(weeks, draw(DAYS)),
    )


def rule_of(line: Pattern) -> rrule:
    """The days of a line as ``dateutil`` has them, from the line's first."""
    anchor = line.cycle.anchor_on if line.cycle else line.from_on
    is_weekly = line.cycle is None or len(line.cycle.on) == 7
    length = line.cycle.length if line.cycle else 7
    while anchor > line.from_on:  # dateutil counts onwards only
        anchor -= length * ONE_DAY
    return rrule(
        WEEKLY if is_weekly else DAILY,
        interval=length // 7 if is_weekly else length,
        byweekday=sorted(line.weekdays) if is_weekly else None,
        dtstart=datetime.combine(anchor, line.start),
    )


def days_by_rule(line: Pattern) -> list[date]:
    """The days of the year on which ``dateutil`` starts a shift."""
    last = min(YEAR[1] - ONE_DAY, line.until_on or YEAR[1])
    first = max(YEAR[0], line.from_on)
    found = rule_of(line).between(
        datetime.combine(first, time(0)), datetime.combine(last, time.max), inc=True
    )
    return [at.date() for at in found]


def spans_of(line: Pattern, tz: ZoneInfo) -> list[Span]:
    """The shifts that start on the days of the year, by the resolver."""
    start, end = (start_of_day(day, tz=tz) for day in YEAR)
    shifts = resolve_shifts([line], start, end + ONE_DAY, tz=tz)
    own = [(shift.start, shift.end) for shift in shifts]
    return [span for span in own if YEAR[0] <= span[0].astimezone(tz).date() < YEAR[1]]


def is_plain(span: Span, tz: ZoneInfo) -> bool:
    """Whether no clock changes in, just before or just after a span."""
    around = span[0] - ONE_DAY, *span, span[1] + ONE_DAY
    return len({at.astimezone(tz).utcoffset() for at in around}) == 1


@settings(max_examples=60)
@given(lines(), ZONES)
def test_a_year_of_shifts_starts_on_the_days_of_dateutil(line: Pattern, zone: str) -> None:
    tz = ZoneInfo(zone)
    meant = [wall_span(day, line.start, line.end, tz=tz) for day in days_by_rule(line)]
    found = [span for span in spans_of(line, tz) if is_plain(span, tz)]
    assert found == [span for span in meant if is_plain(span, tz)]


@settings(max_examples=15, deadline=None)  # each works out a year of a calendar
@given(lines(), ZONES)
def test_a_year_of_shifts_is_that_of_a_calendar(line: Pattern, zone: str) -> None:
    tz = ZoneInfo(zone)
    days = days_by_rule(line)
    found = {span for span in spans_of(line, tz) if is_plain(span, tz)}
    assert found == {span for span in by_calendar(line, days, tz) if is_plain(span, tz)}


def by_calendar(line: Pattern, days: list[date], tz: ZoneInfo) -> list[Span]:
    """The year's shifts as a calendar program works them out from one recurring event."""
    if not days:
        return []
    event = Event()
    event.add("uid", "line")
    event.add("dtstart", datetime.combine(days[0], line.start, tzinfo=tz))
    ends_on = days[0] if line.end > line.start else days[0] + ONE_DAY
    event.add("dtend", datetime.combine(ends_on, line.end, tzinfo=tz))
    event.add("rrule", _ical_rule(line, len(days)))
    calendar = ICalendar()
    calendar.add_component(event)
    year = (datetime.combine(day, time(0), tzinfo=tz) for day in YEAR)
    instances = recurring_ical_events.of(calendar).between(*year)
    return [
        (one["DTSTART"].dt.astimezone(UTC), one["DTEND"].dt.astimezone(UTC))
        for one in instances
        if one["DTSTART"].dt.date() >= YEAR[0]
    ]


def _ical_rule(line: Pattern, count: int) -> dict[str, object]:
    if line.cycle is not None and len(line.cycle.on) == 1:
        return {"freq": "DAILY", "interval": line.cycle.length, "count": count}
    names = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
    return {
        "freq": "WEEKLY",
        "interval": line.cycle.length // 7 if line.cycle else 1,
        "byday": [names[day] for day in sorted(line.weekdays)],
        "count": count,
    }


def test_the_days_between_are_counted_across_both_clock_changes() -> None:
    tz = ZoneInfo("Europe/London")
    line = Pattern(
        1, 1, Duty.COUNSELLING, frozenset(range(7)), time(20), time(8), date(2026, 1, 3),
        cycle=Cycle(date(2026, 1, 3), 3, frozenset({0})),
    )  # fmt: skip
    starts = [span[0].astimezone(tz).date() for span in spans_of(line, tz)]
    assert {later - one for one, later in pairwise(starts)} == {timedelta(days=3)}
    assert starts[0] == date(2026, 1, 3)
