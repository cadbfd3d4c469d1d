"""Changing the rota for given dates: overrides, leave, sickness and open shifts.

Each function is one use case inside the caller's transaction: the change, its audit row and the
call for a new plan are kept together. The accounts concerned are locked first, in order of id, so
that no pattern or other change of theirs comes between the checks and the write. Whether two
changes of one person overlap is decided by the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.rota import MAY_HOLD, Duty, clip
from callback_service.domain.rota_changes import (
    Change,
    Leave,
    LeaveReason,
    OpenShift,
    Override,
    OverrideKind,
    person_spans,
)
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.rota_change import ChangeKind, RotaChange, RotaChangeSpan
from callback_service.models.staff import Staff
from callback_service.services import audit
from callback_service.services.plan_trigger import ask_for_plan
from callback_service.services.rota import resolve, zulu
from callback_service.services.rota_change_rows import change_of, in_words, span_in_words
from callback_service.services.rota_edits import edits
from callback_service.services.rota_handover import hand_back
from callback_service.services.shift_patterns import FURTHEST_DATE

#: A shift longer than this is a slip of the finger; a weekend on call is shorter.
LONGEST_SHIFT = timedelta(days=7)
LONGEST_ABSENCE = timedelta(days=366)
#: What happened longer ago than this is on record and is not changed.
LATEST_RECORD = timedelta(days=1)


@edits("rota.change_made")
def make_change(
    session: Session, change: Change, *, actor_id: int | None, now: datetime, tz: tzinfo
) -> RotaChange:
    """Make a change of the rota: an override, leave or an open shift.

    Refuses, with a sentence for the page: a span that cannot be meant, somebody who may not hold
    the duty or has a shift at that time already, taking somebody off a shift they do not have, and
    whatever overlaps another change of the same person. Sickness gives way to nothing: what its
    person was to do by other changes ends where it begins.
    """
    _lock_people(session, [staff_id for staff_id, *_ in person_spans(change)])
    _check(session, change, now=now, tz=tz)
    if isinstance(change, Leave) and change.reason is LeaveReason.SICK:
        change = _make_way(session, change, actor_id=actor_id, now=now, tz=tz)
    row = _write(session, change, actor_id=actor_id, now=now, tz=tz)
    if (staff_id := _absentee(change)) is not None and change.start <= now:
        hand_back(session, staff_id, actor_id=actor_id, now=now, tz=tz)
    return row


def check_change(session: Session, change: Change, *, now: datetime, tz: tzinfo) -> None:
    """Refuse what ``make_change`` would refuse now, before anybody is asked to confirm it."""
    _check(session, change, now=now, tz=tz)
    is_sickness = isinstance(change, Leave) and change.reason is LeaveReason.SICK
    for row in [] if is_sickness else _others(session, change):
        raise _overlap(row, tz)


def _check(session: Session, change: Change, *, now: datetime, tz: tzinfo) -> None:
    _check_span(change, now=now)
    _check_roles(session, change)
    _check_shifts(session, change, tz=tz)


def _absentee(change: Change) -> int | None:
    """Who is away by the change, if anybody."""
    if isinstance(change, OpenShift):
        return None
    is_added = isinstance(change, Override) and change.kind is OverrideKind.ADD
    return None if is_added else change.staff_id


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
        raise _field_error("until", "Choose a time that is still to come.")
    leave = Leave(staff_id, now, end, LeaveReason.SICK)
    return make_change(session, leave, actor_id=actor_id, now=now, tz=tz)


@edits("rota.open_shift_taken")
def take_open_shift(
    session: Session, change_id: int, *, staff_id: int, now: datetime, tz: tzinfo
) -> RotaChange:
    """Take a shift that nobody holds. Of several who press at once the first has it."""
    _lock_people(session, [staff_id])
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
    _check_roles(session, change)
    _check_shifts(session, change, tz=tz)
    _keep(session, row, change, tz=tz)
    row.staff_id, row.taken_at, row.starts_at = staff_id, now, span[0]
    _changed(session, "rota.open_shift_taken", row, actor_id=staff_id, now=now)
    return row


@edits("rota.change_cancelled")
def cancel_change(
    session: Session, change_id: int, *, actor_id: int | None, now: datetime
) -> RotaChange:
    """Let a change hold no longer: from now on where it has begun, else not at all."""
    row = _locked(session, change_id)
    if row.cancelled_at is not None or row.ends_at <= now:
        raise Refused("This change is over or was cancelled already.")
    _end(session, row, now, actor_id=actor_id, now=now)
    _changed(session, "rota.change_cancelled", row, actor_id=actor_id, now=now)
    return row


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
    change = replace(change_of(before), start=max(before.starts_at, now))
    for other in _others(session, change):
        raise _overlap(other, tz)
    _check(session, change, now=now, tz=tz)
    row = _locked(session, before.id)
    if row.cancelled_at is None:  # it has held: that stays on record, and another goes on
        row = RotaChange(created_by_id=actor_id, created_at=now)
    for name in ("kind", "duty", "staff_id", "by_id", "reason", "taken_at"):
        setattr(row, name, getattr(before, name))
    row.starts_at, row.ends_at = change.start, change.end
    row.cancelled_at = row.cancelled_by_id = None
    _keep(session, row, change, tz=tz)
    session.expire(row, ["staff", "by"])
    _changed(session, "rota.change_put_back", row, actor_id=actor_id, now=now)
    if (staff_id := _absentee(change)) is not None and change.start <= now:
        hand_back(session, staff_id, actor_id=actor_id, now=now, tz=tz)


def _check_span(change: Change, *, now: datetime) -> None:
    longest = LONGEST_SHIFT if _absentee(change) is None else LONGEST_ABSENCE
    if change.end <= now:
        raise _field_error("end", "The change must end in the future.")
    if change.start < now - LATEST_RECORD:
        raise _field_error("start", "A change can begin a day ago at the earliest.")
    if change.end - now > FURTHEST_DATE:
        raise _field_error("end", "Enter a date within five years of today.")
    if change.end - change.start > longest:
        raise _field_error("end", f"A change of this kind lasts {longest.days} days at most.")


def _field_error(field: str, sentence: str) -> BadInput:
    """A reason beside its field."""
    return BadInput(sentence, {field: sentence})


def _lock_people(session: Session, ids: Sequence[int]) -> None:
    """Hold the accounts against other changes. Their calls go on: rows that name them still may."""
    session.scalars(
        select(Staff).where(Staff.id.in_(ids)).order_by(Staff.id).with_for_update(key_share=True)
    ).all()


def _check_roles(session: Session, change: Change) -> None:
    if isinstance(change, OpenShift):
        return
    staff = session.get(Staff, change.staff_id)
    if staff is None or not staff.is_active:
        raise _field_error("staff_id", "Choose somebody who has an active account.")
    if isinstance(change, Leave) or change.kind is OverrideKind.REMOVE:
        return
    field, worker_id = "staff_id", change.staff_id
    if change.by_id is not None:
        field, worker_id = "by_id", change.by_id
    worker = session.get(Staff, worker_id)
    if worker is None or not worker.is_active or worker.role not in MAY_HOLD[change.duty]:
        raise _field_error(field, "Choose somebody active who may have this duty.")


def _check_shifts(session: Session, change: Change, *, tz: tzinfo) -> None:
    """Refuse to take somebody off shifts they do not have, and to have anybody on two at once."""
    if not isinstance(change, Override):
        return
    shifts, people = resolve(session, change.start, change.end, tz=tz, duty=change.duty)
    worked = [(change.start, change.end)]
    if change.kind is not OverrideKind.ADD:
        own = [shift for shift in shifts if shift.staff_id == change.staff_id]
        worked = [(s.start, s.end) for s in clip(own, change.start, change.end)]
        if not worked:
            raise _field_error("staff_id", "They have no shift of this duty then.")
    if change.kind is OverrideKind.REMOVE:
        return
    worker_id = change.by_id or change.staff_id
    for shift in shifts:
        if shift.staff_id == worker_id and any(
            shift.start < end and shift.end > start for start, end in worked
        ):
            when = span_in_words(shift.start, shift.end, tz=tz)
            sentence = f"{people[worker_id].name} has a shift then already: {when}."
            raise _field_error("by_id" if change.by_id else "staff_id", sentence)


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
            _write(session, rest, actor_id=actor_id, now=now, tz=tz)
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
    session: Session, change: Change, *, actor_id: int | None, now: datetime, tz: tzinfo
) -> RotaChange:
    row = RotaChange(
        starts_at=change.start, ends_at=change.end, created_by_id=actor_id, created_at=now
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
