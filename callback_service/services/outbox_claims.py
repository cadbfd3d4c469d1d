"""Claiming texts to send: many at once, by one sender each, for one lease.

Twilio's create call has no idempotency key. So a claim marks a text ``sending`` and is committed
before the gateway is called; whatever is still ``sending`` when its lease ends is unclear, and is
looked up at the gateway before it may go again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import partial
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session, load_only

from callback_service.domain.text_limits import TextLimits
from callback_service.models.callback import CallbackRequest, Offer
from callback_service.models.outbox import OutboxMessage, OutboxState, TextGate
from callback_service.services import audit, request_keys, text_alarms, text_gate, text_reasons
from callback_service.services.outbox_due import AT_ONCE, Found, take
from callback_service.services.text_reasons import Waiting

#: How far back an unclear text is looked up where our clock does not tell.
CLOCK_IN_DOUBT: Final = timedelta(days=1)
#: Why a text is dropped whose request was erased, or came back from a backup without its key.
ERASED: Final = "The number it was for has been erased."


@dataclass(frozen=True, slots=True)
class Claim:
    """A text that one sender may handle until the lease ends."""

    message_id: int
    uid: str
    fence: int
    to: str
    body: str
    segments: int
    expires_at: datetime
    looked_up_since: datetime | None  # set: it may be at the gateway already, since then
    known_sids: frozenset[str]  # the gateway's ids of other texts with these words
    unclear_tries: int
    unwanted: str | None  # why it may not go any more; it is looked up all the same
    is_trial: bool  # the gateway has failed, and this one tries it out


def claim(
    session: Session,
    limits: TextLimits,
    *,
    mark: int | None = None,
    at_work: Collection[int] = (),
    most: int = AT_ONCE,
    now: datetime,
    tz: tzinfo,
) -> list[Claim]:
    """Take the most urgent texts that are due, the oldest first, for one lease.

    ``mark`` is the caller's own, ``at_work`` are those of all senders (see ``sender_marks``).
    At most ``most``, and no more than the gate lets through. Texts that are no longer true,
    allowed, in time or affordable are dropped instead: look again whether more are due.
    """
    gate = text_gate.enter(session)
    most = text_gate.room(gate, limits, most=most, now=now)
    if most == 0:
        return []
    found = take(session, most, limits, mark=mark, at_work=at_work, now=now)
    numbers, unwanted = _numbers(session, found), _unwanted(session, found, now=now)
    unclear = [one for one in found if one.in_doubt]
    fresh = [one for one in found if not one.in_doubt]
    unwanted = {one.id: ERASED for one in fresh if one.id not in numbers} | unwanted
    wanted = [one for one in fresh if one.id not in unwanted]
    unwanted |= _too_dear(session, gate, limits, wanted, now=now, tz=tz)
    _drop(session, [one for one in fresh if one.id in unwanted], unwanted, now=now)
    wanted = [one for one in wanted if one.id not in unwanted]
    is_trial = gate.opened_at is not None
    text_gate.pass_through(gate, limits, len(unclear) + len(wanted), now=now)
    session.flush()
    known = _known_sids(session, unclear)
    as_claim = partial(_as_claim, numbers=numbers, is_trial=is_trial, now=now)
    in_doubt = [as_claim(one, unwanted=unwanted.get(one.id), known=known) for one in unclear]
    return in_doubt + [as_claim(one, unwanted=None, known=None) for one in wanted]


def _unwanted(session: Session, found: Sequence[Found], *, now: datetime) -> dict[int, str]:
    """Which of these may go no more, and why, by id."""
    about = _by_id(
        session, CallbackRequest, {one.request_id for one in found},
        CallbackRequest.state, CallbackRequest.may_text, CallbackRequest.phone_kind,
        CallbackRequest.first_attempt_at,
    )  # fmt: skip
    offers = _by_id(session, Offer, {one.offer_id for one in found}, Offer.ended_at)
    waiting = [
        Waiting(
            message_id=one.id,
            kind=one.kind,
            is_stopped=one.is_stopped,
            line=one.line,
            request=about.get(one.request_id),
            offer=offers.get(one.offer_id),
            expires_at=one.expires_at,
        )
        for one in found
    ]
    return text_reasons.why_not_among(session, waiting, now=now)


def _by_id(
    session: Session, model: Any, ids: Iterable[int | None], *columns: Any
) -> Mapping[int | None, Any]:
    wanted = {one for one in ids if one is not None}
    if not wanted:
        return {}
    query = select(model).options(load_only(*columns)).where(model.id.in_(wanted))
    return {row.id: row for row in session.scalars(query)}


def _too_dear(
    session: Session,
    gate: TextGate,
    limits: TextLimits,
    found: Sequence[Found],
    *,
    now: datetime,
    tz: tzinfo,
) -> dict[int, str]:
    """Count what these cost; those to callers beyond the day's limit, with the reason, by id."""
    left = text_gate.left_today(gate, limits, today=now.astimezone(tz).date())
    too_dear = set()
    for one in found:
        if left is not None and one.request_id is not None and one.segments > left:
            too_dear.add(one.id)
            continue
        gate.spent += one.segments
        left = None if left is None else max(left - one.segments, 0)
    if too_dear:
        text_alarms.tell_of_spending(session, now=now, tz=tz)
    return dict.fromkeys(too_dear, text_gate.TOO_DEAR)


