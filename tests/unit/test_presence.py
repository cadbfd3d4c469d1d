"""What colleagues see of somebody on shift, how long pauses are, and when duty ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from callback_service.domain.lifecycle import Outcome, RequestState
from callback_service.domain.planning import CALL_LENGTH
from callback_service.domain.presence import (
    BREAK_MINUTES,
    REST,
    WRAP_UP,
    DeskState,
    PresenceKind,
    Rests,
    desk_state,
    end_of_duty,
)

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("kind", [None, *PresenceKind])
def test_a_call_that_is_being_made_is_what_colleagues_see_first(kind: PresenceKind | None) -> None:
    assert desk_state(kind, RequestState.CALLING) is DeskState.CALLING


@pytest.mark.parametrize("kind", PresenceKind)
def test_who_is_away_is_seen_as_away(kind: PresenceKind) -> None:
    assert desk_state(kind, None).value == kind.value


def test_who_is_neither_away_nor_in_a_call_is_available() -> None:
    assert desk_state(None, None) is DeskState.AVAILABLE
    assert desk_state(None, RequestState.ASSIGNED) is DeskState.HOLDING


@pytest.mark.parametrize("outcome", Outcome)
def test_a_conversation_is_followed_by_the_wrap_up_and_a_try_by_the_rest_alone(
    outcome: Outcome,
) -> None:
    spoken = outcome in {Outcome.ANSWERED, Outcome.NOT_SAFE_NOW}
    assert Rests().after(outcome) == (WRAP_UP if spoken else REST)


def test_the_rest_is_part_of_the_wrap_up_and_both_of_the_length_of_a_call() -> None:
    assert timedelta(0) < REST <= WRAP_UP < CALL_LENGTH


def test_there_is_a_choice_of_breaks_from_short_to_long() -> None:
    assert list(BREAK_MINUTES) == sorted(set(BREAK_MINUTES))


class TestTheEndOfDuty:
    def test_is_the_end_of_the_shift_that_runs(self) -> None:
        assert end_of_duty([(NOW - HOUR, NOW + HOUR)], now=NOW) == NOW + HOUR

    def test_is_the_end_of_the_last_of_those_that_follow_without_a_gap(self) -> None:
        spans = [(NOW - HOUR, NOW + HOUR), (NOW + HOUR, NOW + 3 * HOUR)]
        assert end_of_duty(spans, now=NOW) == NOW + 3 * HOUR

    def test_does_not_reach_over_a_gap(self) -> None:
        second = timedelta(seconds=1)
        spans = [(NOW - HOUR, NOW + HOUR), (NOW + HOUR + second, NOW + 3 * HOUR)]
        assert end_of_duty(spans, now=NOW) == NOW + HOUR

    def test_is_none_for_who_is_not_on_shift(self) -> None:
        ended, to_come = (NOW - HOUR, NOW), (NOW + HOUR, NOW + 2 * HOUR)
        assert end_of_duty([ended, to_come], now=NOW) is None
        assert end_of_duty([], now=NOW) is None

    def test_begins_with_the_first_instant_of_a_shift(self) -> None:
        assert end_of_duty([(NOW, NOW + HOUR)], now=NOW) == NOW + HOUR
