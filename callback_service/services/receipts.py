"""What the gateway reports of a text it took. Reports repeat and come out of order."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.gateways.twilio_codes import (
    ARRIVED,
    DID_NOT_ARRIVE,
    desk_sentence,
    is_forward,
)
from callback_service.gateways.twilio_webhooks import with_overrides
from callback_service.models.outbox import DeliveryReceipt, OutboxMessage, OutboxState
from callback_service.services import audit, suppression


def receipts_address(base_url: str, uid: str) -> str:
    """Where the gateway reports of our text ``uid``: our public address, and how to try again."""
    return with_overrides(f"{base_url}/twilio/texts/{uid}/status")


def take_receipt(
    session: Session, uid: str, *, sid: str, status: str, error_code: int | None, now: datetime
) -> bool:
    """Record one delivery receipt; False when it is unknown or tells nothing new.

    A receipt carries our own id, so it also settles a send whose reply was lost.
    """
    message = session.scalar(
        select(OutboxMessage).where(OutboxMessage.uid == uid).with_for_update()
    )
    if not sid or not status or message is None or message.provider_sid not in {None, sid}:
        return False
    if not _keep(session, message, sid=sid, status=status, error_code=error_code, now=now):
        return False
    if message.state is OutboxState.SENDING or message.provider_sid is None:
        _take_back(session, message, sid, now=now)
        _settle_by_receipt(message, sid, now=now)
    if is_forward(message.delivery_status, status):
        message.delivery_status, message.error_code = status, error_code or message.error_code
        if status in DID_NOT_ARRIVE:
            message.state, message.reason = OutboxState.FAILED, desk_sentence(error_code)
            suppression.learn(session, message, now=now)
        elif status in ARRIVED:
            message.state, message.reason = OutboxState.SENT, None
    audit.record(
        session,
        "text.receipt",
        subject="outbox_message",
        subject_id=message.id,
        now=now,
        status=status,
        code=error_code,
    )
    return True


def _keep(
    session: Session,
    message: OutboxMessage,
    *,
    sid: str,
    status: str,
    error_code: int | None,
    now: datetime,
) -> bool:
    receipt = DeliveryReceipt(
        message_id=message.id,
        provider_sid=sid,
        status=status,
        error_code=error_code,
        received_at=now,
    )
    try:
        with session.begin_nested():
            session.add(receipt)
    except IntegrityError:
        return False
    return True


def _take_back(session: Session, message: OutboxMessage, sid: str, *, now: datetime) -> None:
    """Make a text unclear again that was taken for this one when it was looked up.

    Two texts with the same words to one number look alike at the gateway. The receipt knows better.
    """
    mistaken = session.scalar(
        select(OutboxMessage)
        .where(OutboxMessage.provider_sid == sid, OutboxMessage.id != message.id)
        .with_for_update()
    )
    if mistaken is not None:
        mistaken.state, mistaken.lease_until = OutboxState.SENDING, now
        mistaken.provider_sid = mistaken.delivery_status = mistaken.sent_at = None
        session.flush()  # before this one takes the id


def _settle_by_receipt(message: OutboxMessage, sid: str, *, now: datetime) -> None:
    message.state, message.lease_until, message.reason = OutboxState.SENT, None, None
    message.provider_sid, message.sent_at = sid, message.sent_at or now
