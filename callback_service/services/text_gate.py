"""The gate that every sender passes to claim texts: breaker, rate and the day's spending.

It is one row. Who claims holds it until the claim is committed, so what it allows is never taken
twice, however many senders run. A claim takes milliseconds and waits for nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.text_limits import (
    FAILURES_TO_OPEN,
    LONGEST_WAIT,
    TextLimits,
    failures_in_a_row,
    tokens,
)
from callback_service.models.outbox import TextGate
from callback_service.services.server import ended_soon, is_server

#: Why a text to a caller was not sent once the day's limit was reached.
TOO_DEAR: Final = "The day's limit for texts had been reached."

_ONLY_ROW: Final = (
    select(TextGate).where(TextGate.id == 1).execution_options(populate_existing=True)
)
_LOCKED: Final = _ONLY_ROW.with_for_update()
_LOCKED_ON_SERVER: Final = _LOCKED.add_columns(ended_soon())


def look(session: Session) -> TextGate | None:
    """The gate as it is, not locked; None before the first text."""
    return session.scalar(_ONLY_ROW)


def enter(session: Session) -> TextGate:
    """The gate, locked until the transaction ends."""
    locked = _LOCKED_ON_SERVER if is_server(session) else _LOCKED
    gate: TextGate | None = session.scalar(locked)
    if gate is not None:
        return gate
    try:
        with session.begin_nested():
            session.add(TextGate(id=1))
    except IntegrityError:
        pass  # another sender was the first
    first: TextGate = session.scalars(locked).one()
    return first


def is_shut(gate: TextGate | None, *, now: datetime) -> bool:
    """Whether nothing may be claimed just now."""
    return gate is not None and gate.closed_until is not None and now < gate.closed_until


def room(gate: TextGate, limits: TextLimits, *, most: int, now: datetime) -> int:
    """How many texts may be claimed, at most ``most``; one where the gateway is being tried out."""
    if is_shut(gate, now=now):
        return 0
    if gate.opened_at is not None:
        return 1
    if limits.a_second is None:
        return most
    since = None if gate.tokens_at is None else now - gate.tokens_at
    gate.tokens, gate.tokens_at = tokens(gate.tokens, since, a_second=limits.a_second), now
    return min(most, int(gate.tokens))


def pass_through(gate: TextGate, limits: TextLimits, claimed: int, *, now: datetime) -> None:
    """Count what was claimed. Who tries the gateway out does so alone for as long as it takes."""
    if claimed and gate.opened_at is not None:
        gate.closed_until = now + limits.lease
    elif limits.a_second is not None:
        gate.tokens = max(gate.tokens - claimed, 0.0)


def left_today(gate: TextGate, limits: TextLimits, *, today: date) -> int | None:
    """Segments that may still be spent on callers; None is no limit."""
    if gate.spent_on != today:
        gate.spent_on, gate.spent = today, 0
    return None if limits.segments_a_day is None else max(limits.segments_a_day - gate.spent, 0)


def note(
    session: Session,
    went_well: Sequence[bool],
    limits: TextLimits,
    *,
    is_trial: bool,
    asked_to_wait: timedelta,
    unspent: int,
    now: datetime,
) -> None:
    """Keep how the gateway behaved, what it asked for, and the segments that did not go.

    ``is_trial``: what was sent tried out a gateway that had failed.
    """
    gate = look(session)
    is_calm = gate is not None and gate.failures == 0 and gate.opened_at is None
    if is_calm and all(went_well) and not asked_to_wait and not unspent:
        return
    gate = enter(session)
    gate.spent = max(gate.spent - unspent, 0)
    gate.failures = failures_in_a_row(gate.failures, went_well)
    if any(went_well):
        gate.opened_at, gate.closed_until, gate.pause_seconds = None, None, 0
    has_failed_again = is_trial and bool(went_well) and gate.opened_at is not None
    if has_failed_again or (gate.opened_at is None and gate.failures >= FAILURES_TO_OPEN):
        _open(gate, limits, now=now)
    if asked_to_wait:
        until = now + min(asked_to_wait, LONGEST_WAIT)
        gate.closed_until = max(gate.closed_until or until, until)


def _open(gate: TextGate, limits: TextLimits, *, now: datetime) -> None:
    """Leave the gateway alone; after the pause one text tries it out."""
    pause = limits.pause_after(timedelta(seconds=gate.pause_seconds))
    gate.opened_at = gate.opened_at or now
    gate.closed_until, gate.pause_seconds = now + pause, pause.total_seconds()
