"""Swapping shifts that are offered: taken, approved, declined, withdrawn, undone.

Each function is one use case inside the caller's transaction. The accounts concerned are locked
first, in order of id, and then the swap; so between the checks and the write nothing changes the
rota of either. A swap whose shift is no longer exactly what was offered is not carried out: it
lapses, and the caller finds that as its state.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.policy import Action
from callback_service.domain.swaps import OPEN, Move, SwapState, check_move
from callback_service.domain.wall_time import ONE_DAY
from callback_service.errors import Refused
from callback_service.models.swap import Swap
from callback_service.services import audit
from callback_service.services.cover_warnings import given_reason
from callback_service.services.permission import allowed, may
from callback_service.services.rest_checks import RestBroken, allow_all, breaches_of_change
from callback_service.services.rota import zulu
from callback_service.services.rota_change_checks import lock_people
from callback_service.services.rota_changes import cancel_swap, make_change
from callback_service.services.rota_edits import edits
from callback_service.services.rota_handing_on import hand_on, handed_on_by, take_back
from callback_service.services.rota_preview import what_would_break
from callback_service.services.rota_texts import tell_of_swap
from callback_service.services.swap_facts import (
    BEGAN,
    changes_of,
    check_known,
    first_clash,
    lapse_reason,
    may_hold,
    moves_of,
)

#: Swaps lapsed in one run of the scheduler.
LAPSED_AT_ONCE: Final = 100
NOBODY_ABLE: Final = "Choose somebody else, who has an active account and may have this duty."


@edits("rota.swap_agreed")
@allowed(Action.WORK_OWN_SHIFTS)
def take_swap(
    session: Session,
    swap_id: int,
    *,
    staff_id: int,
    actor_id: int,
    needs_approval: bool,
    now: datetime,
    tz: tzinfo,
) -> Swap:
    """Take a shift that is offered. Of several at once the first has it.

    Without approval it holds at once, unless it would cost cover, a promise or rest: then a manager
    decides all the same. Look at the state of what comes back: it may have lapsed.
    """
    row = _locked(session, swap_id, actor_id, also=[staff_id])
    if row.taken_by_id == staff_id and row.state in {SwapState.TAKEN, SwapState.APPROVED}:
        return row  # the button was pressed twice
    _check_taking(session, row, staff_id)
    if _lapsed(session, row, staff_id, actor_id=actor_id, now=now, tz=tz):
        return row
    moves = _moves(session, row, staff_id, otherwise="", tz=tz)
    row.taken_by_id, row.taken_at = staff_id, now
    _move(session, row, SwapState.TAKEN, actor_id=actor_id, now=now)
    if not needs_approval and not _is_costly(session, moves, now=now, tz=tz):
        _carry_out(session, row, moves, actor_id=actor_id, now=now, tz=tz)
    return row


def _moves(session: Session, row: Swap, taker_id: int, *, otherwise: str, tz: tzinfo) -> list[Move]:
    """What the swap comes to; refused where somebody is not free, with what to do ``otherwise``."""
    terms = row.terms(taker_id)
    moves = moves_of(session, terms, tz=tz)
    if clash := first_clash(session, terms, moves, tz=tz):
        raise Refused(f"{clash} {otherwise}".strip())
    return moves


def _is_costly(session: Session, moves: Sequence[Move], *, now: datetime, tz: tzinfo) -> bool:
    """Whether a swap costs cover, a promise or rest, so that a manager is asked in any case."""
    changes = changes_of(moves)
    if breaches_of_change(session, *changes, now=now, tz=tz):
        return True
    return what_would_break(session, *changes, now=now, tz=tz).is_costly


def _check_taking(session: Session, row: Swap, staff_id: int) -> None:
    if row.taken_by is not None and row.state is not SwapState.OFFERED:
        raise Refused(f"{row.taken_by.name} took this shift first.")
    check_move(row.state, SwapState.TAKEN)
    if row.to_id not in {None, staff_id}:  # a manager may see it, and acts for the wrong person
        raise Refused("This shift is offered to somebody else.")
    if staff_id == row.offered_by_id or not may_hold(session, staff_id, row.duty):
        raise Refused(NOBODY_ABLE)


def _lapsed(
    session: Session, row: Swap, taker_id: int, *, actor_id: int, now: datetime, tz: tzinfo
) -> bool:
    """Whether the shifts are no longer what was offered; the swap has lapsed then."""
    reason = lapse_reason(session, row, taker_id, now=now, tz=tz)
    if reason is not None:
        row.reason = reason
        _move(session, row, SwapState.LAPSED, actor_id=actor_id, now=now)
    return reason is not None


@allowed(Action.WORK_OWN_SHIFTS)
def give_up(session: Session, swap_id: int, *, actor_id: int, now: datetime) -> None:
    """Un-take a shift before it is approved: it is offered again."""
    row = _locked(session, swap_id, actor_id)
    if row.taken_by_id != actor_id and not may(session, Action.EDIT_ROTA, actor_id):
        raise Refused("Only who took the shift can give it back.")
    check_move(row.state, SwapState.OFFERED)
    row.taken_by_id = row.taken_at = None
    _move(session, row, SwapState.OFFERED, actor_id=actor_id, now=now)


@allowed(Action.WORK_OWN_SHIFTS)
def withdraw(session: Session, swap_id: int, *, actor_id: int, now: datetime) -> None:
    """Take an offer back before it is approved; or, as who alone was asked, say no to it."""
    row = _locked(session, swap_id, actor_id)
    if row.state is SwapState.OFFERED and row.to is not None and row.to_id == actor_id:
        row.reason = f"{row.to.name} cannot take it."
    elif row.offered_by_id != actor_id and not may(session, Action.EDIT_ROTA, actor_id):
        raise Refused("Only who offered the shift can take it back.")
    _move(session, row, SwapState.WITHDRAWN, actor_id=actor_id, now=now)


@edits("rota.swap_agreed")
@allowed(Action.EDIT_ROTA)
def approve(
    session: Session,
    swap_id: int,
    *,
    rest_reason: str | None = None,
    actor_id: int,
    now: datetime,
    tz: tzinfo,
) -> Swap:
    """Have a swap hold. Look at the state of what comes back: it may have lapsed.

    Raises RestBroken where it breaks rest and no reason is given; with one, that is allowed.
    """
    row = _locked(session, swap_id, actor_id)
    check_move(row.state, SwapState.APPROVED)
    taker_id = row.taken_by_id or 0
    if not may_hold(session, taker_id, row.duty):
        raise Refused("Who took the shift may not have this duty any more. Decline the swap.")
    if _lapsed(session, row, taker_id, actor_id=actor_id, now=now, tz=tz):
        return row
    otherwise = "Decline the swap, or change that first."
    moves = _moves(session, row, taker_id, otherwise=otherwise, tz=tz)
    _allow_rest(session, moves, reason=rest_reason, actor_id=actor_id, now=now, tz=tz)
    _carry_out(session, row, moves, actor_id=actor_id, now=now, tz=tz)
    return row


def _allow_rest(
    session: Session, moves: Sequence[Move], *, reason: str | None, actor_id: int,
    now: datetime, tz: tzinfo,
) -> None:  # fmt: skip
    """Allow what the two would break, each for their own new shift; RestBroken without a reason."""
    breaches = breaches_of_change(session, *changes_of(moves), now=now, tz=tz)
    if breaches and reason is None:
        raise RestBroken(breaches)
    for part in (move.part for move in moves):
        own = [one for one in breaches if one.staff_id == part.by_id]
        begins, ends = part.start - ONE_DAY, part.end + ONE_DAY
        allow_all(session, own, begins, ends, reason=reason, actor_id=actor_id, now=now)


def _carry_out(
    session: Session, row: Swap, moves: Sequence[Move], *, actor_id: int, now: datetime,
    tz: tzinfo,
) -> None:  # fmt: skip
    for move in moves:
        carry = hand_on if move.is_by_change else make_change
        carry(session, move.part, swap_id=row.id, actor_id=actor_id, now=now, tz=tz)
    _move(session, row, SwapState.APPROVED, actor_id=actor_id, now=now)


@allowed(Action.EDIT_ROTA)
def decline(session: Session, swap_id: int, *, reason: str, actor_id: int, now: datetime) -> None:
    """Decline a swap that was taken, with a reason that both will read."""
    reason = given_reason(reason)
    row = _locked(session, swap_id, actor_id)
    check_move(row.state, SwapState.DECLINED)
    row.reason = reason
    _move(session, row, SwapState.DECLINED, actor_id=actor_id, now=now)


@edits("rota.swap_undone")
@allowed(Action.EDIT_ROTA)
def undo(session: Session, swap_id: int, *, actor_id: int, now: datetime, tz: tzinfo) -> None:
    """Bring both people back to their own shifts, before the first of them begins."""
    row = _locked(session, swap_id, actor_id)
    check_move(row.state, SwapState.UNDONE)
    if row.begins_at <= now:
        raise Refused("The shift has begun. Change the rota for that time instead.")
    handed_on = handed_on_by(session, row)
    cancel_swap(session, row.id, actor_id=actor_id, now=now)
    for one in handed_on:
        take_back(session, one, actor_id=actor_id, now=now, tz=tz)
    _move(session, row, SwapState.UNDONE, actor_id=actor_id, now=now)


def lapse_is_due(session: Session, *, now: datetime) -> bool:
    """Whether an open swap waits for a shift that has begun."""
    begun = select(Swap.id).where(Swap.state.in_(OPEN), Swap.begins_at <= now)
    return session.scalar(begun.limit(1)) is not None


def lapse_begun(session: Session, *, now: datetime) -> int:
    """Let open swaps lapse whose shifts have begun; how many."""
    rows = session.scalars(
        select(Swap)
        .where(Swap.state.in_(OPEN), Swap.begins_at <= now)
        .order_by(Swap.id)
        .limit(LAPSED_AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        row.reason = BEGAN
        _move(session, row, SwapState.LAPSED, actor_id=None, now=now)
    return len(rows)


def _locked(session: Session, swap_id: int, actor_id: int, *, also: Sequence[int] = ()) -> Swap:
    """The swap, under its lock and those of the accounts it speaks of; NotFound to third people."""
    seen = check_known(session, session.get(Swap, swap_id), reader_id=actor_id)
    taker_id = seen.taken_by_id
    people = {seen.offered_by_id, taker_id, seen.to_id, *also}
    lock_people(session, sorted(staff_id for staff_id in people if staff_id is not None))
    row = session.get_one(Swap, swap_id, with_for_update=True, populate_existing=True)
    if not also and row.taken_by_id != taker_id:
        raise Refused("This swap was changed a moment ago. Look at it again.")
    return row


def _move(
    session: Session, row: Swap, target: SwapState, *, actor_id: int | None, now: datetime
) -> None:
    """The one place where a swap changes its state."""
    row.move_to(target)
    row.ended_at = None if target in OPEN else now
    session.flush()
    record(session, row, actor_id=actor_id, now=now)
    if target is not SwapState.OFFERED:  # who gives it up again has nothing new to say
        tell_of_swap(session, row, actor_id=actor_id, now=now)


def record(session: Session, row: Swap, *, actor_id: int | None, now: datetime) -> None:
    """Keep that a swap came to its present state."""
    audit.record(
        session, f"swap.{row.state}", subject=Swap.__tablename__, subject_id=row.id,
        actor_id=actor_id, now=now, duty=row.duty, offered_by_id=row.offered_by_id,
        to_id=row.to_id, taken_by_id=row.taken_by_id, starts_at=zulu(row.starts_at),
        ends_at=zulu(row.ends_at),
        wanted_starts_at=zulu(row.wanted_starts_at) if row.wanted_starts_at else None,
    )  # fmt: skip
