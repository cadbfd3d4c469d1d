"""Asking the gateway about calls whose reports do not come, so that no desk is stuck.

A call is never asked for twice: one that the gateway does not know was not made, and the counsellor
presses again. One that turns up after all is told at its first webhook that it is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from callback_service.domain.calls import BEFORE_DIALLING, OVER, CallEnding, CallState, Leg
from callback_service.gateways.voice_base import CallUnclearError, LegFacts, VoiceGateway
from callback_service.models.call import BridgedCall
from callback_service.services.attempts import LONGEST_CALL
from callback_service.services.call_reports import Report, apply
from callback_service.services.calls import (
    CHECKED_AFTER,
    KEY_PRESSED_WITHIN,
    UNCLEAR_FOR,
    end,
    lock_call,
    take_sid,
)

#: Given up and freed: the gateway has not been able to say for so long.
GIVEN_UP_AFTER: Final = timedelta(minutes=10)

NOT_THERE: Final = "Twilio did not take the call: your phone will not ring. Press again."
NO_KEY_IN_TIME: Final = "No key was pressed in time."
NOT_KNOWN: Final = "Twilio cannot say what became of the call."


@dataclass(frozen=True, slots=True)
class Check:
    """A call to ask the gateway about. ``to`` is set while it is not known whether it was made."""

    uid: str
    fence: int
    started_at: datetime
    own_sid: str | None
    to: str | None
    is_dialled: bool
    is_overdue: bool  # no key was pressed in time: to be hung up
    known_sids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the gateway holds. Neither leg: it knows of no such call."""

    own: LegFacts | None
    caller: LegFacts | None = None


def checks_are_due(session: Session, *, now: datetime) -> bool:
    """Whether a call should be asked about; a cheap look before any lock is taken."""
    return session.scalar(_due(now).limit(1)) is not None


def _due(now: datetime) -> Select[BridgedCall]:
    return (
        select(BridgedCall)
        .where(BridgedCall.ended_at.is_(None), BridgedCall.check_at <= now)
        .order_by(BridgedCall.check_at, BridgedCall.id)
    )


def claim_check(session: Session, *, now: datetime) -> Check | None:
    """Take the call that has waited longest to be asked about, for a while; None if none is due."""
    call = session.scalar(_due(now).limit(1).with_for_update(skip_locked=True))
    if call is None:
        return None
    call.check_at = now + UNCLEAR_FOR
    call.fence += 1
    is_before = call.state in BEFORE_DIALLING
    return Check(
        uid=call.uid,
        fence=call.fence,
        started_at=call.started_at,
        own_sid=call.own_sid,
        to=call.counsellor.phone if call.own_sid is None else None,
        is_dialled=not is_before,
        is_overdue=is_before and now >= call.started_at + KEY_PRESSED_WITHIN,
        known_sids=_known_sids(session, call) if call.own_sid is None else frozenset(),
    )


def _known_sids(session: Session, call: BridgedCall) -> frozenset[str]:
    sids = session.scalars(
        select(BridgedCall.own_sid).where(
            BridgedCall.counsellor_id == call.counsellor_id, BridgedCall.own_sid.is_not(None)
        )
    )
    return frozenset(sid for sid in sids if sid is not None)


def ask_gateway(gateway: VoiceGateway, check: Check) -> Seen | CallUnclearError:
    """Ask how the call stands. No transaction may be open: this waits on the network."""
    try:
        own = _find(gateway, check)
        if own is None:
            return Seen(None)
        if check.is_overdue and own.status not in OVER:
            gateway.hang_up(own.sid)
        return Seen(own, gateway.dialled_by(own.sid) if check.is_dialled else None)
    except CallUnclearError as error:
        return error


def _find(gateway: VoiceGateway, check: Check) -> LegFacts | None:
    if check.own_sid is not None:
        return gateway.look(check.own_sid)
    if check.to is None:
        return None
    rung = gateway.rung_since(to=check.to, since=check.started_at)
    return next((one for one in rung if one.sid not in check.known_sids), None)


def record_check(
    session: Session, check: Check, seen: Seen | CallUnclearError, *, now: datetime
) -> None:
    """Write down what the gateway said, unless a later look or a report was quicker."""
    call = lock_call(session, check.uid)
    if call is None or call.state is CallState.ENDED or call.fence != check.fence:
        return
    if isinstance(seen, CallUnclearError):
        if now >= check.started_at + _patience(call):
            _give_up(session, call, CallEnding.LOST, NOT_KNOWN, now=now)
    elif seen.own is None:
        _not_there(session, call, now=now)
    else:
        _take(session, call, check, seen.own, seen.caller, now=now)


def _patience(call: BridgedCall) -> timedelta:
    """No call is longer than the longest, which the gateway itself ends."""
    is_talking = call.state is CallState.TALKING
    return LONGEST_CALL + GIVEN_UP_AFTER if is_talking else GIVEN_UP_AFTER


def _take(
    session: Session,
    call: BridgedCall,
    check: Check,
    own: LegFacts,
    caller: LegFacts | None,
    *,
    now: datetime,
) -> None:
    take_sid(call, own.sid)
    if caller is not None:
        call.caller_sid = call.caller_sid or caller.sid
        apply(session, call, _report(Leg.CALLER, caller), now=now)
    apply(session, call, _report(Leg.OWN, own), now=now)
    call.check_at = now + CHECKED_AFTER.get(call.state, UNCLEAR_FOR)
    if call.state in BEFORE_DIALLING and check.is_overdue:
        _give_up(session, call, CallEnding.NOT_TAKEN, NO_KEY_IN_TIME, now=now)


def _report(leg: Leg, facts: LegFacts) -> Report:
    return Report(leg, facts.sid, facts.status, facts.seconds)


def _not_there(session: Session, call: BridgedCall, *, now: datetime) -> None:
    if call.own_sid is None:
        _give_up(session, call, CallEnding.NOT_MADE, NOT_THERE, now=now)
    else:
        _give_up(session, call, CallEnding.LOST, NOT_KNOWN, now=now)


def _give_up(
    session: Session, call: BridgedCall, ending: CallEnding, reason: str, *, now: datetime
) -> None:
    call.reason = reason
    end(session, call, ending, now=now)
