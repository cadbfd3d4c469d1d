"""Writing down what came of claims, unless a later claim or a receipt was quicker."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.text_limits import LONGEST_WAIT, TextLimits
from callback_service.gateways.base import FoundText, SentText, SmsSendError, SmsUnclearError
from callback_service.gateways.twilio_codes import DID_NOT_ARRIVE, desk_sentence
from callback_service.models.outbox import OutboxMessage, OutboxState
from callback_service.services import audit, suppression, text_alarms, text_gate
from callback_service.services.outbox_claims import Claim
from callback_service.services.outbox_hand_over import (
    GivenUp,
    NotBegun,
    NotThere,
    Result,
    StillUnclear,
)

FIRST_BACK_OFF: Final = timedelta(seconds=15)
LONGEST_BACK_OFF: Final = LONGEST_WAIT
#: A text whose fate the gateway cannot tell is asked after until this long past its moment.
LOOK_UPS_END_AFTER: Final = timedelta(hours=1)
NOT_KNOWN: Final = "It is not known whether the text arrived. Ring anyway."

Outcome = tuple[Claim, Result]


def record(
    session: Session,
    outcomes: Sequence[Outcome],
    limits: TextLimits,
    *,
    is_live: bool,
    now: datetime,
    tz: tzinfo,
) -> None:
    """Keep what came of these claims, and how the gateway behaved, in the order they ended."""
    messages = _still_ours(session, outcomes)
    taken = _sids_of_others(session, outcomes)
    unspent = 0
    for claim, result in outcomes:
        message = messages.get(claim.message_id)
        if message is None:
            continue
        if isinstance(result, FoundText) and result.sid in taken:
            result = StillUnclear(None)  # noqa: PLW2901 - another text's, as it turned out
        _settle(message, claim, result, limits, is_live=is_live, now=now)
        taken.add(message.provider_sid or "")
        if message.state is not OutboxState.SENDING:
            unspent += _unspent(message, result)
        _write_down(session, message, result, now=now, tz=tz)
    session.flush()
    text_gate.note(
        session,
        [went_well(result) for _, result in outcomes if not isinstance(result, NotBegun)],
        limits,
        is_trial=any(claim.is_trial for claim, _ in outcomes),
        asked_to_wait=max((wait_for_all(result) for _, result in outcomes), default=timedelta()),
        unspent=unspent,
        now=now,
    )


def _still_ours(session: Session, outcomes: Sequence[Outcome]) -> dict[int, OutboxMessage]:
    """The texts, locked, whose claim has not been overtaken, by id."""
    fences = {claim.message_id: claim.fence for claim, _ in outcomes}
    query = (
        select(OutboxMessage)
        .where(OutboxMessage.id.in_(fences), OutboxMessage.state == OutboxState.SENDING)
        .order_by(OutboxMessage.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {one.id: one for one in session.scalars(query) if one.fence == fences[one.id]}


def _sids_of_others(session: Session, outcomes: Sequence[Outcome]) -> set[str]:
    """Ids at the gateway that were found and have become another text's meanwhile."""
    found = {result.sid for _, result in outcomes if isinstance(result, FoundText)}
    if not found:
        return set()
    sids = select(OutboxMessage.provider_sid).where(OutboxMessage.provider_sid.in_(found))
    return {sid for sid in session.scalars(sids) if sid is not None}


def _settle(
    message: OutboxMessage,
    claim: Claim,
    result: Result,
    limits: TextLimits,
    *,
    is_live: bool,
    now: datetime,
) -> None:
    message.tries += not isinstance(result, NotBegun)
    match result:
        case SentText() | FoundText():
            _taken(message, result, is_live=is_live, now=now)
        case SmsSendError():
            _refused(message, result, limits, now=now)
        case SmsUnclearError():
            _unclear(message, result, limits, now=now)
        case StillUnclear():
            _look_again(message, result, limits, now=now)
        case NotThere():
            _end(message, OutboxState.DROPPED, result.reason)
        case GivenUp():
            _end(message, OutboxState.FAILED, NOT_KNOWN)
        case NotBegun():
            _give_back(message, claim, now=now)


