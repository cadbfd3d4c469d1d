"""Complaints about how personal data is used."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.domain.complaints import Acknowledged, AnswerBy
from callback_service.models.base import Base
from callback_service.models.privacy import CaseEnding
from callback_service.models.sealing import Sealed
from callback_service.models.staff import Staff, new_uid


class Complaint(Base):
    """What somebody complained of, and how far it has come. Nobody need say who they are."""

    __tablename__ = "complaint"
    __table_args__ = (
        CheckConstraint("(acknowledged_on IS NULL) = (acknowledged_how IS NULL) AND "
                        "(acknowledged_on IS NULL) = (acknowledged_by_id IS NULL)",
                        name="acknowledged_whole"),
        CheckConstraint("(ended_at IS NULL) = (ending IS NULL) AND "
                        "(ended_at IS NULL) = (ended_by_id IS NULL)", name="end_whole"),
        CheckConstraint("ending IS NULL OR ending != 'answered' OR acknowledged_on IS NOT NULL",
                        name="answered_after_acknowledged"),
        CheckConstraint("ended_at IS NOT NULL OR words_sealed IS NOT NULL", name="open_has_words"),
        # Two people: a manager whom it is about does not make it vanish alone.
        CheckConstraint("ending IS NULL OR ending != 'erased' OR (erasure_asked_by_id IS NOT NULL "
                        "AND erasure_asked_by_id != ended_by_id)", name="two_people"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), default=new_uid, unique=True)
    reference: Mapped[str] = mapped_column(String(8), unique=True)
    key_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)  # of its form
    words_sealed: Mapped[bytes | None]
    answer_by: Mapped[AnswerBy]
    answer_to_sealed: Mapped[bytes | None]  # E.164, or an address in their own words
    phone_sealed: Mapped[bytes | None]  # E.164: what they asked from, if they say so
    phone_index: Mapped[bytes | None] = mapped_column(LargeBinary(16), index=True)
    network_index: Mapped[bytes | None] = mapped_column(LargeBinary(16), index=True)  # an hour
    is_by_program: Mapped[bool]  # seems to be: nobody is refused for it
    received_at: Mapped[datetime] = mapped_column(index=True)
    came_on: Mapped[date]  # earlier than that, where staff wrote down what came by post or phone
    opened_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))  # None: the form
    acknowledged_on: Mapped[date | None]
    acknowledged_how: Mapped[Acknowledged | None]
    acknowledged_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    erasure_asked_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    ended_at: Mapped[datetime | None]
    ended_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    ending: Mapped[CaseEnding | None]

    words = Sealed()
    answer_to = Sealed()
    phone = Sealed()

    opened_by: Mapped[Staff | None] = relationship(foreign_keys=opened_by_id)
    acknowledged_by: Mapped[Staff | None] = relationship(foreign_keys=acknowledged_by_id)
    erasure_asked_by: Mapped[Staff | None] = relationship(foreign_keys=erasure_asked_by_id)
