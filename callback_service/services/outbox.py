"""Sending each text once: claim with a lease, hand over with no transaction open, record.

Twilio's create call has no idempotency key. So the claim marks a text ``sending`` and is committed
before the gateway is called; whatever is still ``sending`` when its lease ends is unclear, and is
looked up at the gateway before it may go again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from callback_service.gateways.base import (
    FoundText,
    SentText,
    SmsSendError,
    SmsUnclearError,
    TextGateway,
)
from callback_service.gateways.twilio_codes import DID_NOT_ARRIVE, desk_sentence
from callback_service.models.outbox import OutboxMessage, OutboxState
from callback_service.services import audit, suppression, text_reasons

#: Twice the gateway's HTTP time-out (15 s): a look-up never races the send it looks for.
LEASE: Final = timedelta(seconds=30)
FIRST_BACK_OFF: Final = timedelta(seconds=15)
LONGEST_BACK_OFF: Final = timedelta(minutes=10)
MAX_UNCLEAR_TRIES: Final = 3
#: A text whose fate the gateway cannot tell is asked after until this long past its moment.
LOOK_UPS_END_AFTER: Final = timedelta(hours=1)
NOT_KNOWN: Final = "It is not known whether the text arrived. Ring anyway."
#: Shortest validity the gateway is told, in seconds.
LEAST_VALIDITY: Final = 30


@dataclass(frozen=True, slots=True)
class Claim:
    """A text that one sender may handle until the lease ends."""

    message_id: int
    uid: str
    fence: int
    to: str
    body: str
    expires_at: datetime
    looked_up_since: datetime | None  # set: it may be at the gateway already, since then
    known_sids: frozenset[str]  # the gateway's ids of other texts with these words
    unwanted: str | None  # why it may not go any more; it is looked up all the same


@dataclass(frozen=True, slots=True)
class NotThere:
    """An unclear text is not at the gateway and may go no more: it never went."""

    reason: str


@dataclass(frozen=True, slots=True)
class StillUnclear:
    """The gateway could not tell of an unclear text. ``retry_after``: seconds it asked for."""

    retry_after: float | None


Result = StillUnclear | SentText | FoundText | SmsSendError | SmsUnclearError | NotThere


def texts_are_due(session: Session, *, now: datetime) -> bool:
    """Whether a text waits to be handled; a cheap look before any lock is taken."""
    return session.scalar(_due(now).limit(1)) is not None


def _due(now: datetime) -> Select[int]:
    fresh = (OutboxMessage.state == OutboxState.QUEUED) & (OutboxMessage.send_after <= now)
    unclear = (OutboxMessage.state == OutboxState.SENDING) & (OutboxMessage.lease_until <= now)
    return select(OutboxMessage.id).where(fresh | unclear)


def claim_next(session: Session, *, now: datetime) -> Claim | None:
    """Take the text that has waited longest, for one lease; None when nothing is due.

    Texts that are no longer true, allowed or in time are dropped on the way.
    """
    while True:
        oldest = (
            _due(now)
            .order_by(OutboxMessage.send_after, OutboxMessage.id)
            .limit(1)
            .with_for_update(
                skip_locked=True
            )  # SQLite ignores this; there the write lock does the work
        )
        message = session.get(OutboxMessage, session.scalar(oldest) or 0, populate_existing=True)
        if message is None:
            return None
        unwanted = _no_longer_wanted(session, message, now)
        if unwanted is None or message.state is OutboxState.SENDING:
            return _claim(session, message, unwanted, now=now)
        message.state, message.reason = OutboxState.DROPPED, unwanted
        _note(session, message, "text.dropped", now=now)
        session.flush()


def _no_longer_wanted(session: Session, message: OutboxMessage, now: datetime) -> str | None:
    if message.expires_at <= now:
        return "Its moment had passed."
    return text_reasons.why_not_texted(session, message, now=now)


def _claim(
    session: Session, message: OutboxMessage, unwanted: str | None, *, now: datetime
) -> Claim:
    unclear = message.state is OutboxState.SENDING
    message.state, message.lease_until = OutboxState.SENDING, now + LEASE
    message.fence += 1
    message.first_tried_at = message.first_tried_at or now
    session.flush()
    return Claim(
        message_id=message.id,
        uid=message.uid,
        fence=message.fence,
        to=message.to or "",
        body=message.body,
        expires_at=message.expires_at,
        looked_up_since=message.first_tried_at if unclear else None,
        known_sids=_known_sids(session, message) if unclear else frozenset(),
        unwanted=unwanted,
    )


def _known_sids(session: Session, message: OutboxMessage) -> frozenset[str]:
    sids = session.scalars(
        select(OutboxMessage.provider_sid).where(
            OutboxMessage.body == message.body, OutboxMessage.provider_sid.is_not(None)
        )
    )
    return frozenset(sid for sid in sids if sid is not None)


def hand_over(gateway: TextGateway, claim: Claim, *, receipts_at: str, now: datetime) -> Result:
    """Give the claimed text to the gateway. No transaction may be open: this waits on the network.

    ``receipts_at`` is the public address for this text's delivery receipts.
    """
    if claim.looked_up_since is not None:
        try:
            found = _find(gateway, claim, claim.looked_up_since)
        except SmsUnclearError as error:
            return StillUnclear(error.retry_after)
        if found is not None:
            return found
        if claim.unwanted is not None:
            return NotThere(claim.unwanted)
    try:
        seconds = max(int((claim.expires_at - now).total_seconds()), LEAST_VALIDITY)
        return gateway.send_text(
            to=claim.to, body=claim.body, status_callback=receipts_at, valid_seconds=seconds
        )
    except (SmsSendError, SmsUnclearError) as error:
        return error


def _find(gateway: TextGateway, claim: Claim, since: datetime) -> FoundText | None:
    found = gateway.find_texts(to=claim.to, body=claim.body, since=since)
    return next((text for text in found if text.sid not in claim.known_sids), None)


def record(session: Session, claim: Claim, result: Result, *, is_live: bool, now: datetime) -> None:
    """Write down what came of a claim, unless a later claim or a receipt was quicker."""
    message = session.scalar(
        update(OutboxMessage)
        .where(
            OutboxMessage.id == claim.message_id,
            OutboxMessage.fence == claim.fence,
            OutboxMessage.state == OutboxState.SENDING,
        )
        .values(tries=OutboxMessage.tries + 1)
        .returning(OutboxMessage)
        .execution_options(populate_existing=True)
    )
    if message is None:
        return
    match result:
        case SentText() | FoundText():
            _taken(message, result, is_live=is_live, now=now)
        case SmsSendError():
            _refused(message, result, now=now)
            suppression.learn(session, message, now=now)
        case SmsUnclearError():
            _unclear(message, result, now=now)
        case StillUnclear():
            _look_again(message, result, now=now)
        case NotThere():
            _settle(message, OutboxState.DROPPED, result.reason)
    _note(session, message, f"text.{message.state}", now=now)


def _taken(
    message: OutboxMessage, text: SentText | FoundText, *, is_live: bool, now: datetime
) -> None:
    """The gateway has it. One found there may have come to its end already."""
    _settle(message, OutboxState.SENT if is_live else OutboxState.KEPT, None)
    message.provider_sid, message.delivery_status, message.sent_at = text.sid, text.status, now
    if isinstance(text, FoundText) and text.status in DID_NOT_ARRIVE:
        message.error_code = text.error_code
        _settle(message, OutboxState.FAILED, desk_sentence(text.error_code))


def _settle(message: OutboxMessage, state: OutboxState, reason: str | None) -> None:
    message.state, message.lease_until, message.reason = state, None, reason


def _refused(message: OutboxMessage, error: SmsSendError, *, now: datetime) -> None:
    """A definite no: for good, or to be tried again after a pause that doubles."""
    message.error_code = error.code
    if error.permanent:
        _settle(message, OutboxState.FAILED, desk_sentence(error.code))
        return
    pause = min(FIRST_BACK_OFF * 2 ** min(message.tries - 1, 10), LONGEST_BACK_OFF)
    asked = timedelta(seconds=error.retry_after or 0)
    _settle(message, OutboxState.QUEUED, None)
    message.send_after = now + max(pause, min(asked, LONGEST_BACK_OFF))


def _unclear(message: OutboxMessage, error: SmsUnclearError, *, now: datetime) -> None:
    """It stays ``sending``: the next claim, one lease from now, looks it up first."""
    message.unclear_tries += 1
    if message.unclear_tries >= MAX_UNCLEAR_TRIES:
        _settle(message, OutboxState.FAILED, NOT_KNOWN)
        return
    message.lease_until = now + max(LEASE, timedelta(seconds=error.retry_after or 0))


def _look_again(message: OutboxMessage, still: StillUnclear, *, now: datetime) -> None:
    """The gateway cannot say. Ask again, less and less often, until it no longer matters."""
    if now >= message.expires_at + LOOK_UPS_END_AFTER:
        _settle(message, OutboxState.FAILED, NOT_KNOWN)
        return
    pause = min(LEASE * 2 ** min(message.tries - 1, 10), LONGEST_BACK_OFF)
    message.lease_until = now + max(pause, timedelta(seconds=still.retry_after or 0))


def _note(session: Session, message: OutboxMessage, action: str, *, now: datetime) -> None:
    audit.record(
        session,
        action,
        subject="outbox_message",
        subject_id=message.id,
        now=now,
        kind=message.kind,
        code=message.error_code,
    )
