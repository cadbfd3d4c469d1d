"""Who changed what on the rota: one revision for each edit that was saved. Rows are only added."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.models.base import Base
from callback_service.models.staff import Staff


class RotaRevision(Base):
    """One edit of the rota. Their ids are in the order in which the edits were saved."""

    __tablename__ = "rota_revision"

    id: Mapped[int] = mapped_column(primary_key=True)
    made_at: Mapped[datetime]
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))  # None: a command
    action: Mapped[str] = mapped_column(String(48))  # "rota.change_made"
    undoes_id: Mapped[int | None] = mapped_column(ForeignKey("rota_revision.id"))

    actor: Mapped[Staff | None] = relationship()
    rows: Mapped[list[RotaRevisionRow]] = relationship(order_by="RotaRevisionRow.id")
    subjects: Mapped[list[RotaRevisionSubject]] = relationship()


class RotaRevisionRow(Base):
    """One row that an edit changed, as it was and as it is: columns by name, people by id."""

    __tablename__ = "rota_revision_row"
    __table_args__ = (Index("ix_rota_revision_row_place", "table_name", "row_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("rota_revision.id"), index=True)
    table_name: Mapped[str] = mapped_column(String(32))
    row_id: Mapped[int]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # None: new
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # None: gone


class RotaRevisionSubject(Base):
    """Something an edit is about: "staff:12", "shift_pattern:3", "open_shift"."""

    __tablename__ = "rota_revision_subject"

    subject: Mapped[str] = mapped_column(String(48), primary_key=True)
    revision_id: Mapped[int] = mapped_column(
        ForeignKey("rota_revision.id"), primary_key=True, autoincrement=False
    )
