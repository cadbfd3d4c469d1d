"""Ringing the caller, and what follows from how it went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.domain import policy, retry
from callback_service.domain.contact import Window
from callback_service.domain.lifecycle import AFTER_SPEAKING, Disposition, Outcome, RequestState
from callback_service.domain.policy import Action, Condition
from callback_service.domain.presence import USUAL, Rests
from callback_service.domain.staff import StaffMember
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.callback import Attempt, CallbackRequest, ContactWindow
from callback_service.services import follow_ups, presence, requests, sight, texts
from callback_service.services.permission import allowed
from callback_service.services.requests import Why, lock_request

#: A call with its notes that lasts longer than this is looked into.
LONGEST_CALL: Final = timedelta(hours=2)
#: "Call me again at ..." may be at most this far away.
FURTHEST_AGAIN: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Record:
    """What the counsellor writes down about one attempt."""

    outcome: Outcome
    disposition: Disposition | None = None
    note: str | None = None
    again_at: datetime | None = None
    is_urgent: bool = False  # if it is rung again, before all others
    follow_up_at: datetime | None = None  # after speaking: when another call was agreed for
    follow_up_with_me: bool = False


@allowed(Action.RING)
def start_attempt(session: Session, request_id: int, *, staff: StaffMember, now: datetime) -> None:
    """The counsellor begins to ring. Decides whether the promise was kept."""
    request = held_by(session, request_id, staff, Action.RING, now=now)
    if request.state is RequestState.CALLING:
        return  # the button was pressed twice
    if now < request.ring_from:
        raise Refused("It is too early to ring: the time this caller chose has not begun.")
    number = session.scalar(select(func.count()).where(Attempt.request_id == request.id)) or 0
    session.add(
        Attempt(request_id=request.id, counsellor_id=staff.id, number=number + 1, started_at=now)
    )
    request.tries += 1
    request.first_attempt_at = request.first_attempt_at or now
    for window in requests.open_windows(session, request.id):
        if window.kept is None and window.starts_at <= now:
            window.kept = now <= window.due_at
    requests.start_calling(session, request, hold_until=now + LONGEST_CALL, now=now)


@allowed(Action.RECORD_OUTCOME)
def record_outcome(
    session: Session,
    request_id: int,
    record: Record,
    *,
    staff: StaffMember,
    now: datetime,
    tz: tzinfo,
    rests: Rests = USUAL,
) -> CallbackRequest:
    """Write down how the attempt went, and close the request or plan the next attempt.

    Whoever rang is then in wrap-up; not somebody whose call a manager had to finish.
    """
    request = held_by(session, request_id, staff, Action.RECORD_OUTCOME, now=now)
    if request.state is not RequestState.CALLING:
        raise Refused("Say that you are ringing first, then how it went.")
    _check(record, now=now)
    attempt = session.scalars(
        select(Attempt).where(Attempt.request_id == request.id, Attempt.ended_at.is_(None))
    ).one()
    attempt.ended_at, attempt.outcome = now, record.outcome
    _keep_note(request, record.note)
    if attempt.counsellor_id == staff.id:
        presence.wrap_up(session, staff.id, record.outcome, rests=rests, now=now)
    if record.outcome is Outcome.ANSWERED and record.disposition is not None:
        requests.close(session, request, record.disposition, actor_id=staff.id, now=now)
        _keep_follow_up(session, request, attempt, record, now=now, tz=tz)
    else:
        _follow_up(session, request, attempt, record, actor_id=staff.id, now=now, tz=tz)
    return request


def _keep_follow_up(
    session: Session,
    request: CallbackRequest,
    attempt: Attempt,
    record: Record,
    *,
    now: datetime,
    tz: tzinfo,
) -> None:
    """The further call that they agreed on, if they did."""
    if record.follow_up_at is None:
        return
    session.flush()  # the number is free for another open request
    follow_ups.make_follow_up(
        session,
        request,
        at=record.follow_up_at,
        counsellor_id=attempt.counsellor_id if record.follow_up_with_me else None,
        now=now,
        tz=tz,
    )


@allowed(Action.GIVE_BACK)
def release(
    session: Session,
    request_id: int,
    *,
    staff: StaffMember,
    now: datetime,
    why: Why | None = None,
) -> None:
    """Give a request back before it was rung. It keeps its due time, and others are offered it."""
    request = held_by(session, request_id, staff, Action.GIVE_BACK, now=now)
    if request.state is not RequestState.ASSIGNED:
        raise Refused("You are on this call. Record how it went instead.")
    own = why if request.assigned_to_id == staff.id else None  # a manager cannot speak for them
    requests.give_back(session, request, actor_id=staff.id, reason="released", now=now, why=own)


def held_by(
    session: Session, request_id: int, staff: StaffMember, action: Action, *, now: datetime
) -> CallbackRequest:
    """The locked request, for ``action`` on it: by who holds it, or a manager who steps in."""
    request = lock_request(session, request_id)
    sight.check_on_desk(session, request, staff, now=now)
    if request.state is RequestState.CLOSED:
        raise Refused("This request is closed. The caller may have withdrawn it.")
    if request.assigned_to_id is None:
        raise Refused("You no longer hold this request: it went back to the queue.")
    met = {Condition.IN_HAND} | ({Condition.HOLDS} if request.assigned_to_id == staff.id else set())
    if not policy.permits(staff.role, action, met):
        raise NotFound(requests.NO_SUCH)
    return request


def _check(record: Record, *, now: datetime) -> None:
    if record.outcome is Outcome.ANSWERED and record.disposition not in AFTER_SPEAKING:
        raise BadInput("There is a problem", {"disposition": "Choose how the call ended"})
    if record.outcome is Outcome.NOT_SAFE_NOW and record.again_at is None:
        return
    if record.again_at is not None and not now < record.again_at <= now + FURTHEST_AGAIN:
        raise BadInput("There is a problem", {"again_at": "Choose a time in the next 14 days"})


def _keep_note(request: CallbackRequest, note: str | None) -> None:
    if note:
        request.closing_note = "\n".join(filter(None, [request.closing_note, note]))


def _follow_up(
    session: Session,
    request: CallbackRequest,
    attempt: Attempt,
    record: Record,
    *,
    actor_id: int,
    now: datetime,
    tz: tzinfo,
) -> None:
    decision = _decide(session, request, record, now=now)
    if record.again_at is not None:
        request.agreed_from = record.again_at
    if isinstance(decision, retry.GiveUp):
        _give_up(session, request, decision.disposition, actor_id=actor_id, now=now, tz=tz)
        return
    request.tries = 0 if decision.fresh else request.tries
    request.is_window = decision.fresh and record.again_at is None
    span = Window(decision.at, decision.due)
    if record.is_urgent:
        requests.set_urgent(session, request, is_urgent=True, actor_id=actor_id, now=now)
    requests.ring_again(session, request, span, actor_id=actor_id, reason=record.outcome, now=now)
    if attempt.outcome is Outcome.NO_ANSWER:
        texts.tell_of_missed_call(
            session, request, attempt=attempt.number, again_at=decision.at, now=now, tz=tz
        )


def _decide(
    session: Session, request: CallbackRequest, record: Record, *, now: datetime
) -> retry.TryAgain | retry.GiveUp:
    windows = requests.open_windows(session, request.id)
    if not windows:  # withdrawn while the phone rang
        return retry.GiveUp(Disposition.WITHDRAWN)
    return retry.after_attempt(
        record.outcome,
        attempts=request.tries,
        now=now,
        ring_until=_ring_until(windows, now=now),
        later=[Window(w.starts_at, w.due_at) for w in windows if w.is_window and w.starts_at > now],
        again_at=record.again_at,
    )


def _ring_until(windows: list[ContactWindow], *, now: datetime) -> datetime | None:
    """The end of the windows that are open now.

    None sets no end: for "as soon as you can", and where we rang only after the window's end, so
    that our own lateness does not cost the caller their further tries.
    """
    current = [window for window in windows if window.starts_at <= now]
    if any(not window.is_window for window in current):
        return None
    return max((window.due_at for window in current if window.due_at > now), default=None)


def expire(session: Session, request: CallbackRequest, *, now: datetime) -> None:
    """Close a request whose time is long past. No text tells of it: their times are over too."""
    requests.close(session, request, Disposition.EXPIRED, actor_id=None, now=now)


def _give_up(
    session: Session,
    request: CallbackRequest,
    disposition: Disposition,
    *,
    actor_id: int,
    now: datetime,
    tz: tzinfo,
) -> None:
    requests.close(session, request, disposition, actor_id=actor_id, now=now)
    if disposition is Disposition.UNREACHABLE:
        texts.tell_of_closing(session, request, now=now, tz=tz)
