"""Quotes: how quick they are, and what they come to in a simulated week."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from time import thread_time
from zoneinfo import ZoneInfo

from callback_service.domain import quotes
from callback_service.domain.call_lengths import PRIOR
from callback_service.domain.planning import Availability, Task
from callback_service.domain.rota import resolve_shifts
from callback_service.services.demo import counselling_patterns
from callback_service.simulation.profiles import load_profile
from callback_service.simulation.result import percentile
from callback_service.simulation.run import simulate
from callback_service.simulation.scenario import Scenario
from tools.bench import Figure

NOW = datetime(2026, 11, 25, 20, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")
ROUNDS = 400
#: Most that wait, and on shift.
SIZES = ((60, 12), (300, 50))
START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 7


def quote_seconds(waiting: int, on_shift: int) -> list[float]:
    """Processor seconds of quotes with up to so many who wait, all on shift on a call."""
    found = []
    for seed in range(ROUNDS):
        chance = Random(seed)  # noqa: S311 - the same queues again
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
            lengths=PRIOR,
            now=NOW,
            chance=chance,
        )
        found.append(thread_time() - begun)
    return found


def figures() -> Iterator[Figure]:
    """The time of a quote, and a week of the demo's rota at a load of 0.8."""
    for waiting, on_shift in SIZES:
        seconds = quote_seconds(waiting, on_shift)
        name = f"a quote, up to {waiting} waiting for {on_shift}"
        yield Figure(f"{name}: median", 1000 * percentile(seconds, 50), "ms")
        yield Figure(f"{name}: 99th percentile", 1000 * percentile(seconds, 99), "ms", 5)
    patterns = counselling_patterns(date(2026, 1, 5))
    shifts = resolve_shifts(patterns, START, START + timedelta(days=DAYS + 2), tz=LONDON)
    profile = load_profile("uk_helpline")
    found = simulate(Scenario(shifts, START, DAYS, LONDON, profile=profile))
    yield from _of_week(found.figures())


def _of_week(found: dict[str, object]) -> Iterator[Figure]:
    """The goals of a simulated week: the demo's rota, the peaking profile, load 0.8."""
    promises, windows = found["promises"], found["windows"]
    if not isinstance(promises, dict) or not isinstance(windows, dict):
        raise TypeError("the figures of a simulation have changed their shape")
    yield Figure("promises kept, a simulated week", promises["kept_percent"], "%", 97.5, True)
    ratio = promises["promised_over_achieved"]
    yield Figure("promised over achieved minutes, that week", ratio, "x", 2.5)
    yield Figure("windows kept, that week", windows["kept_percent"], "%", 99, True)
    for key in ("violations", "overtaken_promises"):
        value = found[key]
        yield Figure(f"{key.replace('_', ' ')}, that week", float(str(value)), "", 0)
