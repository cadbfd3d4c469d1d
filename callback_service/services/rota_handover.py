"""What somebody leaves behind who goes off shift at once."""

from __future__ import annotations

from datetime import datetime, tzinfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import RequestState
from callback_service.models.callback import CallbackRequest, Offer, OfferEnding
from callback_service.services.requests import give_back, lock_request
from callback_service.services.rota import on_now


def hand_back(
    session: Session, staff_id: int, *, actor_id: int | None, now: datetime, tz: tzinfo
) -> None:
    """Give back what somebody who is no longer on shift has in hand, unless they are calling."""
    if any(shift.staff_id == staff_id for shift in on_now(session, now=now, tz=tz)):
        return
    held = session.scalar(
        select(CallbackRequest.id).where(
            CallbackRequest.assigned_to_id == staff_id,
            CallbackRequest.state == RequestState.ASSIGNED,
        )
    )
    if held is not None:
        request = lock_request(session, held)
        if request.state is RequestState.ASSIGNED and request.assigned_to_id == staff_id:
            give_back(session, request, actor_id=actor_id, reason="off_shift", now=now)
    offers = session.scalars(
        select(Offer)
        .where(Offer.counsellor_id == staff_id, Offer.ended_at.is_(None))
        .with_for_update()
    )
    for offer in offers:
        offer.ended_at, offer.ending = now, OfferEnding.RELEASED
    session.flush()
