"""The quick way through a plan gives the plan that the long way does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from callback_service.domain.plan_singles import Singles
from callback_service.domain.planning import MISSED_CAP, Availability, Planned, Task, make_plan

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
SKILLS = ("alcohol", "cy", "pl")
HALF_HOUR = timedelta(minutes=30)


def a_queue(chance: Random) -> tuple[list[Task], list[Availability]]:
    """Sixty tasks for seven people, with all that a fact may say; few things come together."""

    def later(first: int, last: int) -> datetime:
        return NOW + timedelta(seconds=chance.randrange(first * 60, last * 60))

    def some(share: float) -> bool:
        return chance.random() < share

    people = [
        Availability(
            number,
            free_at=later(-20, 50),
            spans=((later(-300, 30), later(60, 500)), (later(800, 900), later(1000, 2000))),
            calls_taken=chance.randrange(3),
            skills=frozenset(skill for skill in SKILLS if some(0.5)),
        )
        for number in range(7)
    ]
    tasks = [
        Task(
            number,
            release=later(0, 300) if some(0.3) else NOW,
            target=later(-60, 600),
            avoid=frozenset([chance.randrange(7)] if some(0.1) else []),
            due=later(0, 700) if some(0.2) else None,
            needs=frozenset([chance.choice(SKILLS)] if some(0.4) else []),
            is_urgent=some(0.05),
            planned_for=chance.randrange(9) if some(0.5) else None,
            length=chance.choice([HALF_HOUR, HALF_HOUR, timedelta(minutes=7)]),
        )
        for number in range(60)
    ]
    return tasks, people


def plan_of(seed: int, cap: timedelta | None) -> list[Planned]:
    tasks, people = a_queue(Random(seed))  # noqa: S311 - the same queue again
    return sorted(make_plan(tasks, people, now=NOW, cap=cap))


@pytest.mark.parametrize("cap", [MISSED_CAP, timedelta(0), None])
def test_one_by_one_the_plan_is_what_it_is_for_many_who_come_free_together(
    cap: timedelta | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_calls, serve = 0, Singles.serve

    def counted(singles: Singles) -> None:
        nonlocal quick_calls
        quick_calls -= len(singles.run.places)
        serve(singles)
        quick_calls += len(singles.run.places)

    seeds = range(40)
    monkeypatch.setattr(Singles, "serve", counted)
    quick = [plan_of(seed, cap) for seed in seeds]
    monkeypatch.setattr(Singles, "serve", lambda singles: None)
    assert quick == [plan_of(seed, cap) for seed in seeds]
    assert quick_calls > len(seeds) * 15  # it was the quick way that made them


def test_a_task_is_not_kept_for_its_planned_counsellor_where_nobody_idle_could_take_it() -> None:
    """Somebody idle who may not take it is no reason to commit a counsellor ahead of their turn."""
    need = frozenset(["pl"])
    span = ((NOW, NOW + timedelta(hours=8)),)
    idle, first, second = (
        Availability(1, NOW, span),
        Availability(2, NOW, span, skills=need),
        Availability(3, NOW + timedelta(minutes=10), span, skills=need),
    )
    tasks = [
        Task(1, NOW, NOW + timedelta(minutes=20), needs=need),
        Task(2, NOW, NOW + timedelta(minutes=30), needs=need, planned_for=3),
        Task(3, NOW + timedelta(minutes=5), NOW + timedelta(minutes=15), needs=need),
    ]
    found = make_plan(tasks, [idle, first, second], now=NOW, cap=MISSED_CAP)
    assert {one.request_id: one.counsellor_id for one in found} == {1: 2, 3: 3, 2: 2}
