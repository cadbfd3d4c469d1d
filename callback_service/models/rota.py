"""The rota as it is kept: shift patterns and cover requirements, in wall time."""

from __future__ import annotations

from datetime import date, datetime, time

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.domain.cover import AppliesOn
from callback_service.domain.rota import Duty
from callback_service.models.base import Base
from callback_service.models.staff import Staff

_GOES_ON = text("until_on IS NULL")


class ShiftPattern(Base):
    """One recurring line of the rota, in wall time; an end at or before the start is next day."""

    __tablename__ = "shift_pattern"
    __table_args__ = (
        CheckConstraint("weekdays BETWEEN 1 AND 127", name="weekdays_mask"),
        CheckConstraint("until_on IS NULL OR until_on >= from_on", name="dates_in_order"),
        # The same line twice is a mistake, even when two managers make it at once.
        Index("uq_shift_pattern_line", "staff_id", "duty", "weekdays", "starts", "ends", "from_on",
              unique=True, sqlite_where=_GOES_ON, postgresql_where=_GOES_ON),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    duty: Mapped[Duty]
    weekdays: Mapped[int]  # bit 0 is Monday: the days on which a shift starts
    starts: Mapped[time]
    ends: Mapped[time]
    from_on: Mapped[date]  # the first day a shift may start on
    until_on: Mapped[date | None]  # the last such day
    created_by_id: Mapped[int | None] = mapped_column(
        ForeignKey("staff.id")
    )  # None: the demo or a command
    created_at: Mapped[datetime]

    staff: Mapped[Staff] = relationship(foreign_keys=[staff_id])


class CoverRequirement(Base):
    """How many counsellors are needed, by day and wall time; of several the largest counts."""

    __tablename__ = "cover_requirement"
    __table_args__ = (
        CheckConstraint("weekdays BETWEEN 1 AND 127", name="weekdays_mask"),
        CheckConstraint("until_on IS NULL OR until_on >= from_on", name="dates_in_order"),
        CheckConstraint("needed BETWEEN 1 AND 500", name="needed_range"),
        Index("uq_cover_requirement_line", "applies_on", "weekdays", "starts", "ends", "from_on",
              unique=True, sqlite_where=_GOES_ON, postgresql_where=_GOES_ON),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    applies_on: Mapped[AppliesOn] = mapped_column(default=AppliesOn.WEEKDAYS)
    weekdays: Mapped[int]  # bit 0 is Monday; all of them where it applies on other days
    starts: Mapped[time]
    ends: Mapped[time]
    needed: Mapped[int]  # people
    from_on: Mapped[date]
    until_on: Mapped[date | None]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime]
