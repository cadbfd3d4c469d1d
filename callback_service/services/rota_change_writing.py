"""Writing changes of the rota: their rows, whose time they speak for, and the audit of each.

For the services that change the rota; what a change is refused for is looked at before.
"""

from __future__ import annotations

from datetime import datetime, tzinfo

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.rota_changes import Change, Leave, OpenShift, person_spans
from callback_service.errors import NotFound, Refused
from callback_service.models.rota_change import ChangeKind, RotaChange, RotaChangeSpan
from callback_service.services import audit
from callback_service.services.plan_trigger import ask_for_plan
from callback_service.services.rota import zulu
from callback_service.services.rota_change_rows import in_words

NO_SUCH = "There is no such change of the rota."


def write_change(
    session: Session,
    change: Change,
    *,
    actor_id: int | None,
    now: datetime,
    tz: tzinfo,
    swap_id: int | None,
) -> RotaChange:
    """Write a new change; refused by the database where another speaks for the same people."""
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
    keep_change(session, row, change, tz=tz)
    audit_change(session, "rota.change_made", row, actor_id=actor_id, now=now)
    return row


def keep_change(session: Session, row: RotaChange, change: Change, *, tz: tzinfo) -> None:
    """Write a change and whose time it speaks for; the database refuses what overlaps."""
    try:
        with session.begin_nested():
            row.spans = [
                RotaChangeSpan(staff_id=staff_id, starts_at=start, ends_at=end)
                for staff_id, start, end in person_spans(change)
            ]
            session.add(row)
    except IntegrityError as error:
        others = others_of(session, change)
        if not others:
            raise
        raise overlap_with(others[0], tz) from error


def end_change(
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


def others_of(session: Session, change: Change) -> list[RotaChange]:
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


def overlap_with(row: RotaChange, tz: tzinfo) -> Refused:
    """What says that another change is in the way, and which."""
    return Refused(f"This overlaps another change: {in_words(row, tz=tz)}. Cancel that one first.")


def lock_change(session: Session, change_id: int) -> RotaChange:
    """A change under its lock, as it is now; raises NotFound."""
    row = session.get(RotaChange, change_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound(NO_SUCH)
    return row


def audit_change(
    session: Session, action: str, row: RotaChange, *, actor_id: int | None, now: datetime
) -> None:
    """Keep what was done to a change, and ask for a new plan."""
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
