"""Taking away a second step that was lost, with the password: one asks, another confirms.

Until the second person confirms, nothing changes. Whose account it is hears of each step, and can
call it off while they can still sign in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from callback_service.domain.policy import Action
from callback_service.domain.resets import (
    MAY_ASK,
    RESET_LASTS,
    LossReason,
    ResetState,
    fault_of_second,
    has_lapsed,
)
from callback_service.errors import BadInput, Forbidden, NotFound, Refused
from callback_service.models.second_step_reset import SecondStepReset
from callback_service.models.staff import Staff, new_uid
from callback_service.services.account_events import record
from callback_service.services.accounts import active, locked, reset_second_step
from callback_service.services.permission import allowed

PROOF_MAX_CHARS: Final = 300
#: How the person showed who they are is kept this long, for who looks into a reset that was wrong.
_NO_SUCH = "There is no such reset."
_TOO_LATE = "This reset is over. Ask for a new one if it is still needed."


@dataclass(frozen=True, slots=True)
class WaitingReset:
    """A reset that waits for its second person."""

    id: int
    staff_id: int
    name: str
    reason: LossReason
    proof: str
    asked_by_id: int
    asked_by: str
    asked_at: datetime
    until: datetime


@allowed(Action.ASK_FOR_RESET)
def ask(
    session: Session,
    staff_id: int,
    *,
    reason: LossReason,
    proof: str,
    actor_id: int,
    now: datetime,
) -> None:
    """Ask for a reset of somebody else's second step; ``proof``: how they showed who they are.

    Raises BadInput at ``proof``, and Refused where one waits already or nothing is there to reset.
    """
    staff, actor = active(session, staff_id), session.get_one(Staff, actor_id)
    tidy = " ".join(proof.split())
    if not 1 <= len(tidy) <= PROOF_MAX_CHARS:
        message = f"Say in up to {PROOF_MAX_CHARS} characters how they showed who they are."
        raise BadInput(message, {"proof": message})
    if actor.role not in MAY_ASK:
        raise Forbidden("Only a manager or an administrator asks for a reset.")
    if staff.id == actor_id:
        raise Refused("Use another phone or app under “Your account”, or ask a colleague.")
    if staff.password_hash is None:
        raise Refused("This account has no second step yet. It needs a new link only.")
    _lapse(session, SecondStepReset.staff_id == staff.id, now=now)
    if _waiting_row(session, staff.id) is not None:
        raise Refused("A reset for this account waits for its second person already.")
    row = SecondStepReset(
        uid=new_uid(), staff_id=staff.id, reason=reason, asked_by_id=actor_id, asked_at=now
    )
    row.proof = tidy
    session.add(row)
    session.flush()
    record(session, "staff.reset_asked", staff, actor_id=actor_id, now=now, reason=reason)


@allowed(Action.CONFIRM_RESET)
def confirm(
    session: Session, reset_id: int, *, secret_key: str, actor_id: int, now: datetime
) -> str:
    """Confirm a reset as its second person: second step, password and sign-ins are gone.

    The token of the one-time link by which the person sets up new ones (1 hour).
    """
    row, staff = _held(session, reset_id, now=now)
    actor, first = session.get_one(Staff, actor_id), row.asked_by
    fault = fault_of_second(
        second_id=actor.id,
        second=actor.role,
        asked_by_id=first.id,
        asked_by=first.role if first.is_active else None,
        staff_id=staff.id,
    )
    if fault is not None:
        raise Refused(fault)
    _end(session, row, ResetState.DONE, by_id=actor_id, now=now)
    return reset_second_step(session, staff.id, secret_key=secret_key, actor_id=actor_id, now=now)


def call_off(session: Session, reset_id: int, *, actor_id: int, now: datetime) -> None:
    """Call a reset off: whoever may ask for one, and whose account it is.

    For anybody else there is none, so nobody learns by numbers who lost a phone.
    """
    if session.get_one(Staff, actor_id).role not in MAY_ASK:
        own = SecondStepReset.id == reset_id, SecondStepReset.staff_id == actor_id
        if session.scalar(select(SecondStepReset.id).where(*own)) is None:
            raise NotFound(_NO_SUCH)
    row, staff = _held(session, reset_id, now=now)
    _end(session, row, ResetState.CALLED_OFF, by_id=actor_id, now=now)
    record(session, "staff.reset_called_off", staff, actor_id=actor_id, now=now)


def call_off_any(session: Session, staff: Staff, *, actor_id: int, now: datetime) -> None:
    """Call off what waits for ``staff``, whom the caller holds."""
    reset_id = _waiting_row(session, staff.id)
    if reset_id is not None:
        row = session.get_one(SecondStepReset, reset_id)
        _end(session, row, ResetState.CALLED_OFF, by_id=actor_id, now=now)
        record(session, "staff.reset_called_off", staff, actor_id=actor_id, now=now)


def waiting(session: Session, *, now: datetime) -> Sequence[WaitingReset]:
    """The resets that wait for their second person, the oldest first."""
    rows = session.scalars(select(SecondStepReset).where(*_open(now)).order_by(SecondStepReset.id))
    return [_line(row) for row in rows]


def waiting_for(session: Session, staff_id: int, *, now: datetime) -> WaitingReset | None:
    """The reset of somebody's second step that waits, if one does."""
    row = session.scalar(
        select(SecondStepReset).where(SecondStepReset.staff_id == staff_id, *_open(now))
    )
    return _line(row) if row is not None else None


