"""Whom to tell of a request in trouble, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain import escalation
from callback_service.domain.escalation import Step
from callback_service.domain.rota import Duty
from callback_service.domain.staff import Role
from callback_service.models.staff import Staff
from callback_service.services.rota import shifts_between

#: Duty leads whose next shift begins within this time are told after those on shift.
TODAY: Final = timedelta(hours=24)

Ladder = Mapping[Step, Sequence[Staff]]


def whom_to_tell(session: Session, *, now: datetime, tz: tzinfo) -> Ladder:
    """Who is told at each step; of managers in order of their accounts, those a text can reach."""
    managers = select(Staff).where(
        Staff.role == Role.MANAGER,
        Staff.is_active,
        Staff.phone_sealed.is_not(None),
        Staff.texts_stopped_at.is_(None),
    )
    by_id = {one.id: one for one in session.scalars(managers.order_by(Staff.id))}
    shifts = shifts_between(session, now, now + TODAY, tz=tz, duty=Duty.DUTY_LEAD)
    leading = [(shift.start, shift.staff_id) for shift in shifts if shift.staff_id in by_id]
    on_shift = dict.fromkeys(one for start, one in leading if one and start <= now)
    later = dict.fromkeys(one for start, one in leading if one and one not in on_shift)
    steps = escalation.ladder(list(on_shift), list(later), list(by_id))
    return {step: [by_id[one] for one in people] for step, people in steps.items()}
