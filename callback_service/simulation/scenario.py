"""What one simulation is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Final

from callback_service.domain.breaks import BREAK_SHARE
from callback_service.domain.call_lengths import PRIOR, CallLengths
from callback_service.domain.planning import OFFER_LEASE
from callback_service.domain.quote_futures import UNANSWERED_LENGTH, UNANSWERED_SHARE
from callback_service.domain.retry import MAX_ATTEMPTS
from callback_service.domain.rota import Shift
from callback_service.domain.skills import SkillsOf
from callback_service.simulation.profiles import FLAT, Profile
from callback_service.simulation.rotas import minutes_on_duty

MINUTE: Final = timedelta(minutes=1)
#: How long it takes to see an offer and take it, and then to read it and dial, in seconds.
TAKES_OFFER: Final = (15, 60)
DIALS: Final = (5, 30)
#: Usual residents of England and Wales by main language, those most spoken beside English, in
#: thousands (source: Office for National Statistics, Census 2021).
LANGUAGES: Final[Mapping[str, float]] = {"pl": 612, "ro": 472, "pa": 291, "ur": 270}


@dataclass(frozen=True, slots=True)
class Rates:
    """How often what happens, each a share. docs/planning.md says where the defaults are from."""

    unanswered: float = UNANSWERED_SHARE  # of attempts
    windows: float = 0.3  # of callers: they would rather choose a window
    withdrawals: float = 0.05  # of callers: they lose patience, if they wait for long enough
    languages: float = 0.03  # of callers: they wish for a language that is not English
    genders: float = 0.1  # of callers: they wish for a woman, or for a man
    follow_ups: float = 0.1  # of calls that reach the caller: another one is agreed on
    lapses: float = 0.05  # of offers: nobody takes them within their lease
    sickness: float = 0.03  # of shifts: off sick, which is known shortly before
    sign_offs: float = 0.01  # of shifts: they go home in the middle of it


@dataclass(frozen=True, slots=True)
class Scenario:
    """One simulation: the rota, the callers, and what goes wrong. The same ``seed``, the same run.

    ``shifts`` reach two days past the end, which is what the planner looks ahead. ``load`` says
    how many ask: it is the share of the counsellor minutes, those left after breaks and absence,
    that they take: calls, notes and rest, tries in vain, offers that lapse, and follow-ups.
    ``misjudged`` is how much shorter than they are the planner takes calls to be. ``lengths`` are
    of calls with their wrap-up.
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
    rates: Rates = Rates()
    skills: SkillsOf = field(default_factory=dict)
    misjudged: float = 0.0

    @property
    def end(self) -> datetime:
        """When it is over."""
        return self.start + timedelta(days=self.days)

    @property
    def minutes_a_day(self) -> float:
        """Counsellor minutes that are left after breaks and absence, on average."""
        on_duty = minutes_on_duty(self.shifts, self.start, self.end) / self.days
        here = (1 - self.rates.sickness) * (1 - self.rates.sign_offs / 2)
        return on_duty * (1 - BREAK_SHARE) * here

    @property
    def asks_a_day(self) -> float:
        """How many ask for a call on an average day; their follow-ups come on top."""
        if self.per_day is not None:
            return self.per_day
        first = 1 - self.rates.follow_ups  # a follow-up can have another: a geometric series
        return self.load * first * self.minutes_a_day / self.minutes_per_request

    @property
    def minutes_per_request(self) -> float:
        """Counsellor minutes that one request takes on average: all its attempts, and offers."""
        misses, lapses = self.rates.unanswered, self.rates.lapses
        attempts = sum(misses**tries for tries in range(MAX_ATTEMPTS))
        reached, missed = self.lengths.mean / 60, UNANSWERED_LENGTH / MINUTE
        takes = (sum(TAKES_OFFER) + sum(DIALS)) / 2 / 60
        lapsed = lapses / max(1 - lapses, 0.01) * (OFFER_LEASE / MINUTE)
        return attempts * ((1 - misses) * reached + misses * missed + takes + lapsed)
