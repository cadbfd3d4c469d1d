"""Who is barred from a caller: they said that they know them. All of that caller is closed to them.

The one exception is a manager's line on the desk, which says nothing of the person: a request must
not vanish from the only one who could pass it on.
"""

from __future__ import annotations

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, aliased

from callback_service.domain.lifecycle import LetGo
from callback_service.errors import NotFound
from callback_service.models.callback import CallbackRequest, Offer
from callback_service.services.requests import NO_SUCH


def barred_from(session: Session, staff_id: int) -> set[int]:
    """The requests, open and closed, of every number whose caller ``staff_id`` knows."""
    return set(session.scalars(_known_to(staff_id)))


def check_not_barred(session: Session, request_id: int, staff_id: int) -> None:
    """Raise NotFound, as for a request that is not there, if its caller is known to them."""
    if session.scalar(_known_to(staff_id, request_id).limit(1)) is not None:
        raise NotFound(NO_SUCH)


def _known_to(staff_id: int, request_id: int | None = None) -> Select[int]:
    """An erased request has no number; what was said at it still holds for itself."""
    at, same = aliased(CallbackRequest), aliased(CallbackRequest)
    same_caller = (same.id == at.id) | (same.phone_index == at.phone_index)
    known = (
        select(same.id)
        .join(at, same_caller)
        .join(Offer, Offer.request_id == at.id)
        .where(Offer.counsellor_id == staff_id, Offer.reason == LetGo.KNOWS_CALLER)
    )
    return known if request_id is None else known.where(same.id == request_id)
