"""What one simulation is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from callback_service.domain.call_lengths import PRIOR, CallLengths
from callback_service.domain.promises import BREAK_SHARE, MINUTES_PER_REQUEST
from callback_service.domain.rota import Shift
from callback_service.simulation.profiles import FLAT, Profile
from callback_service.simulation.rotas import minutes_on_duty

#: A shift from this length on has a break of its share, about in its middle.
BREAK_FROM: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One simulation: the rota, the callers, and what goes wrong. The same ``seed``, the same run.

    ``shifts`` reach two days past the end, which is what the planner looks ahead. ``load`` says
    how many ask: it is their share of the counsellor minutes that are left after breaks and
    sickness. ``misjudged`` is how much shorter than they are the planner takes calls to be.
    """

    shifts: Sequence[Shift]
    start: datetime
    days: int
    tz: tzinfo
    load: float = 0.8
    per_day: float | None = None  # instead of ``load``
    seed: int = 1
    profile: Profile = FLAT
    lengths: CallLengths = PRIOR
    unanswered: float = 0.25  # of attempts
    windows: float = 0.3  # of callers: they would rather choose a window
    withdrawals: float = 0.05  # of callers: they lose patience, if they wait for long enough
    sickness: float = 0.03  # of shifts
    misjudged: float = 0.0

    @property
    def end(self) -> datetime:
        """When it is over."""
        return self.start + timedelta(days=self.days)

    @property
    def minutes_a_day(self) -> float:
        """Counsellor minutes that are left after breaks and sickness, on average."""
        on_duty = minutes_on_duty(self.shifts, self.start, self.end) / self.days
        return on_duty * (1 - BREAK_SHARE) * (1 - self.sickness)

    @property
    def asks_a_day(self) -> float:
        """How many ask for a call on an average day."""
        if self.per_day is not None:
            return self.per_day
        return self.load * self.minutes_a_day / MINUTES_PER_REQUEST
