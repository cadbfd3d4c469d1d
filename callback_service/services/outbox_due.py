"""Which texts are due, and taking them: many in one statement, by one sender each."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import (
    ColumnElement,
    Integer,
    Table,
    UpdateBase,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from callback_service.domain.contact import LineKind
from callback_service.domain.text_limits import LONGEST_WAIT, TextLimits
from callback_service.models.outbox import OutboxMessage, OutboxState, TextKind
from callback_service.services import lines, suppression, text_gate

#: Texts claimed in one statement.
AT_ONCE: Final = 100
#: Leases are never this much longer than now, unless the clock was set back since.
LONGEST_LEASE: Final = 2 * LONGEST_WAIT

_TABLE: Final = cast("Table", OutboxMessage.__table__)
_TEXT: Final = _TABLE.c
_NOW: Final = bindparam("now", type_=_TEXT.send_after.type)
_COLUMNS: Final = (
    _TEXT.id, _TEXT.uid, _TEXT.fence, _TEXT.to_sealed, _TEXT.to_index, _TEXT.body, _TEXT.segments,
    _TEXT.kind, _TEXT.urgency, _TEXT.send_after, _TEXT.expires_at, _TEXT.first_tried_at,
    _TEXT.unclear_tries, _TEXT.request_id, _TEXT.offer_id, _TEXT.in_doubt,
    suppression.takes_no_texts(_TEXT.to_index).label("is_stopped"),
    lines.line_of(_TEXT.to_index, now=_NOW).label("line"),
)  # fmt: skip


class Found(NamedTuple):
    """What a claim found of one text, as _COLUMNS has it: reading a row of the driver is slower."""

    id: int
    uid: str
    fence: int
    to_sealed: bytes | None
    to_index: bytes | None
    body: str
    segments: int
    kind: TextKind
    urgency: int
    send_after: datetime
    expires_at: datetime
    first_tried_at: datetime
    unclear_tries: int
    request_id: int | None
    offer_id: int | None
    in_doubt: bool
    is_stopped: bool
    line: LineKind | None


def texts_are_due(
    session: Session, limits: TextLimits, *, at_work: Collection[int] = (), now: datetime
) -> bool:
    """Whether a text waits that may be handled now; a cheap look before any lock is taken."""
    if text_gate.is_shut(text_gate.look(session), now=now):
        return False
    due = _is_unclear(now, now + LONGEST_LEASE, now - limits.patience, at_work), _is_fresh(now)
    return any(session.scalar(select(exists().where(one))) for one in due)


def _is_fresh(now: Any) -> ColumnElement[bool]:
    return and_(_TEXT.state == OutboxState.QUEUED, _TEXT.send_after <= now)


def _is_unclear(
    now: Any, beyond_any_lease: Any, beyond_patience: Any, at_work: Any
) -> ColumnElement[bool]:
    """Left ``sending`` past its lease; or past any lease, as the clock has been set back.

    Not what a sender has in hand that is still ``at_work``: it may only have been stopped.
    """
    is_over = or_(_TEXT.lease_until <= now, _TEXT.lease_until > beyond_any_lease)
    is_left = or_(
        _TEXT.claimed_by.is_(None),
        _TEXT.claimed_by.not_in(at_work),
        _TEXT.lease_until <= beyond_patience,
    )
    return and_(_TEXT.state == OutboxState.SENDING, is_over, is_left)


def take(
    session: Session,
    most: int,
    limits: TextLimits,
    *,
    mark: int | None,
    at_work: Collection[int],
    now: datetime,
) -> list[Found]:
    """Mark up to ``most`` texts ``sending`` in one statement, so that no two senders share one."""
    facts = {
        "most": most,
        "most_unclear": max(most // 2, 1),
        "now": now,
        "beyond_any_lease": now + LONGEST_LEASE,
        "beyond_patience": now - limits.patience,
        "at_work": list(at_work),
        "mark": mark,
        "lease": now + limits.lease,
    }
    taken = session.connection().execute(_TAKE, facts)
    return sorted(map(Found._make, taken), key=lambda one: (one.urgency, one.send_after, one.id))


def _statement() -> UpdateBase:
    """Built once: to build and to read it anew takes longer than the database needs to run it.

    Half of a claim at most is unclear texts, so that neither kind keeps the other waiting. Whether
    a text was one is kept in ``in_doubt``: a statement returns only what it has written.
    """
    beyond_any_lease, beyond_patience, lease = (
        bindparam(name, type_=_TEXT.send_after.type)
        for name in ("beyond_any_lease", "beyond_patience", "lease")
    )
    at_work = bindparam("at_work", expanding=True, type_=Integer)
    unclear = (
        select(_TEXT.id)
        .where(_is_unclear(_NOW, beyond_any_lease, beyond_patience, at_work))
        .order_by(_TEXT.lease_until)
        .limit(bindparam("most_unclear", type_=Integer))
        .with_for_update(skip_locked=True)  # SQLite ignores this; there the write lock does
        .cte("unclear")
    )
    room = select(bindparam("most", type_=Integer) - func.count()).select_from(unclear)
    fresh = (
        select(_TEXT.id)
        .where(_is_fresh(_NOW))
        .order_by(_TEXT.urgency, _TEXT.send_after, _TEXT.id)
        .limit(room.scalar_subquery())
        .with_for_update(skip_locked=True)
        .cte("fresh")
    )
    return (
        update(_TABLE)
        .where(_TEXT.id.in_(union_all(select(unclear.c.id), select(fresh.c.id))))
        .values(
            in_doubt=_TEXT.state == OutboxState.SENDING,
            state=OutboxState.SENDING,
            lease_until=lease,
            claimed_by=bindparam("mark", type_=Integer),
            fence=_TEXT.fence + 1,
            first_tried_at=func.coalesce(_TEXT.first_tried_at, _NOW),
        )
        .returning(*_COLUMNS)
    )


_TAKE: Final = _statement()
