"""Breaches of rest that a manager allowed: kept with the edit of the rota they are for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.rest import Breach, Rule
from callback_service.models.rest import RestAllowance
from callback_service.models.rota_change import RotaChange
from callback_service.models.rota_revision import RotaRevisionRow
from callback_service.services import audit
from callback_service.services.cover_warnings import given_reason


def allow(
    session: Session, staff_id: int, rule: Rule, starts_at: datetime, ends_at: datetime | None, *,
    reason: str, actor_id: int | None, now: datetime,
) -> None:  # fmt: skip
    """Record that one person's breaches of a rule in ``[starts_at, ends_at)`` are allowed."""
    row = RestAllowance(
        staff_id=staff_id,
        rule=rule,
        starts_at=starts_at,
        ends_at=ends_at,
        reason=given_reason(reason),
        allowed_by_id=actor_id,
        allowed_at=now,
    )
    session.add(row)
    _changed(session, "rest.allowed", row, actor_id=actor_id, now=now)


def not_allowed(session: Session, breaches: Iterable[Breach]) -> list[Breach]:
    """Those of ``breaches`` that no manager has allowed."""
    breaches = list(breaches)
    people = {breach.staff_id for breach in breaches}
    rows = session.scalars(
        select(RestAllowance).where(
            RestAllowance.staff_id.in_(people), RestAllowance.cancelled_at.is_(None)
        )
    ).all()
    return [breach for breach in breaches if not any(is_for(row, breach) for row in rows)]


def is_for(row: RestAllowance, breach: Breach) -> bool:
    """Whether an allowance that holds is for this breach."""
    return (
        (row.staff_id, row.rule) == (breach.staff_id, breach.rule)
        and row.starts_at <= breach.start
        and (row.ends_at is None or breach.start < row.ends_at)
    )


def end_with_change(
    session: Session, change: RotaChange, *, actor_id: int | None, now: datetime
) -> None:
    """End what was allowed to one person for the sake of a change that holds no longer."""
    made = select(RotaRevisionRow.revision_id).where(
        RotaRevisionRow.table_name == RotaChange.__tablename__,
        RotaRevisionRow.row_id == change.id,
    )
    rows = session.scalars(
        select(RestAllowance)
        .join(RotaRevisionRow, RotaRevisionRow.row_id == RestAllowance.id)
        .where(
            RotaRevisionRow.table_name == RestAllowance.__tablename__,
            RotaRevisionRow.revision_id.in_(made),
            RestAllowance.staff_id.in_((change.staff_id, change.by_id)),
        )
        .distinct()
    )
    for row in rows.all():
        _end(session, row, actor_id=actor_id, now=now)


def end_from_now(
    session: Session, allowance_id: int, *, actor_id: int | None, now: datetime, tz: tzinfo
) -> None:
    """Let an allowance hold for no breach that begins later; nothing to do where it is over."""
    row = session.get_one(RestAllowance, allowance_id, with_for_update=True)
    _end(session, row, actor_id=actor_id, now=now)


def _end(session: Session, row: RestAllowance, *, actor_id: int | None, now: datetime) -> None:
    if row.cancelled_at is not None or (row.ends_at is not None and row.ends_at <= now):
        return
    if row.starts_at < now:
        row.ends_at = now
    else:
        row.cancelled_at = now
    _changed(session, "rest.allowance_ended", row, actor_id=actor_id, now=now)


def put_back(
    session: Session, before: RestAllowance, *, actor_id: int | None, now: datetime, tz: tzinfo
) -> None:
    """Let an allowance that was ended hold as it did ``before``. Nothing to do if it was over."""
    if before.cancelled_at is not None or (before.ends_at is not None and before.ends_at <= now):
        return
    row = session.get_one(RestAllowance, before.id, with_for_update=True)
    row.ends_at, row.cancelled_at = before.ends_at, None
    _changed(session, "rest.allowance_put_back", row, actor_id=actor_id, now=now)


def _changed(
    session: Session, action: str, row: RestAllowance, *, actor_id: int | None, now: datetime
) -> None:
    session.flush()
    audit.record(
        session,
        action,
        subject=RestAllowance.__tablename__,
        subject_id=row.id,
        actor_id=actor_id,
        now=now,
        staff_id=row.staff_id,
        rule=row.rule,
        starts_at=row.starts_at.isoformat(),
        ends_at=row.ends_at.isoformat() if row.ends_at else None,
    )
