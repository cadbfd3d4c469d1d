"""Handing a claimed text to the gateway. No transaction is open: this waits on the network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from callback_service.domain.text_limits import MAX_UNCLEAR_TRIES
from callback_service.gateways.base import (
    FoundText,
    SentText,
    SmsSendError,
    SmsTooLateError,
    SmsUnclearError,
    TextGateway,
)
from callback_service.services.outbox_claims import Claim

#: Shortest validity the gateway is told, in seconds.
LEAST_VALIDITY: Final = 30


@dataclass(frozen=True, slots=True)
class NotBegun:
    """There was no time left to begin: another claim may have it at once."""


@dataclass(frozen=True, slots=True)
class NotThere:
    """An unclear text is not at the gateway and may go no more: it never went."""

    reason: str


@dataclass(frozen=True, slots=True)
class StillUnclear:
    """The gateway could not tell of an unclear text. ``retry_after``: seconds it asked for."""

    retry_after: float | None


@dataclass(frozen=True, slots=True)
class GivenUp:
    """It was unclear too often to be tried again: a person has to know."""


Result = (
    NotBegun | NotThere | StillUnclear | GivenUp
    | SentText | FoundText | SmsSendError | SmsUnclearError
)  # fmt: skip


def hand_over(
    gateway: TextGateway, claim: Claim, *, receipts_at: str, begin_by: float, now: datetime
) -> Result:
    """Give the claimed text to the gateway; one that may be there already is looked up first.

    ``receipts_at`` is the public address for its delivery receipts. Nothing is sent once
    ``begin_by`` has passed (seconds of ``clock.running``): others may look it up from then on.
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
        if claim.unclear_tries >= MAX_UNCLEAR_TRIES:
            return GivenUp()
    return _send(gateway, claim, receipts_at=receipts_at, begin_by=begin_by, now=now)


def _find(gateway: TextGateway, claim: Claim, since: datetime) -> FoundText | None:
    found = gateway.find_texts(to=claim.to, body=claim.body, since=since)
    return next((text for text in found if text.sid not in claim.known_sids), None)


def _send(
    gateway: TextGateway, claim: Claim, *, receipts_at: str, begin_by: float, now: datetime
) -> Result:
    seconds = max(int((claim.expires_at - now).total_seconds()), LEAST_VALIDITY)
    try:
        return gateway.send_text(
            to=claim.to,
            body=claim.body,
            status_callback=receipts_at,
            valid_seconds=seconds,
            begin_by=begin_by,
        )
    except SmsTooLateError:
        return NotBegun()
    except (SmsSendError, SmsUnclearError) as error:
        return error
