"""What happened to a request, for managers: who was asked, who let it go and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import LetGo
from callback_service.domain.policy import Action, Field
from callback_service.domain.staff import StaffMember
from callback_service.errors import NotFound
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import CallbackRequest, Offer
from callback_service.models.staff import Staff
from callback_service.services import audit, decoys, sight
from callback_service.services.inbound_texts import InboundRow, words_of
from callback_service.services.permission import allowed
from callback_service.services.requests import NO_SUCH

_DETAILS: Final = ("step", "reason", "disposition")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: to whom or by whom, and why if that was said."""

    at: datetime
    action: str
    who: str | None
    details: tuple[str, ...]
    let_go: LetGo | None
    words: str | None


@dataclass(frozen=True, slots=True)
class History:
    """All that happened to one request, oldest first, with what the caller texted to us."""

    request_id: int
    reference: str
    state: str
    events: list[Event]
    written: list[InboundRow]  # what they texted to us, in their own words
    withheld: int  # how many more texts there are, for who gives a reason to see the record


@allowed(Action.SEE_HISTORY)
def history(session: Session, request_id: int, *, staff: StaffMember, now: datetime) -> History:
    """The history of a request. Reasons are in people's own words, so the look is written down."""
    request = session.get(CallbackRequest, request_id)
    if request is None:
        raise NotFound(NO_SUCH)
    seen = sight.seen_by(session, request, staff, Action.SEE_HISTORY, now=now)
    entries = session.scalars(
        select(AuditEntry)
        .where(
            AuditEntry.subject == "callback_request",
            AuditEntry.subject_id == request_id,
            AuditEntry.action.not_in(audit.LOOKS),  # nothing that happened to the request
        )
        .order_by(AuditEntry.id)
    ).all()
    offers = session.scalars(select(Offer).where(Offer.request_id == request_id))
    let_go = {offer.id: offer for offer in offers}
    names = dict(session.execute(select(Staff.id, Staff.name)).all())
    events = [
        _event(entry, let_go.get(entry.detail.get("offer_id", 0)), names) for entry in entries
    ]
    decoys.record_look(session, "request.history_read", request_id, actor_id=staff.id, now=now)
    texts = words_of(session, request_id)
    written = seen.whole(Field.TEXTS_IN, texts) or []
    withheld = len(texts) - len(written)
    return History(request.id, request.reference, request.state, events, written, withheld)


def _event(entry: AuditEntry, offer: Offer | None, names: dict[int, str]) -> Event:
    """``offer`` is the one that somebody let go with this: it tells whose it was, and why."""
    doer_id = entry.detail.get("counsellor_id", entry.actor_id)
    staff_id = offer.counsellor_id if offer else doer_id
    return Event(
        at=entry.at,
        action=entry.action.removeprefix("request."),
        who=names.get(staff_id) if staff_id is not None else None,
        details=tuple(str(entry.detail[name]) for name in _DETAILS if name in entry.detail),
        let_go=offer.reason if offer else None,
        words=offer.words if offer else None,
    )
