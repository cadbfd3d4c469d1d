"""What staff do about complaints: read them, acknowledge them in time, answer and erase them.

Whoever is kept away from the caller of a number reads no complaint that names it. Their list has
its line, which says nothing of the person: a complaint must not vanish from those who could pass
it on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.complaints import (
    Acknowledged,
    acknowledge_by,
    ways_to_acknowledge,
)
from callback_service.domain.policy import Action
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.callback import CallbackRequest
from callback_service.models.complaint import Complaint
from callback_service.models.privacy import CaseEnding
from callback_service.services import erasure_runs
from callback_service.services.complaints import Told, forget, note, under, what_was_told
from callback_service.services.conflicts import barred_from
from callback_service.services.permission import allowed

#: The same for one that is not there and for one of a caller whom the reader is kept away from.
NOT_YOURS: Final = "There is no such complaint, or a colleague sees to it."


@dataclass(frozen=True, slots=True)
class ComplaintRow:
    """An open complaint in the list: nothing by which to tell whose it is."""

    complaint_id: int
    reference: str
    came_on: date
    opened_by: str | None  # None: by the form
    due_on: date  # by when it is to be acknowledged
    acknowledged_on: date | None
    is_overdue: bool
    is_by_program: bool
    is_for_a_colleague: bool
    erasure_asked_by_id: int | None


@dataclass(frozen=True, slots=True)
class Opened:
    """One open complaint as its page shows it."""

    row: ComplaintRow
    told: Told
    acknowledged_how: Acknowledged | None
    acknowledged_by: str | None
    erasure_asked_by: str | None


def open_complaints(
    session: Session, *, viewer_id: int, now: datetime, tz: tzinfo
) -> list[ComplaintRow]:
    """Every open complaint, the first to be acknowledged on top."""
    today, closed = now.astimezone(tz).date(), _numbers_closed_to(session, viewer_id)
    found = select(Complaint).where(Complaint.ended_at.is_(None))
    rows = session.scalars(found.order_by(Complaint.came_on, Complaint.id))
    return [_row(one, today, is_closed=one.phone_index in closed) for one in rows]


def _row(complaint: Complaint, today: date, *, is_closed: bool = False) -> ComplaintRow:
    due_on = acknowledge_by(complaint.came_on)
    return ComplaintRow(
        complaint_id=complaint.id,
        reference=complaint.reference,
        came_on=complaint.came_on,
        opened_by=complaint.opened_by.name if complaint.opened_by else None,
        due_on=due_on,
        acknowledged_on=complaint.acknowledged_on,
        is_overdue=complaint.acknowledged_on is None and due_on < today,
        is_by_program=complaint.is_by_program,
        is_for_a_colleague=is_closed,
        erasure_asked_by_id=complaint.erasure_asked_by_id,
    )


def _numbers_closed_to(session: Session, staff_id: int) -> set[bytes | None]:
    """The numbers, by their indices, of callers whom somebody is kept away from."""
    closed = barred_from(session, staff_id)
    theirs = CallbackRequest.id.in_(closed) & CallbackRequest.phone_index.is_not(None)
    return set(session.scalars(select(CallbackRequest.phone_index).where(theirs)))


@allowed(Action.HANDLE_COMPLAINTS)
def look(
    session: Session, complaint_id: int, *, actor_id: int, now: datetime, tz: tzinfo
) -> Opened:
    """An open complaint, whole. The look is written down."""
    complaint = _opened(session, complaint_id, actor_id=actor_id)
    note(session, "complaint.read", complaint, actor_id=actor_id, now=now)
    return Opened(
        row=_row(complaint, now.astimezone(tz).date()),
        told=what_was_told(complaint),
        acknowledged_how=complaint.acknowledged_how,
        acknowledged_by=complaint.acknowledged_by.name if complaint.acknowledged_by else None,
        erasure_asked_by=complaint.erasure_asked_by.name if complaint.erasure_asked_by else None,
    )


def _opened(session: Session, complaint_id: int, *, actor_id: int) -> Complaint:
    """An open complaint that this person may see to, held until the transaction ends."""
    complaint = session.get(Complaint, complaint_id, with_for_update=True, populate_existing=True)
    is_there = complaint is not None and complaint.ended_at is None
    if complaint is None or not is_there:
        raise NotFound(NOT_YOURS)
    if complaint.phone_index in _numbers_closed_to(session, actor_id):
        raise NotFound(NOT_YOURS)
    return complaint


@allowed(Action.HANDLE_COMPLAINTS)
def acknowledge(
    session: Session,
    complaint_id: int,
    *,
    how: Acknowledged | None,
    on: date | None,
    actor_id: int,
    now: datetime,
    tz: tzinfo,
) -> None:
    """Note that somebody was told that we have their complaint: how, and on which day."""
    complaint = _opened(session, complaint_id, actor_id=actor_id)
    if complaint.acknowledged_on is not None:
        raise Refused("It is acknowledged already.")
    fields = {}
    if how not in ways_to_acknowledge(complaint.answer_by):
        fields["how"] = "Choose how they were told, as far as they allowed it"
    if on is None or not complaint.came_on <= on <= now.astimezone(tz).date():
        fields["on"] = "Enter the day they were told: from the day it came until today"
    if fields:
        raise BadInput("There is a problem", fields)
    complaint.acknowledged_on, complaint.acknowledged_how = on, how
    complaint.acknowledged_by_id = actor_id
    note(session, "complaint.acknowledged", complaint, actor_id=actor_id, now=now, how=how)


@allowed(Action.HANDLE_COMPLAINTS)
def answered(session: Session, complaint_id: int, *, actor_id: int, now: datetime) -> None:
    """Close a complaint: it was looked into, and whoever complained knows what came of it."""
    complaint = _opened(session, complaint_id, actor_id=actor_id)
    if complaint.acknowledged_on is None:
        raise Refused("Say first how they were told that we have it.")
    if complaint.erasure_asked_by_id is not None:
        raise Refused("An erasure is asked for: confirm it, or take it back first.")
    _end(complaint, CaseEnding.ANSWERED, actor_id=actor_id, now=now)
    note(session, "complaint.answered", complaint, actor_id=actor_id, now=now)


@allowed(Action.HANDLE_COMPLAINTS)
def ask_for_erasure(session: Session, complaint_id: int, *, actor_id: int, now: datetime) -> None:
    """Ask, as whoever complained wishes, for it to be erased: another person confirms it."""
    complaint = _opened(session, complaint_id, actor_id=actor_id)
    if complaint.erasure_asked_by_id is not None:
        raise Refused("An erasure is asked for already: another person confirms it.")
    complaint.erasure_asked_by_id = actor_id
    note(session, "complaint.erasure_asked", complaint, actor_id=actor_id, now=now)


@allowed(Action.HANDLE_COMPLAINTS)
def take_back(session: Session, complaint_id: int, *, actor_id: int, now: datetime) -> None:
    """Do not erase it, for now."""
    complaint = _opened(session, complaint_id, actor_id=actor_id)
    if complaint.erasure_asked_by_id is None:
        raise Refused("No erasure is asked for.")
    complaint.erasure_asked_by_id = None
    note(session, "complaint.erasure_taken_back", complaint, actor_id=actor_id, now=now)


@allowed(Action.HANDLE_COMPLAINTS)
def erase(session: Session, complaint_id: int, *, actor_id: int, now: datetime) -> None:
    """Erase what somebody told us, on a colleague's word. Never by the person who asked for it."""
    complaint = _opened(session, complaint_id, actor_id=actor_id)
    if complaint.erasure_asked_by_id is None:
        raise Refused("No erasure is asked for.")
    if complaint.erasure_asked_by_id == actor_id:
        raise Refused("You asked for this erasure: another person must confirm it.")
    _erase(session, complaint, actor_id=actor_id, now=now)
    erasure_runs.note(session, 1, now=now)


def _erase(session: Session, complaint: Complaint, *, actor_id: int, now: datetime) -> None:
    _end(complaint, CaseEnding.ERASED, actor_id=actor_id, now=now)
    forget(complaint)
    note(session, "complaint.erased", complaint, actor_id=actor_id, now=now)


def erase_under(
    session: Session,
    phone_index: bytes | None,
    *,
    asked_by_id: int,
    actor_id: int,
    now: datetime,
) -> int:
    """Erase what was complained of under a number, open or not, as two people decided; how many."""
    found = under(session, phone_index, is_locked=True)
    for complaint in found:
        if complaint.ended_at is None:
            complaint.erasure_asked_by_id = asked_by_id
            _erase(session, complaint, actor_id=actor_id, now=now)
        else:
            forget(complaint)
    session.flush()
    return len(found)


def _end(complaint: Complaint, ending: CaseEnding, *, actor_id: int, now: datetime) -> None:
    complaint.ended_at, complaint.ended_by_id, complaint.ending = now, actor_id, ending
