"""Who may take a request whose caller asked for somebody else: what the button and the page say."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import NamedTuple

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from callback_service.domain import policy
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.policy import Action
from callback_service.domain.skills import Skill
from callback_service.domain.staff import StaffMember
from callback_service.domain.wishes import in_force, meets, steps
from callback_service.errors import Refused
from callback_service.models.callback import CallbackRequest, Escalation
from callback_service.services import explanations
from callback_service.services.permission import allowed
from callback_service.services.staff_skills import skills_of


class ForAnother(NamedTuple):
    """Whom a caller asked for, in words, and the local time from which anybody may ring."""

    whom: str
    opens: str


@allowed(Action.SEE_QUEUE)
def for_others(
    session: Session, staff: StaffMember, *, now: datetime, tz: tzinfo
) -> dict[int, ForAnother]:
    """The waiting requests that this person may not take yet, as the caller asked for another.

    A wish that holds is for those who meet it; once escalated, and for managers, it does not.
    """
    return _for_others(
        session, staff, CallbackRequest.state == RequestState.WAITING, now=now, tz=tz
    )


def check_wishes(
    session: Session, request: CallbackRequest, staff: StaffMember, *, now: datetime, tz: tzinfo
) -> None:
    """Raise Refused unless this person may take the request: see ``for_others``."""
    one = CallbackRequest.id == request.id
    if line := _for_others(session, staff, one, now=now, tz=tz).get(request.id):
        raise Refused(
            f"This caller asked for {line.whom}. It is for everybody from {line.opens} on."
        )


def _for_others(
    session: Session,
    staff: StaffMember,
    which: ColumnElement[bool],
    *,
    now: datetime,
    tz: tzinfo,
) -> dict[int, ForAnother]:
    if policy.may(staff.role, Action.SEE_RECORD):  # managers step in whenever it is needed
        return {}
    own = skills_of(session, staff.id)
    escalated = select(Escalation.id).where(
        Escalation.request_id == CallbackRequest.id, Escalation.round == CallbackRequest.round
    )
    requests = session.scalars(select(CallbackRequest).where(which, ~escalated.exists()))
    return {
        request.id: _asked_for(request, now=now, tz=tz)
        for request in requests
        if request.wishes.kinds() and not _meets(request, staff.id, own, now=now)
    }


def _meets(
    request: CallbackRequest, staff_id: int, own: frozenset[Skill], *, now: datetime
) -> bool:
    found = steps(request.wishes, ring_from=request.ring_from, due_at=request.due_at)
    needs = in_force(found, now=now)[0].needs
    return all(meets(need, staff_id=staff_id, skills=own) for need in needs)


def _asked_for(request: CallbackRequest, *, now: datetime, tz: tzinfo) -> ForAnother:
    holding = [line for line in explanations.wish_lines(request, now=now) if line.holds]
    opens = max(line.until for line in holding).astimezone(tz)
    return ForAnother(" and ".join(line.words for line in holding), f"{opens:%H:%M}")
