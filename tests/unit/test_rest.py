"""Rest and hours against the Working Time Regulations, with figures worked out by hand."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.rest import (
    LOOK_BACK,
    LOOK_ON,
    Breach,
    Rule,
    breach_in_words,
    hours_in_words,
    rest_breaches,
)
from callback_service.domain.rota import Duty, Shift, Source
from callback_service.domain.wall_time import start_of_day

LONDON = ZoneInfo("Europe/London")
MONDAY = date(2026, 11, 23)
WEEK = timedelta(weeks=1)
ONE_DAY = timedelta(days=1)


def shift(start: str, end: str, *, staff_id: int = 1, duty: Duty = Duty.COUNSELLING) -> Shift:
    """A shift from one wall time in London to another: "2026-11-23 09:00"."""
    return Shift(staff_id, duty, at(start), at(end), Source.PATTERN, 1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LONDON).astimezone(UTC)


def every_week(start: str, hours: float, *, weekdays: int, weeks: int) -> list[Shift]:
    """Shifts of so many hours on the first weekdays of each week up to that of MONDAY."""
    first = at(f"{MONDAY} {start}")
    return [
        Shift(1, Duty.COUNSELLING, begins, begins + timedelta(hours=hours), Source.PATTERN, 1)
        for week in range(weeks)
        for day in range(weekdays)
        for begins in [first - week * WEEK + day * ONE_DAY]
    ]


def breaches(
    shifts: list[Shift],
    *,
    monday: date = MONDAY,
    weeks: int = 1,
    has_opted_out: bool = False,
    works_since: date | None = None,
    excluded: Collection[date] = (),
) -> list[Breach]:
    return rest_breaches(
        shifts,
        start_of_day(monday, tz=LONDON),
        start_of_day(monday + weeks * WEEK, tz=LONDON),
        staff_id=1,
        tz=LONDON,
        has_opted_out=has_opted_out,
        works_since=works_since,
        excluded=excluded,
    )


def of(rule: Rule, found: list[Breach]) -> list[Breach]:
    return [breach for breach in found if breach.rule is rule]


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def test_eleven_hours_between_shifts_are_enough_and_a_minute_less_is_not() -> None:
    late = shift("2026-11-23 14:00", "2026-11-23 22:00")
    assert breaches([late, shift("2026-11-24 09:00", "2026-11-24 17:00")]) == []
    [breach] = breaches([late, shift("2026-11-24 08:59", "2026-11-24 17:00")])
    assert breach == Breach(
        Rule.DAILY_REST,
        1,
        at("2026-11-23 14:00"),
        at("2026-11-24 14:00"),
        timedelta(hours=10, minutes=59),
        hours(11),
    )


def test_a_shift_of_more_than_thirteen_hours_leaves_no_eleven_of_its_day() -> None:
    assert breaches([shift("2026-11-23 08:00", "2026-11-23 21:00")]) == []
    [breach] = breaches([shift("2026-11-23 08:00", "2026-11-23 22:00")])
    assert breach.figure == hours(10)


def test_a_day_in_two_parts_counts_its_longest_rest() -> None:
    split = [
        shift("2026-11-23 07:00", "2026-11-23 11:00"),
        shift("2026-11-23 17:00", "2026-11-23 21:00"),
    ]
    [breach] = breaches(split)
    assert breach.figure == hours(10)  # from nine in the evening to seven in the morning


def test_shifts_that_touch_or_overlap_are_one_piece_of_work() -> None:
    found = breaches(
        [
            shift("2026-11-23 08:00", "2026-11-23 16:00"),
            shift("2026-11-23 15:00", "2026-11-24 08:00"),
            shift("2026-11-24 08:00", "2026-11-24 10:00"),
        ]
    )
    assert [(breach.start, breach.figure) for breach in found] == [
        (at("2026-11-23 08:00"), hours(0))
    ]


def test_work_of_two_days_without_a_pause_breaks_the_rule_on_both() -> None:
    found = breaches([shift("2026-11-23 08:00", "2026-11-25 08:00")])
    assert [breach.start for breach in found] == [at("2026-11-23 08:00"), at("2026-11-24 08:00")]


@pytest.mark.parametrize(
    ("saturday", "rest"),
    [("2026-03-28", 10), ("2026-10-24", None)],  # 22:00 to 09:00 is ten hours, or twelve
)
def test_rest_over_a_clock_change_is_what_passes(saturday: str, rest: int | None) -> None:
    day = date.fromisoformat(saturday)
    sunday = day + ONE_DAY
    found = breaches(
        [
            shift(f"{day} 14:00", f"{day} 22:00"),
            shift(f"{sunday} 09:00", f"{sunday} 12:00"),
        ],
        monday=day - timedelta(days=5),
    )
    assert [breach.figure for breach in found] == ([hours(rest)] if rest else [])


def test_ten_hours_of_the_clock_are_eleven_when_it_goes_back() -> None:
    found = breaches(
        [
            shift("2026-10-24 14:00", "2026-10-24 22:00"),
            shift("2026-10-25 08:00", "2026-10-25 12:00"),
        ],
        monday=date(2026, 10, 19),
    )
    assert found == []


def test_a_week_needs_a_day_of_rest_within_it() -> None:
    # Seven shifts from nine to five leave sixteen hours at the most.
    [breach] = breaches(every_week("09:00", 8, weekdays=7, weeks=1), works_since=date(2026, 1, 5))
    assert breach == Breach(
        Rule.WEEKLY_REST,
        1,
        at("2026-11-23 00:00"),
        at("2026-11-30 00:00"),
        hours(16),
        hours(24),
    )
    assert of(Rule.WEEKLY_REST, breaches(every_week("09:00", 8, weekdays=6, weeks=1))) == []


@pytest.mark.parametrize(
    ("monday", "until", "rest"),
    [
        (date(2026, 3, 23), "23:00", None),  # the Sunday has 23 hours
        (date(2026, 3, 23), "23:30", 23.5),
        (date(2026, 10, 19), "23:30", None),  # and here 25
        (date(2026, 11, 23), "23:30", None),
    ],
)
def test_the_week_of_a_clock_change_has_the_hours_of_that_week(
    monday: date, until: str, rest: float | None
) -> None:
    days = [monday + day * ONE_DAY for day in range(6)]
    ends = ["17:00"] * 5 + [until]
    worked = [shift(f"{day} 09:00", f"{day} {end}") for day, end in zip(days, ends, strict=True)]
    found = of(Rule.WEEKLY_REST, breaches(worked, monday=monday))
    assert [breach.figure for breach in found] == ([hours(rest)] if rest else [])


def test_the_average_is_over_seventeen_weeks() -> None:
    # 17 weeks of five shifts of 9 hours 36 are 48 hours each; a minute more a shift is 5 more.
    known = date(2026, 1, 5)
    at_limit = every_week("09:00", 9.6, weekdays=5, weeks=17)
    assert breaches(at_limit, works_since=known) == []
    over = every_week("09:00", 9.6 + 1 / 60, weekdays=5, weeks=17)
    [breach] = breaches(over, works_since=known)
    assert breach == Breach(
        Rule.WEEKLY_HOURS,
        1,
        start_of_day(MONDAY - 16 * WEEK, tz=LONDON),
        start_of_day(MONDAY + WEEK, tz=LONDON),
        timedelta(hours=48, minutes=5),
        hours(48),
    )


def test_a_busy_week_among_quiet_ones_is_within_the_average() -> None:
    one_week_of_sixty = every_week("08:00", 12, weekdays=5, weeks=1)
    assert breaches(one_week_of_sixty, works_since=date(2026, 1, 5)) == []


def test_days_of_leave_count_as_the_days_worked_after_the_period() -> None:
    # 15 weeks of 50 hours, the last two free: 750 hours in 17 weeks are 44. If those were leave,
    # ten days of ten hours after the period stand in for them: (750 + 100) / 17 is 50.
    before = every_week("09:00", 10, weekdays=5, weeks=17)[10:]
    after = [one._replace(start=one.start + 17 * WEEK, end=one.end + 17 * WEEK) for one in before]
    known = date(2026, 1, 5)
    assert breaches([*before, *after], works_since=known) == []
    leave = [MONDAY - WEEK + number * ONE_DAY for number in (0, 1, 2, 3, 4, 7, 8, 9, 10, 11)]
    [breach] = breaches([*before, *after], works_since=known, excluded=leave)
    assert (breach.rule, breach.figure) == (Rule.WEEKLY_HOURS, hours(50))


def test_leave_before_the_reference_period_changes_no_average() -> None:
    at_limit = every_week("09:00", 9.6, weekdays=5, weeks=17)
    long_ago = [MONDAY - 17 * WEEK]
    assert breaches(at_limit, works_since=date(2026, 1, 5), excluded=long_ago) == []


def test_who_has_just_begun_is_measured_since_then() -> None:
    # 60 hours in the only week; with the week before free it would be 30.
    one_week_of_sixty = every_week("08:00", 12, weekdays=5, weeks=1)
    [breach] = breaches(one_week_of_sixty, works_since=MONDAY)
    assert (breach.rule, breach.figure) == (Rule.WEEKLY_HOURS, hours(60))
    assert breaches(one_week_of_sixty, works_since=MONDAY - WEEK) == []


def test_an_agreement_lifts_the_weekly_limit_and_nothing_else() -> None:
    days = every_week("08:00", 12, weekdays=5, weeks=17)
    assert [breach.rule for breach in breaches(days)] == [Rule.WEEKLY_HOURS]
    assert breaches(days, has_opted_out=True) == []
    nights = every_week("20:00", 12, weekdays=5, weeks=17)
    assert [breach.rule for breach in breaches(nights, has_opted_out=True)] == [Rule.NIGHT_HOURS]


def test_a_night_worker_averages_eight_hours_over_six_days_a_week() -> None:
    # Five nights of ten hours are 50 a week: over six days, as one of seven is rest, 8 h 20 min.
    nights = every_week("21:00", 10, weekdays=5, weeks=17)
    [breach] = of(Rule.NIGHT_HOURS, breaches(nights))
    assert abs(breach.figure - timedelta(hours=8, minutes=20)) < timedelta(minutes=1)
    assert of(Rule.NIGHT_HOURS, breaches(every_week("21:00", 9.6, weekdays=5, weeks=17))) == []


def test_who_works_nights_now_and_then_is_no_night_worker() -> None:
    days = every_week("07:00", 10, weekdays=5, weeks=17)
    nights = [shift("2026-11-27 21:00", "2026-11-28 07:00")]
    assert of(Rule.NIGHT_HOURS, breaches([*days, *nights])) == []


def test_an_evening_with_less_than_three_hours_of_night_is_no_night_work() -> None:
    assert of(Rule.NIGHT_HOURS, breaches(every_week("14:30", 10, weekdays=5, weeks=17))) == []
    until_two = every_week("16:00", 10, weekdays=5, weeks=17)  # 23:00 to 02:00
    assert len(of(Rule.NIGHT_HOURS, breaches(until_two))) == 1


def test_others_and_duty_leads_are_left_out() -> None:
    assert (
        breaches(
            [
                shift("2026-11-23 08:00", "2026-11-23 17:00"),
                shift("2026-11-23 18:00", "2026-11-24 08:00", staff_id=2),
                shift("2026-11-23 17:00", "2026-11-24 17:00", duty=Duty.DUTY_LEAD),
            ]
        )
        == []
    )


def test_only_what_begins_in_the_range_is_told() -> None:
    doubles = [
        shift("2026-11-22 08:00", "2026-11-22 23:00"),
        shift("2026-11-30 00:00", "2026-11-30 15:00"),
    ]
    assert breaches(doubles) == []
    assert breaches([], weeks=4) == []


def test_naive_instants_are_refused() -> None:
    naive = datetime(2026, 11, 23)  # noqa: DTZ001 - what is refused
    with pytest.raises(ValueError, match="aware"):
        rest_breaches([], naive, naive, staff_id=1, tz=LONDON)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (hours(0), "0 hours"),
        (hours(1), "1 hour"),
        (timedelta(hours=7, minutes=30), "7 hours 30 minutes"),
        (timedelta(minutes=1), "1 minute"),
    ],
)
def test_lengths_are_said_to_the_minute(length: timedelta, words: str) -> None:
    assert hours_in_words(length) == words


def test_every_rule_has_its_words() -> None:
    start, end = at("2026-11-23 15:00"), at("2026-11-30 15:00")
    words = [
        breach_in_words(Breach(rule, 1, start, end, hours(8), hours(9)), tz=LONDON) for rule in Rule
    ]
    assert words[0] == "8 hours of rest in the 24 from Monday 23 November, 15:00: 9 are due"
    assert len(set(words)) == len(Rule)


SHIFTS = st.lists(
    st.tuples(st.integers(0, 28 * 24 * 4), st.integers(1, 60)), max_size=40
)  # quarters of an hour: begin after the first Monday, length
RANGE = start_of_day(MONDAY, tz=LONDON), start_of_day(MONDAY + 4 * WEEK, tz=LONDON)


def drawn(quarters: list[tuple[int, int]]) -> list[Shift]:
    quarter = timedelta(minutes=15)
    return [
        Shift(1, Duty.COUNSELLING, begins, begins + length * quarter, Source.PATTERN, 1)
        for begin, length in quarters
        for begins in [RANGE[0] + begin * quarter]
    ]


@given(SHIFTS)
def test_a_breach_is_always_beyond_its_limit(quarters: list[tuple[int, int]]) -> None:
    for breach in rest_breaches(drawn(quarters), *RANGE, staff_id=1, tz=LONDON):
        is_rest = breach.rule in {Rule.DAILY_REST, Rule.WEEKLY_REST}
        assert breach.start < breach.end
        assert breach.figure < breach.limit if is_rest else breach.figure > breach.limit


@given(SHIFTS)
def test_daily_rest_is_as_counted_quarter_by_quarter(quarters: list[tuple[int, int]]) -> None:
    shifts = drawn(quarters)
    worked = {number for begin, length in quarters for number in range(begin, begin + length)}
    begins = {number for number in worked if number - 1 not in worked}

    def longest_rest(first: int) -> int:
        longest = run = 0
        for number in range(first, first + 96):
            run = 0 if number in worked else run + 1
            longest = max(longest, run)
        return longest

    found = of(Rule.DAILY_REST, rest_breaches(shifts, *RANGE, staff_id=1, tz=LONDON))
    by_start = {(breach.start - RANGE[0]) // timedelta(minutes=15): breach for breach in found}
    for first in begins:
        if first < 28 * 96:
            assert (first in by_start) == (longest_rest(first) < 44)


@given(SHIFTS, st.integers(1, 27))
def test_breaches_of_rest_in_a_range_are_those_of_its_parts(
    quarters: list[tuple[int, int]], days: int
) -> None:
    shifts, (start, end) = drawn(quarters), RANGE
    middle = start + days * ONE_DAY

    def daily(since: datetime, until: datetime) -> list[Breach]:
        found = rest_breaches(shifts, since, until, staff_id=1, tz=LONDON)
        return of(Rule.DAILY_REST, found)

    assert daily(start, end) == [*daily(start, middle), *daily(middle, end)]


def test_the_margins_hold_a_whole_reference_period() -> None:
    assert LOOK_BACK >= 17 * WEEK
    assert LOOK_ON > WEEK
