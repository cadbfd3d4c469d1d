"""Putting a request to the counsellor the plan foresees, for a lease."""

from __future__ import annotations

from datetime import datetime, tzinfo

from sqlalchemy import Select, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain import wording
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.planning import OFFER_LEAD, OFFER_LEASE
from callback_service.domain.policy import Action
from callback_service.domain.staff import StaffMember
from callback_service.errors import NotFound, Refused
from callback_service.models.callback import CallbackRequest, Offer, OfferEnding
from callback_service.models.outbox import TextKind
from callback_service.models.plan import PlanEntry
from callback_service.services import audit, presence, requests, texts
from callback_service.services.conflicts import is_barred
from callback_service.services.permission import allowed
from callback_service.services.plan_trigger import ask_for_plan
from callback_service.services.requests import Why, lock_request
from callback_service.services.who_is_free import counsellors_on_shift


def offers_are_due(session: Session, *, now: datetime) -> bool:
    """Whether an offer should be made or has lapsed; a cheap look before any lock is taken."""
    return bool(_plan_entries_due(session, now)) or bool(
        session.scalars(_lapsed(now).limit(1)).first()
    )


def make_offers(session: Session, *, now: datetime, tz: tzinfo) -> int:
    """Offer each request whose planned time is near to its planned counsellor; how many."""
    due = _plan_entries_due(session, now)
    on_shift = counsellors_on_shift(session, now=now, tz=tz) if due else set()
    # Every request before any person: the order in which everybody locks.
    locked = [
        (lock_request(session, request_id), counsellor_id)
        for request_id, counsellor_id in due
        if counsellor_id in on_shift
    ]
    return sum(
        _offer(session, request, counsellor_id, now=now, tz=tz) for request, counsellor_id in locked
    )


@allowed(Action.DECLINE_OFFER)
def decline(
    session: Session, request_id: int, *, staff: StaffMember, why: Why, now: datetime
) -> None:
    """The counsellor does not take what is offered to them: somebody else is asked at once."""
    gone = Refused("This request is no longer on offer to you.")
    try:
        lock_request(session, request_id)
    except NotFound:
        raise gone from None  # as for an offer to somebody else
    offer = session.scalar(
        select(Offer)
        .where(
            Offer.request_id == request_id,
            Offer.counsellor_id == staff.id,
            Offer.ended_at.is_(None),
        )
        .with_for_update()
    )
    if offer is None:
        raise gone
    requests.decline(session, offer, actor_id=staff.id, why=why, now=now)


def lapse_offers(session: Session, *, now: datetime) -> int:
    """End the offers nobody took in time, and plan those requests again; the number ended."""
    lapsed = session.scalars(_lapsed(now).with_for_update(skip_locked=True)).all()
    for offer in lapsed:
        offer.ended_at, offer.ending = now, OfferEnding.LAPSED
        # The plan still names whoever let it go by: without an entry it waits for the next plan.
        session.execute(delete(PlanEntry).where(PlanEntry.request_id == offer.request_id))
        _note(session, "request.offer_lapsed", offer, now=now)
        ask_for_plan(session, reason="offer_lapsed", now=now)
    return len(lapsed)


def _lapsed(now: datetime) -> Select[Offer]:
    return select(Offer).where(Offer.ended_at.is_(None), Offer.lapses_at <= now)


def _plan_entries_due(session: Session, now: datetime) -> list[tuple[int, int]]:
    """(request, counsellor) planned to begin soon, both still free to be put together."""
    open_offers = select(Offer).where(Offer.ended_at.is_(None))
    held = select(CallbackRequest.assigned_to_id).where(CallbackRequest.assigned_to_id.is_not(None))
    rows = session.execute(
        select(PlanEntry.request_id, PlanEntry.counsellor_id)
        .join(CallbackRequest, CallbackRequest.id == PlanEntry.request_id)
        .where(
            PlanEntry.starts_at <= now + OFFER_LEAD,
            CallbackRequest.state == RequestState.WAITING,
            PlanEntry.request_id.not_in(open_offers.with_only_columns(Offer.request_id)),
            PlanEntry.counsellor_id.not_in(open_offers.with_only_columns(Offer.counsellor_id)),
            PlanEntry.counsellor_id.not_in(held),
            PlanEntry.counsellor_id.not_in(list(presence.away_until(session, now=now))),
        )
        .order_by(PlanEntry.request_id)  # as every other tick: no two wait for each other
    )
    return [(request_id, counsellor_id) for request_id, counsellor_id in rows]


def _offer(
    session: Session, request: CallbackRequest, counsellor_id: int, *, now: datetime, tz: tzinfo
) -> bool:
    """Make one offer; False when the request or the counsellor is not free for it any more.

    Who is just now taking a call, or leaving for a break, is not waited for: the next run asks.
    """
    if request.state is not RequestState.WAITING:
        return False
    if not presence.lock_person(session, counsellor_id, wait=False):
        return False
    if is_barred(session, request.id, counsellor_id):  # since the plan, or until just now
        return False
    if not presence.is_free(session, counsellor_id, now=now):
        return False
    offer = Offer(
        request_id=request.id,
        counsellor_id=counsellor_id,
        round=request.round,
        made_at=now,
        lapses_at=now + OFFER_LEASE,
    )
    try:
        with session.begin_nested():
            session.add(offer)
    except IntegrityError:
        return False
    _note(session, "request.offered", offer, now=now)
    _text(session, offer, now=now, tz=tz)
    return True


def _text(session: Session, offer: Offer, *, now: datetime, tz: tzinfo) -> None:
    """A text to the counsellor, if they chose it. It says nothing of the caller."""
    if offer.counsellor.texts_offers:
        texts.text_staff(
            session,
            offer.counsellor,
            TextKind.OFFER,
            once_key=f"offer:{offer.id}",
            expires_at=offer.lapses_at,
            now=now,
            offer_id=offer.id,
            when=wording.time_spoken(offer.lapses_at, now=now, tz=tz),
        )


def _note(session: Session, action: str, offer: Offer, *, now: datetime) -> None:
    audit.record(
        session,
        action,
        subject="callback_request",
        subject_id=offer.request_id,
        now=now,
        counsellor_id=offer.counsellor_id,
    )
