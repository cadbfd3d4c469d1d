"""Quotes: how quick they are, and what they come to in simulated weeks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from time import thread_time
from typing import Any
from zoneinfo import ZoneInfo

from callback_service.domain import quotes
from callback_service.domain.habits import Habits
from callback_service.domain.planning import Availability, Task
from callback_service.domain.rota import resolve_shifts
from callback_service.services import demo
from callback_service.simulation.result import percentile
from callback_service.simulation.rotas import large_rota, large_skills, like_the_rota
from callback_service.simulation.run import simulate
from callback_service.simulation.scenario import Scenario
from tools.bench import Figure

NOW = datetime(2026, 11, 25, 20, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")
ROUNDS = 400
#: Most that wait, and on shift.
SIZES = ((60, 12), (300, 50))
START = datetime(2026, 3, 2, tzinfo=UTC)
#: Days of a rota at a load, with calls taken to be a quarter shorter than they are; callers come as
#: the rota has people. Promised over achieved at most: docs/planning.md, "Quotes".
WEEKS = (
    ("demo", 14, 0.8, 2.5),
    ("demo", 14, 0.9, 2.0),
    ("large", 7, 0.8, 2.5),
    ("large", 7, 0.9, 2.0),
)
MISJUDGED = 0.25
#: Windows kept at least, by load.
WINDOWS_KEPT = {0.8: 99, 0.9: 98}


def quote_seconds(waiting: int, on_shift: int) -> list[float]:
    """Processor seconds of quotes with up to so many who wait, all on shift on a call."""
    found = []
    for seed in range(ROUNDS):
        chance = Random(seed)  # nosec B311  # noqa: S311 - the same queues again
        tasks = [
            Task(number, NOW, NOW + timedelta(minutes=chance.randrange(180)))
            for number in range(1, 1 + waiting * (seed + 1) // ROUNDS)
        ]
        span = (
            (NOW - timedelta(hours=1), NOW + timedelta(hours=7)),
            (
                NOW + timedelta(hours=23),
                NOW + timedelta(hours=31),
            ),
        )
        people = [Availability(number, NOW, span) for number in range(on_shift)]
        talked = {number: timedelta(minutes=chance.randrange(50)) for number in range(on_shift)}
        begun = thread_time()
        quotes.forecast(
            tasks,
            people,
            talked,
            latest_open_promise=NOW + timedelta(hours=3),
            habits=Habits(),
            now=NOW,
            chance=chance,
        )
        found.append(thread_time() - begun)
    return found


def figures() -> Iterator[Figure]:
    """The time of a quote, and simulated weeks."""
    for waiting, on_shift in SIZES:
        seconds = quote_seconds(waiting, on_shift)
        name = f"a quote, up to {waiting} waiting for {on_shift}"
        yield Figure(f"{name}: median", 1000 * percentile(seconds, 50), "ms")
        yield Figure(f"{name}: 99th percentile", 1000 * percentile(seconds, 99), "ms", 5)
    for rota, days, load, ratio in WEEKS:
        yield from _of_weeks(_simulated(rota, days, load), f"{rota} {load}", load, ratio)


def _simulated(rota: str, days: int, load: float) -> dict[str, object]:
    from_on = date(2026, 1, 5)
    patterns = large_rota(from_on) if rota == "large" else demo.counselling_patterns(from_on)
    skills = large_skills() if rota == "large" else demo.counselling_skills()
    shifts = resolve_shifts(patterns, START, START + timedelta(days=days + 3), tz=LONDON)
    profile = like_the_rota(shifts, START, days, tz=LONDON)
    scenario = Scenario(
        shifts, START, days, LONDON, load, profile=profile, skills=skills, misjudged=MISJUDGED
    )
    return simulate(scenario).figures()


def _part(found: dict[str, object], name: str) -> dict[str, Any]:
    part = found[name]
    if not isinstance(part, dict):
        raise TypeError("the figures of a simulation have changed their shape")
    return part


def _of_weeks(found: dict[str, object], name: str, load: float, ratio: float) -> Iterator[Figure]:
    """The goals of simulated weeks."""
    promises, windows, counsellors = (
        _part(found, name) for name in ("promises", "windows", "counsellors")
    )
    yield Figure(f"{name}: promises kept", promises["kept_percent"], "%", 97.5, True)
    yield Figure(f"{name}: promised over achieved", promises["promised_over_achieved"], "x", ratio)
    left = promises["promised_minus_achieved_minutes"]
    yield Figure(f"{name}: promised less achieved, median", left["median"], "min")
    yield Figure(f"{name}: promised less achieved, 90th percentile", left["p90"], "min")
    changed = counsellors["plan_changes_percent"]
    yield Figure(f"{name}: counsellor changed, by the minute", changed, "%", 4)
    yield Figure(f"{name}: windows kept", windows["kept_percent"], "%", WINDOWS_KEPT[load], True)
    for key in ("violations", "lost_requests", "overtaken_promises"):
        yield Figure(f"{name}: {key.replace('_', ' ')}", float(str(found[key])), "", 0)
