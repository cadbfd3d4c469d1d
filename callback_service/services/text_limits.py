"""How many texts a number, a network and a day may bring about; and how texts stand just now.

Counted in the transaction that writes a text, under a lock of the number (and of the network), so
that posts at the same moment cannot both be the last one allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cache
from typing import Any, Final

from sqlalchemy import BindParameter, ColumnElement, Integer, Select, bindparam, func, select
from sqlalchemy.orm import Session

from callback_service.domain.text_limits import A_DAY, AN_HOUR, TextLimits
from callback_service.models.outbox import FOR_CALLERS, OutboxMessage, OutboxState, TextKind
from callback_service.models.sealing import keyring
from callback_service.services import plain_rows, text_gate
from callback_service.services.server import is_server

#: Kinds that a post of the form brings about, whoever sends it.
BY_FORM: Final = frozenset({TextKind.CONFIRMATION, TextKind.CHANGE})
#: Any numbers; shared by all processes.
LOCKS: Final = {"number_held": 7_702_041, "network_held": 7_702_042}

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


@dataclass(frozen=True, slots=True)
class Sent:
    """What is counted before one more text. One that was dropped cost nobody anything."""

    to_number: int  # texts to callers within a day
    to_number_by_form: int
    from_network: int  # brought about by posts within an hour
    is_known: bool  # this very text is there already


def hold(session: Session, message: OutboxMessage) -> None:
    """Hold the number of a text until the transaction ends, and the network if it came of a post.

    One transaction at a time, and always in this order. SQLite: it holds the only write lock
    already.
    """
    if message.kind in FOR_CALLERS and is_server(session):
        held = to_hold(message.to_index, _network_of(message))
        plain_rows.rows(session, select(*locks(*held)), held)


def to_hold(number: bytes | None, network: bytes | None) -> dict[str, int]:
    """What ``locks`` are to be taken of, by name."""
    wanted = {"number_held": number, "network_held": network}
    return {
        name: int.from_bytes(index[:4], "big", signed=True)
        for name, index in wanted.items()
        if index is not None
    }


@cache
def locks(*names: str) -> tuple[ColumnElement[Any], ...]:
    """What takes them, selected on a server: see ``hold``."""
    which = {name: bindparam(name, type_=Integer()) for name in names}
    return tuple(func.pg_advisory_xact_lock(LOCKS[name], which[name]) for name in names)


def count(session: Session, message: OutboxMessage, *, now: datetime) -> Sent:
    """What went before a text, or will go, to its number and by its network."""
    given = {
        "once_key": message.once_key,
        "to_index": message.to_index,
        "network_index": _network_of(message),
        "a_day_ago": now - A_DAY,
        "an_hour_ago": now - AN_HOUR,
    }
    return Sent(*plain_rows.row(session, _sent(), given))


@cache
def _sent() -> Select[int, int, int, bool]:
    to_number = OutboxMessage.to_index == bindparam("to_index")
    by_form = func.count().filter(plain_rows.among(OutboxMessage.kind, BY_FORM))
    from_network = _counted(
        OutboxMessage.network_index == bindparam("network_index"), since=bindparam("an_hour_ago")
    )
    same = select(OutboxMessage.id).where(OutboxMessage.once_key == bindparam("once_key"))
    return _counted(to_number, since=bindparam("a_day_ago")).add_columns(
        by_form,
        from_network.correlate(None).scalar_subquery(),
        same.correlate(None).exists(),
    )


def beyond(sent: Sent, message: OutboxMessage) -> str | None:
    """Why one more text to this caller would be too many; None if it is not."""
    if sent.to_number >= _limits.a_number:
        return TOO_MANY
    if message.kind in BY_FORM and sent.to_number_by_form >= _limits.a_number_by_forms:
        return TOO_MANY_BY_FORM
    if _network_of(message) is not None and sent.from_network >= _limits.a_network:
        return TOO_MANY_FROM_THERE
    return None


def _network_of(message: OutboxMessage) -> bytes | None:
    """The network that a text is counted by: what no post brought about is counted by none."""
    return message.network_index if message.kind in BY_FORM else None


def _counted(which: ColumnElement[bool], *, since: BindParameter[datetime]) -> Select[int]:
    """How many texts to callers went or will go."""
    return select(func.count()).where(
        which,
        plain_rows.among(OutboxMessage.kind, FOR_CALLERS),
        OutboxMessage.created_at > since,
        OutboxMessage.state != OutboxState.DROPPED,
    )


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
