"""Texts waiting to go, and what the gateway said became of them."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.domain.wording import segments
from callback_service.models.base import Base
from callback_service.models.callback import CallbackRequest, Offer
from callback_service.models.request_key import RequestKey
from callback_service.models.sealing import Sealed
from callback_service.models.staff import new_uid

_QUEUED = text("state = 'queued'")
_SENDING = text("state = 'sending'")


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
    ACCOUNT = "account"


#: Kinds that go to callers; all others are notices to staff.
FOR_CALLERS = (
    TextKind.CONFIRMATION,
    TextKind.CHANGE,
    TextKind.REMINDER,
    TextKind.MISSED,
    TextKind.CLOSING,
    TextKind.AUTO_REPLY,
)

#: Of a backlog the lowest goes first: who is waited for now, then near moments, then the rest.
URGENCY: Final = {
    TextKind.ESCALATION: 0,
    TextKind.OFFER: 0,
    TextKind.AUDIT: 0,
    TextKind.CONFIRMATION: 2,
    TextKind.CHANGE: 2,
    TextKind.AUTO_REPLY: 2,
    TextKind.SWAP_OFFERED: 2,
    TextKind.SWAP_TAKEN: 2,
    TextKind.SWAP_DECIDED: 2,
    TextKind.LEAVE_DECIDED: 2,
}
USUAL_URGENCY: Final = 1


def _urgency(row: Any) -> int:
    return URGENCY.get(row.get_current_parameters()["kind"], USUAL_URGENCY)


def _segments(row: Any) -> int:
    return segments(row.get_current_parameters()["body"])


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
        Index("ix_outbox_message_queue", "urgency", "send_after", "id",
              sqlite_where=_QUEUED, postgresql_where=_QUEUED),
        Index("ix_outbox_message_leases", "lease_until",
              sqlite_where=_SENDING, postgresql_where=_SENDING),
        Index("ix_outbox_message_to_index", "to_index", "created_at",
              sqlite_where=text("to_index IS NOT NULL"),
              postgresql_where=text("to_index IS NOT NULL")),
        Index("ix_outbox_message_network_index", "network_index", "created_at",
              sqlite_where=text("network_index IS NOT NULL"),
              postgresql_where=text("network_index IS NOT NULL")),
        CheckConstraint("(state = 'sending') = (lease_until IS NOT NULL)", name="lease_set"),
    )  # fmt: skip

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
    to_index: Mapped[bytes | None] = mapped_column(LargeBinary(16))  # of callers, to count by
    network_index: Mapped[bytes | None] = mapped_column(
        LargeBinary(16)
    )  # of who posted the form that brought it about; for a day
    body: Mapped[str] = mapped_column(String(640))  # holds no personal data
    segments: Mapped[int] = mapped_column(default=_segments, server_default="1")
    urgency: Mapped[int] = mapped_column(default=_urgency, server_default="1")
    state: Mapped[OutboxState] = mapped_column(default=OutboxState.QUEUED)
    send_after: Mapped[datetime]
    expires_at: Mapped[datetime]  # not sent after this
    lease_until: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(
        default=0
    )  # counts claims; a claim that was overtaken records nothing
    claimed_by: Mapped[int | None]  # the mark of the run that has it in hand: see sender_marks
    in_doubt: Mapped[bool] = mapped_column(
        default=False, server_default=false()
    )  # the last claim was of a send that may have gone
    first_tried_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)
    unclear_tries: Mapped[int] = mapped_column(default=0)
    provider_sid: Mapped[str | None] = mapped_column(String(64), unique=True)
    delivery_status: Mapped[str | None] = mapped_column(String(16))
    error_code: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]

    to = Sealed(by_request=True)  # of staff, and of strangers, by a key of the service

    request: Mapped[CallbackRequest | None] = relationship()
    offer: Mapped[Offer | None] = relationship()

    @property
    def request_key(self) -> RequestKey | None:
        """The key that the number is sealed with, if the text is about a request."""
        if self.request is None and self.request_id is not None:
            raise RuntimeError("give the text its request before its number")
        return self.request.request_key if self.request else None


class TextGate(Base):
    """The one row that all senders pass through: the rate, the day's spending and the breaker."""

    __tablename__ = "text_gate"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    failures: Mapped[int] = mapped_column(default=0)  # in a row, whoever sent
    opened_at: Mapped[datetime | None]  # when the breaker opened; nothing goes while it is
    closed_until: Mapped[datetime | None]  # nothing is claimed before: asked for, or a pause
    pause_seconds: Mapped[float] = mapped_column(default=0.0)  # the breaker's last
    tokens: Mapped[float] = mapped_column(default=0.0)  # texts that may go at ``tokens_at``
    tokens_at: Mapped[datetime | None]
    spent_on: Mapped[date | None]  # the local day that ``spent`` is of
    spent: Mapped[int] = mapped_column(default=0)  # segments


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
