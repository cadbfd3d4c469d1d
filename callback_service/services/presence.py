"""Breaks, wrap-up and signing off: who on shift is free for a call, and who is not.

Whoever changes that, or acts on it, holds the row of the person in ``staff``. Requests are locked
before people, everywhere, so that no two wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import cache
from typing import Final

from sqlalchemy import (
    BindParameter,
    CompoundSelect,
    Select,
    bindparam,
    delete,
    func,
    null,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import HELD, LetGo, Outcome, RequestState
from callback_service.domain.policy import Action
from callback_service.domain.presence import (
    BREAK_MINUTES,
    DeskState,
    PresenceKind,
    Rests,
    desk_state,
    end_of_duty,
)
from callback_service.domain.rota import Duty
from callback_service.errors import BadInput, Refused
from callback_service.models.callback import CallbackRequest, Offer
from callback_service.models.plan import PlanEntry
from callback_service.models.presence import Presence
from callback_service.models.staff import Staff
from callback_service.services import audit, plain_rows, requests
from callback_service.services.permission import allowed, check
from callback_service.services.plan_trigger import ask_for_plan
from callback_service.services.rota import on_now, shifts_between

#: No row of shifts without a gap is longer than this.
LONGEST_DUTY: Final = timedelta(days=2)


def _holding(now: datetime | BindParameter[datetime]) -> Select[Presence]:
    """What holds at ``now``: a row past its time is over, though nobody has closed it."""
    return select(Presence).where(Presence.ended_at.is_(None), Presence.until > now)


def away_until(session: Session, *, now: datetime) -> dict[int, datetime]:
    """When each person who is on a break, in wrap-up or signed off is free again."""
    return {one.staff_id: one.until for one in session.scalars(_holding(now))}


def signed_off(session: Session, *, now: datetime) -> set[int]:
    """Who is on shift by the rota, and not here."""
    rows = session.scalars(_holding(now).where(Presence.kind == PresenceKind.SIGNED_OFF))
    return {one.staff_id for one in rows}


@dataclass(frozen=True, slots=True)
class Seen:
    """Who is away until when; who of them has signed off; and when somebody's last break began."""

    away_until: dict[int, datetime]
    signed_off: set[int]
    last_breaks: dict[int, datetime]  # of late


def seen(session: Session, *, now: datetime) -> Seen:
    """What the planner asks of everybody at once, in one look."""
    found = Seen({}, set(), {})
    times = {"now": now, "of_late": now - LONGEST_DUTY}
    for staff_id, at, kind in plain_rows.rows(session, _away_and_breaks(), times):
        if kind is None:
            found.last_breaks[staff_id] = at
        else:
            found.away_until[staff_id] = at
        if kind is PresenceKind.SIGNED_OFF:
            found.signed_off.add(staff_id)
    return found


@cache
def _away_and_breaks() -> CompoundSelect[int, datetime, PresenceKind | None]:
    away = _holding(bindparam("now")).with_only_columns(
        Presence.staff_id, Presence.until, Presence.kind
    )
    breaks = (
        select(Presence.staff_id, func.max(Presence.since), null())
        .where(Presence.kind == PresenceKind.BREAK, Presence.since > bindparam("of_late"))
        .group_by(Presence.staff_id)
    )
    return union_all(away, breaks)


def present_of(session: Session, staff_id: int, *, now: datetime) -> Presence | None:
    """The break, wrap-up or signing off that holds for somebody; None while they are available."""
    return session.scalar(_holding(now).where(Presence.staff_id == staff_id))


def lock_person(session: Session, staff_id: int, *, wait: bool = True) -> bool:
    """Hold what is known of somebody's presence and calls until the transaction ends.

    Without ``wait``, False when another holds it. SQLite: the transaction is the only writer.
    """
    person = select(Staff.id).where(Staff.id == staff_id)
    found = session.scalar(person.with_for_update(key_share=True, skip_locked=not wait))
    return found is not None


def is_free(session: Session, staff_id: int, *, now: datetime) -> bool:
    """Whether somebody, locked, may be put to a call: neither away nor with a request in hand."""
    return present_of(session, staff_id, now=now) is None and _held_id(session, staff_id) is None


