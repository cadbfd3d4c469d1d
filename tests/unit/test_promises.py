"""Room for windows in the rota, and what the plan aims at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callback_service.domain.breaks import BREAK_SHARE
from callback_service.domain.contact import Window
from callback_service.domain.promises import places, target_of

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)


def at(minute: float) -> datetime:
    """The instant ``minute`` minutes after NOW."""
    return NOW + timedelta(minutes=minute)


def test_the_plan_aims_at_the_middle_of_a_window_and_at_the_due_time_of_the_rest() -> None:
    assert target_of(at(0), at(120), is_window=True) == at(60)
    assert target_of(at(0), at(120), is_window=False) == at(120)


TWO_HOURS, ONE_HOUR = Window(at(0), at(120)), Window(at(0), at(60))


def spans_of(shifts: list[tuple[float, float]]) -> list[tuple[datetime, datetime]]:
    return [(at(start), at(end)) for start, end in shifts]


@pytest.mark.parametrize(
    ("window", "shifts", "room"),
    [
        (TWO_HOURS, [], 0),
        (TWO_HOURS, [(-60, 480)], 2),  # 0.7 x 120 x 450/480 / 30.2 = 2.61
        (TWO_HOURS, [(-60, 480)] * 2, 5),
        (TWO_HOURS, [(-60, 480)] * 4, 10),
        (TWO_HOURS, [(0, 120)], 2),  # the last ten minutes are not sold: 2.39
        (TWO_HOURS, [(0, 57)], 1),  # 47 minutes: 1.02
        (TWO_HOURS, [(0, 56)], 0),
        (TWO_HOURS, [(0, 57), (63, 120)], 2),
        (TWO_HOURS, [(-480, 0), (120, 600)], 0),
        (TWO_HOURS, [(-480, 5)], 0),
        (TWO_HOURS, [(110, 600)], 0),
        (ONE_HOUR, [(-60, 480)], 0),  # the clocks go forward: 0.4 of the minutes, 0.75
        (ONE_HOUR, [(-60, 480)] * 3, 2),
        (ONE_HOUR, [(-60, 480)] * 4, 5),  # 0.7 of them again
        (Window(at(0), at(180)), [(-60, 480)], 3),  # the clocks go back
    ],
)
def test_a_window_has_places_for_a_share_of_the_minutes_on_duty(
    window: Window, shifts: list[tuple[float, float]], room: int
) -> None:
    assert places(window, spans_of(shifts)) == room


@pytest.mark.parametrize(("reserved", "room"), [(0, 10), (1, 9), (4, 7), (14, 0), (40, 0)])
def test_requests_to_be_rung_in_a_window_without_a_place_take_their_minutes_from_it(
    reserved: int, room: int
) -> None:
    assert places(TWO_HOURS, spans_of([(-60, 480)] * 4), reserved=reserved) == room


def test_minutes_of_breaks_are_lost_once() -> None:
    whole = spans_of([(-60, 480)] * 20)
    assert places(TWO_HOURS, whole, break_share=0) == 55
    assert places(TWO_HOURS, whole) == 52
    assert 480 * BREAK_SHARE == 30


@settings(max_examples=60, deadline=None)
@given(shifts=st.lists(st.tuples(st.integers(-300, 300), st.integers(0, 600)), max_size=6))
def test_another_shift_never_takes_a_place_away(shifts: list[tuple[int, int]]) -> None:
    spans = [(at(start), at(start + length)) for start, length in shifts]
    room = [places(TWO_HOURS, spans[:count]) for count in range(len(spans) + 1)]
    assert room == sorted(room)
    assert room[-1] <= len(spans) * 2.61
