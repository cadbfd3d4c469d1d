"""Swaps of shifts between colleagues."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.domain.rota import Duty
from callback_service.domain.swaps import SwapState, Terms, check_move
from callback_service.models.base import Base
from callback_service.models.staff import Staff

_OPEN = text("state IN ('offered', 'taken')")


class Swap(Base):
    """A shift that somebody offers, and what became of it. It changes only through ``move_to``.

    What an approved swap does to the rota are the changes that name it.
    """

    __tablename__ = "swap"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="span_in_order"),
        CheckConstraint(
            "(wanted_starts_at IS NULL) = (wanted_ends_at IS NULL)", name="wanted_whole"
        ),
        CheckConstraint("wanted_ends_at > wanted_starts_at", name="wanted_in_order"),
        CheckConstraint("wanted_starts_at IS NULL OR to_id IS NOT NULL", name="wanted_of_somebody"),
        CheckConstraint("to_id != offered_by_id", name="to_another"),
        CheckConstraint("taken_by_id != offered_by_id", name="taken_by_another"),
        CheckConstraint("(taken_by_id IS NULL) = (taken_at IS NULL)", name="taking_whole"),
        CheckConstraint(
            "(state = 'offered' AND taken_by_id IS NULL)"
            " OR (state IN ('taken', 'approved', 'declined', 'undone') AND taken_by_id IS NOT NULL)"
            " OR state IN ('withdrawn', 'lapsed')",
            name="taker_set",
        ),
        CheckConstraint("state NOT IN ('declined', 'lapsed') OR reason IS NOT NULL",
                        name="reason_set"),
        # One offer of one shift at a time.
        Index("uq_swap_open_shift", "offered_by_id", "duty", "starts_at",
              unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_swap_begins_at", "begins_at"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[SwapState] = mapped_column(default=SwapState.OFFERED)
    duty: Mapped[Duty]
    offered_by_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    starts_at: Mapped[datetime]  # of the shift that is offered
    ends_at: Mapped[datetime]
    to_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))  # None: anybody able
    wanted_starts_at: Mapped[datetime | None]  # of the shift of ``to_id`` asked for in return
    wanted_ends_at: Mapped[datetime | None]
    begins_at: Mapped[datetime]  # the first instant it would change
    taken_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    taken_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(200))  # why it was declined, or lapsed
    created_by_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]  # when it came to its present state, unless that is open

    offered_by: Mapped[Staff] = relationship(foreign_keys=[offered_by_id])
    to: Mapped[Staff | None] = relationship(foreign_keys=[to_id])
    taken_by: Mapped[Staff | None] = relationship(foreign_keys=[taken_by_id])

    def move_to(self, target: SwapState) -> None:
        """Bring the swap into another state; refuses a move that is not allowed."""
        check_move(self.state, target)
        self.state = target

    def terms(self, taker_id: int) -> Terms:
        """What it comes to if ``taker_id`` takes it."""
        returned = None
        if self.wanted_starts_at is not None and self.wanted_ends_at is not None:
            returned = self.wanted_starts_at, self.wanted_ends_at
        given = self.starts_at, self.ends_at
        return Terms(self.offered_by_id, taker_id, self.duty, given, returned)
