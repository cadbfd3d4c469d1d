"""Requests that nobody made: who looks at one has no cause to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.models.base import Base
from callback_service.models.sealing import Sealed
from callback_service.models.staff import Staff, new_uid

_UNTOLD = text("told_at IS NULL")


class Decoy(Base):
    """That one of the requests is a decoy. Which one is sealed: the table itself must not tell."""

    __tablename__ = "decoy"
    __table_args__ = (
        CheckConstraint("(request_sealed IS NULL) = (ended_at IS NOT NULL)", name="end_whole"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), default=new_uid, unique=True)
    request_sealed: Mapped[bytes | None]  # the id of the request, until that is emptied
    planted_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]  # by the clock that erases every caller, or withdrawn

    request = Sealed()


class DecoyOpening(Base):
    """Somebody looked at a decoy."""

    __tablename__ = "decoy_opening"
    __table_args__ = (
        CheckConstraint("(seen_at IS NULL) = (seen_by_id IS NULL)", name="seen_whole"),
        Index("ix_decoy_opening_untold", "id", sqlite_where=_UNTOLD, postgresql_where=_UNTOLD),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    decoy_id: Mapped[int] = mapped_column(ForeignKey("decoy.id"))
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    action: Mapped[str] = mapped_column(String(48))  # of the audit entry of the look
    at: Mapped[datetime]
    told_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]  # by somebody who may know
    seen_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))

    decoy: Mapped[Decoy] = relationship()
    staff: Mapped[Staff] = relationship(foreign_keys=staff_id)
