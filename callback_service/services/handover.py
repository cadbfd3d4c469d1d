"""What passes from one shift to the next, and what goes back to the queue when a shift ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import RequestState
from callback_service.domain.planning import HANDOVER_MARGIN
from callback_service.domain.rota import Duty
from callback_service.domain.spans import joined
from callback_service.models.callback import CallbackRequest, Escalation
from callback_service.models.staff import Staff
from callback_service.services.rota import shifts_between
from callback_service.services.rota_handover import hand_back

#: A further try that is due within this time is for the next shift to know of.
RETRY_WITHIN: Final = timedelta(hours=1)


class Why(StrEnum):
    """Why a request is handed over, the most pressing first."""

    SHIFT_ENDED = "shift_ended"
    SHIFT_ENDS = "shift_ends"
    ESCALATED = "escalated"
    LATE = "late"
    RETRY_DUE = "retry_due"


@dataclass(frozen=True, slots=True)
class HandoverRow:
    """One request to speak of at a handover. No name and no number of the caller."""

    request_id: int
    reference: str
    state: RequestState
    holder: str | None
    shift_ends_at: datetime | None  # of the holder, if it is why
    ring_from: datetime
    due_at: datetime
    tries: int
    why: tuple[Why, ...]


def handover_list(session: Session, *, now: datetime, tz: tzinfo) -> list[HandoverRow]:
    """The open requests that a shift cannot just leave, the most pressing first."""
    escalated = select(Escalation.request_id).where(
        Escalation.request_id == CallbackRequest.id, Escalation.round == CallbackRequest.round
    )
    found = session.execute(
        select(CallbackRequest, Staff.name, escalated.exists())
        .outerjoin(Staff, Staff.id == CallbackRequest.assigned_to_id)
        .where(CallbackRequest.state != RequestState.CLOSED)
    ).all()
    ends = _shift_ends(session, [request for request, _, _ in found], now=now, tz=tz)
    rows = [
        _row(request, name, ends.get(request.id), is_escalated=is_escalated, now=now)
        for request, name, is_escalated in found
    ]
    order = list(Why)
    return sorted(
        (row for row in rows if row.why),
        key=lambda row: (order.index(row.why[0]), row.due_at, row.request_id),
    )


def _row(
    request: CallbackRequest,
    holder: str | None,
    shift_ends_at: datetime | None,
    *,
    is_escalated: bool,
    now: datetime,
) -> HandoverRow:
    is_waiting = request.state is RequestState.WAITING
    facts = {
        Why.SHIFT_ENDED: shift_ends_at is not None and shift_ends_at <= now,
        Why.SHIFT_ENDS: shift_ends_at is not None and now < shift_ends_at <= now + HANDOVER_MARGIN,
        Why.ESCALATED: is_escalated,
        Why.LATE: is_waiting and request.due_at < now,
        Why.RETRY_DUE: is_waiting and request.tries > 0 and request.ring_from <= now + RETRY_WITHIN,
    }
    return HandoverRow(
        request_id=request.id,
        reference=request.reference,
        state=request.state,
        holder=holder,
        shift_ends_at=shift_ends_at,
        ring_from=request.ring_from,
        due_at=request.due_at,
        tries=request.tries,
        why=tuple(why for why, holds in facts.items() if holds),
    )


def _shift_ends(
    session: Session, held: list[CallbackRequest], *, now: datetime, tz: tzinfo
) -> dict[int, datetime]:
    """When the holder's shift ends or ended, by request: the shift they took it on, or are on now.

    Not for whoever took it off shift, as a manager may.
    """
    taken_at = {
        request.id: request.assigned_at for request in held if request.assigned_at is not None
    }
    if not taken_at:
        return {}
    until = now + HANDOVER_MARGIN + timedelta(seconds=1)
    first = min(*taken_at.values(), now)
    shifts = shifts_between(session, first, until, tz=tz, duty=Duty.COUNSELLING)
    ends: dict[int, datetime] = {}
    for request in held:
        own = [
            (s.start, s.end)
            for s in shifts
            if s.staff_id == request.assigned_to_id and s.staff_id is not None
        ]
        at = taken_at.get(request.id, now)
        worked = [end for start, end in joined(own) if start <= at < end or start <= now < end]
        if worked:
            ends[request.id] = max(worked)
    return ends


def is_left_over(session: Session, *, now: datetime, tz: tzinfo) -> bool:
    """Whether anything is to be returned; a look before any lock."""
    return next(_left_over(session, now=now, tz=tz), None) is not None


def return_left_over(session: Session, *, now: datetime, tz: tzinfo) -> int:
    """Return to the queue what was taken and not rung before its holder's shift ended; how many.

    A call that is being made stays with whoever makes it.
    """
    holders = list(_left_over(session, now=now, tz=tz))
    for staff_id in holders:
        hand_back(session, staff_id, actor_id=None, now=now, tz=tz)
    return len(holders)


def _left_over(session: Session, *, now: datetime, tz: tzinfo) -> Iterator[int]:
    """Who holds a request that they have not rung, after the shift on which they took it."""
    held = session.scalars(
        select(CallbackRequest)
        .where(CallbackRequest.state == RequestState.ASSIGNED)
        .order_by(CallbackRequest.id)
    ).all()
    ends = _shift_ends(session, list(held), now=now, tz=tz)
    for request in held:
        if request.id in ends and ends[request.id] <= now and request.assigned_to_id is not None:
            yield request.assigned_to_id
