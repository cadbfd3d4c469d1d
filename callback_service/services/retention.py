"""Erasing what callers told us, once it is no longer needed. The row stays, without the person."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import RequestState
from callback_service.domain.wishes import NO_WISHES
from callback_service.models.callback import CallbackRequest, Offer, Submission
from callback_service.models.outbox import OutboxMessage
from callback_service.services import audit, held_forms

#: Number, name and notes are kept this long after a request is closed.
KEPT_AFTER_CLOSING: Final = timedelta(days=30)
#: Requests erased in one run, so that a long backlog holds the database for a moment only.
ERASED_AT_ONCE: Final = 200


def erasure_is_due(session: Session, *, now: datetime) -> bool:
    """Whether there is anything to erase; a cheap look before any lock is taken."""
    return session.scalar(_old(now).limit(1)) is not None or held_forms.is_any_old(session, now=now)


def _old(now: datetime) -> Select[CallbackRequest]:
    return select(CallbackRequest).where(
        CallbackRequest.state == RequestState.CLOSED,
        CallbackRequest.closed_at <= now - KEPT_AFTER_CLOSING,
        CallbackRequest.phone_index.is_not(None),
    )


def erase_old(session: Session, *, now: datetime) -> int:
    """Empty the requests that were closed long enough ago of all personal data; how many.

    Forms of staff that nobody came back for go too.
    """
    held_forms.erase_old(session, now=now)
    oldest = _old(now).order_by(CallbackRequest.id).limit(ERASED_AT_ONCE)
    old = session.scalars(oldest.with_for_update(key_share=True)).all()
    for request in old:
        _erase(session, request, now=now)
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
    session.execute(texts.values(to_sealed=None))
    audit.record(
        session, "request.erased", subject="callback_request", subject_id=request.id, now=now
    )