def is_any_late(session: Session, *, now: datetime) -> bool:
    """Whether one was not confirmed in time."""
    late = select(SecondStepReset.id).where(_lapsed(now))
    return session.scalar(late.limit(1)) is not None


def end_late(session: Session, *, now: datetime) -> None:
    """End what was not confirmed in time."""
    _lapse(session, now=now)


def _held(session: Session, reset_id: int, *, now: datetime) -> tuple[SecondStepReset, Staff]:
    """A reset that waits and whose account it is, both locked; the account first, as all do."""
    staff_id = session.scalar(
        select(SecondStepReset.staff_id).where(SecondStepReset.id == reset_id)
    )
    if staff_id is None:
        raise NotFound(_NO_SUCH)
    staff = active(session, staff_id)
    row = session.get_one(
        SecondStepReset, reset_id, with_for_update={"of": SecondStepReset}, populate_existing=True
    )
    if row.state is not ResetState.WAITING or has_lapsed(row.asked_at, now=now):
        raise Refused(_TOO_LATE)
    return row, staff


def _waiting_row(session: Session, staff_id: int) -> int | None:
    return session.scalar(
        select(SecondStepReset.id).where(
            SecondStepReset.staff_id == staff_id, SecondStepReset.state == ResetState.WAITING
        )
    )


def _lapse(session: Session, *which: ColumnElement[bool], now: datetime) -> None:
    """End those of ``which`` that nobody confirmed in time, each with its row in the audit."""
    late = select(SecondStepReset.id, SecondStepReset.staff_id).where(_lapsed(now), *which)
    for reset_id, staff_id in session.execute(late.order_by(SecondStepReset.staff_id)).all():
        staff = locked(session, staff_id)
        row = session.get_one(SecondStepReset, reset_id, populate_existing=True)
        if row.state is ResetState.WAITING:
            _end(session, row, ResetState.LAPSED, by_id=None, now=now)
            record(session, "staff.reset_lapsed", staff, now=now)


def _end(
    session: Session,
    row: SecondStepReset,
    state: ResetState,
    *,
    by_id: int | None,
    now: datetime,
) -> None:
    row.state, row.ended_at, row.ended_by_id = state, now, by_id
    session.flush()


def _open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        SecondStepReset.state == ResetState.WAITING,
        SecondStepReset.asked_at > now - RESET_LASTS,
    )


def _lapsed(now: datetime) -> ColumnElement[bool]:
    return (SecondStepReset.state == ResetState.WAITING) & (
        SecondStepReset.asked_at <= now - RESET_LASTS
    )


def _line(row: SecondStepReset) -> WaitingReset:
    return WaitingReset(
        id=row.id,
        staff_id=row.staff_id,
        name=row.staff.name,
        reason=row.reason,
        proof=row.proof or "",
        asked_by_id=row.asked_by_id,
        asked_by=row.asked_by.name,
        asked_at=row.asked_at,
        until=row.asked_at + RESET_LASTS,
    )
