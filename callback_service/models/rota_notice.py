"""What the managers are told when somebody goes off shift at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.models.base import Base
from callback_service.models.callback import CallbackRequest
from callback_service.models.rota_change import RotaChange
from callback_service.models.staff import Staff

_UNSEEN = text("seen_at IS NULL")


class RotaNotice(Base):
    """One sudden absence, until a manager has seen to it. One for each change that began it."""

    __tablename__ = "rota_notice"
    __table_args__ = (
        CheckConstraint("(seen_at IS NULL) = (seen_by_id IS NULL)", name="seen_whole"),
        Index("ix_rota_notice_unseen", "id", sqlite_where=_UNSEEN, postgresql_where=_UNSEEN),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    change_id: Mapped[int] = mapped_column(ForeignKey("rota_change.id"), unique=True)
    since: Mapped[datetime]
    until: Mapped[datetime]
    # What they were to work then: {"duty", "start", "end"} each, instants in ISO 8601.
    shifts: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    # The promised call they had in hand, which went back to be rung by somebody else.
    request_id: Mapped[int | None] = mapped_column(ForeignKey("callback_request.id"))
    told_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]
    seen_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))

    change: Mapped[RotaChange] = relationship()
    request: Mapped[CallbackRequest | None] = relationship()
    seen_by: Mapped[Staff | None] = relationship(foreign_keys=[seen_by_id])
