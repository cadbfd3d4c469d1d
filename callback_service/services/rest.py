"""How the rota is shared out and where it breaks a rule of rest: for managers, who may allow it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from functools import partial

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.fairness import Share, balance, shares
from callback_service.domain.rest import (
    LOOK_BACK,
    LOOK_ON,
    REFERENCE_WEEKS,
    Breach,
    Rule,
    Work,
    rest_breaches,
)
from callback_service.domain.rota import Duty, Pattern
from callback_service.domain.rotations import Rotation
from callback_service.domain.wall_time import ONE_DAY, WEEK, start_of_day
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.gateways.bank_holidays import bank_holidays
from callback_service.models.rest import RestAllowance, WorkingTimeOptOut
from callback_service.models.rota import ShiftPattern, ShiftTurn
from callback_service.models.staff import Staff
from callback_service.services import audit, shift_patterns
from callback_service.services.cover_warnings import given_reason
from callback_service.services.rota import Person, Proposal, resolve, shifts_between
from callback_service.services.shift_patterns import FURTHEST_DATE

#: A new pattern is tried for as long as an average takes to show all of it.
TRIED_FOR = (REFERENCE_WEEKS + 1) * WEEK
#: Notice that ends an agreement under reg. 5 where it names no other (reg. 5(2)(b)).
NOTICE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class PersonShare:
    """One person and what they work."""

    person: Person
    share: Share
    has_opted_out: bool


@dataclass(frozen=True, slots=True)
class BreachLine:
    """A broken rule, whose shifts break it, and why a manager allowed it, if one did."""

    breach: Breach
    name: str
    allowed_reason: str | None


@dataclass(frozen=True, slots=True)
class PeopleReport:
    """The rota of a range by person. ``bank_holidays`` are those of the range, by date."""

    people: list[PersonShare]
    balance: float
    breaches: list[BreachLine]
    bank_holidays: dict[date, str]


def report_on_people(
    session: Session, first: date, last: date, *, now: datetime, tz: tzinfo
) -> PeopleReport:
    """Who works how much from ``first`` to ``last``, both included, and what that breaks."""
    start, end = start_of_day(first, tz=tz), start_of_day(last + ONE_DAY, tz=tz)
    shifts = shifts_between(session, start - LOOK_BACK, end + LOOK_ON, tz=tz, duty=Duty.COUNSELLING)
    people = {shift.person.id: shift.person for shift in shifts if shift.person}
    days = bank_holidays(first, last)
    parts = shares(shifts, start, end, tz=tz, bank_holidays=days)
    opted_out = _opted_out(session, now.astimezone(tz).date())
    by_person: dict[int, list[Work]] = {staff_id: [] for staff_id in people}
    for shift in shifts:
        if shift.person:
            by_person[shift.person.id].append(shift)
    since = _works_since(session)
    breaches = [
        breach
        for staff_id, worked in by_person.items()
        for breach in rest_breaches(
            worked, start, end, staff_id=staff_id, tz=tz,
            has_opted_out=staff_id in opted_out, works_since=since.get(staff_id),
        )
    ]  # fmt: skip
    return PeopleReport(
        people=sorted(
            (PersonShare(people[part[0]], part, part[0] in opted_out) for part in parts),
            key=lambda row: (row.person.name, row.person.id),
        ),
        balance=balance(part.hours for part in parts),
        breaches=_lines(session, breaches, people),
        bank_holidays=days,
    )


def _works_since(session: Session) -> dict[int, date]:
    """The first day of each person's work here, as far as the rota knows: for reg. 4(4)."""
    holder = func.coalesce(ShiftPattern.staff_id, ShiftTurn.staff_id)
    rows = session.execute(
        select(holder, func.min(ShiftPattern.from_on))
        .outerjoin(ShiftPattern.turns)
        .where(ShiftPattern.duty == Duty.COUNSELLING)
        .group_by(holder)
    )
    return {who: from_on for who, from_on in rows if who is not None}


def _lines(
    session: Session, breaches: Iterable[Breach], people: dict[int, Person]
) -> list[BreachLine]:
    """Breaches with names and reasons, by name and time. Of several reasons the last counts."""
    allowances: dict[tuple[int, Rule], list[RestAllowance]] = {}
    for row in session.scalars(select(RestAllowance).order_by(RestAllowance.id.desc())):
        allowances.setdefault((row.staff_id, row.rule), []).append(row)
    lines = [
        BreachLine(
            breach,
            people[breach.staff_id].name,
            _reason(breach, allowances.get((breach.staff_id, breach.rule), [])),
        )
        for breach in breaches
    ]
    return sorted(lines, key=lambda line: (line.name, line.breach.staff_id, line.breach.start))


