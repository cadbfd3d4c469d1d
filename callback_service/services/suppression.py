"""Numbers that no text goes to, or that are not even rung: by their own word, or the gateway's."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute, Session

from callback_service.domain.policy import Action
from callback_service.gateways.twilio_codes import OPTED_OUT
from callback_service.models.callback import CallbackRequest
from callback_service.models.number import SaidBy, Suppression
from callback_service.models.outbox import OutboxMessage
from callback_service.models.sealing import keyring
from callback_service.services import audit
from callback_service.services.permission import allowed


def index_of(e164: str) -> bytes:
    """What a number is found by, here and on requests, without being kept."""
    return keyring().blind_index("phone", e164)


def is_suppressed(session: Session, e164: str | None) -> bool:
    """Whether no text may go to this number."""
    if e164 is None:
        return False
    return session.scalar(_of(index_of(e164))) is not None


def suppressed_among(session: Session, indices: set[bytes]) -> set[bytes]:
    """Those of the numbers, by their indices, that no text may go to."""
    if not indices:
        return set()
    known = select(Suppression.phone_index).where(Suppression.phone_index.in_(indices))
    return set(session.scalars(known))


def takes_no_texts(index: SQLColumnExpression[Any]) -> ColumnElement[bool]:
    """Whether no text may go to the number with this index, in a query."""
    return _of(index).exists()


def never_rings(index: InstrumentedAttribute[bytes | None]) -> ColumnElement[bool]:
    """Whether the number with this index, in a query, asked never to be rung again."""
    row = select(Suppression.id).where(Suppression.phone_index == index, Suppression.no_calls)
    return row.exists()


def asked_for_silence(session: Session, request_ids: Collection[int]) -> set[int]:
    """Those of the requests whose number asked never to be rung: a manager decides about them.

    Somebody may have changed their mind, or another asks in their name, so none is thrown away.
    """
    if not request_ids:
        return set()
    theirs = CallbackRequest.id.in_(request_ids) & never_rings(CallbackRequest.phone_index)
    return set(session.scalars(select(CallbackRequest.id).where(theirs)))


def count(session: Session) -> int:
    """How many numbers take no texts."""
    return session.scalar(select(func.count()).select_from(Suppression)) or 0


def count_never_rung(session: Session) -> int:
    """How many numbers asked never to be rung."""
    silent = select(func.count()).select_from(Suppression).where(Suppression.no_calls)
    return session.scalar(silent) or 0


@allowed(Action.CONTROL_TEXTS)
def suppress(
    session: Session, e164: str, *, said_by: SaidBy, now: datetime, actor_id: int | None = None
) -> bool:
    """Send this number nothing more; False when that was so already."""
    index = index_of(e164)
    known_id = session.scalar(_of(index))
    if known_id is not None:
        note_look(session, known_id, actor_id=actor_id, now=now)
        return False
    row = Suppression(phone_index=index, said_by=said_by, since=now)
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:  # somebody said so a moment earlier
        return False
    _note(session, "texts.stopped", row.id, actor_id=actor_id, now=now, said_by=said_by)
    return True


@allowed(Action.CONTROL_TEXTS)
def never_ring(session: Session, e164: str, *, actor_id: int, now: datetime) -> None:
    """Neither text nor ring this number again, as its owner told a manager."""
    suppress(session, e164, said_by=SaidBy.MANAGER, actor_id=actor_id, now=now)
    row = session.scalars(
        select(Suppression).where(Suppression.phone_index == index_of(e164)).with_for_update()
    ).one()
    if not row.no_calls:
        row.no_calls, row.said_by = True, SaidBy.MANAGER
        _note(session, "calls.stopped", row.id, actor_id=actor_id, now=now, said_by=row.said_by)


@allowed(Action.CONTROL_TEXTS)
def lift(session: Session, e164: str, *, now: datetime, actor_id: int | None = None) -> bool:
    """Allow texts and calls to this number again; False when nothing stood against them.

    A text such as START (no ``actor_id``) does not undo what a person told a manager: the sender
    of a text can be forged.
    """
    row = session.scalar(
        select(Suppression).where(Suppression.phone_index == index_of(e164)).with_for_update()
    )
    if row is None or (actor_id is None and row.said_by is SaidBy.MANAGER):
        note_look(session, None, actor_id=actor_id, now=now)
        return False
    _note(session, "texts.allowed", row.id, actor_id=actor_id, now=now, said_by=row.said_by)
    session.delete(row)
    return True


def learn(session: Session, message: OutboxMessage, *, now: datetime) -> None:
    """Remember the number of a text that the gateway refused as opted out of texts."""
    if message.error_code == OPTED_OUT and message.to is not None:
        suppress(session, message.to, said_by=SaidBy.GATEWAY, now=now)


def _of(index: bytes | SQLColumnExpression[Any]) -> Select[int]:
    return select(Suppression.id).where(Suppression.phone_index == index)


def note_look(session: Session, row_id: int | None, *, actor_id: int | None, now: datetime) -> None:
    """Somebody who types a number and changes nothing has learnt whether it is on the list."""
    if actor_id is not None:
        audit.record(
            session, "texts.looked_up", subject="suppression", subject_id=row_id,
            actor_id=actor_id, now=now, found=row_id is not None,
        )  # fmt: skip


def _note(
    session: Session, action: str, row_id: int, *, actor_id: int | None, now: datetime, said_by: str
) -> None:
    audit.record(
        session,
        action,
        subject="suppression",
        subject_id=row_id,
        actor_id=actor_id,
        now=now,
        said_by=said_by,
    )
