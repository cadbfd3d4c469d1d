"""Changes of the rota for given dates, as instants."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import LeaveReason
from callback_service.models.base import Base
from callback_service.models.staff import Staff
from callback_service.models.swap import Swap


class ChangeKind(StrEnum):
    """What a change does."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"
    LEAVE = "leave"
    OPEN = "open"


class RotaChange(Base):
    """One change over ``[starts_at, ends_at)``. Cancelled ones are kept and hold no longer."""

    __tablename__ = "rota_change"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="span_in_order"),
        CheckConstraint("(kind = 'leave') = (duty IS NULL)", name="duty_set"),
        CheckConstraint("(kind = 'leave') = (reason IS NOT NULL)", name="reason_set"),
        CheckConstraint("(kind = 'replace') = (by_id IS NOT NULL)", name="stand_in_set"),
        CheckConstraint("kind = 'open' OR staff_id IS NOT NULL", name="person_set"),
        CheckConstraint("by_id IS NULL OR by_id != staff_id", name="two_people"),
        Index("ix_rota_change_ends_at", "ends_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[ChangeKind]
    duty: Mapped[Duty | None]  # None: leave is from every duty
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    staff_id: Mapped[int | None] = mapped_column(
        ForeignKey("staff.id"), index=True
    )  # who is added, taken off, replaced or away; of an open shift who took it
    by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))  # who stands in
    reason: Mapped[LeaveReason | None]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime]
    taken_at: Mapped[datetime | None]  # when somebody took the open shift
    cancelled_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    cancelled_at: Mapped[datetime | None]
    swap_id: Mapped[int | None] = mapped_column(
        ForeignKey("swap.id"), index=True
    )  # the swap it carries out
    handed_on_from_id: Mapped[int | None] = mapped_column(
        ForeignKey("rota_change.id")
    )  # by that swap: the change that its shift came by
    imported_uid: Mapped[str | None] = mapped_column(
        String(64), index=True
    )  # the event of a calendar that it was read from

    staff: Mapped[Staff | None] = relationship(foreign_keys=[staff_id])
    by: Mapped[Staff | None] = relationship(foreign_keys=[by_id])
    created_by: Mapped[Staff | None] = relationship(foreign_keys=[created_by_id])
    swap: Mapped[Swap | None] = relationship()
    handed_on_from: Mapped[RotaChange | None] = relationship(remote_side=id)
    spans: Mapped[list[RotaChangeSpan]] = relationship(cascade="all, delete-orphan")


class RotaChangeSpan(Base):
    """The time of one person that a change speaks for, while it holds.

    No two of one person overlap. The database sees to it: an exclusion constraint on PostgreSQL,
    triggers on SQLite, both named ``ex_rota_change_span_person`` in the migration.
    """

    __tablename__ = "rota_change_span"
    __table_args__ = (CheckConstraint("ends_at > starts_at", name="span_in_order"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    change_id: Mapped[int] = mapped_column(
        ForeignKey("rota_change.id", ondelete="CASCADE"), index=True
    )
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
