"""What reports make of a bridged call, in whatever order they come."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.calls import (
    BEFORE_DIALLING,
    OVER,
    RANK,
    SUGGESTED,
    CallEnding,
    CallState,
    Standing,
    after_caller_report,
    after_own_report,
)
from callback_service.domain.lifecycle import Outcome

STATUSES = ["queued", "initiated", "ringing", "in-progress", *sorted(OVER), "answered", "what"]
standings = st.one_of(
    st.sampled_from([state for state in CallState if state is not CallState.ENDED]).map(Standing),
    st.sampled_from(list(CallEnding)).map(lambda ending: Standing(CallState.ENDED, ending)),
)


@given(standings, st.sampled_from(STATUSES))
def test_no_report_takes_a_call_back(standing: Standing, status: str) -> None:
    for after in (after_own_report(standing, status), after_caller_report(standing, status)):
        assert RANK[after.state] >= RANK[standing.state]
        assert (after.state is CallState.ENDED) == (after.ending is not None)


@given(standings, st.sampled_from(STATUSES))
def test_a_report_told_twice_changes_nothing(standing: Standing, status: str) -> None:
    for report in (after_own_report, after_caller_report):
        once = report(standing, status)
        assert report(once, status) == once


@pytest.mark.parametrize(
    ("last", "ending"),
    [
        ("completed", CallEnding.CONNECTED),
        ("busy", CallEnding.ENGAGED),
        ("no-answer", CallEnding.NO_ANSWER),
        ("failed", CallEnding.FAILED),
    ],
)
def test_reports_of_both_legs_in_any_order_come_to_the_same_end(
    last: str, ending: CallEnding
) -> None:
    reports = [
        (after_own_report, "in-progress"),
        (after_own_report, "completed"),
        (after_caller_report, "ringing"),
        (after_caller_report, last),
    ]
    for order in permutations(reports):
        standing = Standing(CallState.DIALLING)
        for report, status in order:
            standing = report(standing, status)
        assert standing == Standing(CallState.ENDED, ending), order


@pytest.mark.parametrize("status", sorted(OVER))
@pytest.mark.parametrize("state", sorted(BEFORE_DIALLING))
def test_before_a_key_is_pressed_every_end_means_that_nobody_was_rung(
    state: CallState, status: str
) -> None:
    assert after_own_report(Standing(state), status).ending is CallEnding.NOT_TAKEN
    assert after_caller_report(Standing(state), status) == Standing(state)


def test_a_counsellor_who_hangs_up_while_it_rings_is_told_apart_from_a_talk() -> None:
    dialling, talking = Standing(CallState.DIALLING), Standing(CallState.TALKING)
    assert after_own_report(dialling, "completed").ending is CallEnding.HUNG_UP
    assert after_own_report(talking, "completed").ending is CallEnding.CONNECTED


@pytest.mark.parametrize("last", [None, "completed", "answered"])
def test_a_caller_who_answered_did_so_though_the_report_comes_after_the_end(
    last: str | None,
) -> None:
    """The report of the answer is overtaken, and that of the end may never come."""
    standing = after_own_report(Standing(CallState.DIALLING), "completed")
    for status in filter(None, ("ringing", "in-progress", last)):
        standing = after_caller_report(standing, status)
    assert standing == Standing(CallState.ENDED, CallEnding.CONNECTED)


def test_what_was_told_of_the_callers_leg_is_not_told_otherwise_later() -> None:
    engaged = Standing(CallState.ENDED, CallEnding.ENGAGED)
    assert after_caller_report(engaged, "completed") == engaged


def test_only_calls_that_dialled_the_caller_suggest_an_outcome() -> None:
    silent = {CallEnding.NOT_TAKEN, CallEnding.CALLED_OFF, CallEnding.NOT_MADE, CallEnding.LOST}
    assert set(SUGGESTED) == set(CallEnding) - silent
    assert set(SUGGESTED.values()) <= set(Outcome)
