"""What the auditor may put right by itself, each under the request's lock and looked at again.

A call is never torn away from whoever makes it, and nothing is closed that anybody still wants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from callback_service.domain import auditing
from callback_service.domain.auditing import FindingKind
from callback_service.domain.escalation import EXPIRES_AFTER, Reason, Step
from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.models.callback import (
    CallbackRequest,
    Escalation,
    Offer,
    OfferEnding,
    Submission,
)
from callback_service.models.plan import PlanEntry
from callback_service.services import attempts, audit, requests
from callback_service.services.plan_trigger import ask_for_plan

#: Written as the reason where a request goes back.
BY_THE_AUDITOR: Final = "auditor"


def repair(session: Session, kind: FindingKind, request_id: int, *, now: datetime) -> bool:
    """Do what is safe about one finding; whether that put it right."""
    mend = _REPAIRS.get(kind)
    if mend is None:
        return False
    return mend(session, requests.lock_request(session, request_id), now)


def _put_on_top(session: Session, request: CallbackRequest, now: datetime) -> bool:
    """Count it as told to the duty lead, as it is now: it stands on top of every desk."""
    known = select(Escalation.id).where(
        Escalation.request_id == request.id, Escalation.round == request.round
    )
    if request.state is not RequestState.WAITING or session.scalar(known.limit(1)) is not None:
        return False
    step, reason = Step.DUTY_LEAD, Reason.NEARLY_DUE
    session.add(
        Escalation(request_id=request.id, round=request.round, step=step, reason=reason, at=now)
    )
    _note(session, "request.escalated", request, now, step=step, reason=reason)
    return True


def _have_it_planned(session: Session, request: CallbackRequest, now: datetime) -> bool:
    """Ask for a plan. Whether that helps is seen at the next look."""
    if request.state is RequestState.WAITING:
        ask_for_plan(session, reason=BY_THE_AUDITOR, now=now)
    return False


def _put_back(session: Session, request: CallbackRequest, now: datetime) -> bool:
    """Return what was taken and is not rung: held too long, or by somebody who is gone."""
    if request.state is not RequestState.ASSIGNED or request.hold_until is None:
        return False
    is_gone = request.assigned_to is not None and not request.assigned_to.is_active
    if not is_gone and request.hold_until > now - auditing.OVERHELD_AFTER:
        return False
    requests.give_back(session, request, actor_id=None, reason=BY_THE_AUDITOR, now=now)
    return True


def _end_offer(session: Session, request: CallbackRequest, now: datetime) -> bool:
    offers = session.scalars(
        select(Offer)
        .where(
            Offer.request_id == request.id,
            Offer.ended_at.is_(None),
            Offer.lapses_at <= now - auditing.OFFER_AFTER,
        )
        .with_for_update()
    ).all()
    for offer in offers:
        offer.ended_at, offer.ending = now, OfferEnding.LAPSED
        _note(session, "request.offer_lapsed", request, now, counsellor_id=offer.counsellor_id)
    if offers:
        session.execute(delete(PlanEntry).where(PlanEntry.request_id == request.id))
        ask_for_plan(session, reason=BY_THE_AUDITOR, now=now)
    return bool(offers)


def _clear(session: Session, request: CallbackRequest, now: datetime) -> bool:
    if request.state is not RequestState.CLOSED:
        return False
    requests.let_go_of_all(session, request.id, now=now)
    _note(session, "request.cleared", request, now)
    return True


def _close_withdrawn(session: Session, request: CallbackRequest, now: datetime) -> bool:
    """Close it if everybody who asked has said that they no longer want it, and only then."""
    asked = session.scalars(select(Submission).where(Submission.request_id == request.id)).all()
    is_wanted = any(one.withdrawn_at is None for one in asked)
    if request.state is not RequestState.WAITING or is_wanted or not asked:
        return False
    if requests.open_windows(session, request.id):
        return False
    requests.close(session, request, Disposition.WITHDRAWN, now=now)
    return True


def _expire(session: Session, request: CallbackRequest, now: datetime) -> bool:
    limit = now - EXPIRES_AFTER - auditing.EXPIRED_AFTER
    if request.state is not RequestState.WAITING or request.due_at > limit:
        return False
    attempts.expire(session, request, now=now)
    return True


def _note(
    session: Session, action: str, request: CallbackRequest, now: datetime, **detail: Any
) -> None:
    audit.record(
        session,
        action,
        subject="callback_request",
        subject_id=request.id,
        now=now,
        by=BY_THE_AUDITOR,
        **detail,
    )


_REPAIRS: Final[Mapping[FindingKind, Callable[[Session, CallbackRequest, datetime], bool]]] = {
    FindingKind.UNTOLD: _put_on_top,
    FindingKind.UNOWNED: _have_it_planned,
    FindingKind.UNPLANNED: _have_it_planned,
    FindingKind.OVERHELD: _put_back,
    FindingKind.OFFER_OPEN: _end_offer,
    FindingKind.HOLDER_GONE: _put_back,
    FindingKind.CLOSED_HOLDS: _clear,
    FindingKind.WINDOWS_ENDED: _close_withdrawn,
    FindingKind.NOT_EXPIRED: _expire,
}
