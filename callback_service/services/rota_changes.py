"""Changing the rota for given dates: overrides, leave, sickness and open shifts.

Each function is one use case inside the caller's transaction: the change, its audit row and the
call for a new plan are kept together. The accounts concerned are locked first, in order of id, so
that no pattern or other change of theirs comes between the checks and the write. Whether two
changes of one person overlap is decided by the database.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.policy import Action
from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import (
    Change,
    Leave,
    LeaveReason,
    OpenShift,
    Override,
    OverrideKind,
    person_spans,
)
from callback_service.errors import NotFound, Refused
from callback_service.models.rota_change import ChangeKind, RotaChange
from callback_service.services import rest_allowances, rota_notices
from callback_service.services.permission import allowed
from callback_service.services.rota import resolve
from callback_service.services.rota_change_checks import (
    absentee,
    check_facts,
    check_roles,
    check_shifts,
    field_error,
    lock_people,
)
from callback_service.services.rota_change_rows import change_of
from callback_service.services.rota_change_writing import (
    NO_SUCH,
    audit_change,
    end_change,
    keep_change,
    lock_change,
    others_of,
    overlap_with,
    write_change,
)
from callback_service.services.rota_edits import edits
from callback_service.services.rota_handover import hand_back
from callback_service.services.rota_texts import tell_of_time_off


@edits("rota.change_made")
def make_change(
    session: Session,
    change: Change,
    *,
    actor_id: int | None,
    now: datetime,
    tz: tzinfo,
    swap_id: int | None = None,
) -> RotaChange:
    """Make a change of the rota: an override, leave or an open shift.

    Refuses, with a sentence for the page: a span that cannot be meant, somebody who may not hold
    the duty or has a shift at that time already, taking somebody off a shift they do not have, and
    whatever overlaps another change of the same person. Sickness gives way to nothing: what its
    person was to do by other changes ends where it begins. ``swap_id`` is the swap it carries out.
    Whoever is away by somebody else's doing is told; of leave that holds by now, the managers are.
    """
    lock_people(session, [staff_id for staff_id, *_ in person_spans(change)])
    check_facts(session, change, now=now, tz=tz)
    found = rota_notices.before_absence(session, change, now=now, tz=tz)
    if isinstance(change, Leave) and change.reason is LeaveReason.SICK:
        change = _make_way(session, change, actor_id=actor_id, now=now, tz=tz)
    row = write_change(session, change, actor_id=actor_id, now=now, tz=tz, swap_id=swap_id)
    if (staff_id := absentee(change)) is not None and change.start <= now:
        hand_back(session, staff_id, actor_id=actor_id, now=now, tz=tz)
    tell_of_time_off(session, row, actor_id=actor_id, now=now)
    if found is not None:
        rota_notices.tell_of_absence(session, row, found, actor_id=actor_id, now=now)
    return row


def record_changes(
    session: Session,
    changes: Collection[tuple[Change, str | None]],
    *,
    actor_id: int | None,
    now: datetime,
    tz: tzinfo,
) -> None:
    """Write changes as a calendar of another program has them, which may lie in the past.

    Each is given with the UID of the event it is from, which it keeps.
    Never for a form. Whoever reads the calendar has seen to it that nobody is taken off shifts they
    do not have or put on two at once. Refuses somebody who may not hold the duty, and whatever
    overlaps another change of the same person.
    """
    lock_people(session, [staff_id for one, _ in changes for staff_id, *_ in person_spans(one)])
    for change, uid in changes:
        check_roles(session, change)
        row = write_change(session, change, actor_id=actor_id, now=now, tz=tz, swap_id=None)
        row.imported_uid = uid
    session.flush()
    for change, _ in changes:
        staff_id = absentee(change)
        if staff_id is not None and change.start <= now < change.end:
            hand_back(session, staff_id, actor_id=actor_id, now=now, tz=tz)


def check_change(session: Session, change: Change, *, now: datetime, tz: tzinfo) -> None:
    """Refuse what ``make_change`` would refuse now, before anybody is asked to confirm it."""
    check_facts(session, change, now=now, tz=tz)
    is_sickness = isinstance(change, Leave) and change.reason is LeaveReason.SICK
    for row in [] if is_sickness else others_of(session, change):
        raise overlap_with(row, tz)


@allowed(Action.WORK_OWN_SHIFTS)
def sick_from_now(
    session: Session,
    staff_id: int,
    *,
    until: datetime,
    actor_id: int | None,
    now: datetime,
    tz: tzinfo,
) -> RotaChange:
    """Take somebody off every shift from now to ``until``, and off a running one to its end."""
    shifts, _ = resolve(session, now, now + timedelta(seconds=1), tz=tz)
    end = max([until, *(shift.end for shift in shifts if shift.staff_id == staff_id)])
    if end <= now:
        raise field_error("until", "Choose a time that is still to come.")
    leave = Leave(staff_id, now, end, LeaveReason.SICK)
    return make_change(session, leave, actor_id=actor_id, now=now, tz=tz)


@edits("rota.open_shift_taken")
@allowed(Action.WORK_OWN_SHIFTS, by="staff_id")
def take_open_shift(
    session: Session, change_id: int, *, staff_id: int, now: datetime, tz: tzinfo
) -> RotaChange:
    """Take a shift that nobody holds. Of several who press at once the first has it."""
    lock_people(session, [staff_id])
    row = lock_change(session, change_id)
    if row.kind is not ChangeKind.OPEN:
        raise NotFound("There is no such open shift.")
    if row.staff_id == staff_id:
        return row  # the button was pressed twice
    if row.staff is not None:
        raise Refused(f"{row.staff.name} took this shift first.")
    if row.cancelled_at is not None or row.ends_at <= now:
        raise Refused("This shift is no longer open.")
    span = max(row.starts_at, now), row.ends_at
    duty = row.duty or Duty.COUNSELLING
    change = Override(OverrideKind.ADD, staff_id, *span, duty)
    check_roles(session, change)
    check_shifts(session, change, tz=tz)
    keep_change(session, row, change, tz=tz)
    row.staff_id, row.taken_at, row.starts_at = staff_id, now, span[0]
    audit_change(session, "rota.open_shift_taken", row, actor_id=staff_id, now=now)
    return row


@edits("rota.open_shift_given_back")
@allowed(Action.WORK_OWN_SHIFTS, by="staff_id")
def give_back_open_shift(
    session: Session, change_id: int, *, staff_id: int, now: datetime
) -> RotaChange:
    """Have a shift that somebody took be open again. Only they can, and before it begins."""
    row = lock_change(session, change_id)
    if row.kind is not ChangeKind.OPEN or row.staff_id != staff_id:
        raise NotFound(NO_SUCH)
    if row.cancelled_at is not None or row.starts_at <= now:
        raise Refused("This shift has begun or was cancelled.")
    if row.swap_id is not None:
        raise Refused("This shift came to you by a swap. A manager can undo that.")
    row.staff_id = row.taken_at = None
    row.spans.clear()
    session.flush()
    audit_change(session, "rota.open_shift_given_back", row, actor_id=staff_id, now=now)
    return row


@edits("rota.change_cancelled")
@allowed(Action.EDIT_ROTA)
def cancel_change(
    session: Session, change_id: int, *, actor_id: int | None, now: datetime
) -> RotaChange:
    """Let a change hold no longer: from now on where it has begun, else not at all."""
    row = lock_change(session, change_id)
    if row.cancelled_at is not None or row.ends_at <= now:
        raise Refused("This change is over or was cancelled already.")
    if row.swap is not None and row.swap.begins_at > now:
        raise Refused("This change is one side of a swap. Undo the swap instead.")
    _cancel(session, row, actor_id=actor_id, now=now)
    return row


def cancel_swap(session: Session, swap_id: int, *, actor_id: int, now: datetime) -> None:
    """Let no change that carries out a swap hold any longer. None of them may have begun."""
    rows = session.scalars(
        select(RotaChange)
        .where(RotaChange.swap_id == swap_id, RotaChange.cancelled_at.is_(None))
        .order_by(RotaChange.id)
        .with_for_update()
    ).all()
    for row in rows:
        _cancel(session, row, actor_id=actor_id, now=now)


def _cancel(session: Session, row: RotaChange, *, actor_id: int | None, now: datetime) -> None:
    """End a change and what was allowed for its sake."""
    end_change(session, row, now, actor_id=actor_id, now=now)
    rest_allowances.end_with_change(session, row, actor_id=actor_id, now=now)
    audit_change(session, "rota.change_cancelled", row, actor_id=actor_id, now=now)
    tell_of_time_off(session, row, actor_id=actor_id, now=now)


@allowed(Action.EDIT_ROTA)
def end_from_now(
    session: Session, change_id: int, *, actor_id: int | None, now: datetime, tz: tzinfo
) -> None:
    """Let a change hold no longer than it has by now; nothing to do where it is over."""
    row = lock_change(session, change_id)
    if row.cancelled_at is None and row.ends_at > now:
        cancel_change(session, change_id, actor_id=actor_id, now=now)


@allowed(Action.EDIT_ROTA)
def put_back(
    session: Session, before: RotaChange, *, actor_id: int | None, now: datetime, tz: tzinfo
) -> None:
    """Let a change that was ended say what it said ``before``, from now on.

    Refuses what making it would refuse. Nothing to do where it had nothing more to say.
    """
    if before.cancelled_at is not None or before.ends_at <= now:
        return
    if before.swap_id is not None:
        raise Refused("This was one side of a swap. Let the two agree on it anew.")
    change = replace(change_of(before), start=max(before.starts_at, now))
    for other in others_of(session, change):
        raise overlap_with(other, tz)
    check_facts(session, change, now=now, tz=tz)
    row = lock_change(session, before.id)
    if row.cancelled_at is None:  # it has held: that stays on record, and another goes on
        row = RotaChange(created_by_id=actor_id, created_at=now)
    for name in ("kind", "duty", "staff_id", "by_id", "reason", "taken_at", "imported_uid"):
        setattr(row, name, getattr(before, name))
    row.starts_at, row.ends_at = change.start, change.end
    row.cancelled_at = row.cancelled_by_id = None
    keep_change(session, row, change, tz=tz)
    session.expire(row, ["staff", "by"])
    audit_change(session, "rota.change_put_back", row, actor_id=actor_id, now=now)
    tell_of_time_off(session, row, actor_id=actor_id, now=now)
    if (staff_id := absentee(change)) is not None and change.start <= now:
        hand_back(session, staff_id, actor_id=actor_id, now=now, tz=tz)


def _make_way(
    session: Session, leave: Leave, *, actor_id: int | None, now: datetime, tz: tzinfo
) -> Leave:
    """End what the person was to do by other changes, and stop where they are away anyhow.

    Who was replaced stays away: nobody has the rest. The rest of an open shift is open again.
    """
    for row in [lock_change(session, other.id) for other in others_of(session, leave)]:
        if row.cancelled_at is not None:  # while we waited for its lock
            continue
        if _is_away(row, leave.staff_id):
            if row.starts_at <= leave.start:
                raise overlap_with(row, tz)
            return replace(leave, end=row.starts_at)
        rest = _rest_of(row, max(row.starts_at, leave.start), row.ends_at)
        end_change(session, row, leave.start, actor_id=actor_id, now=now)
        audit_change(session, "rota.change_cut_short", row, actor_id=actor_id, now=now)
        if rest is not None:
            swap_id = None if isinstance(rest, OpenShift) else row.swap_id
            write_change(session, rest, actor_id=actor_id, now=now, tz=tz, swap_id=swap_id)
    return leave


def _is_away(row: RotaChange, staff_id: int) -> bool:
    """Whether the change has this person away, rather than on a shift."""
    return row.kind in {ChangeKind.LEAVE, ChangeKind.REMOVE} or (
        row.kind is ChangeKind.REPLACE and row.staff_id == staff_id
    )


def _rest_of(row: RotaChange, start: datetime, end: datetime) -> Change | None:
    """What remains to be said for ``[start, end)`` when who was to work then cannot."""
    change = change_of(row)
    if row.kind is ChangeKind.OPEN:
        return OpenShift(start, end, row.duty or Duty.COUNSELLING)
    if isinstance(change, Override) and change.kind is OverrideKind.REPLACE:
        return Override(OverrideKind.REMOVE, change.staff_id, start, end, change.duty)
    return None
