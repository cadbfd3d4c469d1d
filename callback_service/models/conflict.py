"""Colleagues whom a manager keeps away from a caller."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.models.base import Base
from callback_service.models.staff import Staff

_STANDS = text("lifted_at IS NULL")


class Bar(Base):
    """While it stands, all of the caller of this request is closed to one person of staff."""

    __tablename__ = "bar"
    __table_args__ = (
        Index("uq_bar_standing", "request_id", "staff_id", unique=True,
              sqlite_where=_STANDS, postgresql_where=_STANDS),
        CheckConstraint("staff_id != barred_by_id", name="by_a_colleague"),
        CheckConstraint("staff_id != lifted_by_id", name="lifted_by_a_colleague"),
        CheckConstraint("(lifted_at IS NULL) = (lifted_by_id IS NULL)", name="lifted_whole"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("callback_request.id"))
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    barred_by_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    at: Mapped[datetime]
    lifted_at: Mapped[datetime | None]
    lifted_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))

    staff: Mapped[Staff] = relationship(foreign_keys=staff_id)
    barred_by: Mapped[Staff] = relationship(foreign_keys=barred_by_id)
