"""Moving a request through its life: each move under the row's lock, with its audit row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from callback_service.domain.contact import Window
from callback_service.domain.lifecycle import Disposition, LetGo, RequestState
from callback_service.domain.told import Told
from callback_service.errors import NotFound
from callback_service.models.callback import (
    CallbackRequest,
    ContactWindow,
    Offer,
    OfferEnding,
    Submission,
)
from callback_service.models.plan import PlanEntry
from callback_service.services import audit, texts
from callback_service.services.plan_trigger import ask_for_plan

#: The one answer to whoever may not see a request, whether or not it is there.
NO_SUCH: Final = (
    "That request is not with you. It may have gone back to the queue, or been withdrawn."
)


@dataclass(frozen=True, slots=True)
class Why:
    """Why a counsellor lets a request go: one of the reasons, in their own words if it is other."""

    reason: LetGo
    words: str | None = None


def lock_request(session: Session, request_id: int) -> CallbackRequest:
    """The request, held against every other change until the transaction ends."""
    request = session.scalar(
        select(CallbackRequest)
        .where(CallbackRequest.id == request_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if request is None:
        raise NotFound(NO_SUCH)
    return request


def assign(
    session: Session,
    request: CallbackRequest,
    *,
    counsellor_id: int,
    hold_until: datetime,
    now: datetime,
) -> None:
    """Give the request to one counsellor. Any open offer of it ends."""
    request.move_to(RequestState.ASSIGNED)
    request.assigned_to_id, request.assigned_at, request.hold_until = counsellor_id, now, hold_until
    _end_offers(session, request.id, counsellor_id, now=now)
    _noted(session, "request.accepted", request, actor_id=counsellor_id, now=now)


def start_calling(
    session: Session, request: CallbackRequest, *, hold_until: datetime, now: datetime
) -> None:
    """The counsellor who holds the request begins to ring.

    A new round: a call that is never closed is escalated even if the wait before it was.
    """
    request.move_to(RequestState.CALLING)
    request.hold_until = hold_until
    request.round += 1
    _noted(session, "request.calling", request, actor_id=request.assigned_to_id, now=now)


def give_back(
    session: Session,
    request: CallbackRequest,
    *,
    actor_id: int | None,
    reason: str,
    now: datetime,
    why: Why | None = None,
) -> None:
    """Return a request that was not rung. It keeps its times, and goes to somebody else first."""
    holder_id = request.assigned_to_id
    _to_waiting(request)
    let_go = Offer(
        request_id=request.id,
        counsellor_id=holder_id,
        round=request.round,
        made_at=now,
        lapses_at=now,
        ended_at=now,
        ending=OfferEnding.RELEASED,
    )
    session.add(let_go)
    session.flush()  # gives the row its key, which sealed words are tied to
    if why is not None:
        let_go.reason, let_go.words = why.reason, why.words
    _noted(
        session, "request.given_back", request,
        actor_id=actor_id, now=now, reason=reason, offer_id=let_go.id,
    )  # fmt: skip


def ring_again(
    session: Session,
    request: CallbackRequest,
    span: Window,
    *,
    actor_id: int,
    reason: str,
    now: datetime,
) -> None:
    """Return a request that was rung without reaching the caller, to be rung again in ``span``."""
    _to_waiting(request)
    request.ring_from, request.due_at = span.start, span.end
    _noted(session, "request.ring_again", request, actor_id=actor_id, now=now, reason=reason)


def _to_waiting(request: CallbackRequest) -> None:
    """Offers and escalations start anew with each round of waiting."""
    request.move_to(RequestState.WAITING)
    request.assigned_to_id = request.assigned_at = request.hold_until = None
    request.round += 1


def set_urgent(
    session: Session, request: CallbackRequest, *, is_urgent: bool, actor_id: int, now: datetime
) -> None:
    """Say whether the request is to be rung before all others."""
    if request.is_urgent == is_urgent:
        return
    request.is_urgent = is_urgent
    action = "request.urgent" if is_urgent else "request.not_urgent"
    _noted(session, action, request, actor_id=actor_id, now=now)


def close(
    session: Session,
    request: CallbackRequest,
    disposition: Disposition,
    *,
    actor_id: int | None = None,
    now: datetime,
) -> None:
    """Close the request: its windows give their places back, offers and plan entry go."""
    request.move_to(RequestState.CLOSED)
    request.assigned_to_id = request.assigned_at = request.hold_until = None
    request.closed_at, request.disposition = now, disposition
    let_go_of_all(session, request.id, now=now)
    _noted(session, "request.closed", request, actor_id=actor_id, now=now, disposition=disposition)


def let_go_of_all(session: Session, request_id: int, *, now: datetime) -> None:
    """End what only an open request may hold: windows and their places, offer, plan entry."""
    for window in open_windows(session, request_id):
        _end_window(window, now=now)
    _end_offers(session, request_id, None, now=now)
    session.execute(delete(PlanEntry).where(PlanEntry.request_id == request_id))


def withdraw(session: Session, submission: Submission, *, now: datetime, tz: tzinfo) -> None:
    """Take back one submission. The request closes when nobody who asked for it still wants it.

    A call that is being made is not torn away from the counsellor: it is the last one.
    """
    request = lock_request(session, submission.request_id)
    if submission.withdrawn_at is not None or request.state is RequestState.CLOSED:
        return
    submission.withdrawn_at = now
    left = [w for w in open_windows(session, request.id) if w.submission_id != submission.id]
    if not left and request.state is not RequestState.CALLING:
        close(session, request, Disposition.WITHDRAWN, now=now)
        return
    _give_up_window(session, submission, left, now=now)
    if left and request.state is RequestState.WAITING and request.tries == 0:
        next_one = min(left, key=lambda window: (window.due_at, window.id))
        _follow(session, request, next_one, now=now, tz=tz)
    _noted(session, "request.window_withdrawn", request, actor_id=None, now=now)


def _give_up_window(
    session: Session, submission: Submission, left: list[ContactWindow], *, now: datetime
) -> None:
    """End the submission's window; another submission that shares its place inherits it."""
    window = submission.window
    place = window.place
    _end_window(window, now=now)
    session.flush()  # the place is free before it is passed on
    heir = next((w for w in left if w.is_window and w.starts_at == window.starts_at), None)
    if place is not None and heir is not None and heir.place is None:
        heir.place = place


