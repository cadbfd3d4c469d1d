"""What one person sees of one caller: the table of fields, asked with the facts of a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain import policy
from callback_service.domain.lifecycle import HELD
from callback_service.domain.looks import LOOK_LASTS
from callback_service.domain.policy import Action, Condition, Conditions, Field, Sight
from callback_service.domain.staff import Role, StaffMember
from callback_service.errors import NotFound
from callback_service.models.callback import CallbackRequest
from callback_service.models.look import Look
from callback_service.services.conflicts import check_not_barred
from callback_service.services.requests import NO_SUCH

T = TypeVar("T")

#: A page of the desk may be as old as this.
ON_SCREENS_FOR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Seen:
    """The eyes of one person on one request."""

    role: Role
    met: Conditions

    def of(self, field: Field) -> Sight:
        """How much of ``field`` is seen."""
        return policy.sight(self.role, field, self.met)

    def whole(self, field: Field, value: T) -> T | None:
        """``value`` where all of the field is seen, else None."""
        return value if self.of(field) is Sight.WHOLE else None

    @property
    def is_whole(self) -> bool:
        """Whether everything that the caller told us is seen."""
        return self.of(Field.NUMBER) is Sight.WHOLE


def seen_by(
    session: Session, request: CallbackRequest, staff: StaffMember, action: Action, *, now: datetime
) -> Seen:
    """The eyes of ``staff`` on ``request``, who come to it by ``action``.

    Raises NotFound where the table does not let them: they are told no more than of a request that
    is not there.
    """
    check_not_barred(session, request.id, staff.id)
    met = conditions(session, request, staff, now=now)
    if not policy.permits(staff.role, action, met):
        raise NotFound(NO_SUCH)
    return Seen(staff.role, met)


def check_on_desk(
    session: Session, request: CallbackRequest, staff: StaffMember, *, now: datetime
) -> None:
    """Raise NotFound for a request that the desk has not shown to ``staff`` of late.

    Whoever saw it a moment ago is told why their press comes too late; whoever guesses is not.
    """
    check_not_barred(session, request.id, staff.id)
    is_old = request.closed_at is not None and request.closed_at <= now - ON_SCREENS_FOR
    if is_old and not policy.may(staff.role, Action.SEE_RECORD):
        raise NotFound(NO_SUCH)


def conditions(
    session: Session, request: CallbackRequest, staff: StaffMember, *, now: datetime
) -> Conditions:
    """Which conditions hold for ``staff`` at ``request``."""
    met = set()
    if request.state in HELD:
        met.add(Condition.IN_HAND)
        if request.assigned_to_id == staff.id:
            met.add(Condition.HOLDS)
    if request.is_urgent:
        met.add(Condition.FLAGGED)
    if open_look(session, request.id, staff.id, now=now) is not None:
        met.add(Condition.REASON)
    return frozenset(met)


def open_look(session: Session, request_id: int, staff_id: int, *, now: datetime) -> Look | None:
    """The look at a request that somebody took a moment ago and that is not over."""
    return session.scalar(
        select(Look)
        .where(
            Look.request_id == request_id,
            Look.staff_id == staff_id,
            Look.at > now - LOOK_LASTS,
            Look.at <= now,
        )
        .order_by(Look.id.desc())
        .limit(1)
    )
