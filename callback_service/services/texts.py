"""Writing a text into the outbox, in the transaction of the change it tells of."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.contact import LineKind
from callback_service.models.base import keyring
from callback_service.models.callback import CallbackRequest
from callback_service.models.outbox import OutboxMessage, OutboxState, TextKind
from callback_service.models.staff import Staff
from callback_service.services import text_limits

#: The wording in use for each kind; an older version stays as long as a row may name it.
TEMPLATES: Final = {
    TextKind.CONFIRMATION: "confirmation.v2",
    TextKind.MISSED: "missed.v1",
    TextKind.CLOSING: "closing.v1",
    TextKind.ESCALATION: "escalation.v1",
    TextKind.GAP: "gap.v1",
    TextKind.ABSENCE: "absence.v1",
    TextKind.OFFER: "offer.v1",
    TextKind.SWAP_OFFERED: "swap_offered.v1",
    TextKind.SWAP_TAKEN: "swap_taken.v1",
    TextKind.SWAP_DECIDED: "swap_decided.v1",
    TextKind.LEAVE_DECIDED: "leave_decided.v2",
    TextKind.AUDIT: "audit.v1",
}

_WORDINGS = Environment(
    loader=FileSystemLoader(Path(__file__).parents[2] / "templates" / "sms"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701 - plain text for a phone, and no typed words go in
)
_WORDINGS.globals["shows_number"] = False


def use_caller_id(*, shows_number: bool) -> None:
    """Say from now on what a call shows on the caller's phone. Called once, by ``create_app``."""
    _WORDINGS.globals["shows_number"] = shows_number


def wording(kind: TextKind, **facts: str) -> str:
    """The words of a text. ``facts`` are times and references, never names or numbers."""
    return _WORDINGS.get_template(f"{TEMPLATES[kind]}.txt").render(facts).strip()


def text_caller(
    session: Session,
    request: CallbackRequest,
    kind: TextKind,
    *,
    once_key: str,
    expires_at: datetime,
    now: datetime,
    network: str | None = None,
    **facts: str,
) -> None:
    """Queue a text to the caller, if they allowed texts and their number is a mobile.

    One beyond a limit is kept as dropped, with the reason. ``network``: where a form came from.
    """
    if may_be_texted(request):
        message = _message(kind, once_key=once_key, expires_at=expires_at, now=now, **facts)
        message.request_id = request.id
        message.network_index = text_limits.network_index(network)
        _queue(session, message, to=request.phone)


def may_be_texted(request: CallbackRequest) -> bool:
    """Whether a text to this caller is allowed. Never to a landline: it is read aloud there."""
    return request.may_text and request.phone_kind is LineKind.MOBILE


def text_staff(
    session: Session,
    staff: Staff,
    kind: TextKind,
    *,
    once_key: str,
    expires_at: datetime,
    now: datetime,
    offer_id: int | None = None,
    **facts: str,
) -> None:
    """Queue a notice to a member of staff who has given a number; true as long as its offer is."""
    message = _message(kind, once_key=once_key, expires_at=expires_at, now=now, **facts)
    message.staff_id, message.offer_id = staff.id, offer_id
    _queue(session, message, to=staff.phone)


def _message(
    kind: TextKind, *, once_key: str, expires_at: datetime, now: datetime, **facts: str
) -> OutboxMessage:
    return OutboxMessage(
        once_key=once_key,
        kind=kind,
        template=TEMPLATES[kind],
        body=wording(kind, **facts),
        send_after=now,
        expires_at=expires_at,
        created_at=now,
    )


def _queue(session: Session, message: OutboxMessage, *, to: str | None) -> None:
    known = session.scalar(
        select(OutboxMessage.id).where(OutboxMessage.once_key == message.once_key)
    )
    if to is None or known is not None:
        return
    message.to_index = keyring().blind_index("phone", to)
    if message.request_id is not None:
        message.reason = text_limits.beyond(session, message, now=message.created_at)
        message.state = OutboxState.DROPPED if message.reason else OutboxState.QUEUED
    session.add(message)
    session.flush()  # gives the row its uid, which the sealed number is tied to
    message.to = to