@allowed(Action.BE_AWAY, by="staff_id")
def start_break(
    session: Session, staff_id: int, *, minutes: int, now: datetime, tz: tzinfo
) -> None:
    """Begin a break. What was planned for or offered to them in that time goes to colleagues."""
    if minutes not in BREAK_MINUTES:
        raise BadInput("Choose how long the break is.")
    off_duty_at = duty_ends(session, staff_id, now=now, tz=tz)
    lock_person(session, staff_id)
    current = present_of(session, staff_id, now=now)
    if current is not None and current.kind is PresenceKind.BREAK:
        return  # the button was pressed twice
    if current is not None and current.kind is PresenceKind.SIGNED_OFF:
        raise Refused("You have signed off. Come back first.")
    if _held_id(session, staff_id) is not None:
        raise Refused("You hold a request. Finish it or give it back, then take your break.")
    until = min(now + timedelta(minutes=minutes), off_duty_at)
    _leave(session, staff_id, PresenceKind.BREAK, until, actor_id=staff_id, now=now)


@allowed(Action.BE_AWAY)
def sign_off(session: Session, staff_id: int, *, actor_id: int, now: datetime, tz: tzinfo) -> None:
    """Somebody is not here for the rest of their shift. All they have goes back to the pool.

    A request they hold and do not ring is given back; one that they are ringing they finish.
    """
    if actor_id != staff_id:
        check(session, Action.SIGN_OFF_COLLEAGUE, actor_id)
    off_duty_at = duty_ends(session, staff_id, now=now, tz=tz)
    held_id = _held_id(session, staff_id)
    held = requests.lock_request(session, held_id) if held_id is not None else None
    lock_person(session, staff_id)
    current = present_of(session, staff_id, now=now)
    if current is not None and current.kind is PresenceKind.SIGNED_OFF:
        return  # the button was pressed twice
    if _held_id(session, staff_id) != held_id:
        raise Refused("A request changed hands just now. Try again.")
    if held is not None and held.state is RequestState.ASSIGNED:
        requests.give_back(session, held, actor_id=actor_id, reason="signed_off", now=now)
    _leave(session, staff_id, PresenceKind.SIGNED_OFF, off_duty_at, actor_id=actor_id, now=now)


def duty_ends(session: Session, staff_id: int, *, now: datetime, tz: tzinfo) -> datetime:
    """When somebody goes off duty who is on shift now; raises Refused for others."""
    shifts = shifts_between(
        session, now, now + LONGEST_DUTY, tz=tz, duty=Duty.COUNSELLING, only={staff_id}
    )
    end = end_of_duty([(shift.start, shift.end) for shift in shifts], now=now)
    if end is None:
        raise Refused("This is for people who are on shift now.")
    return end


def wrap_up(
    session: Session, staff_id: int, outcome: Outcome, *, rests: Rests, now: datetime
) -> None:
    """After an attempt: time for notes and rest, unless they have signed off meanwhile."""
    lasts = rests.after(outcome)
    lock_person(session, staff_id)
    if lasts and present_of(session, staff_id, now=now) is None:
        _begin(session, staff_id, PresenceKind.WRAP_UP, now + lasts, actor_id=staff_id, now=now)


@allowed(Action.BE_AWAY, by="staff_id")
def more_time(session: Session, staff_id: int, *, rests: Rests, now: datetime) -> None:
    """Make a wrap-up longer, once."""
    lock_person(session, staff_id)
    current = present_of(session, staff_id, now=now)
    if current is None or current.kind is not PresenceKind.WRAP_UP:
        raise Refused("Your wrap-up is over.")
    if current.is_extended:
        raise Refused("You have had more time already. Take a break if you need one.")
    current.until, current.is_extended = current.until + rests.wrap_up, True
    _note(session, "presence.more_time", staff_id, actor_id=staff_id, now=now)


