"""Taking what nobody has taken to the duty lead, and what nobody rings back to the queue."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from callback_service.domain import escalation
from callback_service.domain.escalation import EXPIRES_AFTER, Reason, Step
from callback_service.domain.lifecycle import HELD, RequestState
from callback_service.models.callback import CallbackRequest, Escalation, Offer
from callback_service.models.outbox import TextKind
from callback_service.services import attempts, audit, requests, suppression, texts
from callback_service.services.bonds import LET_GO
from callback_service.services.conflicts import barred_by_waiting
from callback_service.services.duty_leads import Ladder, whom_to_tell
from callback_service.services.who_is_free import counsellors_here

#: A notice that could not be sent within this time says nothing new any more.
NOTICE_LASTS: Final = timedelta(minutes=30)

_REASONS: Final = {
    Reason.NOBODY_ON_SHIFT: "nobody is on shift",
    Reason.NOBODY_ACCEPTED: "nobody has taken it",
    Reason.NEARLY_DUE: "its time is near",
    Reason.URGENT: "it is urgent",
    Reason.NOT_RUNG: "it was taken but not rung",
    Reason.STILL_WAITING: "it is still waiting",
    Reason.CALL_NOT_CLOSED: "its call has not been closed",
}


def escalation_is_due(session: Session, *, now: datetime) -> bool:
    """Whether any request waits past its time or is held too long; a look before any lock."""
    return session.scalar(select(_open_at(now).exists())) is True


def _open_at(now: datetime) -> Select[int]:
    waiting = (CallbackRequest.state == RequestState.WAITING) & (CallbackRequest.ring_from <= now)
    overheld = CallbackRequest.state.in_(HELD) & (CallbackRequest.hold_until <= now)
    return select(CallbackRequest.id).where(waiting | overheld)


def escalate(session: Session, *, now: datetime, tz: tzinfo) -> int:
    """Take the next step for every request that needs one; the number of steps taken."""
    here, never = counsellors_here(session, now=now, tz=tz), barred_by_waiting(session)
    ladder = whom_to_tell(session, now=now, tz=tz)
    steps, open_ids = 0, session.scalars(_open_at(now).order_by(CallbackRequest.id)).all()
    for_managers = suppression.asked_for_silence(session, open_ids)
    for request_id in open_ids:
        request = requests.lock_request(session, request_id)
        if request.due_at + EXPIRES_AFTER <= now and request.state is RequestState.WAITING:
            attempts.expire(session, request, now=now)
            steps += 1
        elif request.state is RequestState.WAITING:
            able = set() if request_id in for_managers else here - never[request_id]
            waiting = _facts(session, request, here, able, ladder)
            steps += _escalate_waiting(session, request, waiting, ladder, now=now)
        elif request.hold_until is not None and request.hold_until <= now:
            steps += _look_into_hold(session, request, ladder, now=now)
    return steps


def _escalate_waiting(
    session: Session,
    request: CallbackRequest,
    waiting: escalation.Waiting,
    ladder: Ladder,
    *,
    now: datetime,
) -> int:
    step = escalation.next_step(waiting, now=now)
    if step is None:
        return 0
    _take_step(session, request, *step, ladder, now=now)
    return 1


def _facts(
    session: Session, request: CallbackRequest, here: set[int], able: set[int], ladder: Ladder
) -> escalation.Waiting:
    told = session.execute(
        select(Escalation.step, Escalation.at).where(
            Escalation.request_id == request.id, Escalation.round == request.round
        )
    ).all()
    tried = session.scalars(
        select(Offer.counsellor_id).where(
            Offer.request_id == request.id,
            Offer.round == request.round,
            Offer.ending.in_(LET_GO),
        )
    )
    return escalation.Waiting(
        ring_from=request.ring_from,
        due_at=request.due_at,
        on_shift=len(here),
        untried=len(able - set(tried)),
        is_urgent=request.is_urgent,
        told=frozenset(step for step, _ in told),
        last_told_at=max((at for _, at in told), default=None),
        skipped=frozenset(step for step, people in ladder.items() if not people),
    )


def _look_into_hold(
    session: Session, request: CallbackRequest, ladder: Ladder, *, now: datetime
) -> int:
    """A request that was taken and not rung goes back; a call that was never closed is told of."""
    if request.state is RequestState.ASSIGNED:
        requests.give_back(session, request, actor_id=None, reason=Reason.NOT_RUNG, now=now)
        _take_step(session, request, Step.DUTY_LEAD, Reason.NOT_RUNG, ladder, now=now)
        return 1
    if _was_told(session, request):
        return 0
    _take_step(session, request, Step.DUTY_LEAD, Reason.CALL_NOT_CLOSED, ladder, now=now)
    return 1


def _was_told(session: Session, request: CallbackRequest) -> bool:
    known = select(func.count()).where(
        Escalation.request_id == request.id,
        Escalation.round == request.round,
        Escalation.reason == Reason.CALL_NOT_CLOSED,
    )
    return bool(session.scalar(known))


def _take_step(
    session: Session,
    request: CallbackRequest,
    step: Step,
    reason: Reason,
    ladder: Ladder,
    *,
    now: datetime,
) -> None:
    row = Escalation(request_id=request.id, round=request.round, step=step, reason=reason, at=now)
    session.add(row)
    session.flush()
    for person in ladder[step]:
        texts.text_staff(
            session,
            person,
            TextKind.ESCALATION,
            once_key=f"escalation:{row.id}:{person.id}",
            expires_at=now + NOTICE_LASTS,
            now=now,
            reason=_REASONS[reason],
            reference=request.reference,
        )
    audit.record(
        session,
        "request.escalated",
        subject="callback_request",
        subject_id=request.id,
        now=now,
        step=step,
        reason=reason,
    )