def _follow(
    session: Session,
    request: CallbackRequest,
    window: ContactWindow,
    *,
    now: datetime,
    tz: tzinfo,
) -> None:
    """Ring at the time of ``window`` from now on, and say so to whoever was told another."""
    span = Window(window.starts_at, window.due_at)
    is_moved = (request.ring_from, request.due_at) != (span.start, span.end)
    request.ring_from, request.due_at = span.start, span.end
    request.is_window = window.is_window
    if is_moved:
        told = Told.between(span) if window.is_window else Told.by(span.end)
        texts.tell_of_change(session, request, told, now=now, tz=tz)


def open_windows(session: Session, request_id: int) -> list[ContactWindow]:
    """The windows of a request that still stand, in order of time."""
    return list(
        session.scalars(
            select(ContactWindow)
            .where(ContactWindow.request_id == request_id, ContactWindow.ended_at.is_(None))
            .order_by(ContactWindow.starts_at, ContactWindow.id)
        )
    )


def _end_window(window: ContactWindow, *, now: datetime) -> None:
    window.ended_at, window.place = now, None


def decline(
    session: Session, offer: Offer, *, actor_id: int, why: Why | None, now: datetime
) -> None:
    """End an open offer that its counsellor does not take: it goes to somebody else at once."""
    offer.ended_at, offer.ending = now, OfferEnding.DECLINED
    if why is not None:
        offer.reason, offer.words = why.reason, why.words
    _noted(
        session, "request.offer_declined", offer.request,
        actor_id=actor_id, now=now, offer_id=offer.id,
    )  # fmt: skip


def supersede(session: Session, offer: Offer, *, actor_id: int, now: datetime) -> None:
    """End an open offer by somebody else's decision: it goes to another at once."""
    offer.ended_at, offer.ending = now, OfferEnding.SUPERSEDED
    _noted(
        session, "request.offer_superseded", offer.request,
        actor_id=actor_id, now=now, offer_id=offer.id,
    )  # fmt: skip


def _end_offers(session: Session, request_id: int, taken_by: int | None, *, now: datetime) -> None:
    """End the offer of a request, and any other offer of the counsellor who took it."""
    offers = session.scalars(
        select(Offer)
        .where(
            Offer.ended_at.is_(None),
            (Offer.request_id == request_id) | (Offer.counsellor_id == taken_by),
        )
        .with_for_update()  # one that its counsellor declines just now is over already
        .execution_options(populate_existing=True)
    )
    for offer in offers:
        took_it = (offer.request_id, offer.counsellor_id) == (request_id, taken_by)
        offer.ended_at = now
        offer.ending = OfferEnding.ACCEPTED if took_it else OfferEnding.SUPERSEDED


def _noted(
    session: Session,
    action: str,
    request: CallbackRequest,
    *,
    actor_id: int | None,
    now: datetime,
    **detail: str | int,
) -> None:
    audit.record(
        session,
        action,
        subject="callback_request",
        subject_id=request.id,
        actor_id=actor_id,
        now=now,
        **detail,
    )
    ask_for_plan(session, reason=action.removeprefix("request."), now=now)
