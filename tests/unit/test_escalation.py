"""The ladder of escalation: each step once, at its time, and never too early."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from callback_service.domain.escalation import (
    NEAR_DUE,
    NEXT_STEP_AFTER,
    URGENT_WITHIN,
    Reason,
    Step,
    Waiting,
    ladder,
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


@pytest.mark.parametrize(("before", "after"), list(pairwise(Step)))
def test_the_next_are_told_ten_minutes_after_the_ones_before(before: Step, after: Step) -> None:
    waiting = told(before)
    assert next_step(waiting, now=NOW + NEXT_STEP_AFTER - SECOND) is None
    assert next_step(waiting, now=NOW + NEXT_STEP_AFTER) == (after, Reason.STILL_WAITING)


def test_a_step_that_would_tell_nobody_new_is_left_out() -> None:
    waiting = replace(told(Step.DUTY_LEAD), skipped=frozenset({Step.OTHER_LEADS}))
    step = next_step(waiting, now=NOW + NEXT_STEP_AFTER)
    assert step == (Step.FIRST_MANAGER, Reason.STILL_WAITING)


@pytest.mark.parametrize("steps", [tuple(Step), (Step.DUTY_LEAD, Step.ALL_MANAGERS)])
def test_after_all_managers_nobody_is_told_again(steps: tuple[Step, ...]) -> None:
    waiting = told(*steps)
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
    assert steps == list(Step)


@pytest.mark.parametrize("hours", [1, 9, 100])
def test_after_hours_without_a_look_it_is_one_step_and_then_the_full_time_again(hours: int) -> None:
    waiting, back = told(Step.DUTY_LEAD), NOW + timedelta(hours=hours)
    assert next_step(waiting, now=back) == (Step.OTHER_LEADS, Reason.STILL_WAITING)
    waiting = replace(waiting, told=waiting.told | {Step.OTHER_LEADS}, last_told_at=back)
    assert next_step(waiting, now=back + NEXT_STEP_AFTER - SECOND) is None
    step = next_step(waiting, now=back + NEXT_STEP_AFTER)
    assert step == (Step.FIRST_MANAGER, Reason.STILL_WAITING)


def test_an_urgent_request_goes_to_the_duty_lead_five_minutes_after_its_time_began() -> None:
    urgent = replace(IN_GOOD_HANDS, is_urgent=True)
    begins = urgent.ring_from
    assert next_step(urgent, now=begins + URGENT_WITHIN - SECOND) is None
    assert next_step(urgent, now=begins + URGENT_WITHIN) == (Step.DUTY_LEAD, Reason.URGENT)
    assert next_step(IN_GOOD_HANDS, now=begins + URGENT_WITHIN) is None


LEAD, LATER, LAST, BOSS, OTHER = range(5)


def test_the_ladder_goes_from_who_leads_now_to_everybody() -> None:
    steps = ladder([LEAD], [LATER, LAST], [LEAD, LATER, LAST, BOSS, OTHER])
    assert list(steps) == list(Step)
    assert [list(people) for people in steps.values()] == [
        [LEAD],
        [LATER, LAST],
        [BOSS],
        [LEAD, LATER, LAST, BOSS, OTHER],
    ]


@pytest.mark.parametrize(
    ("on_shift", "later", "first"),
    [([], [LATER, LAST], [LATER, LAST]), ([], [], [LATER, LAST, BOSS])],
)
def test_where_nobody_leads_now_the_first_step_tells_the_next_there_are(
    on_shift: list[int], later: list[int], first: list[int]
) -> None:
    steps = ladder(on_shift, later, [LATER, LAST, BOSS])
    assert list(steps[Step.DUTY_LEAD]) == first
    assert list(steps[Step.OTHER_LEADS]) == []


def test_a_look_that_comes_hours_late_still_starts_with_the_duty_lead() -> None:
    step = next_step(IN_GOOD_HANDS, now=NOW + timedelta(hours=9))
    assert step == (Step.DUTY_LEAD, Reason.NEARLY_DUE)
