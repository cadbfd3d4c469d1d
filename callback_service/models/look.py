"""Looks at callers' records with a reason, and more of them that a colleague allowed."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.domain.looks import LookReason
from callback_service.models.base import Base
from callback_service.models.callback import CallbackRequest
from callback_service.models.request_key import RequestKey
from callback_service.models.sealing import Sealed
from callback_service.models.staff import Staff, new_uid


class Look(Base):
    """Somebody had a record shown that is not their call. Numbered by person and day."""

    __tablename__ = "look"
    __table_args__ = (
        # Two looks at once cannot both be the last of the day's budget.
        UniqueConstraint("staff_id", "on_day", "number"),
        Index("ix_look_request_id_staff_id", "request_id", "staff_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), default=new_uid, unique=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("callback_request.id"))
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    reason: Mapped[LookReason]
    words_sealed: Mapped[bytes | None]  # the reason in their own words; erased with the request
    on_day: Mapped[date]  # in the service's zone
    number: Mapped[int]  # 1, 2, 3 ... of this person on this day
    is_beyond: Mapped[bool]  # of the budget: by the duty lead, for an escalated request
    at: Mapped[datetime]

    words = Sealed(by_request=True)

    request: Mapped[CallbackRequest] = relationship()
    staff: Mapped[Staff] = relationship()

    @property
    def request_key(self) -> RequestKey | None:
        """The key that seals the words."""
        return self.request.request_key


class LookAllowance(Base):
    """Some more looks on one day, allowed by a colleague."""

    __tablename__ = "look_allowance"
    __table_args__ = (
        CheckConstraint("staff_id != allowed_by_id", name="by_a_colleague"),
        Index("ix_look_allowance_staff_id_on_day", "staff_id", "on_day"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    on_day: Mapped[date]
    allowed_by_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    at: Mapped[datetime]
