"""Leases that outlast a send, pauses that grow, and tokens that fill up."""

from __future__ import annotations

from datetime import timedelta

import pytest

from callback_service.domain.text_limits import (
    TextLimits,
    failures_in_a_row,
    in_hand_next,
    tokens,
)

LIMITS = TextLimits(http=timedelta(seconds=10))


def test_a_send_that_began_at_the_last_moment_is_looked_up_after_twice_its_time() -> None:
    assert LIMITS.look_up_after == 2 * LIMITS.http
    assert LIMITS.lease - LIMITS.begin_within >= LIMITS.look_up_after


def test_the_pause_doubles_up_to_a_minute() -> None:
    pauses, pause = [], timedelta()
    for _ in range(6):
        pause = LIMITS.pause_after(pause)
        pauses.append(pause.total_seconds())
    assert pauses == [5, 10, 20, 40, 60, 60]


@pytest.mark.parametrize(
    ("before", "went_well", "after"),
    [(3, [], 3), (3, [False, False], 5), (3, [False, True, False], 1), (3, [True], 0)],
)
def test_only_failures_since_the_last_success_are_in_a_row(
    before: int, went_well: list[bool], after: int
) -> None:
    assert failures_in_a_row(before, went_well) == after


@pytest.mark.parametrize(
    ("held", "since", "now_held"),
    [
        (0, None, 20),
        (0, timedelta(seconds=0.25), 5),
        (0, timedelta(hours=1), 20),
        (7, timedelta(seconds=-9), 7),  # the clock was set back
    ],
)
def test_tokens_come_with_time_and_do_not_pile_up(
    held: float, since: timedelta | None, now_held: float
) -> None:
    assert tokens(held, since, a_second=20) == now_held


@pytest.mark.parametrize(
    ("went", "seconds", "next_"),
    [
        (40, 1.0, 40),  # a second's worth
        (40, 2.0, 20),
        (40, 0.1, 100),  # never more than one statement takes
        (40, 40.0, 16),  # never fewer than go at one time
        (0, 0.0, 16),
    ],
)
def test_a_sender_has_no_more_in_hand_than_goes_in_a_second(
    went: int, seconds: float, next_: int
) -> None:
    assert in_hand_next(went, timedelta(seconds=seconds), least=16, most=100) == next_
