"""Telling the duty lead that texts or a flood of requests need a look: seldom, so it is read."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy.orm import Session

from callback_service.domain.escalation import Step
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.services import texts
from callback_service.services.duty_leads import whom_to_tell

#: A notice that could not be sent within this time says nothing new any more.
NOTICE_LASTS: Final = timedelta(hours=1)


def tell_of_unclear(session: Session, message: OutboxMessage, *, now: datetime, tz: tzinfo) -> None:
    """Say that nobody knows whether a text arrived; once an hour, of the first in it."""
    reference = message.request.reference if message.request else ""
    hour = now.astimezone(tz).strftime("%Y-%m-%dT%H")
    reason = "it is not known whether a text arrived"
    _tell(session, f"unclear:{hour}", reason, reference, now=now, tz=tz)


def tell_of_spending(session: Session, *, now: datetime, tz: tzinfo) -> None:
    """Say that callers get no texts for the rest of the day; once a day."""
    day = now.astimezone(tz).date().isoformat()
    reason = "the day's limit is reached and callers get no texts until midnight"
    _tell(session, f"spending:{day}", reason, "", now=now, tz=tz)


def tell_of_flood(session: Session, *, now: datetime, tz: tzinfo) -> None:
    """Say that requests are kept outside the queue because there are so many; once an hour."""
    hour = now.astimezone(tz).strftime("%Y-%m-%dT%H")
    reason = "very many requests came in and some wait outside the queue"
    _tell(session, f"flood:{hour}", reason, "", now=now, tz=tz)


def tell_of_held(session: Session, *, now: datetime, tz: tzinfo) -> None:
    """Say that a request seems to be a program's and waits for a person to look; once a day.

    More often would wake somebody at night for what goes into the queue by itself.
    """
    day = now.astimezone(tz).date().isoformat()
    reason = "a request that seems to be sent by a program waits outside the queue"
    _tell(session, f"held:{day}", reason, "", now=now, tz=tz)


def _tell(
    session: Session, event: str, reason: str, reference: str, *, now: datetime, tz: tzinfo
) -> None:
    for person in whom_to_tell(session, now=now, tz=tz)[Step.DUTY_LEAD]:
        texts.text_staff(
            session,
            person,
            TextKind.AUDIT,
            once_key=f"{event}:{person.id}",
            expires_at=now + NOTICE_LASTS,
            now=now,
            reason=reason,
            reference=reference,
        )
