"""Who is barred from a caller: they said that they know them, or a manager keeps them away.

All of that caller is closed to them. The one exception is a manager's line on the desk, which says
nothing of the person: a request must not vanish from the only one who could pass it on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cache

from sqlalchemy import CompoundSelect, Select, or_, select, union
from sqlalchemy.orm import Session, aliased

from callback_service.domain.lifecycle import LetGo, RequestState
from callback_service.errors import NotFound
from callback_service.models.callback import CallbackRequest, Offer
from callback_service.models.conflict import Bar
from callback_service.services.requests import NO_SUCH


def barred_from(session: Session, staff_id: int) -> set[int]:
    """The requests, open and closed, of every number that ``staff_id`` is barred from."""
    return set(session.scalars(_closed_to(staff_id)))


def hidden_from(session: Session, staff_id: int) -> set[int]:
    """The closed ones of ``barred_from``: of an open one a manager has a line on the desk."""
    is_closed = CallbackRequest.state == RequestState.CLOSED
    closed = select(CallbackRequest.id).where(is_closed)
    return set(session.scalars(closed.where(CallbackRequest.id.in_(_closed_to(staff_id)))))


def is_barred(session: Session, request_id: int, staff_id: int) -> bool:
    """Whether the caller of one request is closed to somebody."""
    return session.scalar(_closed_to(staff_id, request_id).limit(1)) is not None


def is_any_barred(session: Session, requests: Iterable[CallbackRequest], staff_id: int) -> bool:
    """Whether the caller of any of the requests is closed to somebody."""
    return not barred_from(session, staff_id).isdisjoint(one.id for one in requests)


def check_not_barred(session: Session, request_id: int, staff_id: int) -> None:
    """Raise NotFound, as for a request that is not there, if its caller is closed to them."""
    if is_barred(session, request_id, staff_id):
        raise NotFound(NO_SUCH)


def barred_by_waiting(session: Session) -> defaultdict[int, set[int]]:
    """Who must not be put to which waiting request, by its id."""
    found: defaultdict[int, set[int]] = defaultdict(set)
    for request_id, staff_id in session.execute(barred_from_waiting()):
        found[request_id].add(staff_id)
    return found


@cache
def barred_from_waiting() -> Select[int, int]:
    """Each waiting request with each person who must not be put to it, as a query.

    Made once: to put it together takes longer than to run it, and whoever sends the form waits.
    """
    pairs, at, waiting = _pairs().subquery(), aliased(CallbackRequest), aliased(CallbackRequest)
    return (
        select(waiting.id, pairs.c.staff_id)
        .join(at, at.id == pairs.c.request_id)
        .join(waiting, waiting.phone_index == at.phone_index)
        .where(waiting.state == RequestState.WAITING)
    )


def _closed_to(staff_id: int, request_id: int | None = None) -> Select[int]:
    """An erased request has no number; what was said at it still holds for itself."""
    pairs, at, same = (
        _pairs(staff_id).subquery(),
        aliased(CallbackRequest),
        aliased(CallbackRequest),
    )
    same_caller = or_(same.id == at.id, same.phone_index == at.phone_index)
    closed = select(same.id).join(at, same_caller).join(pairs, pairs.c.request_id == at.id)
    return closed if request_id is None else closed.where(same.id == request_id)


def _pairs(staff_id: int | None = None) -> CompoundSelect[int, int]:
    """The request at which somebody was barred from its caller, and who."""
    said = select(Offer.request_id, Offer.counsellor_id.label("staff_id")).where(
        Offer.reason == LetGo.KNOWS_CALLER
    )
    kept_away = select(Bar.request_id, Bar.staff_id).where(Bar.lifted_at.is_(None))
    if staff_id is not None:
        said = said.where(Offer.counsellor_id == staff_id)
        kept_away = kept_away.where(Bar.staff_id == staff_id)
    return union(said, kept_away)
