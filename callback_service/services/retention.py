"""Erasing what callers told us, once it is no longer needed. The row stays, without the person."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, delete, select, update
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import RequestState
from callback_service.domain.wishes import NO_WISHES
from callback_service.models.call import BridgedCall, CallReport
from callback_service.models.callback import CallbackRequest, Offer, Submission
from callback_service.models.inbound import InboundText
from callback_service.models.look import Look
from callback_service.models.number import LineLookup
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.services import audit, held_forms, inbound_calls

#: Number, name and notes are kept this long after a request is closed.
KEPT_AFTER_CLOSING: Final = timedelta(days=30)
#: Texts are counted by network for an hour; then nothing needs to know it.
NETWORK_KEPT: Final = timedelta(days=1)
#: Requests erased in one run, so that a long backlog holds the database for a moment only.
ERASED_AT_ONCE: Final = 200
#: Numbers that texted us and have no request are kept this long, to answer each once a day.
STRANGERS_KEPT: Final = timedelta(days=2)


def erasure_is_due(session: Session, *, now: datetime) -> bool:
    """Whether there is anything to erase; a cheap look before any lock is taken."""
    looks = (
        _old(now), select(OutboxMessage.id).where(_has_old_network(now)), inbound_calls.old(now),
        _strangers(now), _answered_strangers(now), _stale_lookups(now),
    )  # fmt: skip
    return held_forms.is_any_old(session, now=now) or any(
        session.scalar(look.limit(1)) is not None for look in looks
    )


def _has_old_network(now: datetime) -> ColumnElement[bool]:
    """Which texts still tell the network of a form that was posted more than a day ago."""
    is_known = OutboxMessage.network_index.is_not(None)
    return is_known & (OutboxMessage.created_at <= now - NETWORK_KEPT)


def _old(now: datetime) -> Select[CallbackRequest]:
    return select(CallbackRequest).where(
        CallbackRequest.state == RequestState.CLOSED,
        CallbackRequest.closed_at <= now - KEPT_AFTER_CLOSING,
        CallbackRequest.phone_index.is_not(None),
    )


def _strangers(now: datetime) -> Select[int]:
    """Texts that came in from numbers without a request."""
    return select(InboundText.id).where(
        InboundText.request_id.is_(None),
        InboundText.phone_index.is_not(None),
        InboundText.received_at <= now - STRANGERS_KEPT,
    )


def _answered_strangers(now: datetime) -> Select[int]:
    return select(OutboxMessage.id).where(
        OutboxMessage.kind == TextKind.AUTO_REPLY,
        OutboxMessage.request_id.is_(None),
        OutboxMessage.to_sealed.is_not(None),
        OutboxMessage.created_at <= now - STRANGERS_KEPT,
    )


def _stale_lookups(now: datetime) -> Select[int]:
    return select(LineLookup.id).where(LineLookup.expires_at <= now)


def erase_old(session: Session, *, now: datetime) -> int:
    """Empty the requests that were closed long enough ago of all personal data; how many.

    So it goes with what is known of numbers that have no request, and with forms of staff that
    nobody came back for.
    """
    held_forms.erase_old(session, now=now)
    forget = (
        update(InboundText).where(InboundText.id.in_(_strangers(now))).values(phone_index=None),
        update(OutboxMessage)
        .where(OutboxMessage.id.in_(_answered_strangers(now)))
        .values(to_sealed=None, to_index=None),
        delete(LineLookup).where(LineLookup.id.in_(_stale_lookups(now))),
        update(OutboxMessage).where(_has_old_network(now)).values(network_index=None),
    )
    for statement in forget:
        session.execute(statement)
    oldest = _old(now).order_by(CallbackRequest.id).limit(ERASED_AT_ONCE)
    old = session.scalars(oldest.with_for_update(key_share=True)).all()
    for request in old:
        _erase(session, request, now=now)
    inbound_calls.forget_old(session, now=now)
    return len(old)


def _erase(session: Session, request: CallbackRequest, *, now: datetime) -> None:
    session.execute(delete(LineLookup).where(LineLookup.phone_index == request.phone_index))
    request.phone = request.name = request.note = request.closing_note = None
    request.phone_index = None
    request.wishes = NO_WISHES
    submissions = update(Submission).where(Submission.request_id == request.id)
    session.execute(submissions.values(wish_language=None, wish_gender=None))
    offers = update(Offer).where(Offer.request_id == request.id)
    session.execute(offers.values(words_sealed=None))
    session.execute(update(Look).where(Look.request_id == request.id).values(words_sealed=None))
    texts = update(OutboxMessage).where(OutboxMessage.request_id == request.id)
    session.execute(texts.values(to_sealed=None, to_index=None))
    inbound = update(InboundText).where(InboundText.request_id == request.id)
    session.execute(inbound.values(body_sealed=None, phone_index=None))
    _erase_calls(session, request)
    audit.record(
        session, "request.erased", subject="callback_request", subject_id=request.id, now=now
    )


def _erase_calls(session: Session, request: CallbackRequest) -> None:
    """Forget the gateway's ids: by them its own log of numbers could be asked."""
    calls = select(BridgedCall.id).where(BridgedCall.request_id == request.id)
    session.execute(delete(CallReport).where(CallReport.call_id.in_(calls)))
    ids = update(BridgedCall).where(BridgedCall.request_id == request.id)
    session.execute(ids.values(own_sid=None, caller_sid=None))
