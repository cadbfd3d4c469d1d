"""Writing down what was done, in the same transaction as the deed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.models.audit import AuditEntry

#: Deeds that are only looks at what callers told us.
LOOKS: Final = (
    "request.read", "request.number_read", "request.history_read", "request.record_read",
    "request.look",
)  # fmt: skip

#: Where a session keeps the entries that ``audit_chain.seal`` has yet to put in the chain.
UNSEALED: Final = "unsealed_audit_entries"
#: The same of entries that were written without the session, each with its transaction.
WRITTEN: Final = "written_audit_entries"


def record(
    session: Session,
    action: str,
    *,
    subject: str,
    subject_id: int | None,
    actor_id: int | None = None,
    now: datetime,
    **detail: Any,
) -> None:
    """Add an audit row. ``detail`` takes ids, states and reasons; never a name, number or note."""
    entry = AuditEntry(
        at=now,
        actor_id=actor_id,
        action=action,
        subject=subject,
        subject_id=subject_id,
        detail=detail,
    )
    session.add(entry)
    session.info.setdefault(UNSEALED, []).append(entry)


def note_written(session: Session, entry: AuditEntry) -> None:
    """Have an entry sealed that was inserted without the session.

    To be called when no savepoint can take the row back any more; its whole transaction may.
    Raises RuntimeError inside one.
    """
    if session.in_nested_transaction():
        raise RuntimeError("a savepoint may still take this entry back")
    session.info.setdefault(WRITTEN, []).append((session.get_transaction(), entry))


def count_since(session: Session, action: str, *, actor_id: int, since: datetime) -> int:
    """How often somebody did this since then."""
    theirs = select(func.count()).where(
        AuditEntry.action == action, AuditEntry.actor_id == actor_id, AuditEntry.at > since
    )
    return session.scalar(theirs) or 0