@allowed(Action.BE_AWAY, by="staff_id")
def come_back(session: Session, staff_id: int, *, now: datetime) -> None:
    """End a break, a wrap-up or a signing off early: they are available."""
    lock_person(session, staff_id)
    if present_of(session, staff_id, now=now) is not None:
        _close_open(session, staff_id, now=now)
        _note(session, "presence.available", staff_id, actor_id=staff_id, now=now)


def take_up_work(session: Session, staff_id: int, *, now: datetime) -> None:
    """Somebody takes a request: a break or a wrap-up ends; who has signed off is refused."""
    lock_person(session, staff_id)
    current = present_of(session, staff_id, now=now)
    if current is not None and current.kind is PresenceKind.SIGNED_OFF:
        raise Refused("You have signed off. Come back first, then take a request.")
    come_back(session, staff_id, now=now)


def _leave(
    session: Session,
    staff_id: int,
    kind: PresenceKind,
    until: datetime,
    *,
    actor_id: int,
    now: datetime,
) -> None:
    """Go away: an open offer goes on at once, and so does what is planned for that time."""
    offers = select(Offer).where(Offer.counsellor_id == staff_id, Offer.ended_at.is_(None))
    for offer in session.scalars(offers.with_for_update()):
        why = requests.Why(LetGo.NOT_NOW)
        requests.decline(session, offer, actor_id=actor_id, why=why, now=now)
    session.execute(
        delete(PlanEntry).where(PlanEntry.counsellor_id == staff_id, PlanEntry.starts_at < until)
    )
    _begin(session, staff_id, kind, until, actor_id=actor_id, now=now)


def _begin(
    session: Session,
    staff_id: int,
    kind: PresenceKind,
    until: datetime,
    *,
    actor_id: int,
    now: datetime,
) -> None:
    _close_open(session, staff_id, now=now)
    session.add(Presence(staff_id=staff_id, kind=kind, since=now, until=until))
    _note(session, f"presence.{kind}", staff_id, actor_id=actor_id, now=now)


def _close_open(session: Session, staff_id: int, *, now: datetime) -> None:
    """End what is open of somebody; what was over by itself ended at its time."""
    rows = select(Presence).where(Presence.staff_id == staff_id, Presence.ended_at.is_(None))
    for one in session.scalars(rows):
        one.ended_at = max(one.since, min(now, one.until))
    session.flush()  # before another opens


def _held_id(session: Session, staff_id: int) -> int | None:
    return session.scalar(
        select(CallbackRequest.id).where(CallbackRequest.assigned_to_id == staff_id)
    )


def _note(session: Session, action: str, staff_id: int, *, actor_id: int, now: datetime) -> None:
    audit.record(session, action, subject="staff", subject_id=staff_id, actor_id=actor_id, now=now)
    ask_for_plan(session, reason="presence", now=now)


@dataclass(frozen=True, slots=True)
class AtDesk:
    """Somebody on shift, and what they are doing; ``until`` when that is known."""

    staff_id: int
    name: str
    state: DeskState
    until: datetime | None
    may_extend: bool


def at_desks(session: Session, *, now: datetime, tz: tzinfo) -> list[AtDesk]:
    """Everybody on shift now, by name, and what they are doing. Names only; no request."""
    people = [shift.person for shift in on_now(session, now=now, tz=tz) if shift.person]
    names = {person.id: person.name for person in people}
    return sorted(_as_seen(session, names, now=now), key=lambda one: (one.name, one.staff_id))


def _as_seen(session: Session, names: dict[int, str], *, now: datetime) -> Iterable[AtDesk]:
    away = {one.staff_id: one for one in session.scalars(_holding(now))}
    held = dict(
        session.execute(
            select(CallbackRequest.assigned_to_id, CallbackRequest.state).where(
                CallbackRequest.state.in_(HELD)
            )
        ).all()
    )
    for staff_id, name in names.items():
        row = away.get(staff_id)
        state = desk_state(row.kind if row else None, held.get(staff_id))
        until = row.until if row and state is not DeskState.CALLING else None
        may_extend = row is not None and state is DeskState.WRAP_UP and not row.is_extended
        yield AtDesk(staff_id, name, state, until, may_extend)
