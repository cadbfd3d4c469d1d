"""A lost second step that is to be taken away: asked for by one person, confirmed by another."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.domain.resets import LossReason, ResetState
from callback_service.models.base import Base
from callback_service.models.sealing import Sealed
from callback_service.models.staff import Staff, new_uid

_WAITING = text("state = 'waiting'")


class SecondStepReset(Base):
    """One ask. An account has one that waits, at most."""

    __tablename__ = "second_step_reset"
    __table_args__ = (
        Index("ix_second_step_reset_waiting", "staff_id", unique=True,
              sqlite_where=_WAITING, postgresql_where=_WAITING),
        CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name="end_set"),
        CheckConstraint("state <> 'done' OR ended_by_id <> asked_by_id", name="two_people"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), default=new_uid, unique=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    reason: Mapped[LossReason]
    proof_sealed: Mapped[bytes | None]  # how they showed who they are, in the words of who asked
    asked_by_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    asked_at: Mapped[datetime]
    state: Mapped[ResetState] = mapped_column(default=ResetState.WAITING)
    ended_at: Mapped[datetime | None]
    ended_by_id: Mapped[int | None] = mapped_column(
        ForeignKey("staff.id")
    )  # who confirmed or called it off; None: it lapsed

    proof = Sealed()

    staff: Mapped[Staff] = relationship(foreign_keys=[staff_id])
    asked_by: Mapped[Staff] = relationship(foreign_keys=[asked_by_id])
