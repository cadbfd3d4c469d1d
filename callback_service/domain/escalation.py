"""When a waiting request is taken to the duty lead, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

#: A request this close to its due time that nobody has taken goes to the duty lead.
NEAR_DUE: Final = timedelta(minutes=5)
#: A request the duty lead was told of and nobody took goes to every manager after this long.
NEXT_STEP_AFTER: Final = timedelta(minutes=10)


class Reason(StrEnum):
    """Why a request was escalated."""

    NOBODY_ON_SHIFT = "nobody_on_shift"
    NOBODY_ACCEPTED = "nobody_accepted"
    NEARLY_DUE = "nearly_due"
    NOT_RUNG = "not_rung"
    STILL_WAITING = "still_waiting"
    CALL_NOT_CLOSED = "call_not_closed"


class Step(StrEnum):
    """Who is told. Each is told once; the request stays on top of every desk after that."""

    DUTY_LEAD = "duty_lead"
    ALL_MANAGERS = "all_managers"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is known of one waiting request. Instants are aware UTC.

    ``on_shift`` counts counsellors on duty now; ``untried`` those of them who have not
    let an offer of this request go by.
    """

    ring_from: datetime
    due_at: datetime
    on_shift: int
    untried: int
    told: frozenset[Step]
    last_told_at: datetime | None


def next_step(waiting: Waiting, *, now: datetime) -> tuple[Step, Reason] | None:
    """The step to take now, or None while the request is still in good hands."""
    if now < waiting.ring_from:
        return None
    if Step.DUTY_LEAD not in waiting.told:
        reason = _reason(waiting, now)
        return None if reason is None else (Step.DUTY_LEAD, reason)
    if Step.ALL_MANAGERS in waiting.told or waiting.last_told_at is None:
        return None
    if now >= waiting.last_told_at + NEXT_STEP_AFTER:
        return Step.ALL_MANAGERS, Reason.STILL_WAITING
    return None


def _reason(waiting: Waiting, now: datetime) -> Reason | None:
    if waiting.on_shift == 0:
        return Reason.NOBODY_ON_SHIFT
    if waiting.untried == 0:
        return Reason.NOBODY_ACCEPTED
    if now >= waiting.due_at - NEAR_DUE:
        return Reason.NEARLY_DUE
    return None
