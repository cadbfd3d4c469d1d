"""What went out, to whom (masked), and what became of it, for managers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session, joinedload

from callback_service.domain.policy import Action
from callback_service.domain.wording import segments
from callback_service.gateways.twilio_codes import ARRIVED, desk_sentence
from callback_service.models.callback import CallbackRequest
from callback_service.models.outbox import OutboxMessage, OutboxState, TextKind
from callback_service.services import suppression
from callback_service.services.conflicts import barred_from
from callback_service.services.decoys import ONCE_KEY
from callback_service.services.outbox_results import NOT_KNOWN
from callback_service.services.permission import allowed

#: Managers may not know which records are decoys, nor that somebody opened one.
_NOT_OF_DECOYS = ~OutboxMessage.once_key.startswith(ONCE_KEY)
_AT_THE_GATEWAY = (OutboxState.SENT, OutboxState.FAILED)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which texts to list. None means all; ``is_unclear`` those that may or may not have gone."""

    state: OutboxState | None = None
    kind: TextKind | None = None
    is_unclear: bool = False


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One text without the number it went to: only its last three digits."""

    id: int
    kind: TextKind
    template: str
    to_ending: str
    body: str
    segments: int
    state: OutboxState
    delivery_status: str | None
    error_code: int | None
    reason: str | None
    created_at: datetime
    send_after: datetime
    sent_at: datetime | None
    is_unclear: bool  # it may or may not be at the gateway
    can_be_asked_after: bool  # the gateway may know more of it than we do


def latest(
    session: Session, chosen: Chosen, *, viewer_id: int, limit: int, before_id: int | None = None
) -> list[MessageRow]:
    """The newest texts first; ``before_id`` goes on from the last of an earlier page.

    Whoever is barred from a caller finds no text of theirs.
    """
    query = (
        select(OutboxMessage)
        .options(joinedload(OutboxMessage.request).joinedload(CallbackRequest.request_key))
        .where(_NOT_OF_DECOYS)
        .order_by(OutboxMessage.id.desc())
        .limit(limit)
    )
    if barred := barred_from(session, viewer_id):
        request_id = OutboxMessage.request_id
        query = query.where(or_(request_id.is_(None), request_id.not_in(barred)))
    if before_id is not None:
        query = query.where(OutboxMessage.id < before_id)
    if chosen.state is not None:
        query = query.where(OutboxMessage.state == chosen.state)
    if chosen.is_unclear:
        query = query.where(_is_unclear())
    if chosen.kind is not None:
        query = query.where(OutboxMessage.kind == chosen.kind)
    return [_row(message) for message in session.scalars(query)]


@allowed(Action.CONTROL_TEXTS)
def allow_again(session: Session, e164: str, *, actor_id: int, now: datetime) -> bool:
    """Allow texts and calls to a number again; False when nothing stood against them.

    To whoever is barred from its caller nothing does, and what does stays.
    """
    of_number = select(CallbackRequest.id).where(
        CallbackRequest.phone_index == suppression.index_of(e164)
    )
    if barred_from(session, actor_id).isdisjoint(session.scalars(of_number)):
        return suppression.lift(session, e164, actor_id=actor_id, now=now)
    suppression.note_look(session, None, actor_id=actor_id, now=now)
    return False


def counts(session: Session) -> dict[OutboxState, int]:
    """How many texts are in each state."""
    rows = session.execute(
        select(OutboxMessage.state, func.count())
        .where(_NOT_OF_DECOYS)
        .group_by(OutboxMessage.state)
    ).all()
    return dict(rows)


def segments_since(session: Session, since: datetime) -> int:
    """How many segments the gateway took from us since then: that is what it charges for."""
    rows = session.execute(
        select(OutboxMessage.body, func.count())
        .where(OutboxMessage.sent_at >= since, OutboxMessage.state.in_(_AT_THE_GATEWAY))
        .group_by(OutboxMessage.body)
    )
    return sum(segments(body) * count for body, count in rows)


@dataclass(frozen=True, slots=True)
class Failure:
    """A way in which texts failed, by the gateway's code, and how often."""

    code: int | None
    meaning: str
    count: int


def failures_since(session: Session, since: datetime) -> list[Failure]:
    """Why texts did not arrive, the most frequent first. Those nobody knows of are apart."""
    rows = session.execute(
        select(OutboxMessage.error_code, func.count())
        .where(
            OutboxMessage.state == OutboxState.FAILED,
            OutboxMessage.created_at >= since,
            ~_is_unclear(),
        )
        .group_by(OutboxMessage.error_code)
    )
    found = [Failure(code, desk_sentence(code), count) for code, count in rows]
    return sorted(found, key=lambda one: (-one.count, one.code or 0))


def unclear(session: Session) -> int:
    """How many texts may or may not be at the gateway."""
    return session.scalar(select(func.count()).select_from(OutboxMessage).where(_is_unclear())) or 0


def _is_unclear() -> ColumnElement[bool]:
    """Those of ``_fate_is_unclear``, in a query."""
    waits = (OutboxMessage.state == OutboxState.SENDING) & (OutboxMessage.unclear_tries > 0)
    reason = func.coalesce(OutboxMessage.reason, "")  # no reason is no unclear fate
    given_up = (OutboxMessage.state == OutboxState.FAILED) & (reason == NOT_KNOWN)
    return waits | given_up


def _fate_is_unclear(message: OutboxMessage) -> bool:
    """Whether it may have gone and is asked after, or nobody will ever know."""
    waits = message.state is OutboxState.SENDING and message.unclear_tries > 0
    return waits or (message.state is OutboxState.FAILED and message.reason == NOT_KNOWN)


def start_of_day(now: datetime, days_ago: int = 0) -> datetime:
    """The midnight before ``now``, an aware local instant, or that of some days before."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=days_ago)


def may_be_asked_after(message: OutboxMessage) -> bool:
    """Whether a question at the gateway can bring news of a text."""
    if message.state in {OutboxState.KEPT, OutboxState.QUEUED, OutboxState.DROPPED}:
        return False
    if message.delivery_status in ARRIVED:
        return False
    is_lost = message.first_tried_at is not None and message.to_sealed is not None
    return message.provider_sid is not None or (is_lost and message.error_code is None)


def _row(message: OutboxMessage) -> MessageRow:
    return MessageRow(
        id=message.id,
        kind=message.kind,
        template=message.template,
        to_ending=(message.to or "")[-3:],
        body=message.body,
        segments=segments(message.body),
        state=message.state,
        delivery_status=message.delivery_status,
        error_code=message.error_code,
        reason=message.reason,
        created_at=message.created_at,
        send_after=message.send_after,
        sent_at=message.sent_at,
        is_unclear=_fate_is_unclear(message),
        can_be_asked_after=may_be_asked_after(message),
    )
