"""The audit log for people: who did what to which record, the newest first.

Whoever is barred from a caller finds nothing of them here, as they find nothing of them elsewhere:
an entry tells that the caller asked, when, and who was kept away. Others see those entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, not_, or_, select
from sqlalchemy.orm import Session, aliased

from callback_service.errors import NotFound
from callback_service.models.audit import AuditEntry
from callback_service.models.call import BridgedCall
from callback_service.models.callback import CallbackRequest
from callback_service.models.decoy import Decoy
from callback_service.models.inbound import InboundText
from callback_service.models.outbox import OutboxMessage
from callback_service.models.staff import Staff
from callback_service.services.conflicts import barred_from, is_barred


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which entries to list. None and () mean all."""

    actor_id: int | None = None
    actions: tuple[str, ...] = ()  # starts of names: "request." is every deed to a request
    request_id: int | None = None  # with its calls and texts
    since: datetime | None = None
    until: datetime | None = None  # the first instant that is not listed
    with_decoys: bool = False  # that somebody opened one is for those alone who may know


@dataclass(frozen=True, slots=True)
class TrailRow:
    """One entry. It tells nothing of a caller but the reference."""

    id: int
    at: datetime
    who: str | None  # None: the service itself, or a caller
    action: str
    subject: str
    subject_id: int | None
    reference: str | None  # of the request it was done to
    about: str | None  # the member of staff it was done to
    detail: dict[str, Any]


def latest(
    session: Session,
    chosen: Chosen,
    *,
    viewer_id: int,
    limit: int,
    before_id: int | None = None,
) -> list[TrailRow]:
    """The newest entries first; ``before_id`` goes on from the last of an earlier page."""
    conditions = _conditions(chosen)
    if barred := barred_from(session, viewer_id):
        conditions.append(not_(_is_about(barred)))
    wanted = _with_names().where(*conditions).order_by(AuditEntry.id.desc()).limit(limit)
    if before_id is not None:
        wanted = wanted.where(AuditEntry.id < before_id)
    return [_row(*found) for found in session.execute(wanted)]


def _with_names() -> Select[AuditEntry, str, str, str]:
    actor, about = aliased(Staff), aliased(Staff)
    is_request = AuditEntry.subject == CallbackRequest.__tablename__
    is_staff = AuditEntry.subject == Staff.__tablename__
    return (
        select(AuditEntry, actor.name, CallbackRequest.reference, about.name)
        .outerjoin(actor, actor.id == AuditEntry.actor_id)
        .outerjoin(CallbackRequest, and_(is_request, CallbackRequest.id == AuditEntry.subject_id))
        .outerjoin(about, and_(is_staff, about.id == AuditEntry.subject_id))
    )


def _row(entry: AuditEntry, who: str | None, reference: str | None, about: str | None) -> TrailRow:
    return TrailRow(
        id=entry.id,
        at=entry.at,
        who=who,
        action=entry.action,
        subject=entry.subject,
        subject_id=entry.subject_id,
        reference=reference,
        about=about,
        detail=entry.detail,
    )


def _conditions(chosen: Chosen) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if not chosen.with_decoys:
        found.append(AuditEntry.subject != Decoy.__tablename__)
    if chosen.actor_id is not None:
        found.append(AuditEntry.actor_id == chosen.actor_id)
    if chosen.actions:
        starts = (AuditEntry.action.startswith(name, autoescape=True) for name in chosen.actions)
        found.append(or_(*starts))
    if chosen.request_id is not None:
        found.append(_is_about({chosen.request_id}))
    if chosen.since is not None:
        found.append(AuditEntry.at >= chosen.since)
    if chosen.until is not None:
        found.append(AuditEntry.at < chosen.until)
    return found


def _is_about(request_ids: set[int]) -> ColumnElement[bool]:
    """Whether an entry is of one of the requests, or of a call, text or report of one."""
    calls = select(BridgedCall.id).where(BridgedCall.request_id.in_(request_ids))
    texts = select(OutboxMessage.id).where(OutboxMessage.request_id.in_(request_ids))
    written = select(InboundText.id).where(InboundText.request_id.in_(request_ids))
    return or_(
        and_(AuditEntry.subject == "callback_request", AuditEntry.subject_id.in_(request_ids)),
        and_(AuditEntry.subject == "bridged_call", AuditEntry.subject_id.in_(calls)),
        and_(AuditEntry.subject == "outbox_message", AuditEntry.subject_id.in_(texts)),
        and_(AuditEntry.subject == "inbound_text", AuditEntry.subject_id.in_(written)),
    )


def people(session: Session) -> list[tuple[int, str]]:
    """Everybody who has or had an account, by name: whose deeds can be listed."""
    found = session.execute(select(Staff.id, Staff.name).order_by(Staff.name, Staff.id))
    return [(staff_id, name) for staff_id, name in found]


def request_of(session: Session, reference: str, *, viewer_id: int) -> int:
    """The id of the request with this reference, as somebody typed it; raises NotFound."""
    typed = "".join(reference.split()).upper()
    has_it = CallbackRequest.reference == typed
    can_be_one = typed.isascii() and typed.isalnum()  # PostgreSQL takes no NUL, not even to look
    request_id = session.scalar(select(CallbackRequest.id).where(has_it)) if can_be_one else None
    if request_id is None or is_barred(session, request_id, viewer_id):
        raise NotFound("There is no request with this reference.")
    return request_id


def reference_of(session: Session, request_id: int, *, viewer_id: int) -> str | None:
    """The reference of a request, to name it on the page."""
    if is_barred(session, request_id, viewer_id):
        return None
    return session.scalar(select(CallbackRequest.reference).where(CallbackRequest.id == request_id))
