"""Gaps that managers were told of, and when the rota was last looked at for them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from callback_service.models.base import Base

_OPEN = text("closed_at IS NULL")


class CoverWarning(Base):
    """One gap in cover: unbroken time with too few people on shift, or too few with a skill."""

    __tablename__ = "cover_warning"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="times_in_order"),
        CheckConstraint("short >= 1", name="short_of_somebody"),
        CheckConstraint("(muted_at IS NULL) = (muted_reason IS NULL)", name="mute_has_reason"),
        Index("ix_cover_warning_open", "starts_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    skill: Mapped[str] = mapped_column(
        String(60), default=""
    )  # that is missing: "language:cy"; empty: people
    short: Mapped[int]  # people missing at its worst moment
    goes_on: Mapped[bool]  # it reached the end of what was looked at
    first_told_at: Mapped[datetime]
    last_told_at: Mapped[datetime]
    times_told: Mapped[int] = mapped_column(default=1)
    is_told_near: Mapped[bool]  # told since it came within two days
    muted_at: Mapped[datetime | None]
    muted_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    muted_reason: Mapped[str | None] = mapped_column(String(200))
    closed_at: Mapped[datetime | None]  # when it was seen filled, or was over


class CoverLook(Base):
    """The last look at the rota for gaps. One row: whoever looks locks it."""

    __tablename__ = "cover_look"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    looked_at: Mapped[datetime]
    seen_audit_id: Mapped[int]  # changes recorded after this one are news
