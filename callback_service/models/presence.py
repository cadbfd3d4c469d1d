"""Who of those on shift is not free for a call, and until when."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from callback_service.domain.presence import PresenceKind
from callback_service.models.base import Base

_OPEN = text("ended_at IS NULL")


class Presence(Base):
    """Somebody is on a break, in wrap-up or signed off, in ``[since, until)``.

    It ends by itself at ``until``; the row is then closed when the next one begins.
    """

    __tablename__ = "presence"
    __table_args__ = (
        # At most one at a time, whatever is pressed at once.
        Index("uq_presence_open", "staff_id", unique=True,
              sqlite_where=_OPEN, postgresql_where=_OPEN),
        CheckConstraint("since < until", name="span_in_order"),
        CheckConstraint("ended_at >= since AND ended_at <= until", name="ends_inside"),
        CheckConstraint("NOT is_extended OR kind = 'wrap_up'", name="extended_wrap_up"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    kind: Mapped[PresenceKind]
    since: Mapped[datetime]
    until: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    is_extended: Mapped[bool] = mapped_column(default=False)  # more time was asked for, once
