"""What moves when somebody takes a break or leaves early, before they do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.planning import Availability, Planned, Task
from callback_service.models.callback import CallbackRequest, Offer
from callback_service.services.planning import Work, availability, open_work, plan_work


@dataclass(frozen=True, slots=True)
class Moves:
    """What becomes of the calls that are planned for somebody while they are away.

    ``to_colleagues`` change hands; ``later`` wait for them and are still in time; ``lost`` are the
    references of requests, theirs or not, that are rung in time only if they stay.
    """

    to_colleagues: int = 0
    later: int = 0
    lost: tuple[str, ...] = ()


def what_moves(
    session: Session, staff_id: int, untils: list[datetime], *, now: datetime, tz: tzinfo
) -> list[Moves]:
    """What moves if somebody goes now, for each time at which they may be back. Writes nothing."""
    work = open_work(session, now=now, tz=tz, also_on_offer_to=staff_id)
    people = availability(session, work, now=now, tz=tz)
    offers = select(Offer.request_id).where(
        Offer.counsellor_id == staff_id, Offer.ended_at.is_(None)
    )
    offered = set(session.scalars(offers))
    before = _plan(work.without(offered), people, now)
    before |= {request_id: Planned(request_id, staff_id, now) for request_id in offered}
    found = []
    for until in untils:
        after = _plan(work, [_without(one, staff_id, until) for one in people], now)
        mine = [p for p in before.values() if p.counsellor_id == staff_id and p.start < until]
        lost = {task.request_id for task in work.tasks if _is_lost(task, before, after)}
        kept = [after[p.request_id] for p in mine if p.request_id in after.keys() - lost]
        moved = sum(p.counsellor_id != staff_id for p in kept)
        found.append(Moves(moved, len(kept) - moved, _references(session, lost)))
    return found


def _plan(work: Work, people: list[Availability], now: datetime) -> dict[int, Planned]:
    return {entry.request_id: entry for entry in plan_work(work, people, now=now)}


def _without(one: Availability, staff_id: int, until: datetime) -> Availability:
    return replace(one, free_at=until) if one.counsellor_id == staff_id else one


def _is_lost(task: Task, before: dict[int, Planned], after: dict[int, Planned]) -> bool:
    """Whether a request is rung in time by the first plan, and not by the second."""
    due, first, second = (
        task.due or task.target,
        before.get(task.request_id),
        after.get(task.request_id),
    )
    return first is not None and first.start <= due and (second is None or second.start > due)


def _references(session: Session, request_ids: set[int]) -> tuple[str, ...]:
    rows = session.scalars(
        select(CallbackRequest.reference)
        .where(CallbackRequest.id.in_(request_ids))
        .order_by(CallbackRequest.due_at, CallbackRequest.id)
    )
    return tuple(rows)
