"""What staff say of their own time: when they cannot work, and the leave they ask for."""

from __future__ import annotations

from datetime import date, datetime, time

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.domain.leave_requests import LeaveState, check_move
from callback_service.domain.rota_changes import LeaveReason
from callback_service.models.base import Base
from callback_service.models.staff import Staff


class Unavailability(Base):
    """When somebody cannot work, in wall time as a shift pattern; equal times are a whole day."""

    __tablename__ = "unavailability"
    __table_args__ = (
        CheckConstraint("weekdays BETWEEN 1 AND 127", name="weekdays_mask"),
        CheckConstraint("until_on IS NULL OR until_on >= from_on", name="dates_in_order"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    weekdays: Mapped[int]  # bit 0 is Monday
    starts: Mapped[time]
    ends: Mapped[time]
    from_on: Mapped[date]
    until_on: Mapped[date | None]
    created_by_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime]

    staff: Mapped[Staff] = relationship(foreign_keys=[staff_id])


class LeaveRequest(Base):
    """Leave that somebody asks for: whole days. It changes only through ``move_to``."""

    __tablename__ = "leave_request"
    __table_args__ = (
        CheckConstraint("until_on >= from_on", name="dates_in_order"),
        CheckConstraint("kind != 'sick'", name="kind_asked"),
        CheckConstraint("(state = 'asked') = (ended_at IS NULL)", name="end_set"),
        CheckConstraint("(state = 'granted') = (change_id IS NOT NULL)", name="change_set"),
        CheckConstraint("(state = 'declined') = (reason IS NOT NULL)", name="reason_set"),
        Index("ix_leave_request_staff_id", "staff_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[LeaveState] = mapped_column(default=LeaveState.ASKED)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    kind: Mapped[LeaveReason]
    from_on: Mapped[date]  # the first day away
    until_on: Mapped[date]  # the last
    asked_at: Mapped[datetime]
    ended_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    ended_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(200))  # why it was declined
    change_id: Mapped[int | None] = mapped_column(ForeignKey("rota_change.id"))

    staff: Mapped[Staff] = relationship(foreign_keys=[staff_id])
    ended_by: Mapped[Staff | None] = relationship(foreign_keys=[ended_by_id])

    def move_to(self, target: LeaveState) -> None:
        """Bring the request into another state; refuses a move that is not allowed."""
        check_move(self.state, target)
        self.state = target
