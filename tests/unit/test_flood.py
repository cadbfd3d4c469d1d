"""Which posts of the form go straight in, and which wait."""

from __future__ import annotations

from datetime import timedelta

import pytest

from callback_service.domain.flood import (
    MOST_WAITING,
    MOST_WAITING_OF_NETWORK,
    FormLimits,
    Seen,
    can_be_kept,
    is_flooded,
    is_too_fast,
    must_wait,
)

LIMITS = FormLimits(a_network=5, in_all=100)


@pytest.mark.parametrize(
    ("seen", "waits"),
    [
        (Seen(0, 0, 0, 0), False),
        (Seen(4, 4, 0, 0), False),
        (Seen(5, 5, 0, 0), True),  # its own limit
        (Seen(1, 99, 0, 0), False),
        (Seen(1, 100, 0, 0), True),  # the limit of all
        (Seen(0, 100, 0, 0), False),  # but the first post of a network still goes in
        (Seen(0, 299, 0, 4000), False),
        (Seen(0, 300, 0, 0), True),  # up to a point
        (Seen(0, 0, 1, 1), True),  # behind what waits already
    ],
)
def test_the_limits_of_a_network_and_of_all_decide(seen: Seen, *, waits: bool) -> None:
    assert must_wait(seen, LIMITS) is waits


def test_there_is_an_end_of_places_to_wait_in() -> None:
    assert can_be_kept(Seen(5, 5, MOST_WAITING_OF_NETWORK - 1, MOST_WAITING - 1))
    assert not can_be_kept(Seen(5, 5, MOST_WAITING_OF_NETWORK, MOST_WAITING_OF_NETWORK))
    assert not can_be_kept(Seen(5, 5, 0, MOST_WAITING))


def test_what_waits_for_a_person_takes_a_place_and_keeps_nobody_else_back() -> None:
    held = Seen(0, 0, 0, MOST_WAITING_OF_NETWORK, held_from_network=MOST_WAITING_OF_NETWORK)
    assert not must_wait(held, LIMITS)
    assert not can_be_kept(held)


@pytest.mark.parametrize(
    ("taken", "too_fast"),
    [
        (timedelta(0), True),
        (timedelta(seconds=2.999), True),
        (timedelta(seconds=3), False),
        (timedelta(days=400), False),  # a page that lay open
        (timedelta(seconds=-1), False),  # the server's clock was set back
        (None, True),  # no page of ours
    ],
)
def test_nobody_answers_in_less_than_the_least_time(
    taken: timedelta | None, *, too_fast: bool
) -> None:
    assert is_too_fast(taken, LIMITS) is too_fast
    assert not is_too_fast(taken, FormLimits(least_time=timedelta(0)))


def test_callers_are_asked_to_ring_from_the_limit_of_all_on() -> None:
    assert not is_flooded(Seen(0, 99, 0, 0), LIMITS)
    assert is_flooded(Seen(0, 100, 0, 0), LIMITS)
