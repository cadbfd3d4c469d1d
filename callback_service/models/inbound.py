"""Texts that came in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.domain.inbound import InboundKind
from callback_service.models.base import Base
from callback_service.models.callback import CallbackRequest
from callback_service.models.request_key import RequestKey
from callback_service.models.sealing import Sealed
from callback_service.models.staff import new_uid


class InboundText(Base):
    """One text to the service's number. Of a stranger's no word is kept, only that it came."""

    __tablename__ = "inbound_text"
    __table_args__ = (
        CheckConstraint("body_sealed IS NULL OR request_id IS NOT NULL", name="body_of_known"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), default=new_uid, unique=True)
    provider_sid: Mapped[str] = mapped_column(String(64), unique=True)  # the same twice is one
    kind: Mapped[InboundKind]
    phone_index: Mapped[bytes | None] = mapped_column(LargeBinary(16), index=True)
    request_id: Mapped[int | None] = mapped_column(ForeignKey("callback_request.id"), index=True)
    answers_id: Mapped[int | None] = mapped_column(ForeignKey("outbox_message.id"))
    body_sealed: Mapped[bytes | None]
    received_at: Mapped[datetime]

    body = Sealed(by_request=True)

    request: Mapped[CallbackRequest | None] = relationship()

    @property
    def request_key(self) -> RequestKey | None:
        """The key that the words are sealed with."""
        return self.request.request_key if self.request else None
