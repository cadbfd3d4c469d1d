"""Audit entries as lines of JSON, for an archive or a collector. They hold ids and no person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, cast

from sqlalchemy import Select, Table, select
from sqlalchemy.orm import Session

from callback_service.models.audit import AuditEntry, AuditSeal, AuditShipping

#: Entries shipped in one go, and rows held in memory at once.
AT_ONCE: Final = 500

_SEAL: Final = cast("Table", AuditSeal.__table__)
_ENTRY: Final = cast("Table", AuditEntry.__table__)


def export(session: Session, *, after_id: int = 0, since: datetime | None = None) -> Iterator[str]:
    """Every entry with a greater id, written at ``since`` or later, as a line; oldest id first."""
    wanted = _entries().where(_ENTRY.c.id > after_id).order_by(_ENTRY.c.id)
    if since is not None:
        wanted = wanted.where(_ENTRY.c.at >= since)
    with session.execute(wanted, execution_options={"yield_per": AT_ONCE}) as rows:
        yield from map(_line, rows)


def _entries() -> Select[Any]:
    seals = _ENTRY.outerjoin(_SEAL, _SEAL.c.entry_id == _ENTRY.c.id)
    return select(_ENTRY, _SEAL.c.position, _SEAL.c.mac).select_from(seals)


def _line(row: Any) -> str:
    told = {
        "position": row.position,  # None: from before there was a chain
        "id": row.id,
        "at": row.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor_id": row.actor_id,
        "action": row.action,
        "subject": row.subject,
        "subject_id": row.subject_id,
        "detail": row.detail,
        "mac": row.mac.hex() if row.mac else None,
    }
    return json.dumps(told, separators=(",", ":"))


def shipped_up_to(session: Session) -> int:
    """The last place of the chain that was shipped; 0 where nothing was."""
    shipping = session.get(AuditShipping, 1)
    return shipping.position if shipping else 0


def next_lines(session: Session, *, after: int) -> tuple[list[str], int]:
    """The next entries to ship, in the order of the chain, and the place of the last of them.

    Places are given at the commit and leave no gap, so nothing that is committed late is passed by.
    """
    wanted = _entries().where(_SEAL.c.position > after).order_by(_SEAL.c.position).limit(AT_ONCE)
    rows = session.execute(wanted).all()
    return [_line(row) for row in rows], rows[-1].position if rows else after


def note_shipped(session: Session, position: int) -> None:
    """Remember that all up to ``position`` is shipped; never moves back."""
    shipping = session.get(AuditShipping, 1, with_for_update=True)
    if shipping is None:
        session.add(AuditShipping(id=1, position=position))
    else:
        shipping.position = max(shipping.position, position)


def waiting(session: Session) -> int:
    """How many sealed entries were not shipped yet."""
    last = session.scalar(select(_SEAL.c.position).order_by(_SEAL.c.position.desc()).limit(1))
    return max((last or 0) - shipped_up_to(session), 0)
