"""What members of staff can do that not everybody can: see ``domain.skills``."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from callback_service.domain.skills import SkillKind
from callback_service.models.base import Base

_IS_GENDER = text("kind = 'gender'")


class StaffSkill(Base):
    """One language, skill or gender of one member of staff."""

    __tablename__ = "staff_skill"
    __table_args__ = (
        CheckConstraint("kind <> 'gender' OR value IN ('woman', 'man')", name="known_gender"),
        CheckConstraint("value <> ''", name="value_given"),
        Index("uq_staff_skill_gender", "staff_id", unique=True,
              sqlite_where=_IS_GENDER, postgresql_where=_IS_GENDER),
        Index("ix_staff_skill_kind_value", "kind", "value"),
    )  # fmt: skip

    staff_id: Mapped[int] = mapped_column(
        ForeignKey("staff.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[SkillKind] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(String(40), primary_key=True)  # "cy", "family", "woman"
