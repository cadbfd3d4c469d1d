"""Asking for leave, and granting or declining it. Granted leave is a change of the rota."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.domain.leave_requests import MAY_BE_ASKED, LeaveState, check_move
from callback_service.domain.policy import Action
from callback_service.domain.rota_changes import Leave, LeaveReason
from callback_service.domain.wall_time import ONE_DAY, day_in_words, full_date, start_of_day
from callback_service.errors import BadInput, NotFound
from callback_service.models.availability import LeaveRequest
from callback_service.models.staff import Staff
from callback_service.services import audit
from callback_service.services.cover_warnings import given_reason
from callback_service.services.permission import allowed
from callback_service.services.rota_change_checks import LONGEST_ABSENCE
from callback_service.services.rota_change_rows import REASON_WORDS
from callback_service.services.rota_changes import make_change
from callback_service.services.rota_edits import edits
from callback_service.services.rota_texts import tell_of_refusal
from callback_service.services.shift_patterns import check_dates


@dataclass(frozen=True, slots=True)
class LeaveLine:
    """A request for leave, for a list."""

    id: int
    staff_id: int
    name: str
    kind: str
    dates: str
    state: LeaveState
    reason: str | None
    asked_at: datetime


@allowed(Action.WORK_OWN_SHIFTS, by="staff_id")
def ask_for_leave(
    session: Session,
    staff_id: int,
    *,
    kind: LeaveReason,
    from_on: date,
    until_on: date,
    now: datetime,
    tz: tzinfo,
) -> LeaveRequest:
    """Ask the managers for leave of whole days. It changes nothing until one of them grants it."""
    check_dates(from_on, until_on, now=now)
    if from_on < now.astimezone(tz).date():
        raise _field_error("from_on", "Choose a day from today on.")
    if until_on - from_on >= LONGEST_ABSENCE:
        raise _field_error("until_on", "Ask for a year at most.")
    if kind not in MAY_BE_ASKED:
        raise _field_error("kind", "Choose what the leave is for.")
    session.get(Staff, staff_id, with_for_update={"key_share": True})
    if other := _asked_already(session, staff_id, from_on, until_on):
        sentence = f"You have asked for leave already: {_dates(other)}."
        raise _field_error("from_on", sentence)
    row = LeaveRequest(staff_id=staff_id, kind=kind, from_on=from_on, until_on=until_on,
                       asked_at=now)  # fmt: skip
    session.add(row)
    session.flush()
    _record(session, row, actor_id=staff_id, now=now)
    return row


def _field_error(field: str, sentence: str) -> BadInput:
    return BadInput(sentence, {field: sentence})


def _asked_already(
    session: Session, staff_id: int, from_on: date, until_on: date
) -> LeaveRequest | None:
    return session.scalars(
        select(LeaveRequest)
        .where(
            LeaveRequest.staff_id == staff_id,
            LeaveRequest.state == LeaveState.ASKED,
            LeaveRequest.from_on <= until_on,
            LeaveRequest.until_on >= from_on,
        )
        .limit(1)
    ).first()


@allowed(Action.WORK_OWN_SHIFTS, by="staff_id")
def withdraw(session: Session, request_id: int, *, staff_id: int, now: datetime) -> None:
    """Take back what one asked for."""
    row = _locked(session, request_id)
    if row.staff_id != staff_id:
        raise NotFound("There is no such request for leave.")
    _end(session, row, LeaveState.WITHDRAWN, actor_id=staff_id, now=now)


@edits("rota.leave_granted")
@allowed(Action.EDIT_ROTA)
def grant(session: Session, request_id: int, *, actor_id: int, now: datetime, tz: tzinfo) -> None:
    """Grant leave: it becomes a change of the rota, with all that makes one refuse."""
    row = _locked(session, request_id)
    check_move(row.state, LeaveState.GRANTED)
    change = make_change(session, leave_of(row, tz=tz), actor_id=actor_id, now=now, tz=tz)
    row.change_id = change.id
    _end(session, row, LeaveState.GRANTED, actor_id=actor_id, now=now)


@allowed(Action.EDIT_ROTA)
def decline(
    session: Session, request_id: int, *, reason: str, actor_id: int, now: datetime
) -> None:
    """Decline leave, with a reason that whoever asked will read."""
    reason = given_reason(reason)
    row = _locked(session, request_id)
    check_move(row.state, LeaveState.DECLINED)
    row.reason = reason
    _end(session, row, LeaveState.DECLINED, actor_id=actor_id, now=now)
    tell_of_refusal(session, row, actor_id=actor_id, now=now)


def _locked(session: Session, request_id: int) -> LeaveRequest:
    row = session.get(LeaveRequest, request_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound("There is no such request for leave.")
    return row


def _end(
    session: Session, row: LeaveRequest, state: LeaveState, *, actor_id: int, now: datetime
) -> None:
    row.move_to(state)
    row.ended_at, row.ended_by_id = now, actor_id
    session.flush()
    _record(session, row, actor_id=actor_id, now=now)


def leave_of(row: LeaveRequest, *, tz: tzinfo) -> Leave:
    """What was asked for as a change of the rota: whole days of the wall clock."""
    start, end = start_of_day(row.from_on, tz=tz), start_of_day(row.until_on + ONE_DAY, tz=tz)
    return Leave(row.staff_id, start, end, row.kind)


def one_request(session: Session, request_id: int, *, tz: tzinfo) -> tuple[LeaveLine, Leave]:
    """A request for leave, and the change it would be; raises NotFound."""
    row = session.get(LeaveRequest, request_id)
    if row is None:
        raise NotFound("There is no such request for leave.")
    return _line(row), leave_of(row, tz=tz)


def list_asked(session: Session) -> list[LeaveLine]:
    """What waits for a manager, soonest first."""
    rows = session.scalars(
        select(LeaveRequest)
        .where(LeaveRequest.state == LeaveState.ASKED)
        .order_by(LeaveRequest.from_on, LeaveRequest.id)
    )
    return [_line(row) for row in rows]


def count_asked(session: Session) -> int:
    """How many requests for leave wait for a manager."""
    asked = select(func.count()).where(LeaveRequest.state == LeaveState.ASKED)
    return session.scalar(asked) or 0


def list_own(session: Session, staff_id: int, *, today: date) -> list[LeaveLine]:
    """What somebody asked for that is not over, soonest first."""
    rows = session.scalars(
        select(LeaveRequest)
        .where(LeaveRequest.staff_id == staff_id, LeaveRequest.until_on >= today)
        .order_by(LeaveRequest.from_on, LeaveRequest.id)
    )
    return [_line(row) for row in rows]


def _line(row: LeaveRequest) -> LeaveLine:
    return LeaveLine(
        row.id,
        row.staff_id,
        row.staff.name,
        REASON_WORDS[row.kind],
        _dates(row),
        row.state,
        row.reason,
        row.asked_at,
    )


def _dates(row: LeaveRequest) -> str:
    if row.from_on == row.until_on:
        return f"{day_in_words(row.from_on)} {row.from_on.year}"
    return f"{full_date(row.from_on)} to {full_date(row.until_on)}"


def _record(session: Session, row: LeaveRequest, *, actor_id: int, now: datetime) -> None:
    audit.record(
        session, f"leave.{row.state}", subject=LeaveRequest.__tablename__, subject_id=row.id,
        actor_id=actor_id, now=now, staff_id=row.staff_id, from_on=row.from_on.isoformat(),
        until_on=row.until_on.isoformat(),
    )  # fmt: skip
