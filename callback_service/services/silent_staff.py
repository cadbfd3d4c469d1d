"""Staff whose own phone takes no texts of ours: no offer, alarm or news reaches it.

A number comes onto the list of those that take none in many ways, and off it again: by a text, as
the gateway or a manager says so. So a look compares what was noticed of people with the list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.domain.staff import Role
from callback_service.models.number import Suppression
from callback_service.models.outbox import TextKind
from callback_service.models.staff import Staff
from callback_service.services import account_events, suppression, texts

#: An alarm that could not be sent within this time is on the managers' page anyway.
ALARM_LASTS: Final = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Silent:
    """Somebody whose phone takes no texts, and since when."""

    name: str
    since: datetime


def look_is_due(session: Session) -> bool:
    """Whether there is anything to compare; a cheap look before any lock is taken."""
    noticed = select(Staff.id).where(Staff.texts_stopped_at.is_not(None))
    listed = select(Suppression.id)
    return any(session.scalar(one.limit(1)) is not None for one in (listed, noticed))


def look(session: Session, *, now: datetime) -> int:
    """Notice whose phone takes no texts any more, and whose does again; how many changed."""
    changed = [*_changed(session, _active(session))]
    return sum(look_at(session, _held(session, staff_id), now=now) for staff_id in changed)


def look_at(session: Session, staff: Staff, *, now: datetime) -> bool:
    """The same of one person, whose row is held. Managers are told of who gets no texts now."""
    is_stopped = suppression.is_suppressed(session, staff.phone)
    if is_stopped == (staff.texts_stopped_at is not None):
        return False
    staff.texts_stopped_at = now if is_stopped else None
    if is_stopped:
        account_events.record(session, "staff.texts_stopped", staff, now=now)
        _tell_managers(session, staff, now=now)
    elif staff.phone is not None:
        account_events.record(session, "staff.texts_allowed", staff, now=now)
    return True


def silent(session: Session) -> list[Silent]:
    """Who of those that work here gets no texts, by name."""
    rows = session.execute(
        select(Staff.name, Staff.texts_stopped_at)
        .where(Staff.is_active, Staff.texts_stopped_at.is_not(None))
        .order_by(func.lower(Staff.name), Staff.id)
    )
    return [Silent(name, since) for name, since in rows if since is not None]


def _active(session: Session) -> Sequence[Staff]:
    return session.scalars(select(Staff).where(Staff.is_active).order_by(Staff.id)).all()


def _changed(session: Session, people: Sequence[Staff]) -> Iterator[int]:
    """Those whom the list says otherwise of than was noticed, in one look."""
    indices = {one.id: suppression.index_of(one.phone) for one in people if one.phone}
    stopped = suppression.suppressed_among(session, set(indices.values()))
    for one in people:
        if (indices.get(one.id) in stopped) != (one.texts_stopped_at is not None):
            yield one.id


def _held(session: Session, staff_id: int) -> Staff:
    return session.get_one(Staff, staff_id, with_for_update=True, populate_existing=True)


def _tell_managers(session: Session, staff: Staff, *, now: datetime) -> None:
    """One text to each manager but the person themselves. It does not say who it is."""
    managers = select(Staff).where(Staff.role == Role.MANAGER, Staff.is_active).order_by(Staff.id)
    for manager in session.scalars(managers):
        if manager.id != staff.id:
            texts.text_staff(
                session,
                manager,
                TextKind.AUDIT,
                once_key=f"silent:{staff.id}:{int(now.timestamp())}:{manager.id}",
                expires_at=now + ALARM_LASTS,
                now=now,
                reason="the phone of a colleague takes no texts",
                reference="",
            )
