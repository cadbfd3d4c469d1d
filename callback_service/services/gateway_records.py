"""Deleting at the gateway what it keeps of erased requests: its log of texts and calls.

Rows say what is still to be deleted. They are claimed with a lease, the gateway is asked with no
transaction open, and a row goes once the record is gone there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from callback_service.gateways.base import RecordKept, RecordRemover
from callback_service.models.privacy import GatewayRecord, RecordKind
from callback_service.services import audit

#: Twice the gateway's time-out: by then whoever took a record has an answer, or is gone.
LEASE: Final = timedelta(seconds=30)
FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(hours=6)
#: A record that is owed for so long is told of.
TROUBLE_AFTER: Final = timedelta(days=1)
#: How the ids of records begin that are kept at Twilio, and not here.
_THERE: Final = ("SM", "MM", "CA")


@dataclass(frozen=True, slots=True)
class Owed:
    """One record to delete, for whoever took it. ``tries`` is the fence."""

    record_id: int
    kind: RecordKind
    sid: str
    tries: int


@dataclass(frozen=True, slots=True)
class Debt:
    """How many records the gateway still has, since when, and what it last said."""

    count: int
    since: datetime
    trouble: str | None
    is_late: bool


def owe(
    session: Session,
    kind: RecordKind,
    sids: Iterable[str | None],
    *,
    request_id: int | None = None,
    now: datetime,
) -> None:
    """Have records deleted at the gateway. Ids that are not its own are passed over."""
    for sid in sorted({sid for sid in sids if sid and sid.startswith(_THERE)}):
        known = select(GatewayRecord.id).where(GatewayRecord.sid == sid)
        if session.scalar(known) is None:
            session.add(
                GatewayRecord(kind=kind, sid=sid, request_id=request_id, owed_since=now, try_at=now)
            )
    session.flush()


def is_due(session: Session, *, now: datetime) -> bool:
    """Whether a record waits to be deleted; a cheap look before any lock is taken."""
    return session.scalar(_due(now).with_only_columns(GatewayRecord.id).limit(1)) is not None


def _due(now: datetime) -> Select[GatewayRecord]:
    return select(GatewayRecord).where(GatewayRecord.try_at <= now).order_by(GatewayRecord.try_at)


def claim(session: Session, *, now: datetime) -> Owed | None:
    """Take the record that waited longest, for one lease; None if none is due."""
    row = session.scalars(_due(now).limit(1).with_for_update(skip_locked=True)).first()
    if row is None:
        return None
    row.tries += 1
    row.try_at = now + LEASE
    return Owed(row.id, row.kind, row.sid, row.tries)


def remove(remover: RecordRemover, owed: Owed) -> RecordKept | None:
    """Delete one record there; why it is still kept, if it is. No transaction may be open."""
    try:
        if owed.kind is RecordKind.TEXT:
            remover.remove_text(owed.sid)
        else:
            remover.remove_call(owed.sid)
    except RecordKept as kept:
        return kept
    return None


def record(session: Session, owed: Owed, kept: RecordKept | None, *, now: datetime) -> None:
    """Write down what came of it, unless another was quicker: gone, or to be tried again later."""
    row = session.get(GatewayRecord, owed.record_id, with_for_update=True, populate_existing=True)
    if row is None or row.tries != owed.tries:
        return
    if kept is not None:
        row.trouble = kept.message[:120]
        row.try_at = now + min(FIRST_PAUSE * 2 ** min(row.tries - 1, 10), LONGEST_PAUSE)
        return
    audit.record(
        session,
        "gateway.record_deleted",
        subject="callback_request",
        subject_id=row.request_id,
        now=now,
        kind=row.kind,
    )
    session.delete(row)


def debt(session: Session, *, now: datetime) -> Debt | None:
    """What the gateway still has of erased requests; None if nothing."""
    count, since = session.execute(
        select(func.count(GatewayRecord.id), func.min(GatewayRecord.owed_since))
    ).one()
    if not count:
        return None
    trouble = session.scalar(
        select(GatewayRecord.trouble)
        .where(GatewayRecord.trouble.is_not(None))
        .order_by(GatewayRecord.owed_since)
        .limit(1)
    )
    return Debt(count, since, trouble, is_late=since <= now - TROUBLE_AFTER)
