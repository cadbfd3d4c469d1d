"""Calendar feeds: the private links to them, and what each has shown."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.domain.rota import Duty
from callback_service.models.base import Base
from callback_service.models.staff import Staff

_LIVE = text("revoked_at IS NULL")


class FeedScope(StrEnum):
    """Whose shifts a feed shows."""

    OWN = "own"
    WHOLE_ROTA = "whole_rota"


class CalendarFeed(Base):
    """A private link to shifts. It opens as long as its owner's account does, unless revoked."""

    __tablename__ = "calendar_feed"
    __table_args__ = (
        # One live link of a kind per person: a new one takes the place of the old.
        Index("uq_calendar_feed_live", "owner_id", "scope", unique=True,
              sqlite_where=_LIVE, postgresql_where=_LIVE),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))
    scope: Mapped[FeedScope]
    token_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)  # SHA-256 of the link
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    owner: Mapped[Staff] = relationship(lazy="joined")


class FeedShift(Base):
    """A shift that a feed has shown, so that it can be shown as cancelled once it is gone."""

    __tablename__ = "feed_shift"
    __table_args__ = (CheckConstraint("starts_at < ends_at", name="starts_before_ends"),)

    feed_id: Mapped[int] = mapped_column(
        ForeignKey("calendar_feed.id", ondelete="CASCADE"), primary_key=True
    )
    uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))
    duty: Mapped[Duty]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    is_cancelled: Mapped[bool] = mapped_column(default=False)
    sequence: Mapped[int] = mapped_column(default=0)  # how often what was shown has changed
    changed_at: Mapped[datetime]
