"""The planner of a simulation: facts for the rules of the service, from what is simulated."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random
from typing import Final

from callback_service.domain import call_lengths, promises, quotes
from callback_service.domain.call_lengths import CallLengths
from callback_service.domain.contact import Window, window_grid
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.planning import MISSED_CAP, Availability, Planned, Task, make_plan
from callback_service.domain.quotes import Came, Forecast
from callback_service.simulation.people import Counsellor, Request
from callback_service.simulation.scenario import Scenario

#: What may be rung later than this is left out of the plan: it changes nothing of who is rung now.
PLAN_AHEAD: Final = timedelta(hours=6)
#: The rota is looked at so far; calls of so long ago count in who has had many.
LOOK_AHEAD: Final = timedelta(days=1)
RECENT: Final = timedelta(hours=8)
#: Windows are chosen up to this far ahead.
CHOOSE_WITHIN: Final = timedelta(hours=48)


class Planner:
    """What the service knows, and what it learns, while it is simulated."""

    def __init__(self, scenario: Scenario, counsellors: Iterable[Counsellor]) -> None:
        self._scenario = scenario
        self.counsellors = {one.id: one for one in counsellors}
        self.open: dict[int, Request] = {}
        self._quotes: deque[Came] = deque(maxlen=quotes.MOST_RESULTS)
        self._calls: deque[timedelta] = deque(maxlen=call_lengths.MOST_CALLS)
        self.lengths = self._believed()
        self._minutes: dict[datetime, list[tuple[datetime, datetime]]] = {}

    def _believed(self) -> CallLengths:
        learned = call_lengths.learned(self._calls)
        return CallLengths(learned.mean * (1 - self._scenario.misjudged), learned.cv)

    def learn_call(self, lasted: timedelta) -> None:
        """Somebody was reached, and the call is over."""
        self._calls.append(lasted)
        self.lengths = self._believed()

    def learn_quote(self, request: Request, now: datetime) -> None:
        """A first attempt is made."""
        if request.forecast is not None:
            surprise = request.forecast.surprise(now - request.asked_at)
            self._quotes.append(Came(surprise, request.is_kept))

    def make_plan(self, now: datetime) -> list[Planned]:
        """The plan for all who wait."""
        return make_plan(self._tasks(now), self._availability(now), now=now, cap=MISSED_CAP)

    def quote(self, now: datetime) -> tuple[datetime, Forecast | None]:
        """The time to promise to somebody who asks now, and what was foreseen."""
        latest = max(
            (one.due_at for one in self.open.values() if one.is_open_promise), default=None
        )
        forecast = quotes.forecast(
            self._tasks(now),
            self._availability(now),
            {one.id: now - one.since for one in self.counsellors.values() if one.since},
            latest_open_promise=latest,
            lengths=self.lengths,
            now=now,
            chance=Random(int(now.timestamp())),  # noqa: S311 - the same facts, the same quote
        )
        due = quotes.promise(
            forecast, z=quotes.learned_z(self._quotes), latest_open_promise=latest, now=now
        )
        return due, forecast

    def windows_with_room(self, now: datetime) -> list[Window]:
        """The windows of the next two days that can still be promised."""
        start, tz = now + promises.NOTICE, self._scenario.tz
        windows = list(window_grid(start=start, end=now + CHOOSE_WITHIN, tz=tz))
        sold, reserved = Counter[datetime](), Counter[datetime]()
        starts = [window.start for window in windows]
        for one in self.open.values():
            if one.is_window:
                sold[one.promised.start] += 1
            elif one.state is RequestState.WAITING and one.ring_from >= start:
                place = bisect_right(starts, one.ring_from) - 1
                reserved[starts[max(place, 0)]] += 1
        return [
            window
            for window in windows
            if promises.places(window, self._spans(window), reserved=reserved[window.start])
            > sold[window.start]
        ]

    def rota_changed(self) -> None:
        """Somebody is off sick: what was known of the windows is not so any more."""
        self._minutes.clear()

    def _spans(self, window: Window) -> list[tuple[datetime, datetime]]:
        if window.start not in self._minutes:
            self._minutes[window.start] = [
                (shift.start, shift.end)
                for one in self.counsellors.values()
                for shift in one.shifts
                if shift.start < window.end and shift.end > window.start
            ]
        return self._minutes[window.start]

    def _tasks(self, now: datetime) -> list[Task]:
        length = self.lengths.expected
        return [
            Task(
                one.id,
                max(one.ring_from, now),
                promises.target_of(one.ring_from, one.due_at, is_window=one.aims_at_window),
                due=one.due_at,
                planned_for=one.planned_for,
                length=length,
            )
            for one in self.open.values()
            if one.state is RequestState.WAITING and one.ring_from < now + PLAN_AHEAD
        ]

    def _availability(self, now: datetime) -> list[Availability]:
        until = now + LOOK_AHEAD
        found = []
        for one in self.counsellors.values():
            while one.shifts and one.shifts[0].end <= now:
                del one.shifts[0]
            spans = [
                span
                for shift in one.shifts
                if shift.start < until
                for span in shift.open_spans(now)
            ]
            if spans:
                recent = len(one.calls) - bisect_right(one.calls, now - RECENT)
                found.append(Availability(one.id, self._free_at(one, now), tuple(spans), recent))
        return found

    def _free_at(self, one: Counsellor, now: datetime) -> datetime:
        """When they are expected to be free, a break that is overdue included."""
        if one.away_until is not None:
            return one.away_until
        if one.since is None:
            return now
        left = timedelta(seconds=self.lengths.left((now - one.since).total_seconds()))
        shift = one.shift_at(now)
        is_overdue = shift is not None and shift.break_from is not None and shift.break_from <= now
        return now + left + (shift.break_length if shift and is_overdue else timedelta())
