"""How times are said, and what a text may hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callback_service.domain.contact import Window
from callback_service.domain.wording import (
    FORBIDDEN,
    GSM_BASIC,
    GSM_EXTENDED,
    clock_time,
    day_name,
    forbidden_words,
    full_day,
    segments,
    time_spoken,
    window_choice,
    window_spoken,
)

LONDON = ZoneInfo("Europe/London")


def november(day: int, hour: int, minute: int = 0) -> datetime:
    """A winter instant of 2026, when London is on UTC. The 25th is a Wednesday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hour", "minute", "said"),
    [
        (0, 0, "midnight"),
        (0, 1, "12:01am"),
        (0, 30, "12:30am"),
        (1, 0, "1am"),
        (9, 5, "9:05am"),
        (11, 59, "11:59am"),
        (12, 0, "midday"),
        (12, 30, "12:30pm"),
        (13, 0, "1pm"),
        (21, 40, "9:40pm"),
        (23, 59, "11:59pm"),
    ],
)
def test_a_time_is_said_as_people_say_it(hour: int, minute: int, said: str) -> None:
    assert clock_time(november(25, hour, minute), LONDON) == said


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (datetime(2026, 7, 1, 23, 0, tzinfo=UTC), "midnight"),
        (datetime(2026, 7, 1, 11, 0, tzinfo=UTC), "midday"),
        (datetime(2027, 3, 28, 1, 0, tzinfo=UTC), "2am"),  # the clocks have just gone forward
        (datetime(2027, 10, 31, 0, 30, tzinfo=UTC), "1:30am"),
        (datetime(2027, 10, 31, 1, 30, tzinfo=UTC), "1:30am"),  # again, an hour later
    ],
)
def test_a_time_is_that_of_the_wall_clock_in_summer_and_at_the_changes(
    at: datetime, said: str
) -> None:
    assert clock_time(at, LONDON) == said


def test_twelve_noon_and_twelve_at_night_are_never_12am_or_12pm() -> None:
    said = {clock_time(november(25, 0) + timedelta(minutes=m), LONDON) for m in range(0, 1440, 5)}
    assert not said & {"12am", "12pm"}
    assert len(said) == 288


@pytest.mark.parametrize(
    ("at", "name"),
    [
        (november(25, 17, 59), "today"),
        (november(25, 18), "tonight"),
        (november(25, 23, 59), "tonight"),
        (november(26, 0), "tonight"),
        (november(26, 4, 59), "tonight"),
        (november(26, 5), "tomorrow"),
        (november(26, 23, 59), "tomorrow"),
        (november(27, 0), "Friday 27 November"),
        (november(24, 23, 59), "Tuesday 24 November"),
    ],
)
@pytest.mark.parametrize("now", [november(25, 5), november(25, 12), november(25, 23, 59)])
def test_seen_from_the_day_the_hours_after_midnight_belong_to_tonight(
    at: datetime, now: datetime, name: str
) -> None:
    assert day_name(at, now=now, tz=LONDON) == name


@pytest.mark.parametrize(
    ("at", "name"),
    [
        (november(25, 2), "tonight"),
        (november(25, 4, 59), "tonight"),
        (november(25, 5), "today"),
        (november(25, 12), "today"),
        (november(25, 21), "tonight"),
        (november(26, 0), "Thursday 26 November"),
        (november(26, 2), "Thursday 26 November"),
        (november(26, 9), "Thursday 26 November"),
        (november(24, 23), "Tuesday 24 November"),
    ],
)
@pytest.mark.parametrize("now", [november(25, 0), november(25, 1, 30), november(25, 4, 59)])
def test_seen_from_the_small_hours_nothing_of_the_next_day_is_tonight_or_tomorrow(
    at: datetime, now: datetime, name: str
) -> None:
    assert day_name(at, now=now, tz=LONDON) == name


@settings(max_examples=60, deadline=None)
@given(now=st.integers(0, 1439), ahead=st.integers(0, 3 * 1440))
def test_no_two_times_of_one_clock_reading_share_a_name(now: int, ahead: int) -> None:
    start = november(25, 0) + timedelta(minutes=now)
    at = start + timedelta(minutes=ahead)
    said = time_spoken(at, now=start, tz=LONDON)
    for other in (at - timedelta(days=1), at + timedelta(days=1)):
        assert other < start or time_spoken(other, now=start, tz=LONDON) != said


