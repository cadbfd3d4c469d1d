"""When a text may reach a caller: in the times they gave, and never in an hour they left out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.contact import Window
from callback_service.domain.texting import (
    AGREED_LASTS,
    AS_SOON_AS_LASTS,
    REMINDER_NEEDS,
    may_text_until,
    reminder_at,
    times_given,
)
from tests.support.builders import NOW

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
EVENING = Window(NOW, NOW + 2 * HOUR)
NEXT_DAY = Window(NOW + 24 * HOUR, NOW + 26 * HOUR)


@pytest.mark.parametrize(
    ("after", "until"),
    [
        (-MINUTE, None),
        (0 * MINUTE, EVENING.end),
        (2 * HOUR - MINUTE, EVENING.end),
        (2 * HOUR, None),
        (23 * HOUR, None),
        (25 * HOUR, NEXT_DAY.end),
    ],
)
def test_a_text_goes_only_within_the_windows(after: timedelta, until: object) -> None:
    spans = times_given([(EVENING, True), (NEXT_DAY, True)], agreed_from=None)
    assert may_text_until(spans, now=NOW + after) == until


def test_windows_that_follow_each_other_are_one_time() -> None:
    later = Window(EVENING.end, EVENING.end + 2 * HOUR)
    assert may_text_until([later, EVENING], now=NOW) == later.end


def test_with_no_time_given_nothing_goes() -> None:
    assert may_text_until([], now=NOW) is None


def test_as_soon_as_you_can_speaks_of_half_a_day() -> None:
    spans = times_given([(Window(NOW, NOW + 20 * MINUTE), False)], agreed_from=None)
    assert may_text_until(spans, now=NOW + HOUR) == NOW + AS_SOON_AS_LASTS
    assert may_text_until(spans, now=NOW + AS_SOON_AS_LASTS) is None


def test_a_quote_beyond_half_a_day_holds_all_the_way() -> None:
    quoted = Window(NOW, NOW + 20 * HOUR)
    [span] = times_given([(quoted, False)], agreed_from=None)
    assert span == quoted


def test_a_time_agreed_on_takes_the_place_of_what_began_before_it() -> None:
    agreed = NOW + 3 * HOUR
    spans = times_given([(EVENING, True), (NEXT_DAY, True)], agreed_from=agreed)
    assert may_text_until(spans, now=NOW + HOUR) is None, "they said that now is not safe"
    assert may_text_until(spans, now=agreed) == agreed + AGREED_LASTS
    assert may_text_until(spans, now=NEXT_DAY.start) == NEXT_DAY.end


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), max_size=6),
    st.integers(0, 400),
)
def test_nothing_is_ever_sent_outside_every_span(spans: list[tuple[int, int]], minute: int) -> None:
    windows = [Window(NOW + s * MINUTE, NOW + (s + n) * MINUTE) for s, n in spans]
    until = may_text_until(windows, now=NOW + minute * MINUTE)
    covered = {m for s, n in spans for m in range(s, s + n)}
    if until is None:
        assert minute not in covered
    else:
        last = int((until - NOW) / MINUTE)
        assert all(m in covered for m in range(minute, last))
        assert last not in covered


def test_a_reminder_comes_the_set_time_before_the_window() -> None:
    window = Window(NOW + 6 * HOUR, NOW + 8 * HOUR)
    assert reminder_at(window, asked_at=NOW, remind_before=HOUR) == window.start - HOUR
    assert reminder_at(window, asked_at=NOW, remind_before=None) is None


@pytest.mark.parametrize(
    ("ahead", "is_reminded"), [(REMINDER_NEEDS, True), (REMINDER_NEEDS - MINUTE, False)]
)
def test_who_asked_shortly_before_needs_no_reminder(ahead: timedelta, is_reminded: bool) -> None:
    window = Window(NOW + ahead, NOW + ahead + 2 * HOUR)
    due = reminder_at(window, asked_at=NOW, remind_before=HOUR)
    assert (due is not None) is is_reminded
