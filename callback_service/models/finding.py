"""What the auditor found wrong, and what became of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.domain.auditing import FindingKind
from callback_service.models.base import Base
from callback_service.models.callback import CallbackRequest

_OF_REQUEST = text("gone_at IS NULL AND request_id IS NOT NULL")
_OF_NONE = text("gone_at IS NULL AND request_id IS NULL")


class Finding(Base):
    """One thing found wrong. Open until a later look no longer finds it."""

    __tablename__ = "finding"
    __table_args__ = (
        # One open finding per kind and request; two indexes, since no NULL is equal to another.
        Index("uq_finding_open", "kind", "request_id", unique=True,
              sqlite_where=_OF_REQUEST, postgresql_where=_OF_REQUEST),
        Index("uq_finding_open_of_none", "kind", unique=True,
              sqlite_where=_OF_NONE, postgresql_where=_OF_NONE),
        CheckConstraint("(kind = 'tick_stopped') = (request_id IS NULL)", name="request_set"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[FindingKind]
    request_id: Mapped[int | None] = mapped_column(ForeignKey("callback_request.id"), index=True)
    detail: Mapped[str] = mapped_column(String(200), default="")  # names of ticks
    found_at: Mapped[datetime]
    repaired_at: Mapped[datetime | None]  # what was safe to do was done
    told_at: Mapped[datetime | None]  # the duty lead
    gone_at: Mapped[datetime | None]  # a look no longer found it

    request: Mapped[CallbackRequest | None] = relationship()
