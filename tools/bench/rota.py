"""The resolver and cover of a rota of a thousand counsellors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dateutil.rrule import WEEKLY, rrule

from callback_service.domain.cover import Requirement, cover
from callback_service.domain.rota import Duty, Pattern, resolve_shifts
from callback_service.domain.wall_time import EVERY_DAY, every_weeks, since_midnight
from tools.bench import Figure, best_of

LONDON = ZoneInfo("Europe/London")
YEAR = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
FOUR_WEEKS = datetime(2026, 3, 16, tzinfo=UTC), datetime(2026, 4, 13, tzinfo=UTC)
PEOPLE = 1000
_LONG_AGO = date(2025, 1, 6)
_TIMES = [(8, 16), (16, 0), (0, 8), (20, 8), (9, 17), (22, 6), (12, 20), (7, 19)]


def large_rota(*, own_times: bool = False) -> list[Pattern]:
    """A thousand people, each five days a week; one in five in weeks about, over two lines.

    With ``own_times`` hardly two share theirs.
    """
    return [line for number in range(PEOPLE) for line in _lines(number, own_times=own_times)]


def _lines(number: int, *, own_times: bool) -> Iterator[Pattern]:
    begins, ends = _TIMES[number % len(_TIMES)]
    minute = number * 7 % 60 if own_times else 0
    for week in (0, 1) if number % 5 == 0 else (0,):
        yield Pattern(
            2 * number + week,
            number + 1,
            Duty.COUNSELLING,
            frozenset((number + week + day) % 7 for day in range(5)),
            time((begins + 2 * week) % 24, minute),
            time((ends + 2 * week) % 24, minute),
            _LONG_AGO,
            cycle=every_weeks(2, _LONG_AGO + timedelta(days=7 * week)) if number % 5 == 0 else None,
        )


def by_rrule(patterns: list[Pattern]) -> list[tuple[datetime, datetime]]:
    """The same shifts by ``dateutil``, which knows no rule for the clock changes."""
    first, last = (at.astimezone(LONDON).replace(tzinfo=None) for at in YEAR)
    found = []
    for pattern in patterns:
        starts_after, ends_after = since_midnight(pattern.start, pattern.end)
        length = ends_after - starts_after
        for start in _rule(pattern).between(first - timedelta(days=1), last):
            ends = (start + length).replace(tzinfo=LONDON)
            found.append((start.replace(tzinfo=LONDON).astimezone(UTC), ends.astimezone(UTC)))
    return sorted(found)


def _rule(pattern: Pattern) -> rrule:
    cycle = pattern.cycle
    return rrule(
        WEEKLY,
        interval=1 if cycle is None else cycle.length // 7,
        byweekday=sorted(pattern.weekdays),
        dtstart=datetime.combine(cycle.anchor_on if cycle else pattern.from_on, pattern.start),
    )


def figures() -> Iterator[Figure]:
    """How quick the resolver and cover are, and how much quicker than ``dateutil``."""
    patterns = large_rota()
    count = len(resolve_shifts(patterns, *YEAR, tz=LONDON))
    resolving = best_of(3, lambda: resolve_shifts(patterns, *YEAR, tz=LONDON))
    yield Figure("shifts of a year of 1,000 counsellors", count, "")
    yield Figure("the resolver, that year", resolving, "s", 0.5)
    own = large_rota(own_times=True)
    yield Figure(
        "the same where hardly two share their times",
        best_of(2, lambda: resolve_shifts(own, *YEAR, tz=LONDON)),
        "s",
    )
    dateutil = best_of(2, lambda: by_rrule(patterns))
    yield Figure("dateutil.rrule, that year", dateutil, "s")
    yield Figure("times quicker than dateutil.rrule", dateutil / resolving, "x", 5, at_least=True)
    shifts = resolve_shifts(patterns, *FOUR_WEEKS, tz=LONDON)
    needs = [Requirement(1, EVERY_DAY, time(8), time(20), 300, _LONG_AGO)]
    yield Figure(
        "cover of 28 days of 1,000 counsellors",
        best_of(3, lambda: cover(shifts, needs, *FOUR_WEEKS, tz=LONDON)),
        "s",
        0.3,
    )
