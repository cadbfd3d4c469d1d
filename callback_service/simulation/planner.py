"""The planner of a simulation: facts for the rules of the service, from what is simulated."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from callback_service.domain import call_lengths, habits, newcomers, promises, quotes, wishes
from callback_service.domain.call_lengths import CallLengths
from callback_service.domain.contact import Window
from callback_service.domain.habits import Habits
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.newcomers import Known, Quote
from callback_service.domain.plan_wishes import plan_with_wishes
from callback_service.domain.planning import (
    MISSED_CAP,
    Availability,
    Planned,
    Task,
    whom_to_avoid,
)
from callback_service.domain.quotes import Came
from callback_service.domain.spans import joined
from callback_service.domain.wishes import Step, Wishes
from callback_service.simulation.people import Counsellor, Request
from callback_service.simulation.room import Room
from callback_service.simulation.scenario import Scenario

#: What may be rung later than this is left out of the plan: it changes nothing of who is rung now.
PLAN_AHEAD: Final = timedelta(hours=6)
#: The rota is looked at so far; calls of so long ago count in who has had many.
LOOK_AHEAD: Final = timedelta(days=2)
RECENT: Final = timedelta(hours=8)


class Planner:
    """What the service knows, and what it learns, while it is simulated."""

    def __init__(
        self,
        scenario: Scenario,
        counsellors: Mapping[int, Counsellor],
        open_requests: Mapping[int, Request],
    ) -> None:
        self._scenario, self._counsellors, self._open = scenario, counsellors, open_requests
        self._room = Room(scenario, counsellors, open_requests)
        self._quotes: deque[Came] = deque(maxlen=quotes.MOST_RESULTS)
        self._calls: deque[timedelta] = deque(maxlen=call_lengths.MOST_CALLS)
        self._offers: deque[bool] = deque(maxlen=habits.MOST_OFFERS)  # whether each lapsed
        self._lengths = self._believed()

    def learn_offer(self, *, lapsed: bool) -> None:
        """An offer was taken, or lapsed."""
        self._offers.append(lapsed)

    @property
    def _habits(self) -> Habits:
        lapses = habits.learned_lapses(sum(self._offers), len(self._offers))
        return Habits(self._lengths, lapses)

    def _believed(self) -> CallLengths:
        learned = call_lengths.learned(self._calls)
        return CallLengths(learned.mean * (1 - self._scenario.misjudged), learned.cv)

    def learn_call(self, lasted: timedelta) -> None:
        """Somebody was reached, and the call is over; its wrap-up counts."""
        self._calls.append(lasted)
        self._lengths = self._believed()

    def learn_quote(self, request: Request, now: datetime) -> None:
        """A first attempt is made."""
        if request.forecast is not None and not request.wishes.kinds():
            surprise = request.forecast.surprise(now - request.asked_at)
            self._quotes.append(Came(surprise, request.is_kept))

    def rota_changed(self) -> None:
        """Somebody is off sick: what was known of the windows is not so any more."""
        self._room.rota_changed()

    def windows_with_room(self, now: datetime, wished: Wishes) -> list[Window]:
        """The windows of the next two days that can still be promised."""
        return self._room.windows(now, wished)

    def make_plan(self, now: datetime) -> list[Planned]:
        """The plan for all who wait and are not on offer."""
        tasks, steps_of = self._work(now)
        people = self._availability(now, _needs(steps_of))
        return plan_with_wishes(tasks, steps_of, people, now=now, cap=MISSED_CAP)

    def quote(self, now: datetime, wished: Wishes) -> Quote:
        """The time to promise to somebody who asks now, and what was foreseen."""
        tasks, steps_of = self._work(now)
        asked = {wished.need_of(kind) for kind in wished.kinds()}
        known = Known(
            tasks,
            steps_of,
            self._availability(now, _needs(steps_of) | asked),
            {one.id: now - one.since for one in self._counsellors.values() if one.since},
            self._habits,
            z=quotes.learned_z(self._quotes),
            latest_open_promise=max((one.due_at for one in self.ahead_of(wished)), default=None),
        )
        return newcomers.quote(known, wished, now=now)

    def ahead_of(self, wished: Wishes) -> Iterator[Request]:
        """The open promises that hold back somebody who asks now with these wishes."""
        return (
            one
            for one in self._open.values()
            if one.is_open_promise and wishes.is_held_back_by(wished, one.wishes)
        )

    def _work(self, now: datetime) -> tuple[list[Task], dict[int, list[Step]]]:
        """What waits to be planned, and the steps of its wishes."""
        length = self._lengths.expected
        here = {one.id for one in self._counsellors.values() if one.is_here(now)}
        waiting = [one for one in self._open.values() if _is_to_plan(one, now)]
        tasks = [
            Task(
                one.id,
                max(one.ring_from, now),
                promises.target_of(one.ring_from, one.due_at, is_window=one.aims_at_window),
                avoid=whom_to_avoid(one.let_go_by, set(), here) if one.let_go_by else frozenset(),
                due=one.due_at,
                planned_for=one.planned_for,
                length=length,
            )
            for one in waiting
        ]
        steps_of = {one.id: steps for one in waiting if (steps := one.steps_from(now))}
        return tasks, steps_of

    def _availability(self, now: datetime, needs: Collection[str]) -> list[Availability]:
        """Everybody on the rota, with what is asked of them."""
        until = now + LOOK_AHEAD
        found = []
        for one in self._counsellors.values():
            while one.shifts and one.shifts[0].end <= now:
                del one.shifts[0]
            spans = tuple(joined((on.start, on.end) for on in one.shifts if on.start < until))
            if spans:
                recent = len(one.calls) - bisect_right(one.calls, now - RECENT)
                met = frozenset(
                    need for need in needs if wishes.meets(need, staff_id=one.id, skills=one.skills)
                )
                found.append(
                    Availability(
                        one.id,
                        self._free_at(one, now),
                        spans,
                        recent,
                        met,
                        has_had_break=one.has_had_break(now),
                        signed_off_until=one.signed_off_until,
                    )
                )
        return found

    def _free_at(self, one: Counsellor, now: datetime) -> datetime:
        """When they are expected to be free."""
        away_until = one.away_until or now
        if one.since is None:
            return away_until
        left = timedelta(seconds=self._lengths.left((now - one.since).total_seconds()))
        return max(now + left, away_until)


def _needs(steps_of: Mapping[int, Collection[Step]]) -> set[str]:
    return {need for steps in steps_of.values() for step in steps for need in step.needs}


def _is_to_plan(request: Request, now: datetime) -> bool:
    is_waiting = request.state is RequestState.WAITING and request.offer is None
    return is_waiting and request.ring_from < now + PLAN_AHEAD
