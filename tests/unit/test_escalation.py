"""The ladder of escalation: each step once, at its time, and never too early."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from callback_service.domain.escalation import (
    NEAR_DUE,
    NEXT_STEP_AFTER,
    Reason,
    Step,
    Waiting,
    next_step,
)

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
IN_GOOD_HANDS = Waiting(
    ring_from=NOW,
    due_at=NOW + timedelta(hours=1),
    on_shift=2,
    untried=2,
    told=frozenset(),
    last_told_at=None,
)


def told(*steps: Step, at: datetime = NOW) -> Waiting:
    """A request that nobody took although these were told of it."""
    return replace(IN_GOOD_HANDS, untried=0, told=frozenset(steps), last_told_at=at)


def test_a_request_that_somebody_may_still_take_in_time_is_left_alone() -> None:
    assert next_step(IN_GOOD_HANDS, now=NOW) is None


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [
        (replace(IN_GOOD_HANDS, on_shift=0, untried=0), Reason.NOBODY_ON_SHIFT),
        (replace(IN_GOOD_HANDS, untried=0), Reason.NOBODY_ACCEPTED),
        (replace(IN_GOOD_HANDS, due_at=NOW), Reason.NEARLY_DUE),
        (replace(IN_GOOD_HANDS, due_at=NOW - timedelta(days=3)), Reason.NEARLY_DUE),
    ],
)
def test_the_duty_lead_is_told_at_once_and_why(waiting: Waiting, reason: Reason) -> None:
    assert next_step(waiting, now=NOW) == (Step.DUTY_LEAD, reason)


@pytest.mark.parametrize(
    "waiting",
    [
        replace(IN_GOOD_HANDS, on_shift=0, untried=0),
        replace(IN_GOOD_HANDS, untried=0),
        replace(IN_GOOD_HANDS, due_at=NOW),
        told(Step.DUTY_LEAD, at=NOW - timedelta(hours=1)),
    ],
)
def test_nobody_is_told_before_the_request_may_be_rung(waiting: Waiting) -> None:
    assert next_step(waiting, now=waiting.ring_from - SECOND) is None
    assert next_step(waiting, now=waiting.ring_from) is not None


def test_a_request_is_nearly_due_from_five_minutes_before() -> None:
    due = IN_GOOD_HANDS.due_at
    assert next_step(IN_GOOD_HANDS, now=due - NEAR_DUE - SECOND) is None
    assert next_step(IN_GOOD_HANDS, now=due - NEAR_DUE) == (Step.DUTY_LEAD, Reason.NEARLY_DUE)


def test_every_manager_is_told_ten_minutes_after_the_duty_lead() -> None:
    waiting = told(Step.DUTY_LEAD)
    assert next_step(waiting, now=NOW + NEXT_STEP_AFTER - SECOND) is None
    assert next_step(waiting, now=NOW + NEXT_STEP_AFTER) == (
        Step.ALL_MANAGERS,
        Reason.STILL_WAITING,
    )


def test_after_all_managers_nobody_is_told_again() -> None:
    waiting = told(Step.DUTY_LEAD, Step.ALL_MANAGERS)
    assert next_step(waiting, now=NOW + timedelta(days=30)) is None


@pytest.mark.parametrize("every", [SECOND * 5, SECOND * 30, MINUTE * 7])
@pytest.mark.parametrize(
    "start",
    [
        IN_GOOD_HANDS,
        replace(IN_GOOD_HANDS, untried=0),
        replace(IN_GOOD_HANDS, on_shift=0, untried=0),
    ],
)
def test_each_step_is_taken_once_in_order_however_often_one_looks(
    start: Waiting, every: timedelta
) -> None:
    waiting, steps = start, []
    for tick in range(int(timedelta(hours=3) / every)):
        now = NOW - MINUTE + every * tick
        step = next_step(waiting, now=now)
        if step is not None:
            steps.append(step[0])
            waiting = replace(waiting, told=waiting.told | {step[0]}, last_told_at=now)
    assert steps == [Step.DUTY_LEAD, Step.ALL_MANAGERS]


def test_a_look_that_comes_hours_late_still_starts_with_the_duty_lead() -> None:
    step = next_step(IN_GOOD_HANDS, now=NOW + timedelta(hours=9))
    assert step == (Step.DUTY_LEAD, Reason.NEARLY_DUE)
