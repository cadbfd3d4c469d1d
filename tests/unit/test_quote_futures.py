"""One future of a quote: the quick way through it comes to what the plain rule says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.call_lengths import PRIOR, CallLengths
from callback_service.domain.planning import HANDOVER_MARGIN, Availability, Task
from callback_service.domain.quote_futures import (
    UNANSWERED_LENGTH,
    UNANSWERED_SHARE,
    Queue,
    Seats,
    draws,
    start_of_newcomer,
)
from callback_service.domain.retry import AFTER_NO_ANSWER, RETRY_SLACK

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)


def at(second: float) -> datetime:
    return NOW + timedelta(seconds=second)


def plain_start(
    people: list[Availability],
    free: list[float],
    tasks: list[Task],
    due: float,
    attempts: list[float | None],
) -> float | None:
    """The rule, step by step: all are looked at each time."""
    queue = [
        ((task.release - NOW).total_seconds(), (task.target - NOW).total_seconds(), 0)
        for task in tasks
        if task.target <= at(due)
    ]
    turns, draw = list(zip(free, range(len(free)), strict=True)), cycle(attempts)
    while turns:
        since, who = min(turns)
        turns.remove((since, who))
        begins = [
            max(since, (start - NOW).total_seconds())
            for start, end in people[who].spans
            if start <= end - HANDOVER_MARGIN and at(since) <= end - HANDOVER_MARGIN
        ]
        if not begins:
            continue
        if begins[0] > since:
            turns.append((begins[0], who))
            continue
        released = [one for one in queue if one[0] <= since]
        if not released:
            return since
        taken = min(released, key=lambda one: one[1:])
        queue.remove(taken)
        if (length := next(draw)) is None:
            length = UNANSWERED_LENGTH.total_seconds()
            if taken[2] < len(AFTER_NO_ANSWER):
                release = since + length + AFTER_NO_ANSWER[taken[2]].total_seconds()
                again = release + RETRY_SLACK.total_seconds()
                queue += [(release, again, taken[2] + 1)] if again <= due else []
        turns.append((since + length, who))
    return None


# Whole quarters of an hour: so many things come together.
quarters = st.integers(0, 24).map(lambda quarter: quarter * 900.0)
spans = st.lists(quarters, max_size=4, unique=True).map(
    lambda ends: [
        (at(start - 3600), at(end)) for start, end in zip(*[iter(sorted(ends))] * 2, strict=False)
    ]
)


@given(
    rota=st.lists(st.tuples(quarters, spans), max_size=5),
    waiting=st.lists(st.tuples(quarters, quarters), max_size=8),
    due=quarters,
    attempts=st.lists(st.sampled_from([None, 900.0, 1800.0, 2000.0]), min_size=1, max_size=5),
)
def test_a_newcomer_is_rung_when_all_who_are_due_before_have_been(
    rota: list[tuple[float, list[tuple[datetime, datetime]]]],
    waiting: list[tuple[float, float]],
    due: float,
    attempts: list[float | None],
) -> None:
    people = [Availability(number, NOW, tuple(own)) for number, (_, own) in enumerate(rota)]
    free = [first for first, _ in rota]
    tasks = [Task(number, at(first), at(last)) for number, (first, last) in enumerate(waiting)]
    seats = Seats(people, {}, PRIOR, now=NOW)
    before = Queue(tasks, now=NOW).before(due)
    found = start_of_newcomer(seats, free, before, due, cycle(attempts))
    assert found == plain_start(people, free, tasks, due, attempts)


@pytest.mark.parametrize("lengths", [PRIOR, CallLengths(900, 0.3)])
def test_lengths_one_after_the_other_are_those_that_are_asked_for_singly(
    lengths: CallLengths,
) -> None:
    singly, chance = Random(3), Random(3)  # noqa: S311 - twice the same
    assert list(islice(lengths.samples(chance), 99)) == [lengths.sample(singly) for _ in range(99)]


def test_a_quarter_of_the_attempts_are_not_answered() -> None:
    some = list(islice(draws(PRIOR, Random(1)), 4000))  # noqa: S311 - the same chance again
    assert some.count(None) / len(some) == pytest.approx(UNANSWERED_SHARE, abs=0.02)
