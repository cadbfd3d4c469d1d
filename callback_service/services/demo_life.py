"""What makes the demo's rota alive: turns, swaps, wishes, and edits that its history shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from callback_service.domain.availability import CannotWork
from callback_service.domain.rota import Duty, Pattern
from callback_service.domain.rota_changes import Change, Leave, LeaveReason, OpenShift
from callback_service.domain.rotations import CountedIn, Rotation, Turn
from callback_service.domain.wall_time import WEEK, Cycle, Span, monday_of
from callback_service.services import (
    availability,
    leave_requests,
    rota_changes,
    shift_patterns,
    swap_offers,
    swaps,
)

MON, TUE, WED, THU, FRI, SAT, SUN = range(7)
DAY = time(7), time(15)
EVENING = time(15), time(23)
LATE = time(18), time(2)
ON_CALL = time(9), time(9)
CHOIR = time(18), time(21, 30)


@dataclass(frozen=True, slots=True)
class Life:
    """The demo's people by name, as ids, and its clock. ``lead`` makes the edits."""

    session: Session
    ids: Mapping[str, int]
    lead: str
    now: datetime
    tz: ZoneInfo

    @property
    def lead_id(self) -> int:
        """Whose edits the history shows."""
        return self.ids[self.lead]

    def coming(self, weekday: int) -> date:
        """That day of next week."""
        return monday_of(self.now.astimezone(self.tz).date()) + WEEK + timedelta(days=weekday)

    def span(self, day: date, times: tuple[time, time]) -> Span:
        """A shift of these times that starts on ``day``."""
        start, end = times
        ends_on = day if end > start else day + timedelta(days=1)
        return (
            datetime.combine(day, start, self.tz).astimezone(self.now.tzinfo),
            datetime.combine(ends_on, end, self.tz).astimezone(self.now.tzinfo),
        )


def add_turns(life: Life, from_on: date) -> None:
    """The managers' weekends in turns of a week, and one line of every second week."""
    anchor = monday_of(from_on + WEEK)
    turns = tuple(Turn(frozenset({life.ids[name]}), 7) for name in ("Priya Shah", "Robert Ainsley"))
    weekends = Rotation(
        None, Duty.DUTY_LEAD, frozenset({FRI, SAT, SUN}), *ON_CALL, from_on, None,
        anchor, CountedIn.DAYS, turns,
    )  # fmt: skip
    second_mondays = Pattern(
        None, life.ids["Dai Pugh"], Duty.COUNSELLING, frozenset({MON}), *DAY, from_on, None,
        Cycle(anchor, 14, frozenset(range(7))),
    )  # fmt: skip
    for days_ago, line in ((9, weekends), (6, second_mondays)):
        made_at = life.now - timedelta(days=days_ago)
        shift_patterns.add_pattern(life.session, line, actor_id=life.lead_id, now=made_at)


def add_coming(life: Life) -> None:
    """What colleagues wait for in the next days, and what was changed of late."""
    _add_changes(life)
    _add_swaps(life)
    amira, harpreet = life.ids["Amira Khan"], life.ids["Harpreet Gill"]
    today = life.now.astimezone(life.tz).date()
    choir = CannotWork(amira, frozenset({TUE, THU}), *CHOIR, today, None, today)
    availability.state_cannot_work(life.session, choir, actor_id=amira, now=life.now)
    away_from = life.coming(MON) + 3 * WEEK
    leave_requests.ask_for_leave(
        life.session, harpreet, kind=LeaveReason.ANNUAL, from_on=away_from,
        until_on=away_from + timedelta(days=6), now=life.now, tz=life.tz,
    )  # fmt: skip


def _add_changes(life: Life) -> None:
    """A training, and an open shift where Tuesdays are short; one more was cancelled again."""
    training = life.span(life.coming(THU), DAY)
    changes: tuple[Change, ...] = (
        Leave(life.ids["Kieran Doherty"], *training, LeaveReason.TRAINING),
        OpenShift(*life.span(life.coming(TUE), LATE)),
        OpenShift(*life.span(life.coming(SUN), EVENING)),
    )
    rows = []
    for days_ago, change in zip((5, 3, 2), changes, strict=True):
        made_at = life.now - timedelta(days=days_ago)
        rows.append(
            rota_changes.make_change(
                life.session, change, actor_id=life.lead_id, now=made_at, tz=life.tz
            )
        )
    rota_changes.cancel_change(
        life.session, rows[-1].id, actor_id=life.lead_id, now=life.now - timedelta(days=1)
    )


def _add_swaps(life: Life) -> None:
    """One shift that anybody may take, and one that a colleague took: a manager decides."""
    for name, weekday, taker in (
        ("Grace Liu", SAT, None),
        ("Isla Thornton", WED, "Femi Adeyemi"),
    ):
        shift = life.span(life.coming(weekday), EVENING)
        offer = swap_offers.Offer(life.ids[name], Duty.COUNSELLING, shift)
        row = swap_offers.offer_shift(
            life.session, offer, actor_id=life.ids[name], now=life.now, tz=life.tz
        )
        if taker is not None:
            swaps.take_swap(
                life.session, row.id, staff_id=life.ids[taker], actor_id=life.ids[taker],
                needs_approval=True, now=life.now, tz=life.tz,
            )  # fmt: skip
