"""Who may take a request whose caller asked for somebody else: what the button and the page say."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import NamedTuple

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from callback_service.domain import policy
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.policy import Action
from callback_service.domain.staff import StaffMember
from callback_service.domain.wishes import meets
from callback_service.errors import Refused
from callback_service.models.callback import CallbackRequest, Escalation, Offer
from callback_service.services.permission import allowed
from callback_service.services.staff_skills import skills_of
from callback_service.services.wish_lines import WishLine, wish_lines


class ForAnother(NamedTuple):
    """Whom a caller asked for, in words, and the local time from which anybody may ring."""

    whom: str
    opens: str


@allowed(Action.SEE_QUEUE)
def for_others(
    session: Session, staff: StaffMember, *, now: datetime, tz: tzinfo
) -> dict[int, ForAnother]:
    """The waiting requests that this person may not take yet, as the caller asked for another.

    A wish that holds is for those who meet it; once escalated, for managers, and for whoever has
    the offer already, it does not.
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
    escalated = select(Escalation.id).where(
        Escalation.request_id == CallbackRequest.id, Escalation.round == CallbackRequest.round
    )
    has_offer = select(Offer.id).where(
        Offer.request_id == CallbackRequest.id,
        Offer.counsellor_id == staff.id,
        Offer.ended_at.is_(None),
    )
    others = select(CallbackRequest).where(which, ~escalated.exists(), ~has_offer.exists())
    lines = wish_lines(session, session.scalars(others).all(), now=now, tz=tz)
    own = skills_of(session, staff.id)
    return {
        request_id: _for_another(holding, tz)
        for request_id, found in lines.items()
        if (holding := [line for line in found if line.until is not None])
        and not all(meets(line.need, staff_id=staff.id, skills=own) for line in holding)
    }


def _for_another(holding: list[WishLine], tz: tzinfo) -> ForAnother:
    opens = max(line.until for line in holding if line.until is not None).astimezone(tz)
    return ForAnother(" and ".join(line.words for line in holding), f"{opens:%H:%M}")
