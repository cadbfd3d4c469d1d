"""The record of a request for those who do not ring it: masked, until they take a look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.contact import national
from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.domain.looks import LOOK_LASTS, mask
from callback_service.domain.policy import Action, Field, Sight
from callback_service.domain.staff import StaffMember
from callback_service.errors import NotFound
from callback_service.models.callback import Attempt, CallbackRequest
from callback_service.services import decoys, sight
from callback_service.services.conflicts import barred_from
from callback_service.services.desk_texts import TextNews, text_news
from callback_service.services.inbound_texts import InboundRow, words_of
from callback_service.services.permission import allowed
from callback_service.services.requests import NO_SUCH
from callback_service.services.sight import Seen


@dataclass(frozen=True, slots=True)
class Record:
    """One request. What is behind the mask is None, or only said to be there."""

    request_id: int
    reference: str
    state: RequestState
    disposition: Disposition | None
    is_urgent: bool
    created_at: datetime
    due_at: datetime
    may_text: bool
    may_leave_voicemail: bool
    is_whole: bool
    shown_until: datetime | None
    is_erased: bool
    phone: str  # masked or whole; empty once it is erased
    name: str | None
    note: str | None
    notes: str | None
    written: list[InboundRow]
    hidden: tuple[Field, ...]  # of these there is something, behind the mask
    attempts: list[Attempt]
    texts: TextNews


@allowed(Action.SEE_RECORD)
def record(session: Session, request_id: int, *, staff: StaffMember, now: datetime) -> Record:
    """The record as ``staff`` may see it. Each opening is an audit row."""
    request = session.get(CallbackRequest, request_id)
    if request is None:
        raise NotFound(NO_SUCH)
    seen = sight.seen_by(session, request, staff, Action.SEE_RECORD, now=now)
    look = sight.open_look(session, request_id, staff.id, now=now)
    decoys.record_look(
        session, "request.record_read", request_id,
        actor_id=staff.id, now=now, is_whole=seen.is_whole,
    )  # fmt: skip
    written = words_of(session, request_id)
    return Record(
        request_id=request.id,
        reference=request.reference,
        state=request.state,
        disposition=request.disposition,
        is_urgent=request.is_urgent,
        created_at=request.created_at,
        due_at=request.due_at,
        may_text=request.may_text,
        may_leave_voicemail=request.may_leave_voicemail,
        is_whole=seen.is_whole,
        shown_until=look.at + LOOK_LASTS if look else None,
        is_erased=request.phone_index is None,
        phone=number_as_seen(seen, request.phone),
        name=seen.whole(Field.NAME, request.name),
        note=seen.whole(Field.SAFE_CONTACT, request.note),
        notes=seen.whole(Field.NOTES, request.closing_note),
        written=seen.whole(Field.TEXTS_IN, written) or [],
        hidden=_hidden(seen, request, has_written=bool(written)),
        attempts=list(request.attempts),
        texts=text_news(session, [request])[request_id],
    )


def number_as_seen(seen: Seen, e164: str | None) -> str:
    """The number whole, masked or not at all, as it is written in this country."""
    if e164 is None or seen.of(Field.NUMBER) is Sight.HIDDEN:
        return ""
    return national(e164) if seen.of(Field.NUMBER) is Sight.WHOLE else mask(e164)


def _hidden(seen: Seen, request: CallbackRequest, *, has_written: bool) -> tuple[Field, ...]:
    there = {
        Field.NAME: request.name_sealed is not None,
        Field.SAFE_CONTACT: request.note_sealed is not None,
        Field.NOTES: request.closing_note_sealed is not None,
        Field.TEXTS_IN: has_written,
    }
    return tuple(f for f, is_there in there.items() if is_there and seen.of(f) is Sight.MASKED)


@dataclass(frozen=True, slots=True)
class FlaggedRow:
    """A request that was marked urgent: no name, no number."""

    request_id: int
    reference: str
    state: RequestState
    due_at: datetime
    closed_at: datetime | None
    holder: str | None


@allowed(Action.SEE_FLAGGED)
def flagged(session: Session, *, staff: StaffMember, limit: int) -> list[FlaggedRow]:
    """Requests that were marked urgent and are not erased: open ones first, then the newest."""
    barred = barred_from(session, staff.id)
    rows = session.scalars(
        select(CallbackRequest)
        .where(
            CallbackRequest.is_urgent,
            CallbackRequest.phone_index.is_not(None),
            CallbackRequest.id.not_in(barred),
        )
        .order_by(CallbackRequest.closed_at.is_not(None), CallbackRequest.id.desc())
        .limit(limit)
    )
    return [
        FlaggedRow(
            row.id, row.reference, row.state, row.due_at, row.closed_at,
            row.assigned_to.name if row.assigned_to else None,
        )
        for row in rows
    ]  # fmt: skip
