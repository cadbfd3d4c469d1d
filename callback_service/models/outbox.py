"""Texts waiting to go, and what the gateway said became of them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.models.base import Base, Sealed
from callback_service.models.callback import CallbackRequest, Offer
from callback_service.models.staff import new_uid

_DUE = text("state IN ('queued', 'sending')")


class TextKind(StrEnum):
    """What a text is for. Each has a template of its own under ``templates/sms``."""

    CONFIRMATION = "confirmation"
    CHANGE = "change"
    REMINDER = "reminder"
    MISSED = "missed"
    CLOSING = "closing"
    AUTO_REPLY = "auto_reply"
    ESCALATION = "escalation"
    GAP = "gap"
    ABSENCE = "absence"
    OFFER = "offer"
    SWAP_OFFERED = "swap_offered"
    SWAP_TAKEN = "swap_taken"
    SWAP_DECIDED = "swap_decided"
    LEAVE_DECIDED = "leave_decided"
    AUDIT = "audit"


#: Kinds that go to callers; all others are notices to staff.
FOR_CALLERS = (
    TextKind.CONFIRMATION,
    TextKind.CHANGE,
    TextKind.REMINDER,
    TextKind.MISSED,
    TextKind.CLOSING,
    TextKind.AUTO_REPLY,
)


class OutboxState(StrEnum):
    """How far a text has come on our side; the gateway's side is ``delivery_status``."""

    QUEUED = "queued"
    SENDING = "sending"  # marked before the gateway is called: after a crash it is unclear
    SENT = "sent"
    KEPT = "kept"  # no gateway: staff read it here
    FAILED = "failed"
    DROPPED = "dropped"  # no longer true, no longer allowed, or its moment has passed


class OutboxMessage(Base):
    """A text, written with the change that calls for it, and sent afterwards."""

    __tablename__ = "outbox_message"
    __table_args__ = (
        Index("ix_outbox_message_due", "send_after", sqlite_where=_DUE, postgresql_where=_DUE),
        CheckConstraint("(state = 'sending') = (lease_until IS NOT NULL)", name="lease_set"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(
        String(32), default=new_uid, unique=True
    )  # in the receipt's URL
    once_key: Mapped[str] = mapped_column(
        String(64), unique=True
    )  # the event it tells of: told once
    kind: Mapped[TextKind]
    template: Mapped[str] = mapped_column(String(32))  # language, name and version of the wording
    request_id: Mapped[int | None] = mapped_column(ForeignKey("callback_request.id"), index=True)
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    offer_id: Mapped[int | None] = mapped_column(ForeignKey("offer.id"))
    to_sealed: Mapped[bytes | None]  # E.164
    body: Mapped[str] = mapped_column(String(640))  # holds no personal data
    state: Mapped[OutboxState] = mapped_column(default=OutboxState.QUEUED)
    send_after: Mapped[datetime]
    expires_at: Mapped[datetime]  # not sent after this
    lease_until: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(
        default=0
    )  # counts claims; a claim that was overtaken records nothing
    first_tried_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)
    unclear_tries: Mapped[int] = mapped_column(default=0)
    provider_sid: Mapped[str | None] = mapped_column(String(64), unique=True)
    delivery_status: Mapped[str | None] = mapped_column(String(16))
    error_code: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]

    to = Sealed()

    request: Mapped[CallbackRequest | None] = relationship()
    offer: Mapped[Offer | None] = relationship()


class DeliveryReceipt(Base):
    """One status the gateway reported for one text. The same report twice is one row."""

    __tablename__ = "delivery_receipt"
    __table_args__ = (UniqueConstraint("provider_sid", "status"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("outbox_message.id"), index=True)
    provider_sid: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16))
    error_code: Mapped[int | None]
    received_at: Mapped[datetime]
