"""When a waiting request is taken to the duty lead, why, and who is told after that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

#: A request this close to its due time that nobody has taken goes to the duty lead.
NEAR_DUE: Final = timedelta(minutes=5)
#: One that was flagged as urgent goes there if nobody has taken it this long after its time began.
URGENT_WITHIN: Final = timedelta(minutes=5)
#: A request that some were told of and nobody took goes to the next ones after this long.
NEXT_STEP_AFTER: Final = timedelta(minutes=10)
#: A request nobody served for this long after its time is closed, with a text if allowed.
EXPIRES_AFTER: Final = timedelta(hours=72)


class Reason(StrEnum):
    """Why a request was escalated."""

    NOBODY_ON_SHIFT = "nobody_on_shift"
    NOBODY_ACCEPTED = "nobody_accepted"
    NEARLY_DUE = "nearly_due"
    URGENT = "urgent"
    NOT_RUNG = "not_rung"
    STILL_WAITING = "still_waiting"
    CALL_NOT_CLOSED = "call_not_closed"


class Step(StrEnum):
    """Who is told, in this order, each once. The request stays on top of every desk after that."""

    DUTY_LEAD = "duty_lead"  # on shift now
    OTHER_LEADS = "other_leads"  # on shift within a day, the next one first
    FIRST_MANAGER = "first_manager"  # whose account is the oldest of those not told yet
    ALL_MANAGERS = "all_managers"


_ORDER: Final = {step: place for place, step in enumerate(Step)}


def ladder(
    on_shift: Sequence[int], later: Sequence[int], managers: Sequence[int]
) -> Mapping[Step, Sequence[int]]:
    """Whom each step tells, by id: duty leads on shift and later today, and all managers in order.

    The first step always finds somebody if anybody can be told: where nobody leads now it is those
    who lead later today, and where nobody does, every manager at once.
    """
    first = on_shift or later or managers
    second = [one for one in later if one not in first]
    third = [one for one in managers if one not in {*first, *second}][:1]
    return {
        Step.DUTY_LEAD: first,
        Step.OTHER_LEADS: second,
        Step.FIRST_MANAGER: third,
        Step.ALL_MANAGERS: managers,
    }


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is known of one waiting request. Instants are aware UTC.

    ``on_shift`` counts counsellors on duty now; ``untried`` those of them who have not
    let an offer of this request go by. ``skipped`` are steps that would tell nobody new.
    """

    ring_from: datetime
    due_at: datetime
    on_shift: int
    untried: int
    told: frozenset[Step]
    last_told_at: datetime | None
    skipped: frozenset[Step] = frozenset()
    is_urgent: bool = False


def next_step(waiting: Waiting, *, now: datetime) -> tuple[Step, Reason] | None:
    """The step to take now, or None while the request is still in good hands.

    After a time without looking it is one step, and then the full time to the next: nobody gets a
    burst, and nobody on the way is left out.
    """
    if now < waiting.ring_from:
        return None
    if not waiting.told or waiting.last_told_at is None:
        reason = _reason(waiting, now)
        return None if reason is None else (Step.DUTY_LEAD, reason)
    furthest = max(_ORDER[step] for step in waiting.told)
    left = [step for step in list(Step)[furthest + 1 :] if step not in waiting.skipped]
    if left and now >= waiting.last_told_at + NEXT_STEP_AFTER:
        return left[0], Reason.STILL_WAITING
    return None


def _reason(waiting: Waiting, now: datetime) -> Reason | None:
    if waiting.on_shift == 0:
        return Reason.NOBODY_ON_SHIFT
    if waiting.is_urgent and now >= waiting.ring_from + URGENT_WITHIN:
        return Reason.URGENT
    if waiting.untried == 0:
        return Reason.NOBODY_ACCEPTED
    if now >= waiting.due_at - NEAR_DUE:
        return Reason.NEARLY_DUE
    return None
