"""What was done, by whom, to which record. Rows are only ever added."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from callback_service.models.base import Base


class AuditEntry(Base):
    """One deed. ``detail`` holds ids, states and reasons, never personal data."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index("ix_audit_entry_subject", "subject", "subject_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor_id: Mapped[int | None] = mapped_column(
        ForeignKey("staff.id")
    )  # None: the caller or the scheduler
    action: Mapped[str] = mapped_column(String(48))  # "request.accepted"
    subject: Mapped[str] = mapped_column(String(32))  # table name
    subject_id: Mapped[int | None]
    detail: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
