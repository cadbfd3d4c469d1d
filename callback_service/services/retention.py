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
from callback_service.models.outbox import OutboxMessage
from callback_service.services import audit, inbound_calls

#: Number, name and notes are kept this long after a request is closed.
KEPT_AFTER_CLOSING: Final = timedelta(days=30)
#: Texts are counted by network for an hour; then nothing needs to know it.
NETWORK_KEPT: Final = timedelta(days=1)
#: Requests erased in one run, so that a long backlog holds the database for a moment only.
ERASED_AT_ONCE: Final = 200


def erasure_is_due(session: Session, *, now: datetime) -> bool:
    """Whether there is anything to erase; a cheap look before any lock is taken."""
    networks = select(OutboxMessage.id).where(_has_old_network(now))
    queries = _old(now), networks, inbound_calls.old(now)
    return any(session.scalar(query.limit(1)) is not None for query in queries)


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


def erase_old(session: Session, *, now: datetime) -> int:
    """Empty the requests that were closed long enough ago of all personal data; how many."""
    oldest = _old(now).order_by(CallbackRequest.id).limit(ERASED_AT_ONCE)
    session.execute(update(OutboxMessage).where(_has_old_network(now)).values(network_index=None))
    old = session.scalars(oldest.with_for_update(key_share=True)).all()
    for request in old:
        _erase(session, request, now=now)
    inbound_calls.forget_old(session, now=now)
    return len(old)


def _erase(session: Session, request: CallbackRequest, *, now: datetime) -> None:
    request.phone = request.name = request.note = request.closing_note = None
    request.phone_index = None
    request.wishes = NO_WISHES
    submissions = update(Submission).where(Submission.request_id == request.id)
    session.execute(submissions.values(wish_language=None, wish_gender=None))
    offers = update(Offer).where(Offer.request_id == request.id)
    session.execute(offers.values(words_sealed=None))
    texts = update(OutboxMessage).where(OutboxMessage.request_id == request.id)
    session.execute(texts.values(to_sealed=None, to_index=None))
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
