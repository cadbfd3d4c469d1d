"""Who looked at what and why, for managers to go through."""

from __future__ import annotations

from datetime import datetime, tzinfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.domain import policy
from callback_service.domain.looks import MORE_LOOKS
from callback_service.domain.policy import Action
from callback_service.domain.staff import StaffMember
from callback_service.models.look import Look, LookAllowance
from callback_service.models.staff import Staff
from callback_service.services.conflicts import barred_from
from callback_service.services.looks import LookLine, LooksOfDay
from callback_service.services.permission import allowed


@allowed(Action.SEE_LOOKS)
def latest(
    session: Session, *, staff: StaffMember, limit: int, before_id: int | None = None
) -> list[LookLine]:
    """The newest looks first, without those at a caller whom ``staff`` knows."""
    query = select(Look).order_by(Look.id.desc()).limit(limit)
    if barred := barred_from(session, staff.id):
        query = query.where(Look.request_id.not_in(barred))
    if before_id is not None:
        query = query.where(Look.id < before_id)
    return [_line(look) for look in session.scalars(query)]


def _line(look: Look) -> LookLine:
    return LookLine(
        id=look.id,
        at=look.at,
        who=look.staff.name,
        request_id=look.request_id,
        reference=look.request.reference,
        reason=look.reason,
        words=look.words,
        number=look.number,
        is_beyond=look.is_beyond,
    )


@allowed(Action.SEE_LOOKS)
def of_today(
    session: Session, *, staff: StaffMember, a_day: int, now: datetime, tz: tzinfo
) -> list[LooksOfDay]:
    """Everybody who may look at records, with how many they took today and may take."""
    day = now.astimezone(tz).date()
    taken = _by_person(session, Look, day)
    more = _by_person(session, LookAllowance, day)
    who = select(Staff).where(
        Staff.role.in_(policy.roles_of(Action.LOOK_BEHIND_MASK)), Staff.is_active
    )
    return [
        LooksOfDay(one.id, one.name, taken.get(one.id, 0), a_day + MORE_LOOKS * more.get(one.id, 0))
        for one in session.scalars(who.order_by(Staff.name, Staff.id))
    ]


def _by_person(
    session: Session, table: type[Look] | type[LookAllowance], day: object
) -> dict[int, int]:
    rows = session.execute(
        select(table.staff_id, func.count()).where(table.on_day == day).group_by(table.staff_id)
    )
    return dict(rows.all())
