"""Every pair of states against the table of allowed moves."""

from __future__ import annotations

from itertools import product

import pytest

from callback_service.domain.lifecycle import (
    AFTER_SPEAKING,
    ALLOWED,
    HELD,
    Disposition,
    RequestState,
    check_move,
)
from callback_service.errors import Refused

WAITING, ASSIGNED, CALLING, CLOSED = RequestState
#: Written out a second time on purpose: a slip in the table shows as a difference.
MOVES = {
    (WAITING, ASSIGNED),
    (WAITING, CLOSED),
    (ASSIGNED, WAITING),
    (ASSIGNED, CALLING),
    (ASSIGNED, CLOSED),
    (CALLING, WAITING),
    (CALLING, CLOSED),
}
PAIRS = sorted(product(RequestState, RequestState))


@pytest.mark.parametrize(("current", "target"), [pair for pair in PAIRS if pair in MOVES])
def test_a_move_of_the_life_of_a_request_is_allowed(
    current: RequestState, target: RequestState
) -> None:
    check_move(current, target)


@pytest.mark.parametrize(("current", "target"), [pair for pair in PAIRS if pair not in MOVES])
def test_any_other_move_is_refused_with_a_sentence(
    current: RequestState, target: RequestState
) -> None:
    with pytest.raises(Refused, match=f"is {current}, so it cannot become {target}") as refused:
        check_move(current, target)
    assert refused.value.status == 409


def test_every_state_has_its_row_of_moves() -> None:
    assert set(ALLOWED) == set(RequestState)


def test_a_request_can_be_closed_from_everywhere_and_never_leaves_that_state() -> None:
    assert {state for state in RequestState if CLOSED in ALLOWED[state]} == {
        WAITING,
        ASSIGNED,
        CALLING,
    }
    assert ALLOWED[CLOSED] == frozenset()


def test_a_request_is_held_from_the_offer_until_the_call_is_over() -> None:
    assert frozenset({ASSIGNED, CALLING}) == HELD


def test_a_counsellor_closes_only_with_what_can_come_of_speaking() -> None:
    assert set(AFTER_SPEAKING) == {
        Disposition.HELPED,
        Disposition.REFERRED,
        Disposition.WITHDRAWN,
    }
