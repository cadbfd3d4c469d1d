"""How the rota is shared out and where it breaks a rule of rest: for managers, who may allow it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.fairness import Share, balance, shares
from callback_service.domain.policy import Action
from callback_service.domain.rest import (
    LOOK_BACK,
    LOOK_ON,
    Breach,
    Rule,
    Work,
    rest_breaches,
)
from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import Leave, LeaveReason
from callback_service.domain.wall_time import ONE_DAY, start_of_day
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.gateways.bank_holidays import bank_holidays
from callback_service.models.rest import RestAllowance, WorkingTimeOptOut
from callback_service.models.rota import ShiftPattern, ShiftTurn
from callback_service.models.staff import Staff
from callback_service.services import audit
from callback_service.services.permission import allowed
from callback_service.services.rest_allowances import is_for
from callback_service.services.rota import Person, shifts_between
from callback_service.services.rota_change_rows import load_changes
from callback_service.services.shift_patterns import FURTHEST_DATE

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
    agreed = opted_out(session, now.astimezone(tz).date())
    by_person: dict[int, list[Work]] = {staff_id: [] for staff_id in people}
    for shift in shifts:
        if shift.person:
            by_person[shift.person.id].append(shift)
    since, off = works_since(session), excluded_days(session, start - LOOK_BACK, end, tz=tz)
    breaches = [
        breach
        for staff_id, worked in by_person.items()
        for breach in rest_breaches(
            worked, start, end, staff_id=staff_id, tz=tz,
            has_opted_out=staff_id in agreed, works_since=since.get(staff_id),
            excluded=off.get(staff_id, ()),
        )
    ]  # fmt: skip
    return PeopleReport(
        people=sorted(
            (PersonShare(people[part[0]], part, part[0] in agreed) for part in parts),
            key=lambda row: (row.person.name, row.person.id),
        ),
        balance=balance(part.hours for part in parts),
        breaches=_lines(session, breaches, people),
        bank_holidays=days,
    )


def works_since(session: Session, staff_id: int | None = None) -> dict[int, date]:
    """The first day of each person's work here, as far as the rota knows: for reg. 4(4)."""
    holder = func.coalesce(ShiftPattern.staff_id, ShiftTurn.staff_id)
    rows = session.execute(
        select(holder, func.min(ShiftPattern.from_on))
        .outerjoin(ShiftPattern.turns)
        .where(ShiftPattern.duty == Duty.COUNSELLING)
        .group_by(holder)
    )
    return {who: from_on for who, from_on in rows if who is not None}


def excluded_days(
    session: Session, start: datetime, end: datetime, *, tz: tzinfo
) -> dict[int, set[date]]:
    """Each person's days of annual and sick leave in ``[start, end)`` (reg. 4(7)): whole ones."""
    days: defaultdict[int, set[date]] = defaultdict(set)
    for change in load_changes(session, start, end):
        if isinstance(change, Leave) and change.reason in {LeaveReason.ANNUAL, LeaveReason.SICK}:
            day = change.start.astimezone(tz).date()
            while (ends := start_of_day(day + ONE_DAY, tz=tz)) <= change.end:
                if start_of_day(day, tz=tz) >= change.start and start < ends <= end + ONE_DAY:
                    days[change.staff_id].add(day)
                day += ONE_DAY
    return days


def _lines(
    session: Session, breaches: Iterable[Breach], people: dict[int, Person]
) -> list[BreachLine]:
    """Breaches with names and reasons, by name and time. Of several reasons the last counts."""
    allowances: dict[tuple[int, Rule], list[RestAllowance]] = {}
    in_force = select(RestAllowance).where(RestAllowance.cancelled_at.is_(None))
    for row in session.scalars(in_force.order_by(RestAllowance.id.desc())):
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
    return next((row.reason for row in allowances if is_for(row, breach)), None)


@dataclass(frozen=True, slots=True)
class OptOutLine:
    """An agreement to work more than 48 hours a week, for the page."""

    id: int
    name: str
    agreed_on: date
    ends_on: date | None


def opted_out(session: Session, today: date) -> set[int]:
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


@allowed(Action.EDIT_PEOPLE)
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


@allowed(Action.EDIT_PEOPLE)
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
