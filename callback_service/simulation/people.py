"""Counsellors and requests while they are simulated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Final

from callback_service.domain.contact import Window
from callback_service.domain.escalation import Step
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.planning import HANDOVER_MARGIN
from callback_service.domain.promises import BREAK_SHARE
from callback_service.domain.quotes import Forecast
from callback_service.domain.rota import Shift
from callback_service.domain.wall_time import Span
from callback_service.simulation.scenario import BREAK_FROM

#: Breaks of one shift are this far apart from each other's, so that not all are away at once.
APART: Final = timedelta(minutes=35)


@dataclass(eq=False, slots=True)
class OnDuty:
    """One shift of a counsellor, and its break: from ``break_from`` on, when they come free."""

    start: datetime
    end: datetime
    break_from: datetime | None
    break_length: timedelta

    def open_spans(self, now: datetime) -> Iterator[Span]:
        """When they can take calls, as far as is known: without a break that is to come."""
        if self.break_from is None or self.break_from <= now:
            yield self.start, self.end
            return
        yield self.start, self.break_from
        yield self.break_from + self.break_length, self.end


@dataclass(eq=False, slots=True)
class Counsellor:
    """A counsellor: shifts in order, what they are doing, and since when."""

    id: int
    shifts: list[OnDuty] = field(default_factory=list)
    request: Request | None = None
    since: datetime | None = None
    away_until: datetime | None = None  # on a break
    calls: list[datetime] = field(default_factory=list)

    def add(self, shift: Shift) -> OnDuty:
        """Give them a shift, with a break if it is long enough."""
        length = shift.end - shift.start
        middle = shift.start + length / 2 + (self.id % 4 - 1.5) * APART
        has_break = length >= BREAK_FROM
        own = OnDuty(
            shift.start,
            shift.end,
            _whole_minute(middle) if has_break else None,
            _whole_minute(shift.start + length * BREAK_SHARE) - shift.start,
        )
        self.shifts.append(own)
        return own

    def shift_at(self, now: datetime) -> OnDuty | None:
        """The shift they are on."""
        return next((one for one in self.shifts if one.start <= now < one.end), None)

    def is_idle(self, now: datetime) -> bool:
        """Whether they could take a call now."""
        shift = self.shift_at(now)
        is_free = self.request is None and self.away_until is None
        return is_free and shift is not None and now <= shift.end - HANDOVER_MARGIN

    def break_is_due(self, now: datetime) -> OnDuty | None:
        """The shift whose break they take now, as no call would start before it any more."""
        shift = self.shift_at(now)
        if shift is None or shift.break_from is None or self.request or self.away_until:
            return None
        return shift if now >= shift.break_from - HANDOVER_MARGIN else None


def _whole_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


@dataclass(eq=False, slots=True)
class Request:
    """A request: what was promised, and how it went. ``chance`` draws what its caller does."""

    id: int
    asked_at: datetime
    promised: Window
    is_window: bool  # they chose ``promised``
    forecast: Forecast | None
    chance: Random
    ring_from: datetime
    due_at: datetime
    aims_at_window: bool  # from ring_from to due_at is the window, and no retry
    state: RequestState = RequestState.WAITING
    tries: int = 0
    first_attempt_at: datetime | None = None
    closed_at: datetime | None = None
    planned_for: int | None = None
    told: set[Step] = field(default_factory=set)
    last_told_at: datetime | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the first attempt came in time."""
        return self.first_attempt_at is not None and self.first_attempt_at <= self.promised.end

    @property
    def is_open_promise(self) -> bool:
        """Whether it waits for a first attempt that was promised "as soon as we can"."""
        is_waiting = self.state is RequestState.WAITING and self.first_attempt_at is None
        return is_waiting and not self.is_window