def _reason(breach: Breach, allowances: Iterable[RestAllowance]) -> str | None:
    return next(
        (
            row.reason
            for row in allowances
            if row.starts_at <= breach.start and (row.ends_at is None or breach.start < row.ends_at)
        ),
        None,
    )


def breaches_of_new_pattern(
    session: Session, pattern: Pattern, *, now: datetime, tz: tzinfo
) -> list[Breach]:
    """What the rota would break with ``pattern`` that it does not break without, from today on."""
    who, today = pattern.staff_id, now.astimezone(tz).date()
    if who is None or pattern.duty is not Duty.COUNSELLING:
        return []
    if abs(pattern.from_on - today) > FURTHEST_DATE:
        return []  # refused for its dates when it is saved
    return breaches_of(session, [pattern], {who}, since=pattern.from_on, now=now, tz=tz)


def breaches_of(
    session: Session, proposed: Collection[Proposal], people: Collection[int], *,
    since: date, now: datetime, tz: tzinfo,
) -> list[Breach]:  # fmt: skip
    """What the rota of these people would break with the proposal and does not break without.

    By person, from ``since`` or today on, for as long as an average takes to show all of it.
    """
    today = now.astimezone(tz).date()
    start = start_of_day(max(since, today) - ONE_DAY, tz=tz)
    tried = start, start + TRIED_FOR
    seen = tried[0] - LOOK_BACK, tried[1] + LOOK_ON
    before = _work_of(session, people, *seen, tz=tz)
    after = _work_of(session, people, *seen, tz=tz, proposed=proposed)
    began, opted_out = _works_since(session), _opted_out(session, today)
    found: list[Breach] = []
    for who in sorted(people):
        begins = [one.from_on for one in proposed if isinstance(one, Pattern)]
        stored = began.get(who)
        judged = partial(rest_breaches, staff_id=who, tz=tz, has_opted_out=who in opted_out)
        already = set(judged(before[who], *tried, works_since=stored))
        worked_since = min([*begins, *([stored] if stored else [])], default=None)
        broken = judged(after[who], *tried, works_since=worked_since)
        found += [breach for breach in broken if breach not in already]
    return found


def _work_of(
    session: Session, people: Collection[int], start: datetime, end: datetime, *,
    tz: tzinfo, proposed: Collection[Proposal] = (),
) -> dict[int, list[Work]]:  # fmt: skip
    """What each of these people works that meets ``[start, end)``, in order."""
    shifts, _ = resolve(session, start, end, tz=tz, duty=Duty.COUNSELLING, proposed=proposed)
    found: dict[int, list[Work]] = {staff_id: [] for staff_id in people}
    for shift in shifts:
        if shift.staff_id in found:
            found[shift.staff_id].append(shift)
    return found


class RestBroken(Refused):
    """A change breaks rules of rest and nobody said that it may. ``breaches`` are all of them."""

    def __init__(self, breaches: list[Breach]) -> None:
        super().__init__("This breaks a rule of rest. Save it with a reason, or change it.")
        self.breaches = breaches


def add_pattern(
    session: Session,
    pattern: Pattern,
    *,
    reason: str | None,
    actor_id: int | None,
    now: datetime,
    tz: tzinfo,
) -> None:
    """Put a new line on the rota. Raises RestBroken where it breaks rest and no reason is given.

    With a reason, what it breaks is allowed for as long as it goes on.
    """
    breaches = breaches_of_new_pattern(session, pattern, now=now, tz=tz)
    shift_patterns.add_pattern(session, pattern, actor_id=actor_id, now=now)
    if not breaches:
        return
    if reason is None:
        raise RestBroken(breaches)
    allow_breaches(session, breaches, pattern, reason=reason, actor_id=actor_id, now=now, tz=tz)


def allow_breaches(
    session: Session, breaches: Iterable[Breach], line: Pattern | Rotation, *,
    reason: str, actor_id: int | None, now: datetime, tz: tzinfo,
) -> None:  # fmt: skip
    """Record that what a new line breaks is allowed for as long as the line goes on, and why."""
    begins = start_of_day(line.from_on - ONE_DAY, tz=tz)
    until = line.until_on
    ends_at = None if until is None else start_of_day(until + 2 * ONE_DAY, tz=tz)
    starts: dict[tuple[int, Rule], datetime] = {}
    for breach in breaches:
        key = breach.staff_id, breach.rule
        starts[key] = min(starts.get(key, begins), breach.start)
    for (staff_id, rule), starts_at in sorted(starts.items()):
        _allow(
            session, staff_id, rule, starts_at, ends_at,
            reason=reason, actor_id=actor_id, now=now,
        )  # fmt: skip


