"""The time to promise to somebody who asks now, by whom they wish to speak with.

A wish takes its part of the time that is promised, and leaves the rest to everybody else. So who
wishes is promised a time at which even that rest is enough, in the futures of their own wish. What
nobody on the rota can meet in that time takes no part of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final

from callback_service.domain import plan_wishes, quotes, wishes
from callback_service.domain.habits import Habits
from callback_service.domain.planning import MISSED_CAP, Availability, Task
from callback_service.domain.quotes import Forecast
from callback_service.domain.reach import Reach
from callback_service.domain.wishes import Step, Wishes

#: Stands for somebody who asks now: behind every request that is due at the same instant.
NEWCOMER: Final = 2**63
#: How often a promise is made longer, as the wish takes a part of what was added too.
ROUNDS: Final = 4
#: Where a language is spoken so much later than others could ring, it alone makes the promise.
LATE: Final = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Known:
    """What a quote is made from: all that waits, everybody on the rota, and what was learned.

    ``talked`` says of counsellors on a call how long it has lasted. ``people`` have as skills
    what the newcomer wishes for too, where they meet it.
    """

    tasks: Sequence[Task]
    steps_of: Mapping[int, Sequence[Step]]
    people: Sequence[Availability]
    talked: Mapping[int, timedelta]
    habits: Habits
    z: float
    latest_open_promise: datetime | None


@dataclass(frozen=True, slots=True)
class Quote:
    """The time to promise, and what the plan foresaw; None if it holds nobody to keep it."""

    due_at: datetime
    forecast: Forecast | None

    @property
    def is_staffed(self) -> bool:
        """Whether the plan holds somebody to keep it."""
        return self.forecast is not None


def quote(known: Known, wished: Wishes, *, now: datetime) -> Quote:
    """What to promise to somebody who asks ``now``. The same facts give the same quote."""
    usual = _quote(known, [], now=now)
    found = _with_language(known, wished, usual, now=now)
    if found.due_at - usual.due_at >= LATE:
        return found  # nobody else is in question before then, and they have the last of it
    reach = Reach(known.people)
    for _ in range(ROUNDS if wished.kinds() and found.is_staffed else 0):
        asked = wishes.steps(wished, ring_from=now, due_at=found.due_at)
        steps = reach.within(asked, now=now)
        if not steps[0].needs:
            break  # nobody is waited for
        longer = _quote(known, steps, now=now)
        if longer.due_at <= found.due_at:
            break
        found = longer
    return found


def _quote(known: Known, steps: Sequence[Step], *, now: datetime) -> Quote:
    """The quote for somebody with these steps of wishes."""
    forecast = quotes.forecast(
        plan_wishes.as_they_may_be_rung(known.tasks, known.steps_of, known.people, now=now),
        known.people,
        known.talked,
        latest_open_promise=known.latest_open_promise,
        habits=known.habits,
        steps=steps,
        now=now,
        chance=Random(int(now.timestamp())),  # nosec B311  # noqa: S311 - the same facts, the same quote
    )
    return Quote(_promise(known, forecast, now), forecast)


def _promise(known: Known, forecast: Forecast | None, now: datetime) -> datetime:
    latest = known.latest_open_promise
    return quotes.promise(forecast, z=known.z, latest_open_promise=latest, now=now)


def _with_language(known: Known, wished: Wishes, usual: Quote, *, now: datetime) -> Quote:
    """The usual quote, or a later one where the language is spoken later, with time left to others.

    The wish for it holds until a sixth of the promise is left, or LAST_CHANCE: those who speak it
    have theirs before that.
    """
    soonest = _start_of_language(known, wished, now=now)
    if (
        soonest is None
        or usual.forecast is None
        or (soonest - now).total_seconds() <= usual.forecast.mean
    ):
        return usual
    forecast = replace(usual.forecast, mean=(soonest - now).total_seconds())
    due = _promise(known, forecast, now)
    return Quote(due + min(wishes.LAST_CHANCE, (due - now) / 5), forecast)


def _start_of_language(known: Known, wished: Wishes, *, now: datetime) -> datetime | None:
    """When the plan has them rung in the language they wish for, for as long as it takes."""
    if wished.language is None:
        return None
    due = max(now + quotes.NEWCOMER_DUE, known.latest_open_promise or now)
    steps = wishes.steps(Wishes(wished.language), ring_from=now, due_at=due)[:1]
    plan = plan_wishes.plan_with_wishes(
        [*known.tasks, Task(NEWCOMER, now, due)],
        {**known.steps_of, NEWCOMER: steps},
        known.people,
        now=now,
        cap=MISSED_CAP,
    )
    return next((one.start for one in plan if one.request_id == NEWCOMER), None)
