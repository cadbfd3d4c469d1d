"""What was agreed about rest: opt-outs of the 48-hour week, and breaches a manager allowed."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from callback_service.domain.rest import Rule
from callback_service.models.base import Base

_IN_FORCE = text("ends_on IS NULL")


class WorkingTimeOptOut(Base):
    """An agreement to work more than 48 hours a week (Working Time Regulations 1998, reg. 5)."""

    __tablename__ = "working_time_opt_out"
    __table_args__ = (
        CheckConstraint("ends_on IS NULL OR ends_on >= agreed_on", name="dates_in_order"),
        Index("uq_working_time_opt_out_in_force", "staff_id", unique=True,
              sqlite_where=_IN_FORCE, postgresql_where=_IN_FORCE),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    agreed_on: Mapped[date]  # the date on the written agreement
    ends_on: Mapped[date | None]  # the last day it holds
    recorded_by_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    recorded_at: Mapped[datetime]


class RestAllowance(Base):
    """Breaches of one rule by one person that a manager allowed, and why.

    It is for those that begin in ``[starts_at, ends_at)``, on and on where there is no end.
    Cancelled ones are kept and hold no longer: what they were for was undone before it began.
    """

    __tablename__ = "rest_allowance"
    __table_args__ = (
        CheckConstraint("ends_at IS NULL OR ends_at > starts_at", name="times_in_order"),
        Index("ix_rest_allowance_staff_id_rule", "staff_id", "rule"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    rule: Mapped[Rule]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(String(200))
    allowed_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    allowed_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]