def _taken(
    message: OutboxMessage, text: SentText | FoundText, *, is_live: bool, now: datetime
) -> None:
    """The gateway has it. One found there may have come to its end already."""
    _end(message, OutboxState.SENT if is_live else OutboxState.KEPT, None)
    message.provider_sid, message.delivery_status, message.sent_at = text.sid, text.status, now
    if isinstance(text, FoundText) and text.status in DID_NOT_ARRIVE:
        message.error_code = text.error_code
        _end(message, OutboxState.FAILED, desk_sentence(text.error_code))


def _end(message: OutboxMessage, state: OutboxState, reason: str | None) -> None:
    message.state, message.lease_until, message.reason = state, None, reason
    message.claimed_by = None


def _refused(
    message: OutboxMessage, error: SmsSendError, limits: TextLimits, *, now: datetime
) -> None:
    """A definite no: for good, or to be tried again after a pause.

    It doubles, unless the text is not to blame: then the gate sees to it that Twilio is left alone.
    """
    message.error_code = error.code
    if error.permanent:
        _end(message, OutboxState.FAILED, desk_sentence(error.code))
        return
    pause = min(FIRST_BACK_OFF * 2 ** min(message.tries - 1, 10), LONGEST_BACK_OFF)
    if error.is_outage:
        pause = limits.pause_after(timedelta())
    _end(message, OutboxState.QUEUED, None)
    message.send_after = now + max(pause, min(_asked_to_wait(error), LONGEST_BACK_OFF))


def _unclear(
    message: OutboxMessage, error: SmsUnclearError, limits: TextLimits, *, now: datetime
) -> None:
    """It stays ``sending``: the next claim looks it up first, once the send is surely over."""
    message.unclear_tries += 1
    message.claimed_by = None
    message.lease_until = now + max(limits.look_up_after, _asked_to_wait(error))


def _look_again(
    message: OutboxMessage, still: StillUnclear, limits: TextLimits, *, now: datetime
) -> None:
    """The gateway cannot say. Ask again, less and less often, until it no longer matters."""
    if now >= message.expires_at + LOOK_UPS_END_AFTER:
        _end(message, OutboxState.FAILED, NOT_KNOWN)
        return
    message.claimed_by = None
    pause = min(limits.look_up_after * 2 ** min(message.tries - 1, 10), LONGEST_BACK_OFF)
    message.lease_until = now + max(pause, _asked_to_wait(still))


def _give_back(message: OutboxMessage, claim: Claim, *, now: datetime) -> None:
    """It was not begun. If it may be at the gateway from an earlier try, it still may."""
    if claim.looked_up_since is not None:
        message.lease_until, message.claimed_by = now, None
    else:
        _end(message, OutboxState.QUEUED, None)


def _write_down(
    session: Session, message: OutboxMessage, result: Result, *, now: datetime, tz: tzinfo
) -> None:
    if isinstance(result, NotBegun):
        return
    audit.record(
        session,
        f"text.{message.state}",
        subject="outbox_message",
        subject_id=message.id,
        now=now,
        kind=message.kind,
        code=message.error_code,
    )
    suppression.learn(session, message, now=now)
    if message.reason == NOT_KNOWN:
        text_alarms.tell_of_unclear(session, message, now=now, tz=tz)


def went_well(result: Result) -> bool:
    """Whether the gateway did its part, as far as this result shows: a no is an answer too."""
    match result:
        case SmsUnclearError() | StillUnclear():
            return False
        case SmsSendError():
            return not result.is_outage
    return True


def wait_for_all(result: Result) -> timedelta:
    """How long the gateway wants no text at all; nought where it spoke of one number only."""
    return timedelta() if went_well(result) else _asked_to_wait(result)


def _asked_to_wait(result: Result) -> timedelta:
    return timedelta(seconds=getattr(result, "retry_after", None) or 0)


def _unspent(message: OutboxMessage, result: Result) -> int:
    """The segments counted at the claim that surely were not sent."""
    is_no = isinstance(result, SmsSendError | NotBegun | NotThere)
    return message.segments if is_no else 0
