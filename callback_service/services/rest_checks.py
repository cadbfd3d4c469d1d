"""What a line or a change of the rota would break of the rules of rest, and allowing it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, tzinfo

from sqlalchemy.orm import Session

from callback_service.domain.rest import (
    LOOK_BACK,
    LOOK_ON,
    REFERENCE_WEEKS,
    Breach,
    Rule,
    Work,
    breach_in_words,
    rest_breaches,
)
from callback_service.domain.rota import Duty, Pattern, resolve_shifts
from callback_service.domain.rota_changes import Change, Override, OverrideKind
from callback_service.domain.wall_time import ONE_DAY, WEEK, Span, start_of_day
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.rest import RestAllowance
from callback_service.models.rota import ShiftPattern
from callback_service.models.rota_change import ChangeKind, RotaChange
from callback_service.models.staff import Staff
from callback_service.services import audit, rota_changes, shift_patterns
from callback_service.services.cover_warnings import given_reason
from callback_service.services.rest import excluded_days, opted_out, works_since
from callback_service.services.rota import shifts_between
from callback_service.services.shift_patterns import FURTHEST_DATE, Line

#: Something new is tried for as long as an average takes to show all of it.
TRIED_FOR = (REFERENCE_WEEKS + 1) * WEEK


class RestBroken(Refused):
    """A change breaks rules of rest and nobody said that it may. ``breaches`` are all of them."""

    def __init__(self, breaches: list[Breach]) -> None:
        super().__init__("This breaks a rule of rest. Save it with a reason, or change it.")
        self.breaches = breaches


def breaches_of_line(session: Session, line: Line, *, now: datetime, tz: tzinfo) -> list[Breach]:
    """What a line that is not on the rota yet would break for its people, by person and rule.

    Looked at from where it begins, today at the earliest; what is broken already is not told.
    """
    today = now.astimezone(tz).date()
    if line.duty is not Duty.COUNSELLING or abs(line.from_on - today) > FURTHEST_DATE:
        return []  # the latter is refused for its dates when it is saved
    parts = [line] if isinstance(line, Pattern) else line.lines()
    start = start_of_day(max(line.from_on, today) - ONE_DAY, tz=tz)
    tried = start, start + TRIED_FOR
    who = {part.staff_id for part in parts if part.staff_id is not None}
    held = _held(session, who, tried, tz)
    more = [*held, *resolve_shifts(parts, *_seen(tried), tz=tz)]
    return _new_breaches(session, who, held, more, tried, from_on=line.from_on, now=now, tz=tz)


def breaches_of_change(
    session: Session, change: Change, *, now: datetime, tz: tzinfo
) -> list[Breach]:
    """What a change for dates that is not made yet would break for who is to work, by rule."""
    if not isinstance(change, Override) or change.duty is not Duty.COUNSELLING:
        return []
    if change.kind is OverrideKind.REMOVE or change.end - now > FURTHEST_DATE:
        return []
    tried = change.start - ONE_DAY, change.end + TRIED_FOR
    who = {change.by_id or change.staff_id}
    held = _held(session, who, tried, tz)
    more = _held(session, who, tried, tz, proposed=[change])
    from_on = change.start.astimezone(tz).date()
    return _new_breaches(session, who, held, more, tried, from_on=from_on, now=now, tz=tz)


def _seen(tried: Span) -> Span:
    return tried[0] - LOOK_BACK, tried[1] + LOOK_ON


def _held(
    session: Session, who: set[int], tried: Span, tz: tzinfo, *, proposed: Collection[Change] = ()
) -> Sequence[Work]:
    return shifts_between(
        session, *_seen(tried), tz=tz, duty=Duty.COUNSELLING, proposed=proposed, only=who
    )


def _new_breaches(
    session: Session, who: Iterable[int], held: Sequence[Work], more: Sequence[Work], tried: Span,
    *, from_on: date, now: datetime, tz: tzinfo,
) -> list[Breach]:  # fmt: skip
    agreed = opted_out(session, now.astimezone(tz).date())
    off = excluded_days(session, *_seen(tried), tz=tz)
    found: list[Breach] = []
    for staff_id in sorted(who):
        since = works_since(session, staff_id).get(staff_id)
        judged = [
            rest_breaches(
                shifts, *tried, staff_id=staff_id, tz=tz, has_opted_out=staff_id in agreed,
                works_since=begins, excluded=off.get(staff_id, ()),
            )
            for shifts, begins in ((held, since), (more, min(since or from_on, from_on)))
        ]  # fmt: skip
        found += [breach for breach in judged[1] if breach not in set(judged[0])]
    return found


def in_words(session: Session, breaches: Sequence[Breach], *, tz: tzinfo) -> list[str]:
    """Breaches for people, each with whose it is where they are several people's."""
    who = {breach.staff_id for breach in breaches}
    names = {staff_id: session.get_one(Staff, staff_id).name for staff_id in who}
    return [
        f"{names[breach.staff_id]}: {breach_in_words(breach, tz=tz)}"
        if len(who) > 1
        else breach_in_words(breach, tz=tz)
        for breach in breaches
    ]


