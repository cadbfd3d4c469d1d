"""Holding a request back from erasure, for as long as the law or somebody's safety needs it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute, Session

from callback_service.domain import policy
from callback_service.domain.policy import Action, Condition
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.callback import CallbackRequest
from callback_service.models.privacy import LegalHold
from callback_service.models.staff import Staff
from callback_service.services import audit
from callback_service.services.conflicts import check_not_barred
from callback_service.services.permission import allowed
from callback_service.services.requests import NO_SUCH, lock_request

#: A hold is looked at anew within this time.
LONGEST_REVIEW: Final = timedelta(days=366)
REASON_MAX_CHARS: Final = 500


@dataclass(frozen=True, slots=True)
class HoldRow:
    """One open hold, for those who may know of it. ``reason`` is in somebody's own words."""

    hold_id: int
    request_id: int
    reference: str
    reason: str
    placed_by: str
    placed_at: datetime
    review_on: date
    is_overdue: bool


def is_held(request_id: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Whether the request with this id, in a query, must not be erased."""
    return (
        select(LegalHold.id)
        .where(LegalHold.request_id == request_id, LegalHold.ended_at.is_(None))
        .exists()
    )


def held_among(session: Session, request_ids: list[int]) -> set[int]:
    """Those of the requests that must not be erased."""
    open_holds = select(LegalHold.request_id).where(
        LegalHold.request_id.in_(request_ids), LegalHold.ended_at.is_(None)
    )
    return set(session.scalars(open_holds))


@allowed(Action.HOLD_REQUEST)
def reference_to_hold(session: Session, request_id: int, *, actor_id: int) -> str:
    """The reference of a request that this person may keep from being erased; raises NotFound."""
    request = session.get(CallbackRequest, request_id)
    if request is None:
        raise NotFound(NO_SUCH)
    _check_reach(session, request, actor_id)
    return request.reference


def _check_reach(session: Session, request: CallbackRequest, actor_id: int) -> None:
    """Raise NotFound where the table lets them hold requests, and not this one."""
    check_not_barred(session, request.id, actor_id)
    met = {Condition.STEP_UP} | ({Condition.FLAGGED} if request.is_urgent else set())
    role = session.get_one(Staff, actor_id).role
    if not policy.permits(role, Action.HOLD_REQUEST, met):
        raise NotFound(NO_SUCH)


@allowed(Action.HOLD_REQUEST)
def place(
    session: Session,
    request_id: int,
    *,
    reason: str,
    review_on: date | None,
    actor_id: int,
    now: datetime,
    tz: tzinfo,
) -> None:
    """Keep a request from being erased until the hold is ended by somebody."""
    today = now.astimezone(tz).date()
    words, review = _usable(reason, review_on, today=today)
    request = lock_request(session, request_id)
    _check_reach(session, request, actor_id)
    if request.phone_index is None:
        raise Refused("What this request held is erased already.")
    hold = LegalHold(request_id=request.id, review_on=review, placed_by_id=actor_id, placed_at=now)
    try:
        with session.begin_nested():
            session.add(hold)
    except IntegrityError as error:
        raise Refused("This request is on hold already.") from error
    hold.reason = words
    _note(session, "hold.placed", hold, actor_id=actor_id, now=now)


def _usable(reason: str, review_on: date | None, *, today: date) -> tuple[str, date]:
    words, fields = " ".join(reason.split()), {}
    if not 1 <= len(words) <= REASON_MAX_CHARS:
        fields["reason"] = f"Say why, in up to {REASON_MAX_CHARS} characters"
    if review_on is None or not today < review_on <= today + LONGEST_REVIEW:
        fields["review_on"] = "Choose a day within a year, after today"
    if fields or review_on is None:
        raise BadInput("The hold needs a reason and a day to look at it again.", fields)
    return words, review_on


@allowed(Action.HOLD_REQUEST)
def end(session: Session, hold_id: int, *, actor_id: int, now: datetime) -> int:
    """Let the clocks run again for a request; its id. What is due is erased with the next run."""
    hold = session.get(LegalHold, hold_id, with_for_update=True, populate_existing=True)
    if hold is None:
        raise NotFound("There is no such hold.")
    _check_reach(session, hold.request, actor_id)
    if hold.ended_at is not None:
        raise Refused("This hold has ended already.")
    hold.ended_at, hold.ended_by_id = now, actor_id
    _note(session, "hold.ended", hold, actor_id=actor_id, now=now)
    return hold.request_id


def open_holds(session: Session, *, now: datetime, tz: tzinfo) -> list[HoldRow]:
    """All holds that stand, those to be looked at first on top."""
    rows = session.scalars(
        select(LegalHold)
        .join(CallbackRequest, CallbackRequest.id == LegalHold.request_id)
        .where(LegalHold.ended_at.is_(None))
        .order_by(LegalHold.review_on, LegalHold.id)
    )
    today = now.astimezone(tz).date()
    return [_row(row, today) for row in rows]


@allowed(Action.HOLD_REQUEST)
def hold_of(
    session: Session, request_id: int, *, actor_id: int, now: datetime, tz: tzinfo
) -> HoldRow | None:
    """The hold that stands on one request, for who may end it."""
    hold = session.scalar(
        select(LegalHold).where(LegalHold.request_id == request_id, LegalHold.ended_at.is_(None))
    )
    if hold is None:
        return None
    _check_reach(session, hold.request, actor_id)
    return _row(hold, now.astimezone(tz).date())


def _row(hold: LegalHold, today: date) -> HoldRow:
    return HoldRow(
        hold_id=hold.id,
        request_id=hold.request_id,
        reference=hold.request.reference,
        reason=hold.reason or "",
        placed_by=hold.placed_by.name,
        placed_at=hold.placed_at,
        review_on=hold.review_on,
        is_overdue=hold.review_on <= today,
    )


def _note(session: Session, action: str, hold: LegalHold, *, actor_id: int, now: datetime) -> None:
    audit.record(
        session,
        action,
        subject="callback_request",
        subject_id=hold.request_id,
        actor_id=actor_id,
        now=now,
        hold_id=hold.id,
        review_on=hold.review_on.isoformat(),
    )
