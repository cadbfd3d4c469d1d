"""What was done, by whom, to which record. Rows are only ever added, and chained.

The database refuses to change or delete entries and seals (triggers, migration 0025). A migration
that makes one of these tables anew on SQLite has to make its triggers anew too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from callback_service.models.base import Base


class AuditEntry(Base):
    """One deed. ``detail`` holds ids, states and reasons, never personal data."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index("ix_audit_entry_subject", "subject", "subject_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor_id: Mapped[int | None] = mapped_column(
        ForeignKey("staff.id"), index=True
    )  # None: the caller or the scheduler
    action: Mapped[str] = mapped_column(String(48))  # "request.accepted"
    subject: Mapped[str] = mapped_column(String(32))  # table name
    subject_id: Mapped[int | None]
    detail: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class AuditSeal(Base):
    """The place of one entry in the chain. Places are given in the order of commits, with no gap.

    ``mac`` is over the seal before and the entry's content, so nothing can be changed, taken out,
    put in or put elsewhere without the key.
    """

    __tablename__ = "audit_seal"

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 1, 2, 3 ...
    entry_id: Mapped[int] = mapped_column(ForeignKey("audit_entry.id"), unique=True)
    key_id: Mapped[str] = mapped_column(String(8))  # tells keys apart, and nothing of them
    mac: Mapped[bytes] = mapped_column(LargeBinary(32))


class AuditHead(Base):
    """Where the chain ends: one row, locked as the last thing of each transaction that adds to it.

    ``proof`` is made with the key too: whoever cuts off the end cannot say that it ended earlier.
    """

    __tablename__ = "audit_head"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int]
    mac: Mapped[bytes | None] = mapped_column(LargeBinary(32))  # None: nothing was sealed yet
    proof: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    begins_after: Mapped[int]  # entries up to this id are older than the chain


class AuditShipping(Base):
    """Up to which place of the chain entries were written to the log outside. One row."""

    __tablename__ = "audit_shipping"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int]
