"""How many texts a number, a network and a day may bring about; and how texts stand just now.

Counted in the transaction that writes a text, under a lock of the number (and of the network), so
that posts at the same moment cannot both be the last one allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from callback_service.domain.text_limits import A_DAY, AN_HOUR, TextLimits
from callback_service.models.outbox import FOR_CALLERS, OutboxMessage, OutboxState, TextKind
from callback_service.models.sealing import keyring
from callback_service.services import text_gate

#: Kinds that a post of the form brings about, whoever sends it.
BY_FORM: Final = frozenset({TextKind.CONFIRMATION, TextKind.CHANGE})
NUMBER_LOCK, NETWORK_LOCK = 7_702_041, 7_702_042  # any numbers; shared by all processes

TOO_MANY_BY_FORM: Final = "This number has had as many texts today as forms may bring about."
TOO_MANY: Final = "This number has had as many texts today as it may."
TOO_MANY_FROM_THERE: Final = "Too many requests came from one network within an hour."

_limits = TextLimits()


@dataclass(frozen=True, slots=True)
class TextsState:
    """How texts stand: for the page of messages."""

    waiting: int  # queued and due
    unclear: int  # sent, and nobody knows yet whether they arrived at the gateway
    breaker_open_since: datetime | None  # the gateway is down since then; nothing goes
    paused_until: datetime | None  # nothing is sent before: a pause of ours, or one asked for
    spent_today: int  # segments
    segments_a_day: int | None  # the day's limit; None is none
    held_back: dict[str, int]  # texts of the last 24 hours that a limit stopped, by its sentence


def use_limits(limits: TextLimits) -> None:
    """Tell the services what this installation allows. Called once, by ``create_app``."""
    global _limits  # noqa: PLW0603 - one process, one installation
    _limits = limits


def network_index(network: str | None) -> bytes | None:
    """What a network is counted by: it cannot be read back."""
    return None if network is None else keyring().blind_index("network", network)


def beyond(session: Session, message: OutboxMessage, *, now: datetime) -> str | None:
    """Why one more text to this caller would be too many; None if it is not.

    Holds the number until the transaction ends, and the network if the text came of a post.
    """
    number = OutboxMessage.to_index == message.to_index
    _hold(session, NUMBER_LOCK, message.to_index)
    if _count(session, number, since=now - A_DAY) >= _limits.a_number:
        return TOO_MANY
    if message.kind not in BY_FORM:
        return None
    by_form = number & OutboxMessage.kind.in_(BY_FORM)
    if _count(session, by_form, since=now - A_DAY) >= _limits.a_number_by_forms:
        return TOO_MANY_BY_FORM
    if message.network_index is None:
        return None
    _hold(session, NETWORK_LOCK, message.network_index)
    network = OutboxMessage.network_index == message.network_index
    if _count(session, network, since=now - AN_HOUR) >= _limits.a_network:
        return TOO_MANY_FROM_THERE
    return None


def _count(session: Session, which: ColumnElement[bool], *, since: datetime) -> int:
    """Texts to callers that went or will go. One that was dropped cost nobody anything."""
    query = select(func.count()).where(
        which,
        OutboxMessage.kind.in_(FOR_CALLERS),
        OutboxMessage.created_at > since,
        OutboxMessage.state != OutboxState.DROPPED,
    )
    return session.scalar(query) or 0


def _hold(session: Session, lock: int, index: bytes | None) -> None:
    """One transaction at a time. SQLite: it holds the only write lock already."""
    if index is not None and session.get_bind().dialect.name == "postgresql":
        part = int.from_bytes(index[:4], "big", signed=True)
        session.execute(select(func.pg_advisory_xact_lock(lock, part)))


def state(session: Session, *, now: datetime, tz: tzinfo) -> TextsState:
    """How texts stand at ``now``."""
    gate = text_gate.look(session)
    is_today = gate is not None and gate.spent_on == now.astimezone(tz).date()
    shut = gate is not None and text_gate.is_shut(gate, now=now)
    waiting = (OutboxMessage.state == OutboxState.QUEUED) & (OutboxMessage.send_after <= now)
    unclear = (OutboxMessage.state == OutboxState.SENDING) & (OutboxMessage.unclear_tries > 0)
    return TextsState(
        waiting=session.scalar(select(func.count()).where(waiting)) or 0,
        unclear=session.scalar(select(func.count()).where(unclear)) or 0,
        breaker_open_since=gate.opened_at if gate else None,
        paused_until=gate.closed_until if gate and shut else None,
        spent_today=gate.spent if gate and is_today else 0,
        segments_a_day=_limits.segments_a_day,
        held_back=_held_back(session, now=now),
    )


def _held_back(session: Session, *, now: datetime) -> dict[str, int]:
    reasons = (TOO_MANY_BY_FORM, TOO_MANY, TOO_MANY_FROM_THERE, text_gate.TOO_DEAR)
    rows = session.execute(
        select(OutboxMessage.reason, func.count())
        .where(
            OutboxMessage.state == OutboxState.DROPPED,
            OutboxMessage.reason.in_(reasons),
            OutboxMessage.created_at > now - A_DAY,
        )
        .group_by(OutboxMessage.reason)
    )
    return {reason: count for reason, count in rows if reason is not None}
