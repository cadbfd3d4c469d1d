"""The resolver: shift patterns in wall time become instants, right at every minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callback_service.domain.rota import (
    Duty,
    Pattern,
    Shift,
    Source,
    clip,
    first_clash,
    on_duty,
    resolve_shifts,
)
from callback_service.domain.wall_time import (
    EVERY_DAY,
    first_instant,
    last_instant,
    mask_from_weekdays,
    start_of_day,
    weekdays_from_mask,
    weekdays_in_words,
    weekly_in_words,
)

LONDON = ZoneInfo("Europe/London")
LONG_AGO = date(2020, 1, 6)
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)


def pattern(
    start: str = "09:00",
    end: str = "17:00",
    weekdays: frozenset[int] = EVERY_DAY,
    *,
    number: int = 1,
    staff_id: int | None = 1,
    duty: Duty = Duty.COUNSELLING,
    from_on: date = LONG_AGO,
    until_on: date | None = None,
) -> Pattern:
    return Pattern(
        number,
        staff_id,
        duty,
        weekdays,
        time.fromisoformat(start),
        time.fromisoformat(end),
        from_on,
        until_on,
    )


def on_days(*patterns: Pattern, first: date, days: int = 1, tz: ZoneInfo = LONDON) -> list[Shift]:
    """The shifts that start on the local days from ``first`` on."""
    start, end = start_of_day(first, tz=tz), start_of_day(first + timedelta(days=days), tz=tz)
    return [
        shift for shift in resolve_shifts(patterns, start, end, tz=tz) if start <= shift.start < end
    ]


def z(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "start", "end", "starts", "ends"),
    [
        (date(2026, 10, 24), "20:00", "08:00", "2026-10-24T19:00", "2026-10-25T08:00"),
        (date(2026, 3, 28), "20:00", "08:00", "2026-03-28T20:00", "2026-03-29T07:00"),
        (date(2027, 3, 27), "20:00", "08:00", "2027-03-27T20:00", "2027-03-28T07:00"),
        (AUTUMN, "01:30", "09:00", "2026-10-25T00:30", "2026-10-25T09:00"),
        (date(2026, 10, 24), "22:00", "01:30", "2026-10-24T21:00", "2026-10-25T01:30"),
        (SPRING, "01:30", "09:00", "2026-03-29T01:00", "2026-03-29T08:00"),
        (date(2026, 3, 28), "22:00", "01:30", "2026-03-28T22:00", "2026-03-29T01:00"),
        (AUTUMN, "00:00", "00:00", "2026-10-24T23:00", "2026-10-26T00:00"),
        (SPRING, "00:00", "00:00", "2026-03-29T00:00", "2026-03-29T23:00"),
        (date(2026, 7, 1), "09:00", "17:00", "2026-07-01T08:00", "2026-07-01T16:00"),
        (date(2026, 12, 1), "09:00", "17:00", "2026-12-01T09:00", "2026-12-01T17:00"),
    ],
)
def test_a_shift_starts_at_the_first_and_ends_at_the_last_of_its_wall_times(
    day: date, start: str, end: str, starts: str, ends: str
) -> None:
    [shift] = on_days(pattern(start, end), first=day)
    assert (shift.start, shift.end) == (z(starts), z(ends))


@pytest.mark.parametrize(
    ("monday", "hours"),
    [(date(2026, 10, 19), 169), (date(2027, 3, 22), 167), (date(2026, 11, 16), 168)],
)
def test_a_week_of_whole_days_has_the_hours_of_that_week(monday: date, hours: int) -> None:
    week = on_days(pattern("09:00", "09:00"), first=monday, days=7)
    assert len(week) == 7
    assert week[-1].end - week[0].start == timedelta(hours=hours)


@pytest.mark.parametrize("sunday", [SPRING, AUTUMN])
@pytest.mark.parametrize("handover", ["00:30", "01:00", "01:30", "02:00", "02:30"])
def test_adjacent_shifts_meet_across_a_clock_change(sunday: date, handover: str) -> None:
    shifts = on_days(
        pattern("14:00", handover),
        pattern(handover, "14:00", number=2),
        first=sunday - timedelta(days=1),
        days=3,
    )
    assert len(shifts) == 6
    assert all(later.start <= earlier.end for earlier, later in pairwise(shifts))


def test_a_skipped_wall_time_is_the_instant_of_the_jump() -> None:
    jump = z("2026-03-29T01:00")
    assert first_instant(SPRING, time(1, 30), tz=LONDON) == jump
    assert last_instant(SPRING, time(1, 30), tz=LONDON) == jump
    assert last_instant(SPRING, time(2), tz=LONDON) == jump


def test_the_zone_is_a_setting() -> None:
    [shift] = on_days(
        pattern("22:00", "06:00"), first=date(2026, 10, 31), tz=ZoneInfo("America/New_York")
    )
    assert shift.end - shift.start == timedelta(hours=9)
    [shift] = on_days(
        pattern("00:00", "00:00"), first=date(2026, 4, 5), tz=ZoneInfo("Australia/Lord_Howe")
    )
    assert shift.end - shift.start == timedelta(hours=24, minutes=30)


def test_a_day_that_a_zone_skipped_has_no_shifts() -> None:
    assert on_days(pattern(), first=date(2011, 12, 30), tz=ZoneInfo("Pacific/Apia")) == []


def test_a_shift_inside_the_skipped_hour_is_no_shift() -> None:
    assert on_days(pattern("01:00", "02:00"), first=SPRING) == []


def test_a_night_shift_belongs_to_the_day_it_starts_on() -> None:
    friday_night = pattern("23:00", "07:00", frozenset({4}))
    assert [shift.start for shift in on_days(friday_night, first=date(2026, 11, 16), days=7)] == [
        z("2026-11-20T23:00")
    ]


def test_the_first_and_the_last_day_are_days_of_the_pattern() -> None:
    short = pattern("23:00", "07:00", from_on=date(2026, 11, 17), until_on=date(2026, 11, 18))
    shifts = on_days(short, first=date(2026, 11, 1), days=30)
    assert [shift.start.date() for shift in shifts] == [date(2026, 11, 17), date(2026, 11, 18)]


def test_a_shift_that_began_before_the_range_is_given_whole() -> None:
    [shift] = resolve_shifts(
        [pattern("23:00", "07:00")], z("2026-11-20T03:00"), z("2026-11-20T03:01"), tz=LONDON
    )
    assert (shift.start, shift.end) == (z("2026-11-19T23:00"), z("2026-11-20T07:00"))


def test_a_range_that_only_touches_a_shift_does_not_meet_it() -> None:
    day = [pattern("09:00", "17:00")]
    assert resolve_shifts(day, z("2026-11-20T17:00"), z("2026-11-21T09:00"), tz=LONDON) == []
    assert resolve_shifts(day, z("2026-11-20T12:00"), z("2026-11-20T12:00"), tz=LONDON) == []


def test_clipping_keeps_only_what_is_inside() -> None:
    shifts = resolve_shifts([pattern()], z("2026-11-20T12:00"), z("2026-11-21T12:00"), tz=LONDON)
    assert [
        (shift.start, shift.end)
        for shift in clip(shifts, z("2026-11-20T12:00"), z("2026-11-21T09:00"))
    ] == [(z("2026-11-20T12:00"), z("2026-11-20T17:00"))]


def test_naive_instants_are_refused() -> None:
    naive = z("2026-11-20T12:00").replace(tzinfo=None)
    with pytest.raises(ValueError, match="aware"):
        resolve_shifts([], naive, naive, tz=LONDON)


def test_a_shift_is_over_at_the_instant_it_ends() -> None:
    early, late = pattern("07:00", "15:00"), pattern("15:00", "23:00", number=2, staff_id=2)
    at = z("2026-11-20T15:00")
    shifts = resolve_shifts(
        [early, late], at - timedelta(hours=1), at + timedelta(hours=1), tz=LONDON
    )
    assert [shift.staff_id for shift in on_duty(shifts, at)] == [2]


def test_a_duty_lead_is_not_on_duty_as_a_counsellor() -> None:
    at = z("2026-11-20T12:00")
    shifts = resolve_shifts([pattern(duty=Duty.DUTY_LEAD)], at, at + timedelta(hours=1), tz=LONDON)
    assert on_duty(shifts, at) == []
    assert len(on_duty(shifts, at, Duty.DUTY_LEAD)) == 1


def test_a_shift_names_where_it_comes_from() -> None:
    [shift] = on_days(pattern(number=42, staff_id=None), first=date(2026, 11, 20))
    assert (shift.source, shift.pattern_id, shift.staff_id) == (Source.PATTERN, 42, None)


@pytest.mark.parametrize(
    ("other", "clashes"),
    [
        (pattern("17:00", "23:00"), False),
        (pattern("16:59", "23:00"), True),
        (pattern("22:00", "09:00"), False),
        (pattern("22:00", "09:01"), True),
        (pattern("09:00", "17:00", frozenset({5})), False),
        (pattern("23:00", "10:00", frozenset({6})), True),
        (pattern("09:00", "17:00", from_on=date(2027, 1, 1)), False),
        (pattern("09:00", "17:00", until_on=date(2026, 11, 15)), False),
        (pattern("23:00", "10:00", until_on=date(2026, 11, 15)), True),
    ],
)
def test_patterns_clash_where_their_wall_times_overlap_on_shared_dates(
    other: Pattern, *, clashes: bool
) -> None:
    weekdays = pattern(
        "09:00",
        "17:00",
        frozenset(range(5)),
        from_on=date(2026, 11, 16),
        until_on=date(2026, 12, 31),
    )
    assert first_clash(weekdays, [other]) == (other if clashes else None)


@pytest.mark.parametrize(
    ("weekdays", "words"),
    [
        (EVERY_DAY, "every day"),
        (frozenset(range(5)), "Monday to Friday"),
        (frozenset({5, 6}), "Saturday and Sunday"),
        (frozenset({0, 2, 4}), "Monday, Wednesday and Friday"),
        (frozenset({3}), "Thursday"),
    ],
)
def test_weekdays_are_said_as_people_say_them(weekdays: frozenset[int], words: str) -> None:
    assert weekdays_in_words(weekdays) == words


def test_a_pattern_is_said_in_one_line() -> None:
    night = pattern(
        "23:00", "07:00", frozenset({4, 5}), from_on=date(2026, 11, 2), until_on=date(2026, 12, 31)
    )
    assert weekly_in_words(night) == (
        "Friday and Saturday, 23:00 to 07:00, from 2 November 2026 until 31 December 2026"
    )


@pytest.mark.parametrize("mask", [0, -1, 128])
def test_a_mask_without_weekdays_is_refused(mask: int) -> None:
    with pytest.raises(ValueError, match="weekday"):
        weekdays_from_mask(mask)


@given(st.frozensets(st.integers(0, 6), min_size=1))
def test_weekdays_come_back_from_their_mask(weekdays: frozenset[int]) -> None:
    assert weekdays_from_mask(mask_from_weekdays(weekdays)) == weekdays


ZONES = st.sampled_from(
    ["Europe/London", "America/New_York", "Australia/Lord_Howe", "America/Havana"]
)
WALL_TIMES = st.integers(0, 1439).map(lambda minute: time(minute // 60, minute % 60))
YEAR_START = z("2026-01-01T00:00")
INSTANTS = st.integers(0, 366 * 24 * 60).map(lambda minute: YEAR_START + timedelta(minutes=minute))


@settings(max_examples=40)  # a whole year each
@given(st.sets(WALL_TIMES, min_size=1, max_size=5), ZONES)
def test_a_gap_free_rota_tiles_the_year(handovers: set[time], zone: str) -> None:
    tz, times = ZoneInfo(zone), sorted(handovers)
    patterns = [
        Pattern(number, number, Duty.COUNSELLING, EVERY_DAY, start, end, LONG_AGO)
        for number, (start, end) in enumerate(zip(times, [*times[1:], times[0]], strict=True))
    ]
    start, end = z("2026-01-02T00:00"), z("2027-01-02T00:00")
    shifts = clip(resolve_shifts(patterns, start, end, tz=tz), start, end)
    reached = start
    for shift in shifts:
        assert shift.start <= reached
        reached = max(reached, shift.end)
    assert reached == end


@st.composite
def patterns_of_any_kind(draw: st.DrawFn) -> list[Pattern]:
    days = st.dates(date(2025, 12, 1), date(2027, 2, 1))
    return [
        Pattern(
            number,
            draw(st.integers(1, 3)),
            draw(st.sampled_from(Duty)),
            draw(st.frozensets(st.integers(0, 6), min_size=1)),
            draw(WALL_TIMES),
            draw(WALL_TIMES),
            draw(days),
            draw(st.none() | days),
        )
        for number in range(draw(st.integers(0, 4)))
    ]


@given(
    patterns_of_any_kind(),
    st.lists(INSTANTS, min_size=3, max_size=3, unique=True).map(sorted),
    ZONES,
)
def test_resolving_a_range_equals_resolving_its_parts(
    patterns: list[Pattern], instants: list[datetime], zone: str
) -> None:
    tz = ZoneInfo(zone)
    start, middle, end = instants
    whole = resolve_shifts(patterns, start, end, tz=tz)
    parts = {
        *resolve_shifts(patterns, start, middle, tz=tz),
        *resolve_shifts(patterns, middle, end, tz=tz),
    }
    assert set(whole) == parts
    assert len(whole) == len(set(whole))


@given(patterns_of_any_kind(), INSTANTS, ZONES)
def test_every_shift_that_runs_at_an_instant_is_found(
    patterns: list[Pattern], at: datetime, zone: str
) -> None:
    tz = ZoneInfo(zone)
    month = resolve_shifts(patterns, at - timedelta(days=15), at + timedelta(days=15), tz=tz)
    found = resolve_shifts(patterns, at, at + timedelta(minutes=1), tz=tz)
    minute = timedelta(minutes=1)
    assert found == [shift for shift in month if shift.start < at + minute and shift.end > at]
