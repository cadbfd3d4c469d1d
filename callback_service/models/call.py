"""Calls through the gateway: those that bridge a counsellor to a caller, and those that come in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.domain.calls import CallEnding, CallState, Leg, Standing
from callback_service.models.base import Base
from callback_service.models.callback import CallbackRequest
from callback_service.models.sealing import Sealed
from callback_service.models.staff import Staff, new_uid

_OPEN = text("ended_at IS NULL")


class BridgedCall(Base):
    """One press of "Ring now": the counsellor's phone, then the caller's. Holds no number."""

    __tablename__ = "bridged_call"
    __table_args__ = (
        # One bridge at a time, for each request and for each counsellor.
        Index("uq_bridged_call_open_request", "request_id", unique=True,
              sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("uq_bridged_call_open_counsellor", "counsellor_id", unique=True,
              sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_bridged_call_check", "check_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
        CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name="ended_at_set"),
        CheckConstraint("(state = 'ended') = (ending IS NOT NULL)", name="ending_set"),
        CheckConstraint("(attempt_id IS NULL) = (dialled_at IS NULL)", name="dialled_is_attempt"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), default=new_uid, unique=True)  # in the webhooks
    request_id: Mapped[int] = mapped_column(ForeignKey("callback_request.id"), index=True)
    counsellor_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    state: Mapped[CallState] = mapped_column(default=CallState.STARTING)
    ending: Mapped[CallEnding | None]
    own_sid: Mapped[str | None] = mapped_column(String(64), unique=True)
    caller_sid: Mapped[str | None] = mapped_column(String(64), unique=True)
    started_at: Mapped[datetime]
    dialled_at: Mapped[datetime | None]
    connected_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    seconds: Mapped[int | None]  # how long the caller's phone was answered, by the gateway
    check_at: Mapped[datetime]  # asked about at the gateway from then on, while it is open
    fence: Mapped[int] = mapped_column(default=0)  # counts looks; one overtaken records nothing
    error_code: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(String(200))  # what the desk is told of a failure

    request: Mapped[CallbackRequest] = relationship()
    counsellor: Mapped[Staff] = relationship()

    @property
    def standing(self) -> Standing:
        """How far it has come."""
        return Standing(self.state, self.ending)


class CallReport(Base):
    """One status the gateway reported for one leg. The same report twice is one row."""

    __tablename__ = "call_report"
    __table_args__ = (UniqueConstraint("sid", "status"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    call_id: Mapped[int] = mapped_column(ForeignKey("bridged_call.id"), index=True)
    leg: Mapped[Leg]
    sid: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16))
    received_at: Mapped[datetime]


class InboundCall(Base):
    """Somebody who rang us to be rung back: kept for a day, so that one call asks once."""

    __tablename__ = "inbound_call"

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), default=new_uid, unique=True)
    sid: Mapped[str] = mapped_column(String(64), unique=True)
    started_at: Mapped[datetime] = mapped_column(index=True)
    keyed_sealed: Mapped[bytes | None]  # E.164, until it is confirmed
    tries: Mapped[int] = mapped_column(default=0)  # numbers keyed in that could not be used
    phone_index: Mapped[bytes | None] = mapped_column(LargeBinary(16), index=True)  # once taken
    taken_at: Mapped[datetime | None]
    promised_by: Mapped[datetime | None]

    keyed = Sealed()
