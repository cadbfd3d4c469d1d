"""The auditor: finds what everybody else missed, mends what is safe, and tells the duty lead.

What it finds it acts on at its second look (``domain.auditing``). Only a run that came to its end
counts as one: the scheduler's heartbeat for it, and the one to outside, say that nobody is
forgotten, and not merely that a process lives.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from callback_service.domain import auditing
from callback_service.domain.auditing import FindingKind
from callback_service.domain.escalation import Step
from callback_service.errors import CallbackServiceError
from callback_service.models.finding import Finding
from callback_service.models.outbox import TextKind
from callback_service.services import texts
from callback_service.services.auditor_looks import look
from callback_service.services.auditor_repairs import repair
from callback_service.services.duty_leads import whom_to_tell

logger = logging.getLogger(__name__)

AUDITOR_LOCK: Final = 7_702_028  # any number; shared by all auditors on one PostgreSQL
#: A notice that could not be sent within this time says nothing new any more.
NOTICE_LASTS: Final = timedelta(minutes=30)

#: What a text says of each kind: short, and nothing of the caller.
_SAID: Final = {
    FindingKind.UNTOLD: "a late request that nobody was told of",
    FindingKind.UNOWNED: "a late request that nobody has taken",
    FindingKind.UNPLANNED: "a request that is planned for nobody",
    FindingKind.OVERHELD: "a request that was taken and not rung",
    FindingKind.CALL_STUCK: "a call that is not closed",
    FindingKind.OFFER_OPEN: "an offer that did not end",
    FindingKind.HOLDER_GONE: "a request held by a disabled account",
    FindingKind.CLOSED_HOLDS: "a closed request that still held a place",
    FindingKind.WINDOWS_ENDED: "a request that nobody wants any more",
    FindingKind.NOT_EXPIRED: "a request long past its time",
    FindingKind.TICK_STOPPED: "a part of the service has stopped",
}
#: The gravest first.
_RANK: Final = {kind: rank for rank, kind in enumerate(FindingKind)}


@dataclass(frozen=True, slots=True)
class Report:
    """What one run came to. ``open_since``: the oldest finding that is not mended."""

    acted_on: int
    open_since: datetime | None


def audit(session: Session, *, now: datetime, tz: tzinfo) -> Report | None:
    """Look at everything once; None while another auditor is at it."""
    if not _take_auditor_lock(session):
        return None
    seen = look(session, now=now, tz=tz)
    still_there = _compare(session, seen, now=now)
    confirmed = [row for row in still_there if auditing.is_confirmed(row.found_at, now=now)]
    for row in sorted(confirmed, key=lambda row: row.request_id or 0):  # as all who lock requests
        _mend(session, row, now=now)
    _tell(session, [row for row in confirmed if row.told_at is None], now=now, tz=tz)
    session.flush()
    open_since = select(func.min(Finding.found_at)).where(
        Finding.gone_at.is_(None), Finding.repaired_at.is_(None)
    )
    return Report(len(confirmed), session.scalar(open_since))


def _take_auditor_lock(session: Session) -> bool:
    """One auditor at a time. SQLite: the transaction holds the only write lock already."""
    if session.get_bind().dialect.name != "postgresql":
        return True
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(AUDITOR_LOCK))))


def _compare(
    session: Session, seen: dict[tuple[FindingKind, int | None], str], *, now: datetime
) -> list[Finding]:
    """The findings known before that are still there. New ones are kept, others are over."""
    known = session.scalars(select(Finding).where(Finding.gone_at.is_(None))).all()
    by_place = {(row.kind, row.request_id): row for row in known}
    for place, row in by_place.items():
        if place in seen:
            row.detail = seen[place]
        elif row.told_at is None and row.repaired_at is None:
            session.delete(row)  # it passed by itself before anybody heard of it
        else:
            row.gone_at = now
    for kind, request_id in seen.keys() - by_place.keys():
        detail = seen[kind, request_id]
        session.add(Finding(kind=kind, request_id=request_id, detail=detail, found_at=now))
    return [row for place, row in by_place.items() if place in seen]


def _mend(session: Session, row: Finding, *, now: datetime) -> None:
    """Mend one finding if that is safe. What fails is logged, and does not keep the others."""
    if row.request_id is None:
        return
    try:
        with session.begin_nested():
            is_mended = repair(session, row.kind, row.request_id, now=now)
    except (CallbackServiceError, SQLAlchemyError):
        logger.exception("finding %d of kind %s could not be mended", row.id, row.kind)
        return
    if is_mended and row.repaired_at is None:
        row.repaired_at = now


def _tell(session: Session, rows: Sequence[Finding], *, now: datetime, tz: tzinfo) -> None:
    """One text for all that is new, to the duty lead: the gravest by name, the others counted."""
    if not rows:
        return
    people = whom_to_tell(session, now=now, tz=tz)[Step.DUTY_LEAD]
    first = min(rows, key=lambda row: (_RANK[row.kind], row.id))
    for person in people:
        texts.text_staff(
            session,
            person,
            TextKind.AUDIT,
            once_key=f"finding:{first.id}:{person.id}",
            expires_at=now + NOTICE_LASTS,
            now=now,
            reason=said(first.kind, others=len(rows) - 1),
            reference=first.request.reference if first.request else "",
        )
    for row in rows if people else ():
        row.told_at = now


def said(kind: FindingKind, *, others: int) -> str:
    """What a text says of a finding, and of how many others there are."""
    return f"{_SAID[kind]}, and {others} more" if others else _SAID[kind]
