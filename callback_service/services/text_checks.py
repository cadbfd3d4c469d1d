"""Asking the gateway after one text, when a manager wants to know: read, ask, write down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.policy import Action
from callback_service.errors import NotFound, Refused
from callback_service.gateways.base import FoundText, TextGateway
from callback_service.models.outbox import OutboxMessage
from callback_service.services import audit, receipts
from callback_service.services.conflicts import is_barred
from callback_service.services.messages import may_be_asked_after
from callback_service.services.permission import allowed


@dataclass(frozen=True, slots=True)
class Question:
    """A text to ask after: by the gateway's id, or else by number, words and time."""

    message_id: int
    uid: str
    sid: str | None
    to: str
    body: str
    since: datetime
    known_sids: frozenset[str]


@allowed(Action.CONTROL_TEXTS)
def question(session: Session, message_id: int, *, actor_id: int) -> Question:
    """What to ask about a text. Raises Refused where the gateway can know nothing of it.

    To whoever is barred from its caller it is not there.
    """
    message = session.get(OutboxMessage, message_id)
    about = message.request_id if message else None
    if message is None or (about is not None and is_barred(session, about, actor_id)):
        raise NotFound("There is no such text.")
    if not may_be_asked_after(message):
        raise Refused("There is nothing to ask: this text is not at the gateway.")
    return Question(
        message_id=message.id,
        uid=message.uid,
        sid=message.provider_sid,
        to=message.to or "",
        body=message.body,
        since=message.first_tried_at or message.created_at,
        known_sids=_sids_of_others(session, message),
    )


def _sids_of_others(session: Session, message: OutboxMessage) -> frozenset[str]:
    """The gateway's ids of our other texts with the same words: none of them is this one."""
    sids = session.scalars(
        select(OutboxMessage.provider_sid).where(
            OutboxMessage.body == message.body, OutboxMessage.provider_sid.is_not(None)
        )
    )
    return frozenset(sid for sid in sids if sid is not None)


def ask(gateway: TextGateway, asked: Question) -> FoundText | None:
    """The text as the gateway holds it; None if it does not. No transaction may be open.

    Raises SmsUnclearError when the gateway cannot say.
    """
    if asked.sid is not None:
        return gateway.fetch_text(asked.sid)
    found = gateway.find_texts(to=asked.to, body=asked.body, since=asked.since)
    return next((text for text in found if text.sid not in asked.known_sids), None)


@allowed(Action.CONTROL_TEXTS)
def take_answer(
    session: Session, asked: Question, found: FoundText | None, *, actor_id: int, now: datetime
) -> str:
    """Write the answer down as if it were a delivery receipt; a sentence for the manager."""
    audit.record(
        session,
        "text.asked_after",
        subject="outbox_message",
        subject_id=asked.message_id,
        actor_id=actor_id,
        now=now,
        status=found.status if found else "not there",
    )
    if found is None:
        return "The gateway does not hold this text."
    is_news = receipts.take_receipt(
        session, asked.uid, sid=found.sid, status=found.status, error_code=found.error_code, now=now
    )
    return f"The gateway says: {found.status}. {'' if is_news else 'That was known.'}".strip()