def test_a_promise_of_the_small_hours_keeps_its_name_when_it_is_read_after_midnight() -> None:
    promised = november(26, 2)
    before, after = november(25, 23, 30), november(26, 1, 30)
    assert time_spoken(promised, now=before, tz=LONDON) == "2am tonight"
    assert time_spoken(promised, now=after, tz=LONDON) == "2am tonight"


def test_the_day_is_that_of_the_wall_clock_and_not_of_utc() -> None:
    late = datetime(2026, 7, 1, 23, 30, tzinfo=UTC)  # half past midnight on the 2nd in London
    assert full_day(late, LONDON) == "Thursday 2 July"
    assert day_name(late, now=late - timedelta(hours=4), tz=LONDON) == "tonight"


@pytest.mark.parametrize(
    ("start", "choice", "spoken"),
    [
        (
            november(25, 21),
            "Tonight, Wednesday 25 November, 9pm to 11pm",
            "tonight between 9pm and 11pm",
        ),
        (
            november(25, 22),
            "Tonight, Wednesday 25 November, 10pm to midnight",
            "tonight between 10pm and midnight",
        ),
        (
            november(26, 0),
            "Tonight, midnight to 2am (early on Thursday 26 November)",
            "tonight between midnight and 2am",
        ),
        (
            november(26, 10),
            "Tomorrow, Thursday 26 November, 10am to midday",
            "tomorrow between 10am and midday",
        ),
        (
            november(28, 12),
            "Saturday 28 November, midday to 2pm",
            "on Saturday 28 November between midday and 2pm",
        ),
    ],
)
def test_a_window_is_named_with_its_date_on_the_form_and_plainly_in_a_sentence(
    start: datetime, choice: str, spoken: str
) -> None:
    window = Window(start, start + timedelta(hours=2))
    assert window_choice(window, now=november(25, 20), tz=LONDON) == choice
    assert window_spoken(window, now=november(25, 20), tz=LONDON) == spoken


@pytest.mark.parametrize(
    ("at", "spoken"),
    [
        (november(25, 21, 40), "9:40pm tonight"),
        (november(26, 1, 15), "1:15am tonight"),
        (november(26, 9), "9am tomorrow"),
        (november(28, 12), "midday on Saturday 28 November"),
    ],
)
def test_an_instant_is_said_with_its_day(at: datetime, spoken: str) -> None:
    assert time_spoken(at, now=november(25, 20), tz=LONDON) == spoken


def test_the_gsm_alphabet_has_its_127_characters_and_ten_extended_ones() -> None:
    assert (len(GSM_BASIC), len(GSM_EXTENDED)) == (127, 10)
    assert not GSM_BASIC & GSM_EXTENDED


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 80 + "a", 2),
        ("a" * 159 + "^", 2),
        ("é" * 160, 1),
        ("ç" * 70, 1),  # only its capital is in the alphabet
        ("ç" * 71, 2),
        ("ç" + "a" * 70, 2),
        ("ç" * 134, 2),
        ("ç" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("\N{RIGHT SINGLE QUOTATION MARK}" + "a" * 69, 1),
        ("\N{RIGHT SINGLE QUOTATION MARK}" + "a" * 70, 2),
    ],
)
def test_a_text_costs_the_segments_that_its_characters_need(body: str, parts: int) -> None:
    assert segments(body) == parts


@pytest.mark.parametrize("word", FORBIDDEN)
def test_a_word_that_gives_the_caller_away_is_found_in_any_case_and_inside_words(word: str) -> None:
    assert word in forbidden_words(f"Hello, a{word.upper()}s here")


def test_a_forbidden_phrase_is_found_across_a_line_break() -> None:
    assert forbidden_words("the Help\n  Line") == ["help line"]


def test_the_name_of_the_service_is_forbidden_where_it_is_given() -> None:
    assert forbidden_words("This is Harbour Light", also=("Harbour Light", "")) == ["harbour light"]
    assert forbidden_words("Hi, we will ring you", also=("Harbour Light",)) == []