def add_pattern(
    session: Session,
    line: Line,
    *,
    reason: str | None,
    actor_id: int | None,
    now: datetime,
    tz: tzinfo,
) -> ShiftPattern:
    """Put a new line on the rota. Raises RestBroken where it breaks rest and no reason is given.

    With a reason, what it breaks is allowed for as long as it goes on.
    """
    breaches = breaches_of_line(session, line, now=now, tz=tz)
    row = shift_patterns.add_pattern(session, line, actor_id=actor_id, now=now)
    begins = start_of_day(line.from_on - ONE_DAY, tz=tz)
    until = line.until_on
    ends = None if until is None else start_of_day(until + 2 * ONE_DAY, tz=tz)
    _allow_all(session, breaches, begins, ends, reason=reason, actor_id=actor_id, now=now)
    return row


def make_change(
    session: Session,
    change: Change,
    *,
    reason: str | None,
    actor_id: int | None,
    now: datetime,
    tz: tzinfo,
) -> RotaChange:
    """Make a change for dates. Raises RestBroken where it breaks rest and no reason is given.

    With a reason, what it breaks is allowed.
    """
    breaches = breaches_of_change(session, change, now=now, tz=tz)
    row = rota_changes.make_change(session, change, actor_id=actor_id, now=now, tz=tz)
    begins, ends = change.start - ONE_DAY, change.end + ONE_DAY
    _allow_all(session, breaches, begins, ends, reason=reason, actor_id=actor_id, now=now)
    return row


def take_open_shift(
    session: Session, change_id: int, *, staff_id: int, now: datetime, tz: tzinfo
) -> RotaChange:
    """Take a shift that nobody holds; refused where it would break a rule of rest of who takes it.

    Only a manager may allow that: by giving them the shift, with a reason.
    """
    shift = session.get(RotaChange, change_id)
    if shift is not None and shift.kind is ChangeKind.OPEN and shift.ends_at > now:
        span = max(shift.starts_at, now), shift.ends_at
        taken = Override(OverrideKind.ADD, staff_id, *span, shift.duty or Duty.COUNSELLING)
        if broken := breaches_of_change(session, taken, now=now, tz=tz):
            words = breach_in_words(broken[0], tz=tz)
            raise Refused(f"You would have too little rest ({words}). A manager can allow it.")
    return rota_changes.take_open_shift(session, change_id, staff_id=staff_id, now=now, tz=tz)


def _allow_all(
    session: Session, breaches: list[Breach], begins: datetime, ends: datetime | None, *,
    reason: str | None, actor_id: int | None, now: datetime,
) -> None:  # fmt: skip
    """Allow breaches of something that holds over ``[begins, ends)``, by person and rule."""
    if not breaches:
        return
    if reason is None:
        raise RestBroken(breaches)
    for staff_id, rule in sorted({(one.staff_id, one.rule) for one in breaches}):
        starts = [one.start for one in breaches if (one.staff_id, one.rule) == (staff_id, rule)]
        until = None if ends is None else max(ends, max(starts) + ONE_DAY)
        _allow(
            session, staff_id, rule, min(*starts, begins), until,
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