def _drop(
    session: Session, found: Sequence[Found], reasons: Mapping[int, str], *, now: datetime
) -> None:
    if not found:
        return
    rows = [
        {
            "id": one.id,
            "state": OutboxState.DROPPED,
            "lease_until": None,
            "claimed_by": None,
            "reason": reasons[one.id],
        }
        for one in found
    ]
    session.execute(update(OutboxMessage), rows)
    for one in found:
        audit.record(
            session, "text.dropped", subject="outbox_message", subject_id=one.id, now=now,
            kind=one.kind, code=None,
        )  # fmt: skip


def _known_sids(
    session: Session, unclear: Sequence[Found]
) -> Mapping[tuple[bytes | None, str], frozenset[str]]:
    """The gateway's ids of texts we know of, by number and words."""
    numbers = {one.to_index for one in unclear} - {None}
    if not numbers:
        return {}
    known: dict[tuple[bytes | None, str], set[str]] = {}
    rows = session.execute(
        select(OutboxMessage.to_index, OutboxMessage.body, OutboxMessage.provider_sid).where(
            OutboxMessage.to_index.in_(numbers), OutboxMessage.provider_sid.is_not(None)
        )
    )
    for number, body, sid in rows:
        known.setdefault((number, body), set()).add(sid or "")
    return {place: frozenset(sids) for place, sids in known.items()}


def _numbers(session: Session, found: Sequence[Found]) -> Mapping[int, str]:
    """Where each of these goes, by id; those are left out whose number was erased."""
    keys = request_keys.by_request(session, (one.request_id for one in found))
    numbers = {
        one.id: OutboxMessage.to.opened(
            "outbox_message", one.uid, one.to_sealed, request_key=keys.get(one.request_id)
        )
        for one in found
        if one.to_sealed is not None
    }
    return {message_id: number for message_id, number in numbers.items() if number is not None}


def _as_claim(
    found: Found,
    *,
    numbers: Mapping[int, str],
    unwanted: str | None,
    known: Mapping[tuple[bytes | None, str], frozenset[str]] | None,
    is_trial: bool,
    now: datetime,
) -> Claim:
    """What a sender is given; ``known`` is None for a text that has surely not gone."""
    sids = known.get((found.to_index, found.body)) if known else None
    return Claim(
        message_id=found.id,
        uid=found.uid,
        fence=found.fence,
        to=numbers.get(found.id, ""),
        body=found.body,
        segments=found.segments,
        expires_at=found.expires_at,
        looked_up_since=None if known is None else _since(found, now=now),
        known_sids=sids or frozenset(),
        unclear_tries=found.unclear_tries,
        unwanted=unwanted,
        is_trial=is_trial,
    )


def _since(found: Found, *, now: datetime) -> datetime:
    """From when on an unclear text may be at the gateway."""
    tried_at = found.first_tried_at
    return tried_at if tried_at <= now else now - CLOCK_IN_DOUBT
