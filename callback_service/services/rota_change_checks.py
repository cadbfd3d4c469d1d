"""What a change of the rota is refused for, other than another change of the same person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.rota import MAY_HOLD, clip
from callback_service.domain.rota_changes import Change, Leave, OpenShift, Override, OverrideKind
from callback_service.errors import BadInput
from callback_service.models.staff import Staff
from callback_service.services.rota import resolve
from callback_service.services.rota_change_rows import span_in_words
from callback_service.services.shift_patterns import FURTHEST_DATE

#: A shift longer than this is a slip of the finger; a weekend on call is shorter.
LONGEST_SHIFT = timedelta(days=7)

LONGEST_ABSENCE = timedelta(days=366)

#: What happened longer ago than this is on record and is not changed.
LATEST_RECORD = timedelta(days=1)


def check_facts(session: Session, change: Change, *, now: datetime, tz: tzinfo) -> None:
    """Refuse a change for its span, for who is in it, or for the shifts they have."""
    check_span(change, now=now)
    check_roles(session, change)
    check_shifts(session, change, tz=tz)


def absentee(change: Change) -> int | None:
    """Who is away by the change, if anybody."""
    if isinstance(change, OpenShift):
        return None
    is_added = isinstance(change, Override) and change.kind is OverrideKind.ADD
    return None if is_added else change.staff_id


def check_span(change: Change, *, now: datetime) -> None:
    """Refuse a span that cannot be meant."""
    longest = LONGEST_SHIFT if absentee(change) is None else LONGEST_ABSENCE
    if change.end <= now:
        raise field_error("end", "The change must end in the future.")
    if change.start < now - LATEST_RECORD:
        raise field_error("start", "A change can begin a day ago at the earliest.")
    if change.end - now > FURTHEST_DATE:
        raise field_error("end", "Enter a date within five years of today.")
    if change.end - change.start > longest:
        raise field_error("end", f"A change of this kind lasts {longest.days} days at most.")


def field_error(field: str, sentence: str) -> BadInput:
    """A reason beside its field."""
    return BadInput(sentence, {field: sentence})


def lock_people(session: Session, ids: Sequence[int]) -> None:
    """Hold the accounts against other changes. Their calls go on: rows that name them still may."""
    session.scalars(
        select(Staff).where(Staff.id.in_(ids)).order_by(Staff.id).with_for_update(key_share=True)
    ).all()


def check_roles(session: Session, change: Change) -> None:
    """Refuse who is gone, or may not hold the duty."""
    if isinstance(change, OpenShift):
        return
    staff = session.get(Staff, change.staff_id)
    if staff is None or not staff.is_active:
        raise field_error("staff_id", "Choose somebody who has an active account.")
    if isinstance(change, Leave) or change.kind is OverrideKind.REMOVE:
        return
    field, worker_id = "staff_id", change.staff_id
    if change.by_id is not None:
        field, worker_id = "by_id", change.by_id
    worker = session.get(Staff, worker_id)
    if worker is None or not worker.is_active or worker.role not in MAY_HOLD[change.duty]:
        raise field_error(field, "Choose somebody active who may have this duty.")


def check_shifts(session: Session, change: Change, *, tz: tzinfo) -> None:
    """Refuse to take somebody off shifts they do not have, and to have anybody on two at once."""
    if not isinstance(change, Override):
        return
    shifts, people = resolve(session, change.start, change.end, tz=tz, duty=change.duty)
    worked = [(change.start, change.end)]
    if change.kind is not OverrideKind.ADD:
        own = [shift for shift in shifts if shift.staff_id == change.staff_id]
        worked = [(s.start, s.end) for s in clip(own, change.start, change.end)]
        if not worked:
            raise field_error("staff_id", "They have no shift of this duty then.")
    if change.kind is OverrideKind.REMOVE:
        return
    worker_id = change.by_id or change.staff_id
    for shift in shifts:
        if shift.staff_id == worker_id and any(
            shift.start < end and shift.end > start for start, end in worked
        ):
            when = span_in_words(shift.start, shift.end, tz=tz)
            sentence = f"{people[worker_id].name} has a shift then already: {when}."
            raise field_error("by_id" if change.by_id else "staff_id", sentence)
