"""The plan: who rings whom and when, what may be promised, and what must always hold."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from callback_service.domain.planning import (
    CALL_LENGTH,
    HANDOVER_MARGIN,
    MISSED_CAP,
    Availability,
    Planned,
    Task,
    make_plan,
    whom_to_avoid,
)

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def at(minute: float) -> datetime:
    """The instant ``minute`` minutes after NOW."""
    return NOW + minutes(minute)


def task(
    request_id: int, release: float = 0, target: float = 60, avoid: Iterable[int] = ()
) -> Task:
    return Task(request_id, at(release), at(target), frozenset(avoid))


def counsellor(
    counsellor_id: int, *spans: tuple[float, float], free: float = 0, calls: int = 0
) -> Availability:
    """On duty over ``spans``, by default for eight hours from NOW."""
    own = tuple((at(start), at(end)) for start, end in spans or ((0, 480),))
    return Availability(counsellor_id, at(free), own, calls)


def plan(tasks: list[Task], counsellors: list[Availability]) -> list[tuple[int, int, float]]:
    """The plan as (request, counsellor, minutes from NOW), in order of request."""
    return sorted(
        (entry.request_id, entry.counsellor_id, (entry.start - NOW) / minutes(1))
        for entry in make_plan(tasks, counsellors, now=NOW, cap=MISSED_CAP)
    )


def test_nothing_to_do_or_nobody_to_do_it_makes_an_empty_plan() -> None:
    assert plan([], [counsellor(1)]) == []
    assert plan([task(1)], []) == []
    assert plan([task(1)], [Availability(1, NOW, ())]) == []


def test_a_free_counsellor_rings_at_once() -> None:
    assert plan([task(7)], [counsellor(1)]) == [(7, 1, 0)]


def test_one_counsellor_rings_the_earliest_target_first() -> None:
    tasks = [task(1, target=90), task(2, target=40)]
    assert plan(tasks, [counsellor(1)]) == [(1, 1, 30), (2, 1, 0)]


def test_equal_targets_go_in_order_of_request() -> None:
    assert plan([task(2), task(1)], [counsellor(1)]) == [(1, 1, 0), (2, 1, 30)]


def test_a_task_is_not_rung_before_its_release() -> None:
    tasks = [task(1, release=45, target=50), task(2, target=200)]
    assert plan(tasks, [counsellor(1)]) == [(1, 1, 45), (2, 1, 0)]


def test_a_missed_task_ranks_as_if_due_an_hour_after_its_target() -> None:
    missed = task(1, target=-30)  # ranks at +30
    assert plan([missed, task(2, target=29)], [counsellor(1)]) == [(1, 1, 30), (2, 1, 0)]
    assert plan([missed, task(2, target=31)], [counsellor(1)]) == [(1, 1, 0), (2, 1, 30)]


def test_a_task_whose_target_is_now_can_still_be_kept() -> None:
    tasks = [task(1, target=0), task(2, target=-1)]
    assert plan(tasks, [counsellor(1)]) == [(1, 1, 0), (2, 1, 30)]


def test_a_task_that_is_missed_while_it_waits_drops_behind_those_that_can_be_kept() -> None:
    tasks = [task(1, target=0), task(2, target=10), task(3, target=50)]
    assert plan(tasks, [counsellor(1)]) == [(1, 1, 0), (2, 1, 60), (3, 1, 30)]
    assert minutes(60) == MISSED_CAP


def test_the_counsellor_with_fewer_calls_of_late_is_asked_first() -> None:
    assert plan([task(1)], [counsellor(1, calls=3), counsellor(2, calls=1)]) == [(1, 2, 0)]


def test_a_call_that_is_planned_counts_when_the_next_one_is_shared_out() -> None:
    tasks = [task(1), task(2, release=30)]
    assert plan(tasks, [counsellor(1), counsellor(2, free=30)]) == [(1, 1, 0), (2, 2, 30)]


def test_whoever_let_a_request_go_by_is_not_asked_again() -> None:
    people = [counsellor(1), counsellor(2, calls=5)]
    assert plan([task(1, avoid={1})], people) == [(1, 2, 0)]
    assert plan([task(1, avoid={1, 2})], people) == []


def test_a_request_that_must_wait_for_another_does_not_hold_up_the_next() -> None:
    tasks = [task(1, target=10, avoid={1}), task(2, target=20)]
    people = [counsellor(1), counsellor(2, free=15)]
    assert plan(tasks, people) == [(1, 2, 15), (2, 1, 0)]


def test_a_busy_counsellor_rings_when_free() -> None:
    assert plan([task(1)], [counsellor(1, free=25)]) == [(1, 1, 25)]


def test_a_counsellor_who_was_free_long_ago_rings_now_and_not_then() -> None:
    assert plan([task(1, release=-90)], [counsellor(1, (-120, 480), free=-60)]) == [(1, 1, 0)]


def test_a_call_may_start_until_twenty_minutes_before_the_end_of_a_shift() -> None:
    until = HANDOVER_MARGIN / minutes(1)
    assert plan([task(1)], [counsellor(1, (-60, until))]) == [(1, 1, 0)]
    assert plan([task(1)], [counsellor(1, (-60, until - 1))]) == []


def test_what_does_not_fit_before_the_handover_waits_for_the_next_shift() -> None:
    assert plan([task(1)], [counsellor(1, (-60, 15), (480, 960))]) == [(1, 1, 480)]


def test_a_shift_too_short_for_a_call_is_passed_over() -> None:
    assert plan([task(1)], [counsellor(1, (10, 20), (60, 120))]) == [(1, 1, 60)]


def test_shifts_that_overlap_leave_no_pause_at_the_handover() -> None:
    people = [counsellor(1, (-60, 60), (30, 480))]
    assert plan([task(n) for n in (1, 2, 3)], people) == [(1, 1, 0), (2, 1, 30), (3, 1, 60)]


def test_tasks_that_the_rota_cannot_serve_are_left_out() -> None:
    tasks = [task(n) for n in range(1, 6)]
    assert plan(tasks, [counsellor(1, (0, 80))]) == [(1, 1, 0), (2, 1, 30), (3, 1, 60)]
    assert plan([task(1, release=500)], [counsellor(1)]) == []


def test_two_thousand_tasks_for_two_hundred_counsellors_are_all_planned() -> None:
    chance = random.Random(7)  # noqa: S311 - the same instance every time
    releases = [chance.randrange(0, 240) for _ in range(2000)]
    tasks = [task(n, start, start + chance.randrange(15, 120)) for n, start in enumerate(releases)]
    found = make_plan(tasks, [counsellor(n, (0, 600)) for n in range(200)], now=NOW)
    assert len({entry.request_id for entry in found}) == len(found) == 2000


class Facts(NamedTuple):
    """One instance of the planning problem."""

    tasks: list[Task]
    counsellors: list[Availability]


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    """A few counsellors with up to three shifts (some overlap), and up to a dozen requests."""
    step = st.integers(-12, 48).map(lambda n: n * 5)
    people = draw(st.integers(0, 4))
    spans = st.tuples(step, st.integers(1, 30)).map(lambda s: (s[0], s[0] + s[1] * 5))
    counsellors = [
        counsellor(
            number,
            *sorted(draw(st.lists(spans, min_size=1, max_size=3))),
            free=draw(step),
            calls=draw(st.integers(0, 3)),
        )
        for number in range(1, people + 1)
    ]
    some = st.sets(st.integers(1, 4), max_size=2)
    tasks = [
        task(number, release=draw(step), target=draw(step), avoid=draw(some))
        for number in range(draw(st.integers(0, 12)))
    ]
    return Facts(tasks, counsellors)


def may_start(person: Availability, instant: datetime) -> bool:
    return any(start <= instant <= end - HANDOVER_MARGIN for start, end in person.spans)


def calls_of(entries: list[Planned]) -> dict[int, list[datetime]]:
    """Start of every planned call, by counsellor, in order."""
    starts = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: entry.start):
        starts[entry.counsellor_id].append(entry.start)
    return starts


@settings(max_examples=50, deadline=None)
@given(facts=facts(), chance=st.randoms(use_true_random=False))
def test_the_same_facts_give_the_same_plan_in_any_order(
    facts: Facts, chance: random.Random
) -> None:
    first = make_plan(facts.tasks, facts.counsellors, now=NOW)
    tasks, counsellors = list(facts.tasks), list(facts.counsellors)
    chance.shuffle(tasks)
    chance.shuffle(counsellors)
    assert make_plan(tasks, counsellors, now=NOW) == first


@settings(max_examples=50, deadline=None)
@given(facts=facts())
def test_every_call_is_planned_once_on_duty_after_its_release_with_somebody_who_may_take_it(
    facts: Facts,
) -> None:
    tasks = {task.request_id: task for task in facts.tasks}
    people = {person.counsellor_id: person for person in facts.counsellors}
    found = make_plan(facts.tasks, facts.counsellors, now=NOW)
    assert len({entry.request_id for entry in found}) == len(found)
    for entry in found:
        person, planned = people[entry.counsellor_id], tasks[entry.request_id]
        assert entry.start >= max(NOW, planned.release, person.free_at)
        assert may_start(person, entry.start)
        assert entry.counsellor_id not in planned.avoid


@settings(max_examples=50, deadline=None)
@given(facts=facts())
def test_no_counsellor_has_two_calls_at_once(facts: Facts) -> None:
    for starts in calls_of(make_plan(facts.tasks, facts.counsellors, now=NOW)).values():
        assert all(one + CALL_LENGTH <= following for one, following in pairwise(starts))


@settings(max_examples=50, deadline=None)
@given(facts=facts())
def test_no_counsellor_is_idle_while_a_released_task_that_they_may_take_waits(
    facts: Facts,
) -> None:
    found = make_plan(facts.tasks, facts.counsellors, now=NOW)
    starts = {entry.request_id: entry.start for entry in found}
    calls = calls_of(found)
    for person in facts.counsellors:
        own = calls.get(person.counsellor_id, [])
        for waiting in facts.tasks:
            if person.counsellor_id in waiting.avoid:
                continue
            served = starts.get(waiting.request_id)
            for idle in idle_from(person, own, since=waiting.release):
                assert served is not None
                assert served <= idle


def idle_from(person: Availability, calls: list[datetime], *, since: datetime) -> list[datetime]:
    """Every instant from ``since`` on at which this person begins to be on duty and free."""
    earliest = max(person.free_at, NOW, since)
    begins = {earliest, *(start for start, _ in person.spans), *(c + CALL_LENGTH for c in calls)}
    return [
        instant
        for instant in begins
        if instant >= earliest
        and may_start(person, instant)
        and not any(call <= instant < call + CALL_LENGTH for call in calls)
    ]


def skilled(counsellor_id: int, *skills: str, free: float = 0) -> Availability:
    return replace(counsellor(counsellor_id, free=free), skills=frozenset(skills))


def needing(request_id: int, *needs: str, target: float = 60) -> Task:
    return task(request_id, target=target)._replace(needs=frozenset(needs))


def test_a_task_goes_only_to_somebody_with_the_skills_it_needs() -> None:
    people = [skilled(1), skilled(2, "cy"), skilled(3, "cy", "woman", free=45)]
    assert plan([needing(1, "cy", "woman")], people) == [(1, 3, 45)]
    assert plan([needing(1, "pl")], people) == []


def test_of_those_who_are_free_the_one_with_the_fewest_other_skills_is_asked() -> None:
    tasks = [needing(1), needing(2, "cy", target=90)]
    assert plan(tasks, [skilled(1, "cy"), skilled(2)]) == [(1, 2, 0), (2, 1, 0)]


def test_tasks_of_one_instant_change_hands_so_that_all_are_served() -> None:
    # The first might go to 1 or 2 and goes to 1; only 1 can take the second, so 2 takes the first.
    people = [skilled(1, "cy", "pl"), skilled(2, "pl", "young")]
    tasks = [needing(1, "pl"), needing(2, "cy"), needing(3, "young")._replace(release=at(60))]
    assert plan(tasks, people) == [(1, 2, 0), (2, 1, 0), (3, 2, 60)]


def test_by_due_date_those_with_a_scarce_skill_are_spared_for_what_would_be_late_without() -> None:
    # The earliest due first would give 1 to the first, and be late with the last of the others.
    people = [skilled(1, "cy"), counsellor(2, (30, 480))]
    tasks = [needing(1, target=30), needing(2, "cy", target=40), needing(3, "cy", target=40)]
    found = make_plan(tasks, people, now=NOW, cap=timedelta(0))
    assert sorted(found) == [(1, 2, at(30)), (2, 1, at(0)), (3, 1, at(30))]


def test_what_is_urgent_comes_before_everything_else() -> None:
    tasks = [task(1, target=-30), task(2, target=5), task(3, target=400)._replace(is_urgent=True)]
    assert plan(tasks, [counsellor(1)])[2] == (3, 1, 0)


def test_the_planned_counsellor_is_kept_while_free_soon_and_somebody_else_is_of_use() -> None:
    people = [counsellor(1), counsellor(2, free=10)]
    first = task(1, target=60)._replace(planned_for=2)
    assert plan([first, task(2, target=70)], people) == [(1, 2, 10), (2, 1, 0)]
    assert plan([first], people) == [(1, 1, 0)]  # nobody waits idly for a colleague
    late = [counsellor(1), counsellor(2, free=31)]
    assert plan([first, task(2, target=70)], late) == [(1, 1, 0), (2, 1, 30)]


def test_a_call_takes_as_long_as_it_is_said_to() -> None:
    short = task(1)._replace(length=minutes(5))
    assert plan([short, task(2)], [counsellor(1)]) == [(1, 1, 0), (2, 1, 5)]


def test_a_window_can_be_kept_until_its_end_though_its_middle_is_the_target() -> None:
    window = task(1, target=0)._replace(due=at(60))
    assert plan([window, task(2, target=10), task(3, target=20)], [counsellor(1)])[0] == (1, 1, 0)
    late = task(4, target=-20)._replace(due=at(-1))
    assert plan([window, late], [counsellor(1)]) == [(1, 1, 0), (4, 1, 30)]


@settings(max_examples=50, deadline=None)
@given(facts=facts())
def test_whoever_comes_free_takes_the_released_task_of_the_least_key(facts: Facts) -> None:
    found = make_plan(facts.tasks, facts.counsellors, now=NOW, cap=MISSED_CAP)
    starts = {entry.request_id: entry.start for entry in found}
    tasks = {task.request_id: task for task in facts.tasks}
    for entry in found:
        taken = key_of(tasks[entry.request_id], entry.start)
        for other in facts.tasks:
            waits = starts.get(other.request_id, entry.start + SECOND) > entry.start
            if waits and other.release <= entry.start and entry.counsellor_id not in other.avoid:
                assert taken <= key_of(other, entry.start)


def key_of(task: Task, instant: datetime) -> datetime:
    """The modified due date of a task at an instant, written out a second time."""
    return task.target if task.target >= instant else task.target + MISSED_CAP


def test_a_request_is_for_nobody_who_let_it_go_by_while_others_are_here() -> None:
    assert whom_to_avoid({1}, {9}, {1, 2, 9}) == {1, 9}


def test_once_all_who_are_here_let_it_go_by_it_is_for_all_again_but_who_knows_the_caller() -> None:
    assert whom_to_avoid({1, 2}, {9}, {1, 2, 9}) == {9}
