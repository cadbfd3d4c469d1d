"""Cover against requirement: a headcount at every instant."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.cover import (
    DEFAULT_NEED,
    AppliesOn,
    Requirement,
    Stretch,
    cover,
    cover_by_step,
    gaps,
)
from callback_service.domain.cover_week import Hour, Week, week_grid
from callback_service.domain.cover_words import gap_in_words, requirement_in_words
from callback_service.domain.rota import Duty, Shift, Source
from callback_service.domain.wall_time import EVERY_DAY, start_of_day

LONDON = ZoneInfo("Europe/London")
DAY = datetime(2026, 11, 23, tzinfo=UTC)  # a Monday
NEXT_DAY = DAY + timedelta(days=1)
HOUR = timedelta(hours=1)


def shift(
    start: float, end: float, staff_id: int | None = 1, duty: Duty = Duty.COUNSELLING
) -> Shift:
    """A shift from ``start`` to ``end``, in hours from the start of DAY."""
    return Shift(staff_id, duty, DAY + HOUR * start, DAY + HOUR * end, Source.PATTERN, None)


def need(start: str, end: str, needed: int, weekdays: frozenset[int] = EVERY_DAY) -> Requirement:
    return Requirement(
        None, weekdays, time.fromisoformat(start), time.fromisoformat(end), needed, date(2020, 1, 1)
    )


def hours_of(stretches: list[Stretch]) -> list[tuple[float, float, int, int]]:
    """Stretches as (from, to, required, on shift), in hours from the start of DAY."""
    return [((row.start - DAY) / HOUR, (row.end - DAY) / HOUR, *row[2:]) for row in stretches]


def covered(
    *shifts: Shift, needs: tuple[Requirement, ...] = (), end: datetime = NEXT_DAY
) -> list[Stretch]:
    return cover(shifts, needs, DAY, end, tz=LONDON)


def test_an_empty_rota_is_one_long_gap() -> None:
    [gap] = gaps(covered(end=DAY + timedelta(days=7)))
    assert (gap.start, gap.end, gap.short) == (DAY, DAY + timedelta(days=7), DEFAULT_NEED)


def test_two_half_days_of_two_people_leave_the_other_half_uncovered() -> None:
    assert hours_of(gaps(covered(shift(0, 12, 1), shift(0, 12, 2)))) == [(12, 24, 1, 0)]


def test_a_gap_of_one_minute_shows() -> None:
    minute = 1 / 60
    [gap] = gaps(covered(shift(0, 12), shift(12 + minute, 24)))
    assert gap.end - gap.start == timedelta(minutes=1)


def test_a_gap_of_one_second_shows_beside_a_shift_of_a_whole_day() -> None:
    """In grafana/oncall gaps below a minute are left out, and one all-day event hides every gap."""
    second = 1 / 3600
    [gap] = gaps(covered(shift(-24, 0, 2), shift(0, 12), shift(12 + second, 24)))
    assert gap.end - gap.start == timedelta(seconds=1)


def test_one_person_on_two_shifts_at_once_is_one_person() -> None:
    assert hours_of(covered(shift(0, 14), shift(10, 24))) == [(0, 24, 1, 1)]


def test_each_person_counts() -> None:
    assert hours_of(covered(shift(0, 24, 1), shift(8, 16, 2))) == [
        (0, 8, 1, 1),
        (8, 16, 1, 2),
        (16, 24, 1, 1),
    ]


def test_a_shift_that_nobody_holds_is_no_cover() -> None:
    assert hours_of(covered(shift(0, 24, None))) == [(0, 24, 1, 0)]


def test_a_duty_lead_is_no_cover_for_calls() -> None:
    lead = shift(0, 24, duty=Duty.DUTY_LEAD)
    assert gaps(covered(lead))
    assert not gaps(cover([lead], [], DAY, NEXT_DAY, tz=LONDON, duty=Duty.DUTY_LEAD))


def test_where_requirements_overlap_the_larger_counts() -> None:
    needs = need("00:00", "00:00", 2), need("18:00", "20:00", 3), need("19:00", "21:00", 1)
    assert hours_of(covered(shift(0, 24), needs=needs)) == [
        (0, 18, 2, 1),
        (18, 20, 3, 1),
        (20, 24, 2, 1),
    ]


def test_a_requirement_may_run_over_midnight() -> None:
    sunday_night = need("22:00", "02:00", 3, frozenset({6}))
    assert hours_of(covered(needs=(sunday_night,))) == [(0, 2, 3, 0), (2, 24, 1, 0)]


def test_shifts_that_meet_leave_one_stretch() -> None:
    assert hours_of(covered(shift(-8, 8, 1), shift(8, 16, 2), shift(16, 30, 3))) == [(0, 24, 1, 1)]


def test_an_empty_range_has_no_stretches() -> None:
    assert covered(shift(0, 24), end=DAY) == []


def test_a_step_shows_its_worst_moment() -> None:
    shifts = [shift(0, 1.5, 1), shift(1.25, 4, 2)]
    steps = cover_by_step(
        shifts, [need("03:30", "03:45", 3)], DAY, DAY + HOUR * 4.5, tz=LONDON, step=HOUR
    )
    assert hours_of(steps) == [
        (0, 1, 1, 1),
        (1, 2, 1, 1),
        (2, 3, 1, 1),
        (3, 4, 3, 1),
        (4, 4.5, 1, 0),
    ]


def test_a_step_must_be_longer_than_nothing() -> None:
    with pytest.raises(ValueError, match="step"):
        cover_by_step([], [], DAY, NEXT_DAY, tz=LONDON, step=timedelta(0))


@pytest.mark.parametrize(
    ("monday", "hours", "columns"),
    [(date(2026, 10, 19), 25, 25), (date(2026, 3, 23), 23, 24), (date(2026, 11, 23), 24, 24)],
)
def test_the_sunday_of_a_clock_change_has_its_own_number_of_hours(
    monday: date, hours: int, columns: int
) -> None:
    week = _empty_week(monday, LONDON)
    sunday = week.days[-1]
    assert sunday.length == timedelta(hours=hours)
    assert len(sunday.by_hour) == hours
    assert len(week.hours) == columns
    assert [len(day.by_hour) for day in week.days[:-1]] == [24] * 6


def test_the_hour_the_clocks_repeat_is_a_column_of_its_own() -> None:
    week = _empty_week(date(2026, 10, 19), LONDON)
    assert week.hours[1:4] == [Hour(1, False), Hour(1, True), Hour(2, False)]
    second = week.days[-1].by_hour[Hour(1, True)]
    assert second.start == datetime(2026, 10, 25, 1, tzinfo=UTC)
    assert Hour(1, True) not in week.days[0].by_hour


def test_the_hour_the_clocks_skip_has_no_figures_on_that_day() -> None:
    week = _empty_week(date(2026, 3, 23), LONDON)
    assert Hour(1, False) not in week.days[-1].by_hour
    assert Hour(1, False) in week.days[0].by_hour


def test_half_an_hour_of_clock_change_keeps_hours_on_the_hour() -> None:
    zone = ZoneInfo("Australia/Lord_Howe")
    sunday = _empty_week(date(2026, 3, 30), zone).days[-1]
    second = sunday.by_hour[Hour(1, True)]
    assert second.end - second.start == timedelta(minutes=30)
    assert sunday.length == timedelta(hours=24, minutes=30)


def _empty_week(monday: date, tz: ZoneInfo) -> Week:
    start, end = start_of_day(monday, tz=tz), start_of_day(monday + timedelta(days=7), tz=tz)
    return week_grid(cover([], [], start, end, tz=tz), monday, tz=tz)


@pytest.mark.parametrize(
    ("start", "end", "on_shift", "words"),
    [
        (17, 18, 1, "Monday 23 November, 17:00 to 18:00: 1 on shift, 2 needed"),
        (
            23,
            26,
            0,
            "Monday 23 November, 23:00 to 02:00 on Tuesday 24 November: nobody on shift, 2 needed",
        ),
    ],
)
def test_a_gap_is_said_in_words(start: int, end: int, on_shift: int, words: str) -> None:
    gap = Stretch(DAY + HOUR * start, DAY + HOUR * end, required=2, on_shift=on_shift)
    assert gap_in_words(gap, tz=LONDON) == words


def test_a_gap_in_the_repeated_hour_says_which_one() -> None:
    gap = Stretch(
        datetime(2026, 10, 25, 0, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC), 1, 0
    )
    assert gap_in_words(gap, tz=LONDON) == (
        "Sunday 25 October, 01:00 (first) to 01:00 (second): nobody on shift, 1 needed"
    )


MINUTES = st.integers(-600, 2040)
SHIFTS = st.lists(
    st.builds(
        lambda start, length, who: shift(start / 60, (start + length) / 60, who),
        MINUTES,
        st.integers(0, 900),
        st.none() | st.integers(1, 3),
    ),
    max_size=6,
)
WALL_TIMES = st.integers(0, 1439).map(lambda minute: time(minute // 60, minute % 60))
NEEDS = st.lists(
    st.builds(
        Requirement,
        st.none(),
        st.frozensets(st.integers(0, 6), min_size=1),
        WALL_TIMES,
        WALL_TIMES,
        st.integers(1, 4),
        st.just(date(2020, 1, 1)),
    ),
    max_size=3,
)


@given(SHIFTS, NEEDS)
def test_stretches_tile_the_range_and_each_differs_from_the_next(
    shifts: list[Shift], needs: list[Requirement]
) -> None:
    stretches = cover(shifts, needs, DAY, NEXT_DAY, tz=LONDON)
    assert stretches[0].start == DAY
    assert stretches[-1].end == NEXT_DAY
    assert all(one.end == two.start and one[2:] != two[2:] for one, two in pairwise(stretches))


@given(SHIFTS, NEEDS, st.integers(0, 1439))
def test_cover_at_a_minute_is_the_number_of_people_whose_shift_runs_then(
    shifts: list[Shift], needs: list[Requirement], minute: int
) -> None:
    at = DAY + timedelta(minutes=minute)
    [stretch] = [
        row for row in cover(shifts, needs, DAY, NEXT_DAY, tz=LONDON) if row.start <= at < row.end
    ]
    people = {
        row.staff_id for row in shifts if row.start <= at < row.end and row.staff_id is not None
    }
    assert stretch.on_shift == len(people)


@given(SHIFTS, NEEDS, st.integers(1, 300))
def test_a_step_is_short_exactly_when_a_minute_of_it_is(
    shifts: list[Shift], needs: list[Requirement], minutes: int
) -> None:
    stretches = cover(shifts, needs, DAY, NEXT_DAY, tz=LONDON)
    steps = cover_by_step(shifts, needs, DAY, NEXT_DAY, tz=LONDON, step=timedelta(minutes=minutes))
    assert steps[-1].end == NEXT_DAY
    for step in steps:
        shortest = max(
            row.short for row in stretches if row.start < step.end and row.end > step.start
        )
        assert step.short == shortest


def need_on(
    applies_on: AppliesOn,
    start: str,
    end: str,
    needed: int,
    *,
    from_on: date = date(2026, 11, 23),
    until_on: date | None = None,
) -> Requirement:
    """A requirement for dates or for bank holidays; DAY is one."""
    times = time.fromisoformat(start), time.fromisoformat(end)
    holidays = frozenset({DAY.date()})
    return Requirement(
        None, EVERY_DAY, *times, needed, from_on, until_on, applies_on, bank_holidays=holidays
    )


def needed_on(*needs: Requirement, end: datetime = NEXT_DAY) -> list[tuple[float, float, int]]:
    return [row[:3] for row in hours_of(covered(needs=needs, end=end))]


def test_a_requirement_for_dates_beats_a_weekly_one_also_with_fewer_people() -> None:
    weekly = need("08:00", "20:00", 3)
    christmas = need_on(AppliesOn.DATES, "10:00", "14:00", 2, until_on=DAY.date())
    assert needed_on(weekly, christmas) == [
        (0, 8, 1),
        (8, 10, 3),
        (10, 14, 2),
        (14, 20, 3),
        (20, 24, 1),
    ]
    assert needed_on(christmas, weekly) == needed_on(weekly, christmas)


def test_a_requirement_for_bank_holidays_holds_on_those_alone_and_below_dates() -> None:
    weekly = need("00:00", "00:00", 4)
    holidays = need_on(AppliesOn.BANK_HOLIDAYS, "08:00", "20:00", 2)
    dated = need_on(AppliesOn.DATES, "12:00", "13:00", 5, until_on=DAY.date())
    assert needed_on(weekly, holidays, dated, end=NEXT_DAY + 12 * HOUR) == [
        (0, 8, 4),
        (8, 12, 2),
        (12, 13, 5),
        (13, 20, 2),
        (20, 36, 4),
    ]


def test_a_requirement_for_bank_holidays_keeps_to_its_dates() -> None:
    later = need_on(AppliesOn.BANK_HOLIDAYS, "08:00", "20:00", 2, from_on=NEXT_DAY.date())
    ended = need_on(
        AppliesOn.BANK_HOLIDAYS,
        "08:00",
        "20:00",
        2,
        from_on=date(2020, 1, 1),
        until_on=DAY.date() - timedelta(days=1),
    )
    assert needed_on(later, ended) == [(0, 24, 1)]


def test_of_two_requirements_for_the_same_dates_the_larger_counts() -> None:
    dates = [
        need_on(AppliesOn.DATES, "08:00", "12:00", needed, until_on=DAY.date()) for needed in (3, 2)
    ]
    assert needed_on(*dates) == [(0, 8, 1), (8, 12, 3), (12, 24, 1)]


def test_a_requirement_for_a_night_of_a_date_runs_into_the_next_day() -> None:
    night = need_on(AppliesOn.DATES, "22:00", "02:00", 3, until_on=DAY.date())
    assert needed_on(night, end=NEXT_DAY + 4 * HOUR) == [(0, 22, 1), (22, 26, 3), (26, 28, 1)]


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        (
            need("08:00", "20:00", 2),
            "every day, 08:00 to 20:00, from 1 January 2020",
        ),
        (
            need_on(AppliesOn.DATES, "08:00", "20:00", 2, until_on=DAY.date()),
            "23 November 2026, 08:00 to 20:00",
        ),
        (
            need_on(AppliesOn.DATES, "08:00", "20:00", 2, until_on=NEXT_DAY.date()),
            "23 November 2026 to 24 November 2026, 08:00 to 20:00",
        ),
        (
            need_on(AppliesOn.BANK_HOLIDAYS, "08:00", "20:00", 2),
            "bank holidays, 08:00 to 20:00, from 23 November 2026",
        ),
        (
            need_on(AppliesOn.BANK_HOLIDAYS, "08:00", "20:00", 2, until_on=NEXT_DAY.date()),
            "bank holidays, 08:00 to 20:00, from 23 November 2026 until 24 November 2026",
        ),
    ],
)
def test_a_requirement_is_said_in_one_line(stated: Requirement, words: str) -> None:
    assert requirement_in_words(stated) == words
