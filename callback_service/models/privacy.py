"""What keeps the promises about personal data: holds, data requests, and what is left to erase."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.domain.figures import Measure
from callback_service.models.base import Base
from callback_service.models.callback import CallbackRequest
from callback_service.models.sealing import Sealed
from callback_service.models.staff import Staff, new_uid

_OPEN = text("ended_at IS NULL")
_OWED = text("cleared_at IS NULL")


class LegalHold(Base):
    """While it is open its request is not erased: by no clock, and on nobody's wish."""

    __tablename__ = "legal_hold"
    __table_args__ = (
        Index("uq_legal_hold_open", "request_id", unique=True,
              sqlite_where=_OPEN, postgresql_where=_OPEN),
        CheckConstraint("(ended_at IS NULL) = (ended_by_id IS NULL)", name="end_whole"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), default=new_uid, unique=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("callback_request.id"), index=True)
    reason_sealed: Mapped[bytes | None]  # until some time after it has ended
    review_on: Mapped[date]  # it does not end by itself: from this day it is shown as overdue
    placed_by_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    placed_at: Mapped[datetime]
    ended_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    ended_at: Mapped[datetime | None]

    reason = Sealed()

    request: Mapped[CallbackRequest] = relationship()
    placed_by: Mapped[Staff] = relationship(foreign_keys=placed_by_id)


class About(StrEnum):
    """What somebody wants who asks about their data, or why staff look without being asked."""

    ACCESS = "access"
    ERASURE = "erasure"
    CORRECTION = "correction"
    COMPLAINT = "complaint"
    SAFEGUARDING = "safeguarding"


class CaseEnding(StrEnum):
    """How a data request ended."""

    ANSWERED = "answered"
    ERASED = "erased"


class DataRequest(Base):
    """Somebody asks about what we hold under a number. One open at a time for a number."""

    __tablename__ = "data_request"
    __table_args__ = (
        Index("uq_data_request_open_phone", "phone_index", unique=True,
              sqlite_where=_OPEN, postgresql_where=_OPEN),
        CheckConstraint("(ended_at IS NULL) = (ending IS NULL)", name="end_whole"),
        CheckConstraint("ended_at IS NOT NULL OR phone_index IS NOT NULL", name="open_has_phone"),
        CheckConstraint("asked_by_id IS NULL OR asked_at IS NOT NULL", name="asked_whole"),
        # Two people: who asked for an erasure is not who carries it out.
        CheckConstraint("ending IS NULL OR ending != 'erased' OR (asked_at IS NOT NULL AND "
                        "ended_by_id IS NOT NULL AND (asked_by_id IS NULL OR "
                        "asked_by_id != ended_by_id))", name="two_people"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), default=new_uid, unique=True)
    phone_sealed: Mapped[bytes | None]  # E.164
    phone_index: Mapped[bytes | None] = mapped_column(LargeBinary(16), index=True)
    about: Mapped[About]
    words_sealed: Mapped[bytes | None]  # who asks, how we know it is them, why
    opened_by_id: Mapped[int | None] = mapped_column(
        ForeignKey("staff.id"), index=True
    )  # None: the caller, from their own page
    opened_at: Mapped[datetime]
    due_on: Mapped[date]  # a month after it came: the law's limit
    asked_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))  # None: the caller
    asked_at: Mapped[datetime | None]  # when its erasure was asked for
    stop_texts: Mapped[bool] = mapped_column(default=False, server_default=false())
    stop_calls: Mapped[bool] = mapped_column(default=False, server_default=false())
    ended_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    ended_at: Mapped[datetime | None]
    ending: Mapped[CaseEnding | None]

    phone = Sealed()
    words = Sealed()

    opened_by: Mapped[Staff | None] = relationship(foreign_keys=opened_by_id)
    asked_by: Mapped[Staff | None] = relationship(foreign_keys=asked_by_id)


class RecordKind(StrEnum):
    """What the gateway keeps a record of."""

    TEXT = "text"
    CALL = "call"


class GatewayRecord(Base):
    """A record of an erased request at the gateway that is still to be deleted there.

    The row goes once it is: then nobody holds the id any more.
    """

    __tablename__ = "gateway_record"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[RecordKind]
    sid: Mapped[str] = mapped_column(String(64), unique=True)
    request_id: Mapped[int | None]  # of no one any more; for the audit row
    owed_since: Mapped[datetime]
    try_at: Mapped[datetime] = mapped_column(index=True)
    tries: Mapped[int] = mapped_column(default=0)  # also the fence: a slower one records nothing
    trouble: Mapped[str | None] = mapped_column(String(120))


class ErasureRun(Base):
    """Something was erased. On SQLite the bytes may stand in the write-ahead log until cleared."""

    __tablename__ = "erasure_run"
    __table_args__ = (
        Index("ix_erasure_run_owed", "id", sqlite_where=_OWED, postgresql_where=_OWED),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    erased: Mapped[int]  # rows, of all kinds
    cleared_at: Mapped[datetime | None]


class Figure(Base):
    """How many requests fell into one cell of one table. Nobody can be told from it."""

    __tablename__ = "figure"
    __table_args__ = (UniqueConstraint("measure", "from_on", "line"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    measure: Mapped[Measure]
    from_on: Mapped[date]  # the first day of its span
    line: Mapped[str] = mapped_column(String(32))
    count: Mapped[int]
