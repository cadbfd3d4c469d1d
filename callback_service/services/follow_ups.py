"""A later call that was agreed on while speaking: a request of its own."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.contact import Phone, Window
from callback_service.domain.wishes import Wishes
from callback_service.errors import BadInput, Refused
from callback_service.models.callback import CallbackRequest, Submission
from callback_service.services.asks import Ask
from callback_service.services.intake import keep_agreed, new_key

#: A follow-up is rung within this time from when it was agreed for.
RING_WITHIN: Final = timedelta(hours=1)
FURTHEST: Final = timedelta(days=28)


def make_follow_up(
    session: Session,
    request: CallbackRequest,
    *,
    at: datetime,
    counsellor_id: int | None,
    now: datetime,
    tz: tzinfo,
) -> CallbackRequest:
    """Keep a request to ring again from ``at`` on, with what is known; after ``request`` is closed.

    ``counsellor_id`` is whom they would like to speak with again. A number that asked anew in the
    meantime has the agreed time added to its open request. Raises BadInput for a time that cannot
    be promised.
    """
    if not now < at <= now + FURTHEST:
        raise BadInput("There is a problem", {"follow_up_at": "Choose a time in the next 28 days"})
    if request.phone is None:
        raise Refused("This caller's number was erased, so no further call can be agreed.")
    consent = session.scalars(
        select(Submission.consent_version)
        .where(Submission.request_id == request.id)
        .order_by(Submission.id.desc())
        .limit(1)
    ).one()
    ask = Ask(
        key=new_key(),  # nobody has it: the caller agreed by voice
        phone=Phone(request.phone, request.phone_kind),
        name=request.name,
        window=Window(at, at + RING_WITHIN),
        safe_contact=request.safe_contact,
        note=request.note,
        consent_version=consent,
        wishes=Wishes(request.wish_language, request.wish_gender, counsellor_id),
    )
    return keep_agreed(session, ask, follows=request, now=now, tz=tz)
