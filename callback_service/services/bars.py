"""Keeping a colleague away from a caller, as a manager decides who knows of a conflict.

What it closes is in ``conflicts``: the same as if the colleague had said that they know the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Select, delete, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain import policy
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.policy import Action
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, Forbidden, NotFound, Refused
from callback_service.models.callback import CallbackRequest, Offer
from callback_service.models.conflict import Bar
from callback_service.models.plan import PlanEntry
from callback_service.models.staff import Staff
from callback_service.services import audit, presence, requests
from callback_service.services.conflicts import check_not_barred
from callback_service.services.permission import allowed
from callback_service.services.plan_trigger import ask_for_plan
from callback_service.services.requests import NO_SUCH, lock_request

#: Whoever may do one of these can come to see what a caller told us.
_WAYS: Final = (Action.OPEN_CALL, Action.SEE_RECORD)


@dataclass(frozen=True, slots=True)
class BarRow:
    """One bar that stands at a request."""

    id: int
    staff_id: int
    who: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class BarsAt:
    """The bars at one request, and whom else one could keep away."""

    reference: str
    standing: list[BarRow]
    others: list[tuple[int, str]]


@allowed(Action.BAR_COLLEAGUE)
def bars_at(session: Session, request_id: int, *, actor_id: int) -> BarsAt:
    """Who is kept away from the caller of a request, and who could be."""
    request = session.get(CallbackRequest, request_id)
    if request is None:
        raise NotFound(NO_SUCH)
    check_not_barred(session, request_id, actor_id)
    bars = session.scalars(_standing_at(request_id).order_by(Bar.id)).all()
    kept_away = {bar.staff_id for bar in bars} | {actor_id}
    colleagues = session.scalars(_who_may_see().order_by(Staff.name, Staff.id))
    return BarsAt(
        request.reference,
        [BarRow(bar.id, bar.staff_id, bar.staff.name, bar.barred_by.name, bar.at) for bar in bars],
        [(one.id, one.name) for one in colleagues if one.id not in kept_away],
    )


def _standing_at(request_id: int) -> Select[Bar]:
    return select(Bar).where(Bar.request_id == request_id, Bar.lifted_at.is_(None))


def _who_may_see() -> Select[Staff]:
    roles = frozenset[Role]().union(*(policy.roles_of(way) for way in _WAYS))
    return select(Staff).where(Staff.role.in_(roles), Staff.is_active)


@allowed(Action.BAR_COLLEAGUE)
def bar(
    session: Session, request_id: int, *, colleague_id: int | None, actor_id: int, now: datetime
) -> None:
    """Close all of a caller to a colleague, from now on. A request of theirs in hand goes back."""
    if colleague_id == actor_id:
        raise Forbidden("Say at the desk that you know the caller: you are kept away then.")
    colleague = session.scalar(_who_may_see().where(Staff.id == colleague_id))
    if colleague is None:
        sentence = "Choose a colleague"
        raise BadInput(sentence, {"staff_id": sentence})
    check_not_barred(session, request_id, actor_id)
    _let_go(session, request_id, colleague, actor_id=actor_id, now=now)
    row = Bar(request_id=request_id, staff_id=colleague.id, barred_by_id=actor_id, at=now)
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        raise Refused("They are kept away from this caller already.") from error
    _note(session, "request.barred", row, actor_id=actor_id, now=now)
    ask_for_plan(session, reason="barred", now=now)


def _let_go(
    session: Session, request_id: int, colleague: Staff, *, actor_id: int, now: datetime
) -> None:
    """Take from a colleague what they have of this caller: by request, in the order of locks.

    Whoever takes a request, or is offered one, is held meanwhile: a new request of the caller that
    they take later finds the bar, and of one that they took just now a manager is told.
    """
    ids = _of_same_caller(session, request_id)
    locked = [lock_request(session, one_id) for one_id in ids]
    presence.lock_person(session, colleague.id)
    if _of_same_caller(session, request_id) != ids:
        raise Refused("This person asked for another call just now. Try again.")
    for request in locked:
        is_theirs = request.assigned_to_id == colleague.id
        if is_theirs and request.state is RequestState.CALLING:
            raise Refused(
                f"{colleague.name} is in a call with this person. Try again when it is over."
            )
        if is_theirs:
            requests.give_back(session, request, actor_id=actor_id, reason="barred", now=now)
        _end_offer(session, request.id, colleague.id, actor_id=actor_id, now=now)
        session.execute(
            delete(PlanEntry).where(
                PlanEntry.request_id == request.id, PlanEntry.counsellor_id == colleague.id
            )
        )


def _of_same_caller(session: Session, request_id: int) -> list[int]:
    """The request, and the open one of its number if that is another."""
    request = session.get(CallbackRequest, request_id)
    if request is None:
        raise NotFound(NO_SUCH)
    is_open = CallbackRequest.state != RequestState.CLOSED
    same = (CallbackRequest.phone_index == request.phone_index) & is_open
    ids = select(CallbackRequest.id).where(or_(CallbackRequest.id == request_id, same))
    return list(session.scalars(ids.order_by(CallbackRequest.id)))


def _end_offer(
    session: Session, request_id: int, colleague_id: int, *, actor_id: int, now: datetime
) -> None:
    offer = session.scalar(
        select(Offer)
        .where(
            Offer.request_id == request_id,
            Offer.counsellor_id == colleague_id,
            Offer.ended_at.is_(None),
        )
        .with_for_update()
    )
    if offer is not None:
        requests.supersede(session, offer, actor_id=actor_id, now=now)


@allowed(Action.BAR_COLLEAGUE)
def lift(session: Session, bar_id: int, *, actor_id: int, now: datetime) -> int:
    """End a bar; the id of its request. Never by whom it keeps away: they are told of none."""
    row = session.get(Bar, bar_id, with_for_update=True, populate_existing=True)
    if row is None or row.lifted_at is not None:
        raise NotFound("They are not kept away any more.")
    check_not_barred(session, row.request_id, actor_id)
    row.lifted_at, row.lifted_by_id = now, actor_id
    _note(session, "request.bar_lifted", row, actor_id=actor_id, now=now)
    ask_for_plan(session, reason="bar_lifted", now=now)
    return row.request_id


def _note(session: Session, action: str, row: Bar, *, actor_id: int, now: datetime) -> None:
    audit.record(
        session, action, subject="callback_request", subject_id=row.request_id,
        actor_id=actor_id, now=now, counsellor_id=row.staff_id,
    )  # fmt: skip
