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
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

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
from callback_service.models.rota_change import ChangeKind, RotaChange, RotaChangeSpan
from callback_service.services import audit, rest_allowances, rota_notices
from callback_service.services.plan_trigger import ask_for_plan
from callback_service.services.rota import resolve, zulu
from callback_service.services.rota_change_checks import (
    absentee,
    check_facts,
    check_roles,
    check_shifts,
    field_error,
    lock_people,
)
from callback_service.services.rota_change_rows import change_of, in_words
from callback_service.services.rota_edits import edits
from callback_service.services.rota_handover import hand_back


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
    """
    lock_people(session, [staff_id for staff_id, *_ in person_spans(change)])
    check_facts(session, change, now=now, tz=tz)
    if isinstance(change, Leave) and change.reason is LeaveReason.SICK:
        change = _make_way(session, change, actor_id=actor_id, now=now, tz=tz)
    row = _write(session, change, actor_id=actor_id, now=now, tz=tz, swap_id=swap_id)
    if (staff_id := absentee(change)) is not None and change.start <= now:
        hand_back(session, staff_id, actor_id=actor_id, now=now, tz=tz)
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
        row = _write(session, change, actor_id=actor_id, now=now, tz=tz, swap_id=None)
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
    for row in [] if is_sickness else _others(session, change):
        raise _overlap(row, tz)


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
    found = rota_notices.before_absence(session, leave, tz=tz)
    row = make_change(session, leave, actor_id=actor_id, now=now, tz=tz)
    rota_notices.tell_of_absence(session, row, found, now=now)
    return row


@edits("rota.open_shift_taken")
def take_open_shift(
    session: Session, change_id: int, *, staff_id: int, now: datetime, tz: tzinfo
) -> RotaChange:
    """Take a shift that nobody holds. Of several who press at once the first has it."""
    lock_people(session, [staff_id])
    row = _locked(session, change_id)
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
    _keep(session, row, change, tz=tz)
    row.staff_id, row.taken_at, row.starts_at = staff_id, now, span[0]
    _changed(session, "rota.open_shift_taken", row, actor_id=staff_id, now=now)
    return row


@edits("rota.open_shift_given_back")
def give_back_open_shift(
    session: Session, change_id: int, *, staff_id: int, now: datetime
) -> RotaChange:
    """Have a shift that somebody took be open again. Only they can, and before it begins."""
    row = _locked(session, change_id)
    if row.kind is not ChangeKind.OPEN or row.staff_id != staff_id:
        raise NotFound("There is no such shift of yours.")
    if row.cancelled_at is not None or row.starts_at <= now:
        raise Refused("This shift has begun or was cancelled.")
    row.staff_id = row.taken_at = None
    row.spans.clear()
    session.flush()
    _changed(session, "rota.open_shift_given_back", row, actor_id=staff_id, now=now)
    return row


@edits("rota.change_cancelled")
def cancel_change(
    session: Session, change_id: int, *, actor_id: int | None, now: datetime
) -> RotaChange:
    """Let a change hold no longer: from now on where it has begun, else not at all."""
    row = _locked(session, change_id)
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
    _end(session, row, now, actor_id=actor_id, now=now)
    rest_allowances.end_with_change(session, row, actor_id=actor_id, now=now)
    _changed(session, "rota.change_cancelled", row, actor_id=actor_id, now=now)


def end_from_now(
    session: Session, change_id: int, *, actor_id: int | None, now: datetime, tz: tzinfo
) -> None:
    """Let a change hold no longer than it has by now; nothing to do where it is over."""
    row = _locked(session, change_id)
    if row.cancelled_at is None and row.ends_at > now:
        cancel_change(session, change_id, actor_id=actor_id, now=now)


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
    for other in _others(session, change):
        raise _overlap(other, tz)
    check_facts(session, change, now=now, tz=tz)
    row = _locked(session, before.id)
    if row.cancelled_at is None:  # it has held: that stays on record, and another goes on
        row = RotaChange(created_by_id=actor_id, created_at=now)
    for name in ("kind", "duty", "staff_id", "by_id", "reason", "taken_at", "imported_uid"):
        setattr(row, name, getattr(before, name))
    row.starts_at, row.ends_at = change.start, change.end
    row.cancelled_at = row.cancelled_by_id = None
    _keep(session, row, change, tz=tz)
    session.expire(row, ["staff", "by"])
    _changed(session, "rota.change_put_back", row, actor_id=actor_id, now=now)
    if (staff_id := absentee(change)) is not None and change.start <= now:
        hand_back(session, staff_id, actor_id=actor_id, now=now, tz=tz)


def _make_way(
    session: Session, leave: Leave, *, actor_id: int | None, now: datetime, tz: tzinfo
) -> Leave:
    """End what the person was to do by other changes, and stop where they are away anyhow.

    Who was replaced stays away: nobody has the rest. The rest of an open shift is open again.
    """
    for row in [_locked(session, other.id) for other in _others(session, leave)]:
        if row.cancelled_at is not None:  # while we waited for its lock
            continue
        if _is_away(row, leave.staff_id):
            if row.starts_at <= leave.start:
                raise _overlap(row, tz)
            return replace(leave, end=row.starts_at)
        rest = _rest_of(row, max(row.starts_at, leave.start), row.ends_at)
        _end(session, row, leave.start, actor_id=actor_id, now=now)
        _changed(session, "rota.change_cut_short", row, actor_id=actor_id, now=now)
        if rest is not None:
            _write(session, rest, actor_id=actor_id, now=now, tz=tz, swap_id=row.swap_id)
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


def _end(
    session: Session, row: RotaChange, at: datetime, *, actor_id: int | None, now: datetime
) -> None:
    """Let a change hold until ``at`` only; not at all where it begins then or later."""
    if row.starts_at < at:
        row.ends_at = at
        for span in row.spans:
            span.ends_at = at
    else:
        row.cancelled_at, row.cancelled_by_id = now, actor_id
        row.spans.clear()
    session.flush()  # before anything else is said for the same people and time


def _write(
    session: Session,
    change: Change,
    *,
    actor_id: int | None,
    now: datetime,
    tz: tzinfo,
    swap_id: int | None,
) -> RotaChange:
    row = RotaChange(
        starts_at=change.start,
        ends_at=change.end,
        created_by_id=actor_id,
        created_at=now,
        swap_id=swap_id,
    )
    if isinstance(change, Leave):
        row.kind, row.staff_id, row.reason = ChangeKind.LEAVE, change.staff_id, change.reason
    elif isinstance(change, OpenShift):
        row.kind, row.duty = ChangeKind.OPEN, change.duty
    else:
        row.kind, row.duty = ChangeKind(change.kind), change.duty
        row.staff_id, row.by_id = change.staff_id, change.by_id
    _keep(session, row, change, tz=tz)
    _changed(session, "rota.change_made", row, actor_id=actor_id, now=now)
    return row


def _keep(session: Session, row: RotaChange, change: Change, *, tz: tzinfo) -> None:
    """Write a change and whose time it speaks for; the database refuses what overlaps."""
    try:
        with session.begin_nested():
            row.spans = [
                RotaChangeSpan(staff_id=staff_id, starts_at=start, ends_at=end)
                for staff_id, start, end in person_spans(change)
            ]
            session.add(row)
    except IntegrityError as error:
        others = _others(session, change)
        if not others:
            raise
        raise _overlap(others[0], tz) from error


def _others(session: Session, change: Change) -> list[RotaChange]:
    """The changes that speak for the same people at the same time, in order of time."""
    found: dict[int, RotaChange] = {}
    for staff_id, start, end in person_spans(change):
        rows = session.scalars(
            select(RotaChange)
            .join(RotaChange.spans)
            .where(
                RotaChangeSpan.staff_id == staff_id,
                RotaChangeSpan.starts_at < end,
                RotaChangeSpan.ends_at > start,
            )
        )
        found.update({row.id: row for row in rows})
    return sorted(found.values(), key=lambda row: (row.starts_at, row.id))


def _overlap(row: RotaChange, tz: tzinfo) -> Refused:
    return Refused(f"This overlaps another change: {in_words(row, tz=tz)}. Cancel that one first.")


def _locked(session: Session, change_id: int) -> RotaChange:
    row = session.get(RotaChange, change_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound("There is no such change of the rota.")
    return row


def _changed(
    session: Session, action: str, row: RotaChange, *, actor_id: int | None, now: datetime
) -> None:
    audit.record(
        session,
        action,
        subject=RotaChange.__tablename__,
        subject_id=row.id,
        actor_id=actor_id,
        now=now,
        kind=row.kind,
        staff_id=row.staff_id,
        by_id=row.by_id,
        starts_at=zulu(row.starts_at),
        ends_at=zulu(row.ends_at),
    )
    ask_for_plan(session, reason="rota", now=now)
