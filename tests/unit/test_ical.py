"""Calendars: what is written means the same shifts to other programs, and is read back whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from callback_service.domain.recurrence import first_day, is_same
from callback_service.domain.rota import Duty, Pattern, resolve_shifts
from callback_service.domain.wall_time import EVERY_DAY, ONE_DAY
from callback_service.errors import BadInput
from callback_service.gateways.ical import Attendee, Entry, Series, to_ical
from callback_service.gateways.ical_reader import read_ical
from tests.rota_builders import LONDON, local
from tests.support.builders import NOW
from tests.support.calendars import events_of, instants_of

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
YEAR = date(2025, 12, 29), date(2027, 1, 1)
ZONES = ("Europe/London", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "UTC")
QUARTERS = st.integers(0, 95).map(lambda quarter: time(quarter // 4, quarter % 4 * 15))
ALEX = Attendee("Alex Marsh", "alex@example.org")


@st.composite
def patterns(draw: st.DrawFn) -> Pattern:
    """A line of the rota in 2026: any days, any times to the quarter of an hour."""
    from_on = date(2025, 12, 1) + timedelta(days=draw(st.integers(0, 200)))
    until_on = draw(st.none() | st.integers(7, 400).map(lambda days: from_on + timedelta(days)))
    weekdays = draw(st.frozensets(st.integers(0, 6), min_size=1))
    duty = draw(st.sampled_from(Duty))
    return Pattern(1, 1, duty, weekdays, draw(QUARTERS), draw(QUARTERS), from_on, until_on)


def written(*series: Series, tz: ZoneInfo = LONDON) -> bytes:
    return to_ical([], series=series, within=YEAR, name="Rota", tz=tz, now=NOW)


def one(pattern: Pattern, **more: Any) -> Series:
    return Series("pattern-1@example.org", pattern, "Alex Marsh", ALEX, **more)


def instants(content: bytes) -> list[tuple[datetime, datetime]]:
    """Every time in the year as another program sees it."""
    return instants_of(content, START, END)


def resolved(pattern: Pattern, tz: ZoneInfo = LONDON) -> list[tuple[datetime, datetime]]:
    return [(shift.start, shift.end) for shift in resolve_shifts([pattern], START, END, tz=tz)]


def daily(start: str, end: str, weekdays: frozenset[int] = EVERY_DAY) -> Pattern:
    return Pattern(
        1, 1, Duty.COUNSELLING, weekdays, time.fromisoformat(start), time.fromisoformat(end),
        date(2026, 1, 5),
    )  # fmt: skip


@settings(max_examples=40)
@given(pattern=patterns(), zone=st.sampled_from(ZONES))
def test_another_program_sees_the_shifts_of_the_resolver_for_a_year(
    pattern: Pattern, zone: str
) -> None:
    tz = ZoneInfo(zone)
    assert instants(written(one(pattern), tz=tz)) == resolved(pattern, tz)


@settings(max_examples=40)
@given(pattern=patterns(), zone=st.sampled_from(ZONES))
def test_a_line_that_is_written_is_read_back_as_the_same_line(pattern: Pattern, zone: str) -> None:
    tz = ZoneInfo(zone)
    first = first_day(pattern, pattern.from_on)
    assert first is not None
    [found] = read_ical(written(one(pattern), tz=tz), today=NOW.date(), tz=tz)
    assert found.fault is None
    lines = [replace(run.line, staff_id=1) for run in found.runs if isinstance(run.line, Pattern)]
    if first_day(pattern, first + ONE_DAY) is None:  # a line of one shift is a single date
        assert lines == []
    else:
        assert [is_same(pattern, line) for line in lines] == [True]


@pytest.mark.parametrize(
    ("start", "end", "day", "hours"),
    [
        ("20:00", "08:00", "2026-10-24", 13),
        ("20:00", "08:00", "2026-03-28", 11),
        ("09:00", "09:00", "2026-10-24", 25),
        ("01:30", "09:30", "2026-03-29", 7.5),
        ("01:30", "09:30", "2026-10-25", 9),
        ("17:00", "01:30", "2026-10-24", 9.5),
    ],
)
def test_a_clock_change_gives_the_length_the_rota_gives(
    start: str, end: str, day: str, hours: float
) -> None:
    spans = instants(written(one(daily(start, end))))
    [span] = [
        (begins, ends)
        for begins, ends in spans
        if begins.astimezone(LONDON).date() == date.fromisoformat(day)
    ]
    assert span[1] - span[0] == timedelta(hours=hours)


def test_the_special_shift_of_a_clock_change_says_its_instants_itself() -> None:
    """RFC 5545 gives every recurrence one exact length, so a strict reader needs to be told."""
    events = events_of(written(one(daily("20:00", "08:00"))))
    special = [event for event in events if "RECURRENCE-ID" in event]
    assert [event["RECURRENCE-ID"].dt.date() for event in special] == [
        date(2026, 3, 28),
        date(2026, 10, 24),
    ]
    lengths = [
        event["DTEND"].dt.astimezone(UTC) - event["DTSTART"].dt.astimezone(UTC) for event in special
    ]
    assert lengths == [timedelta(hours=11), timedelta(hours=13)]


def test_a_shift_that_a_clock_change_skips_is_left_out() -> None:
    pattern = daily("01:00", "02:00")
    assert date(2026, 3, 29) not in {start.date() for start, _ in instants(written(one(pattern)))}
    assert len(resolved(pattern)) == len(instants(written(one(pattern))))


def test_a_shift_at_a_midnight_that_is_skipped_is_left_out() -> None:
    cairo, pattern = ZoneInfo("Africa/Cairo"), daily("00:00", "00:15")
    assert instants(written(one(pattern), tz=cairo)) == resolved(pattern, cairo)


def test_the_rule_ends_in_utc_as_the_standard_asks() -> None:
    pattern = daily("09:00", "17:00")
    ended = Pattern(
        1, 1, pattern.duty, frozenset({0}), pattern.start, pattern.end, pattern.from_on,
        date(2026, 7, 6),
    )  # fmt: skip
    [event] = events_of(written(one(ended)))
    assert b"UNTIL=20260706T225959Z" in event["RRULE"].to_ical()
    rule = rrulestr(event["RRULE"].to_ical().decode(), dtstart=event["DTSTART"].dt)
    assert [at.astimezone(UTC) for at in rule] == [start for start, _ in resolved(ended)]


def test_days_that_are_left_out_are_left_out() -> None:
    pattern, away = daily("09:00", "17:00"), date(2026, 12, 25)
    spans = instants(written(one(pattern, left_out=frozenset({away}))))
    assert set(resolved(pattern)) - set(spans) == {
        (local("2026-12-25 09:00").astimezone(UTC), local("2026-12-25 17:00").astimezone(UTC))
    }


def entry(uid: str = "a@example.org", **more: Any) -> Entry:
    times = {"start": local("2026-12-24 20:00"), "end": local("2026-12-25 08:00"), **more}
    return Entry(uid, summary="Zoë", **times)


def test_a_removed_shift_is_written_as_cancelled_with_a_higher_sequence() -> None:
    content = to_ical(
        [entry()], cancelled=[entry("b@example.org", sequence=1)], name="x", tz=LONDON, now=NOW
    )
    kept, gone = events_of(content)
    assert (str(kept["STATUS"]), kept["SEQUENCE"]) == ("CONFIRMED", 0)
    assert (str(gone["UID"]), str(gone["STATUS"]), gone["SEQUENCE"]) == (
        "b@example.org",
        "CANCELLED",
        1,
    )


def test_every_zone_that_is_named_is_described() -> None:
    calendar: Any = Calendar.from_ical(to_ical([entry()], name="x", tz=LONDON, now=NOW))
    assert [str(zone["TZID"]) for zone in calendar.timezones] == ["Europe/London"]
    assert calendar.get_missing_tzids() == set()


def test_an_instant_that_local_time_cannot_name_is_written_in_utc() -> None:
    start, end = datetime(2026, 10, 24, 20, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    content = to_ical([entry(start=start, end=end)], name="x", tz=LONDON, now=NOW)
    assert b"DTEND:20261025T013000Z" in content
    assert instants(content) == [(start, end)]


def test_lines_are_folded_at_75_bytes_and_names_survive_whole() -> None:
    name = 'Łucja; "Zoë", Ünsal\\Ñandú, 張 ' * 6
    person = Attendee(name.strip(), "lucja@example.org")
    shift = Entry("a@example.org", START, START + timedelta(hours=8), name, attendee=person)
    content = to_ical([shift], name=name, tz=LONDON, now=NOW)
    assert content.endswith(b"\r\n")
    assert max(len(line) for line in content.split(b"\r\n")) <= 75
    [event] = events_of(content)
    assert str(event["SUMMARY"]) == name
    assert event["ATTENDEE"].params["CN"] == name.strip()
    assert str(event["ATTENDEE"]) == "mailto:lucja@example.org"


def test_the_same_facts_give_the_same_bytes() -> None:
    series = one(daily("20:00", "08:00"))
    assert written(series) == written(series)


@pytest.mark.parametrize("content", [b"", b"hello", b"BEGIN:VEVENT\r\nEND:VEVENT\r\n", b"\xff\x00"])
def test_what_is_no_calendar_is_refused(content: bytes) -> None:
    with pytest.raises(BadInput, match="not an iCalendar file"):
        read_ical(content, today=NOW.date(), tz=LONDON)
