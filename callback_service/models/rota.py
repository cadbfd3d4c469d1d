"""The rota as it is kept: shift patterns and cover requirements, in wall time."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import cast

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.domain.cover import AppliesOn
from callback_service.domain.rota import Duty
from callback_service.domain.rotations import CountedIn
from callback_service.models.base import Base
from callback_service.models.staff import Staff

_GOES_ON = text("until_on IS NULL")


def _from_on(context: DefaultExecutionContext) -> date:
    """The row's own ``from_on``."""
    # SQLAlchemy documents the call and gives it no types.
    return cast(date, context.get_current_parameters()["from_on"])  # type: ignore[no-untyped-call]


class ShiftPattern(Base):
    """One recurring line of the rota, in wall time; an end at or before the start is next day.

    It is one person's, every week or on the first days of each cycle; or, without a person, a
    rotation: those of its turns work it one after the other.
    """

    __tablename__ = "shift_pattern"
    __table_args__ = (
        CheckConstraint("weekdays BETWEEN 1 AND 127", name="weekdays_mask"),
        CheckConstraint("until_on IS NULL OR until_on >= from_on", name="dates_in_order"),
        CheckConstraint("(cycle_days IS NULL) = (cycle_on_days IS NULL)", name="cycle_whole"),
        CheckConstraint("cycle_on_days BETWEEN 1 AND cycle_days", name="cycle_range"),
        CheckConstraint("(staff_id IS NULL) = (counted_in IS NOT NULL)", name="person_or_turns"),
        # The same line twice is a mistake, even when two managers make it at once.
        Index("uq_shift_pattern_line", "staff_id", "duty", "weekdays", "starts", "ends", "from_on",
              "cycle_from_on", unique=True, sqlite_where=_GOES_ON, postgresql_where=_GOES_ON),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"), index=True)
    duty: Mapped[Duty]
    weekdays: Mapped[int]  # bit 0 is Monday: the days on which a shift starts
    starts: Mapped[time]
    ends: Mapped[time]
    from_on: Mapped[date]  # the first day a shift may start on
    until_on: Mapped[date | None]  # the last such day
    cycle_from_on: Mapped[date] = mapped_column(
        default=_from_on
    )  # the first day of some cycle, or of the first turn
    cycle_days: Mapped[int | None]  # the length of the cycle
    cycle_on_days: Mapped[int | None]  # how many of its first days are worked
    counted_in: Mapped[CountedIn | None]  # what the lengths of the turns count
    created_by_id: Mapped[int | None] = mapped_column(
        ForeignKey("staff.id")
    )  # None: the demo or a command
    created_at: Mapped[datetime]
    imported_uid: Mapped[str | None] = mapped_column(
        String(64)
    )  # the event of a calendar that it was read from

    staff: Mapped[Staff | None] = relationship(foreign_keys=[staff_id])
    turns: Mapped[list[ShiftTurn]] = relationship(
        cascade="all, delete-orphan", order_by="ShiftTurn.place, ShiftTurn.staff_id"
    )


class ShiftTurn(Base):
    """One person's share of one turn of a rotation; without a person the turn is nobody's."""

    __tablename__ = "shift_turn"
    __table_args__ = (
        CheckConstraint("length >= 1", name="length_range"),
        UniqueConstraint("pattern_id", "place", "staff_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    pattern_id: Mapped[int] = mapped_column(
        ForeignKey("shift_pattern.id", ondelete="CASCADE"), index=True
    )
    place: Mapped[int]  # of the turn in its rotation, from 0; the same for a whole team
    length: Mapped[int]  # in what the rotation counts; the same for a whole team
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"), index=True)

    staff: Mapped[Staff | None] = relationship()


class CoverRequirement(Base):
    """How many counsellors are needed, by day and wall time; of several the largest counts.

    Or how many of them must have a skill.
    """

    __tablename__ = "cover_requirement"
    __table_args__ = (
        CheckConstraint("weekdays BETWEEN 1 AND 127", name="weekdays_mask"),
        CheckConstraint("until_on IS NULL OR until_on >= from_on", name="dates_in_order"),
        CheckConstraint("needed BETWEEN 1 AND 500", name="needed_range"),
        Index("uq_cover_requirement_line", "applies_on", "weekdays", "starts", "ends", "from_on",
              "skill", unique=True, sqlite_where=_GOES_ON, postgresql_where=_GOES_ON),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    applies_on: Mapped[AppliesOn] = mapped_column(default=AppliesOn.WEEKDAYS)
    weekdays: Mapped[int]  # bit 0 is Monday; all of them where it applies on other days
    starts: Mapped[time]
    ends: Mapped[time]
    needed: Mapped[int]  # people
    skill: Mapped[str] = mapped_column(
        String(60), default=""
    )  # that they must have: "language:cy"; empty: any people
    from_on: Mapped[date]
    until_on: Mapped[date | None]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime]
