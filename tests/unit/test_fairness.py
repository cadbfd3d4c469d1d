"""How a rota is shared out, with figures worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.fairness import Share, balance, shares
from callback_service.domain.rota import Duty, Shift, Source
from callback_service.domain.wall_time import start_of_day

LONDON = ZoneInfo("Europe/London")
H = timedelta(hours=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LONDON).astimezone(UTC)


def shift(
    start: str, end: str, *, staff_id: int | None = 1, duty: Duty = Duty.COUNSELLING
) -> Shift:
    return Shift(staff_id, duty, at(start), at(end), Source.PATTERN, 1)


def shared_out(
    *shifts: Shift, first: str = "2026-01-01", last: str = "2027-12-31", holidays: str = ""
) -> list[Share]:
    days = {date.fromisoformat(day) for day in holidays.split()}
    start = start_of_day(date.fromisoformat(first), tz=LONDON)
    end = start_of_day(date.fromisoformat(last) + timedelta(days=1), tz=LONDON)
    return shares(shifts, start, end, tz=LONDON, bank_holidays=days)


@pytest.mark.parametrize(
    ("start", "end", "hours", "nights", "weekends"),
    [
        ("2026-11-23 09:00", "2026-11-23 17:00", 8, 0, 0),
        ("2026-11-23 22:00", "2026-11-24 07:00", 9, 7, 0),
        ("2026-11-27 22:00", "2026-11-28 08:00", 10, 7, 8),  # Friday into Saturday
        ("2026-11-29 20:00", "2026-11-30 08:00", 12, 7, 4),  # Sunday into Monday
        ("2026-10-24 20:00", "2026-10-25 08:00", 13, 8, 13),  # the clocks go back
        ("2026-03-28 20:00", "2026-03-29 08:00", 11, 6, 11),  # the clocks go forward
    ],
)
def test_hours_are_counted_as_they_pass(
    start: str, end: str, hours: int, nights: int, weekends: int
) -> None:
    assert shared_out(shift(start, end)) == [Share(1, hours * H, nights * H, weekends * H, 0 * H)]


def test_bank_holidays_are_days_of_the_local_calendar() -> None:
    [share] = shared_out(
        shift("2026-12-24 22:00", "2026-12-25 06:00"),
        shift("2026-12-26 08:00", "2026-12-26 10:00"),
        holidays="2026-12-25 2026-12-28",
    )
    assert share == Share(1, 10 * H, 7 * H, 2 * H, 6 * H)


def test_nobody_is_counted_twice_for_overlapping_shifts() -> None:
    [share] = shared_out(
        shift("2026-11-23 09:00", "2026-11-23 17:00"),
        shift("2026-11-23 12:00", "2026-11-23 18:00"),
        shift("2026-11-23 18:00", "2026-11-23 19:00"),
    )
    assert share.hours == 10 * H


def test_only_what_is_inside_the_range_counts() -> None:
    night = shift("2026-11-22 22:00", "2026-11-23 07:00")
    [share] = shared_out(night, first="2026-11-23", last="2026-11-29")
    assert share == Share(1, 7 * H, 6 * H, 0 * H, 0 * H)
    assert shared_out(night, first="2026-11-24") == []


def test_open_shifts_and_duty_leads_are_left_out() -> None:
    assert (
        shared_out(
            shift("2026-11-23 09:00", "2026-11-23 17:00", staff_id=None),
            shift("2026-11-23 09:00", "2026-11-24 09:00", duty=Duty.DUTY_LEAD),
        )
        == []
    )


@pytest.mark.parametrize(
    ("hours", "figure"),
    [
        ([], 1),
        ([40], 1),
        ([40, 40, 40], 1),
        ([20, 40], 0.5),
        ([10, 20, 40], (0.5 + 0.25 + 0.5) / 3),
        ([0, 40], 0),
        ([0, 0, 40], 1 / 3),
    ],
)
def test_the_balance_is_the_mean_over_pairs(hours: list[int], figure: float) -> None:
    assert balance(number * H for number in hours) == pytest.approx(figure)


@given(st.lists(st.integers(0, 400), max_size=12))
def test_the_balance_is_that_of_its_stated_formula(minutes: list[int]) -> None:
    lengths = [timedelta(minutes=number) for number in minutes]
    ratios = [
        min(one, other) / max(one, other) if max(one, other) else 1.0
        for one, other in combinations(lengths, 2)
    ]
    stated = sum(ratios) / len(ratios) if ratios else 1.0
    assert balance(lengths) == pytest.approx(stated)
    assert 0 <= balance(lengths) <= 1 + 1e-9


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 600)), max_size=20))
def test_hours_are_as_counted_minute_by_minute(spans: list[tuple[int, int]]) -> None:
    first = at("2026-10-24 00:00")  # over the night the clocks go back
    minute = timedelta(minutes=1)
    shifts = [
        Shift(1, Duty.COUNSELLING, start, start + length * minute, Source.PATTERN, 1)
        for begin, length in spans
        for start in [first + begin * minute]
    ]
    worked = {number for begin, length in spans for number in range(begin, begin + length)}
    at_night = [
        number for number in worked
        if not 6 <= (first + number * minute).astimezone(LONDON).hour < 23
    ]  # fmt: skip
    found = shared_out(*shifts)
    assert [share.hours for share in found] == [len(worked) * minute] * bool(worked)
    assert [share.nights for share in found] == [len(at_night) * minute] * bool(worked)