def allow_breach(
    session: Session, staff_id: int, rule: Rule, starts_at: datetime, ends_at: datetime, *,
    reason: str, actor_id: int | None, now: datetime,
) -> None:  # fmt: skip
    """Record that one person's breach of a rule in ``[starts_at, ends_at)`` is allowed, and why."""
    if session.get(Staff, staff_id) is None:
        raise NotFound("There is no such person.")
    if not starts_at < ends_at <= now + FURTHEST_DATE:
        raise BadInput("That is no time on the rota.")
    _allow(session, staff_id, rule, starts_at, ends_at, reason=reason, actor_id=actor_id, now=now)


def _allow(
    session: Session, staff_id: int, rule: Rule, starts_at: datetime, ends_at: datetime | None, *,
    reason: str, actor_id: int | None, now: datetime,
) -> None:  # fmt: skip
    row = RestAllowance(
        staff_id=staff_id,
        rule=rule,
        starts_at=starts_at,
        ends_at=ends_at,
        reason=given_reason(reason),
        allowed_by_id=actor_id,
        allowed_at=now,
    )
    session.add(row)
    session.flush()
    audit.record(
        session,
        "rest.allowed",
        subject=RestAllowance.__tablename__,
        subject_id=row.id,
        actor_id=actor_id,
        now=now,
        staff_id=staff_id,
        rule=rule,
        starts_at=starts_at.isoformat(),
        ends_at=ends_at.isoformat() if ends_at else None,
    )


@dataclass(frozen=True, slots=True)
class OptOutLine:
    """An agreement to work more than 48 hours a week, for the page."""

    id: int
    name: str
    agreed_on: date
    ends_on: date | None


def _opted_out(session: Session, today: date) -> set[int]:
    in_force = select(WorkingTimeOptOut.staff_id).where(
        WorkingTimeOptOut.agreed_on <= today, _holds_on(today)
    )
    return set(session.scalars(in_force))


def _holds_on(today: date) -> ColumnElement[bool]:
    return or_(WorkingTimeOptOut.ends_on.is_(None), WorkingTimeOptOut.ends_on >= today)


def list_opt_outs(session: Session, *, today: date) -> list[OptOutLine]:
    """The agreements that have not ended before ``today``, by name."""
    rows = session.execute(
        select(WorkingTimeOptOut, Staff.name)
        .join(Staff, Staff.id == WorkingTimeOptOut.staff_id)
        .where(_holds_on(today))
        .order_by(Staff.name, WorkingTimeOptOut.id)
    )
    return [OptOutLine(row.id, name, row.agreed_on, row.ends_on) for row, name in rows]


def record_opt_out(
    session: Session, staff_id: int, *, agreed_on: date, actor_id: int, now: datetime, tz: tzinfo
) -> None:
    """Record a written agreement to work more than 48 hours a week (reg. 5(1))."""
    today = now.astimezone(tz).date()
    if not today - FURTHEST_DATE <= agreed_on <= today:
        sentence = "Enter the date on the agreement, within the last five years."
        raise BadInput(sentence, {"agreed_on": sentence})
    staff = session.get(Staff, staff_id, with_for_update=True)
    if staff is None or not staff.is_active:
        raise BadInput("Choose somebody.", {"staff_id": "Choose somebody who has an account."})
    row = WorkingTimeOptOut(
        staff_id=staff_id, agreed_on=agreed_on, recorded_by_id=actor_id, recorded_at=now
    )
    session.add(row)
    try:
        session.flush()
    except IntegrityError as error:
        raise Refused("An agreement of this person is on record already.") from error
    _record_opt_out(session, "rest.opted_out", row, actor_id=actor_id, now=now)


def end_opt_out(
    session: Session, opt_out_id: int, *, actor_id: int, now: datetime, tz: tzinfo
) -> date:
    """End an agreement with the notice of reg. 5(2)(b); the last day it holds."""
    row = session.get(WorkingTimeOptOut, opt_out_id, with_for_update=True)
    if row is None or row.ends_on is not None:
        raise NotFound("That agreement has already been ended.")
    row.ends_on = now.astimezone(tz).date() + NOTICE
    session.flush()
    _record_opt_out(session, "rest.opt_out_ended", row, actor_id=actor_id, now=now)
    return row.ends_on


def _record_opt_out(
    session: Session, action: str, row: WorkingTimeOptOut, *, actor_id: int, now: datetime
) -> None:
    audit.record(
        session,
        action,
        subject=WorkingTimeOptOut.__tablename__,
        subject_id=row.id,
        actor_id=actor_id,
        now=now,
        staff_id=row.staff_id,
    )
