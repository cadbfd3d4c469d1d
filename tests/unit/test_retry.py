"""What follows an attempt, by its outcome, in and out of the caller's window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callback_service.domain.contact import Window
from callback_service.domain.lifecycle import Disposition, Outcome
from callback_service.domain.retry import (
    MAX_ATTEMPTS,
    RETRY_SLACK,
    GiveUp,
    TryAgain,
    after_attempt,
)
from callback_service.errors import Refused

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
UNREACHABLE = GiveUp(Disposition.UNREACHABLE)
UNREACHED = [
    Outcome.NO_ANSWER,
    Outcome.VOICEMAIL,
    Outcome.ENGAGED,
    Outcome.FAILED,
    Outcome.NOT_SAFE_NOW,
]


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def window(start: float, end: float) -> Window:
    """A window in minutes from NOW."""
    return Window(NOW + minutes(start), NOW + minutes(end))


def after(
    outcome: Outcome,
    attempts: int = 1,
    *,
    until: float | None = None,
    later: tuple[Window, ...] = (),
    again: float | None = None,
) -> TryAgain | GiveUp:
    """What follows at NOW; ``until`` and ``again`` in minutes from then."""
    return after_attempt(
        outcome,
        attempts=attempts,
        now=NOW,
        ring_until=None if until is None else NOW + minutes(until),
        later=later,
        again_at=None if again is None else NOW + minutes(again),
    )


@pytest.mark.parametrize(
    ("outcome", "attempts", "wait"),
    [
        (Outcome.NO_ANSWER, 1, 10),
        (Outcome.NO_ANSWER, 2, 60),
        (Outcome.VOICEMAIL, 1, 10),
        (Outcome.VOICEMAIL, 2, 60),
        (Outcome.NOT_SAFE_NOW, 1, 60),
        (Outcome.NOT_SAFE_NOW, 2, 60),
        (Outcome.ENGAGED, 1, 5),
        (Outcome.ENGAGED, 2, 5),
        (Outcome.FAILED, 1, 5),
        (Outcome.FAILED, 2, 5),
    ],
)
def test_attempts_are_spaced_by_outcome(outcome: Outcome, attempts: int, wait: int) -> None:
    at = NOW + minutes(wait)
    assert after(outcome, attempts) == TryAgain(at, at + RETRY_SLACK, fresh=False)
    assert after(outcome, attempts, until=120) == TryAgain(at, at + RETRY_SLACK, fresh=False)


@pytest.mark.parametrize("outcome", UNREACHED)
@pytest.mark.parametrize("attempts", [MAX_ATTEMPTS, MAX_ATTEMPTS + 1, 100])
def test_after_the_last_attempt_the_caller_is_unreachable(outcome: Outcome, attempts: int) -> None:
    assert after(outcome, attempts) == UNREACHABLE
    assert after(outcome, attempts, until=120) == UNREACHABLE


@pytest.mark.parametrize("attempts", [1, 2, 3])
@pytest.mark.parametrize("again", [None, 30])
def test_a_wrong_number_is_never_rung_again(attempts: int, again: float | None) -> None:
    found = after(Outcome.WRONG_NUMBER, attempts, later=(window(60, 180),), again=again)
    assert found == GiveUp(Disposition.WRONG_NUMBER)


def test_a_retry_is_due_no_later_than_the_window_ends() -> None:
    assert after(Outcome.NO_ANSWER, until=20) == TryAgain(
        NOW + minutes(10), NOW + minutes(20), fresh=False
    )


@pytest.mark.parametrize(("until", "at"), [(14, 9), (12, 7), (10, 5)])
def test_a_try_is_brought_forward_where_the_window_ends_first(until: float, at: float) -> None:
    assert after(Outcome.NO_ANSWER, until=until) == TryAgain(
        NOW + minutes(at), NOW + minutes(until), fresh=False
    )


@pytest.mark.parametrize("until", [9.9, 5, 0, -5])
def test_nobody_is_rung_at_or_after_the_end_of_their_window(until: float) -> None:
    assert after(Outcome.NO_ANSWER, until=until) == UNREACHABLE


@pytest.mark.parametrize(("attempts", "until"), [(1, 5), (3, 120), (3, None)])
def test_a_further_window_starts_the_count_anew(attempts: int, until: float | None) -> None:
    following = window(240, 360)
    assert after(Outcome.NO_ANSWER, attempts, until=until, later=(following,)) == TryAgain(
        following.start, following.end, fresh=True
    )


def test_the_soonest_further_window_that_has_not_begun_is_taken() -> None:
    windows = (window(600, 720), window(-60, 60), window(0, 120), window(240, 360))
    found = after(Outcome.NO_ANSWER, MAX_ATTEMPTS, later=windows)
    assert found == TryAgain(NOW + minutes(240), NOW + minutes(360), fresh=True)


def test_a_further_window_waits_while_this_one_has_room_for_a_retry() -> None:
    found = after(Outcome.ENGAGED, until=120, later=(window(240, 360),))
    assert found == TryAgain(NOW + minutes(5), NOW + minutes(20), fresh=False)


@pytest.mark.parametrize("outcome", [*UNREACHED, Outcome.ANSWERED])
@pytest.mark.parametrize("attempts", [1, MAX_ATTEMPTS])
def test_a_time_the_caller_names_wins(outcome: Outcome, attempts: int) -> None:
    at = NOW + minutes(200)
    found = after(outcome, attempts, until=120, later=(window(150, 270),), again=200)
    assert found == TryAgain(at, at + RETRY_SLACK, fresh=True)


@pytest.mark.parametrize("attempts", [1, MAX_ATTEMPTS])
def test_a_caller_who_was_reached_is_not_rung_again_unasked(attempts: int) -> None:
    with pytest.raises(Refused):
        after(Outcome.ANSWERED, attempts)


@settings(max_examples=60, deadline=None)
@given(
    outcome=st.sampled_from(UNREACHED),
    attempts=st.integers(1, 5),
    until=st.none() | st.integers(-30, 180),
    starts=st.lists(st.integers(-200, 600), max_size=4),
)
def test_a_retry_lies_ahead_inside_a_window_and_leaves_time_to_be_kept(
    outcome: Outcome, attempts: int, until: int | None, starts: list[int]
) -> None:
    later = tuple(window(start, start + 120) for start in starts)
    found = after(outcome, attempts, until=until, later=later)
    if isinstance(found, GiveUp):
        assert all(w.start <= NOW for w in later)
        return
    assert NOW < found.at < found.due
    if found.fresh:
        assert Window(found.at, found.due) in later
    else:
        assert until is None or found.due <= NOW + minutes(until)


@pytest.mark.parametrize("outcome", UNREACHED)
def test_a_caller_who_never_answers_is_rung_three_times_in_a_window_and_no_more(
    outcome: Outcome,
) -> None:
    now, rung = NOW, 0
    decision: TryAgain | GiveUp = TryAgain(NOW, NOW, fresh=True)
    while isinstance(decision, TryAgain):
        now, rung = decision.at, rung + 1
        decision = after_attempt(outcome, attempts=rung, now=now, ring_until=None, later=())
    assert rung == MAX_ATTEMPTS
