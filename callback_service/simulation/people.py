"""Counsellors and requests while they are simulated."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Final

from callback_service.domain.breaks import BREAK_FROM, usual_break
from callback_service.domain.contact import Window
from callback_service.domain.escalation import Step
from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.domain.planning import HANDOVER_MARGIN, Planned
from callback_service.domain.presence import DeskState, PresenceKind, desk_state, end_of_duty
from callback_service.domain.quotes import Forecast
from callback_service.domain.rota import Shift
from callback_service.domain.skills import NO_SKILLS, Skill
from callback_service.domain.wall_time import Span
from callback_service.domain.wishes import NO_WISHES, Wishes, in_force, steps
from callback_service.domain.wishes import Step as Widened

#: Breaks of one shift are this far apart from each other's, so that not all are away at once.
APART: Final = timedelta(minutes=35)


@dataclass(eq=False, slots=True)
class OnDuty:
    """One shift of a counsellor, and its break: from ``break_from`` on, when they come free."""

    start: datetime
    end: datetime
    break_from: datetime | None
    break_length: timedelta


@dataclass(eq=False, slots=True)
class Offer:
    """A request put to one counsellor, who has until ``lapses_at`` to take it."""

    request: Request
    who: Counsellor
    made_at: datetime
    lapses_at: datetime


@dataclass(eq=False, slots=True)
class Counsellor:
    """A counsellor: shifts in order, what they are doing, and since when."""

    id: int
    skills: frozenset[Skill] = NO_SKILLS
    shifts: list[OnDuty] = field(default_factory=list)
    offer: Offer | None = None
    request: Request | None = None  # that they hold
    since: datetime | None = None  # of the offer, and then of the request
    presence: PresenceKind | None = None  # why they are away,
    away_until: datetime | None = None  # and until when
    calls: list[datetime] = field(default_factory=list)

    def add(self, shift: Shift) -> OnDuty:
        """Give them a shift, with a break if it is long enough."""
        length = shift.end - shift.start
        middle = shift.start + length / 2 + (self.id % 4 - 1.5) * APART
        own = OnDuty(
            shift.start,
            shift.end,
            _whole_minute(middle) if length >= BREAK_FROM else None,
            usual_break(length),
        )
        self.shifts.append(own)
        return own

    def shift_at(self, now: datetime) -> OnDuty | None:
        """The shift they are on."""
        return next((one for one in self.shifts if one.start <= now < one.end), None)

    def has_had_break(self, now: datetime) -> bool:
        """Whether they are on shift, and have had the break that is due in it."""
        shift = self.shift_at(now)
        return shift is not None and shift.break_from is None

    @property
    def signed_off_until(self) -> datetime | None:
        """Until when they have gone home."""
        return self.away_until if self.presence is PresenceKind.SIGNED_OFF else None

    def is_here(self, now: datetime) -> bool:
        """Whether they are on shift and have not signed off."""
        return self.presence is not PresenceKind.SIGNED_OFF and self.shift_at(now) is not None

    def is_idle(self, now: datetime) -> bool:
        """Whether a request can be put to them now."""
        state = desk_state(self.presence, self.request.state if self.request else None)
        shift = self.shift_at(now)
        is_free = state is DeskState.AVAILABLE and self.offer is None
        return is_free and shift is not None and now <= shift.end - HANDOVER_MARGIN

    def off_duty_at(self, now: datetime) -> datetime:
        """When the duty ends that runs."""
        spans: list[Span] = [(one.start, one.end) for one in self.shifts]
        return end_of_duty(spans, now=now) or now

    def leave(self, kind: PresenceKind, until: datetime) -> None:
        """Begin a break or a wrap-up, or sign off."""
        self.presence, self.away_until = kind, until


def _whole_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


@dataclass(eq=False, slots=True)
class Request:
    """A request: what was promised, and how it went. ``chance`` draws what its caller does."""

    id: int
    asked_at: datetime
    promised: Window
    is_window: bool  # ``promised`` was chosen, or agreed on
    chance: Random
    forecast: Forecast | None = None
    wishes: Wishes = NO_WISHES
    is_follow_up: bool = False
    ring_from: datetime = field(init=False)
    due_at: datetime = field(init=False)
    aims_at_window: bool = field(init=False)  # from ring_from to due_at is the window, not a retry
    waits_since: datetime = field(init=False)  # this round of waiting, to be rung or rung again
    state: RequestState = RequestState.WAITING
    offer: Offer | None = None
    let_go_by: set[int] = field(default_factory=set)
    tries: int = 0
    first_attempt_at: datetime | None = None
    closed_at: datetime | None = None
    disposition: Disposition | None = None
    planned: Planned | None = None  # by the last plan
    told: set[Step] = field(default_factory=set)
    last_told_at: datetime | None = None

    def __post_init__(self) -> None:
        self.ring_from, self.due_at = self.promised.start, self.promised.end
        self.aims_at_window, self.waits_since = self.is_window, self.asked_at

    @property
    def is_kept(self) -> bool:
        """Whether the first attempt came in time."""
        return self.first_attempt_at is not None and self.first_attempt_at <= self.promised.end

    @property
    def is_open_promise(self) -> bool:
        """Whether it waits for a first attempt that was promised "as soon as we can"."""
        is_waiting = self.state is RequestState.WAITING and self.first_attempt_at is None
        return is_waiting and not self.is_window

    @property
    def planned_for(self) -> int | None:
        """The counsellor of the last plan."""
        return self.planned.counsellor_id if self.planned else None

    @property
    def holds_place(self) -> bool:
        """Whether a place of a window was sold to it."""
        return self.is_window and not self.is_follow_up

    def steps_from(self, now: datetime) -> list[Widened]:
        """What is asked of its counsellor from ``now`` on; nothing where nothing is wished for."""
        if not self.wishes.kinds():
            return []
        found = steps(self.wishes, ring_from=self.ring_from, due_at=self.due_at)
        return in_force(found, now=now)

    def wait_again(self, now: datetime) -> None:
        """Back to the queue: offers and escalations begin anew."""
        self.state, self.waits_since = RequestState.WAITING, now
        self.begin_round()

    def begin_round(self) -> None:
        """Whoever let it go by, and whoever was told, counts no more."""
        self.let_go_by, self.told, self.last_told_at = set(), set(), None
