"""What a line or a change of the rota would break of the rules of rest, and allowing it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, tzinfo

from sqlalchemy.orm import Session

from callback_service.domain.policy import Action
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
from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import Change, Override, OverrideKind
from callback_service.domain.rotation_words import Line
from callback_service.domain.wall_time import ONE_DAY, WEEK, Span, start_of_day
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.rota_change import ChangeKind, RotaChange
from callback_service.models.staff import Staff
from callback_service.services import rota_changes
from callback_service.services.permission import allowed
from callback_service.services.rest import excluded_days, opted_out, works_since
from callback_service.services.rest_allowances import allow
from callback_service.services.rota import Proposal, resolve
from callback_service.services.rota_edits import edits
from callback_service.services.shift_patterns import FURTHEST_DATE

#: Something new is tried for as long as an average takes to show all of it.
TRIED_FOR = (REFERENCE_WEEKS + 1) * WEEK


class RestBroken(Refused):
    """A change breaks rules of rest and nobody said that it may. ``breaches`` are all of them."""

    def __init__(self, breaches: list[Breach]) -> None:
        super().__init__("This breaks a rule of rest. Save it with a reason, or change it.")
        self.breaches = breaches


def breaches_of_change(
    session: Session, *changes: Change, now: datetime, tz: tzinfo
) -> list[Breach]:
    """What changes for dates that are not made yet would break for those who are to work.

    By person and rule, all of the changes counted together.
    """
    work = [
        one
        for one in changes
        if isinstance(one, Override)
        and (one.duty, one.kind is OverrideKind.REMOVE) == (Duty.COUNSELLING, False)
        and one.end - now <= FURTHEST_DATE
    ]
    if not work:
        return []
    begins = min(one.start for one in work)
    tried = begins - ONE_DAY, max(one.end for one in work) + TRIED_FOR
    people = {one.by_id or one.staff_id for one in work}
    since = begins.astimezone(tz).date()
    return _breaches_in(session, changes, people, tried, since=since, now=now, tz=tz)


def breaches_of(
    session: Session, proposed: Collection[Proposal], people: Collection[int], *,
    since: date, now: datetime, tz: tzinfo,
) -> list[Breach]:  # fmt: skip
    """What the rota of these people would break with the proposal and does not break without.

    By person and rule, from ``since`` or today on, for as long as an average takes to show all.
    """
    today = now.astimezone(tz).date()
    start = start_of_day(max(since, today) - ONE_DAY, tz=tz)
    tried = start, start + TRIED_FOR
    return _breaches_in(session, proposed, people, tried, since=since, now=now, tz=tz)


def breaches_ahead(
    session: Session, people: Collection[int], *, since: datetime, now: datetime, tz: tzinfo
) -> list[Breach]:
    """What the rota of these people breaks as it is, from ``since`` on, by person and rule."""
    start = start_of_day(since.astimezone(tz).date() - ONE_DAY, tz=tz)
    tried = start, start + TRIED_FOR
    seen = tried[0] - LOOK_BACK, tried[1] + LOOK_ON
    work = _work_of(session, people, seen, (), tz)
    agreed = opted_out(session, now.astimezone(tz).date())
    off = excluded_days(session, *seen, tz=tz)
    return [
        breach
        for who in sorted(people)
        for breach in rest_breaches(
            work[who], *tried, staff_id=who, tz=tz, has_opted_out=who in agreed,
            works_since=works_since(session, who).get(who), excluded=off.get(who, ()),
        )
    ]  # fmt: skip


def _breaches_in(
    session: Session, proposed: Collection[Proposal], people: Collection[int], tried: Span, *,
    since: date, now: datetime, tz: tzinfo,
) -> list[Breach]:  # fmt: skip
    seen = tried[0] - LOOK_BACK, tried[1] + LOOK_ON
    held = _work_of(session, people, seen, (), tz)
    more = _work_of(session, people, seen, proposed, tz)
    agreed = opted_out(session, now.astimezone(tz).date())
    off = excluded_days(session, *seen, tz=tz)
    found: list[Breach] = []
    for who in sorted(people):
        begun = works_since(session, who).get(who)
        before, after = (
            rest_breaches(
                work[who], *tried, staff_id=who, tz=tz, has_opted_out=who in agreed,
                works_since=begins, excluded=off.get(who, ()),
            )
            for work, begins in ((held, begun), (more, min(begun or since, since)))
        )  # fmt: skip
        already = set(before)
        found += [breach for breach in after if breach not in already]
    return found


def _work_of(
    session: Session, people: Collection[int], seen: Span, proposed: Collection[Proposal],
    tz: tzinfo,
) -> dict[int, list[Work]]:  # fmt: skip
    """What each of these people works that meets a range, in order."""
    shifts, _ = resolve(
        session, *seen, tz=tz, duty=Duty.COUNSELLING, proposed=proposed, only=people
    )
    found: dict[int, list[Work]] = {staff_id: [] for staff_id in people}
    for shift in shifts:
        if shift.staff_id is not None:
            found[shift.staff_id].append(shift)
    return found


def in_words(
    session: Session, breaches: Sequence[Breach], *, tz: tzinfo, with_names: bool = False
) -> list[str]:
    """Breaches for people; each with whose it is if asked, or where they are several people's."""
    who = {breach.staff_id for breach in breaches}
    names = {staff_id: session.get_one(Staff, staff_id).name for staff_id in who}
    return [
        f"{names[breach.staff_id]}: {breach_in_words(breach, tz=tz)}"
        if with_names or len(who) > 1
        else breach_in_words(breach, tz=tz)
        for breach in breaches
    ]


@edits("rota.change_made")
@allowed(Action.EDIT_ROTA)
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
    allow_all(session, breaches, begins, ends, reason=reason, actor_id=actor_id, now=now)
    return row


@allowed(Action.WORK_OWN_SHIFTS, by="staff_id")
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


def allow_line(
    session: Session, breaches: list[Breach], line: Line, *,
    reason: str | None, actor_id: int | None, now: datetime, tz: tzinfo,
) -> None:  # fmt: skip
    """Allow what a new line breaks for as long as it goes on; RestBroken without a reason."""
    begins = start_of_day(line.from_on - ONE_DAY, tz=tz)
    until = line.until_on
    ends = None if until is None else start_of_day(until + 2 * ONE_DAY, tz=tz)
    allow_all(session, breaches, begins, ends, reason=reason, actor_id=actor_id, now=now)


def allow_all(
    session: Session, breaches: list[Breach], begins: datetime, ends: datetime | None, *,
    reason: str | None, actor_id: int | None, now: datetime,
) -> None:  # fmt: skip
    """Allow breaches of something that holds over ``[begins, ends)``, by person and rule.

    Raises RestBroken where there are any and no reason is given.
    """
    if not breaches:
        return
    if reason is None:
        raise RestBroken(breaches)
    for staff_id, rule in sorted({(one.staff_id, one.rule) for one in breaches}):
        starts = [one.start for one in breaches if (one.staff_id, one.rule) == (staff_id, rule)]
        until = None if ends is None else max(ends, max(starts) + ONE_DAY)
        allow(
            session, staff_id, rule, min(*starts, begins), until,
            reason=reason, actor_id=actor_id, now=now,
        )  # fmt: skip


@allowed(Action.EDIT_PEOPLE)
def allow_breach(
    session: Session, staff_id: int, rule: Rule, starts_at: datetime, ends_at: datetime, *,
    reason: str, actor_id: int | None, now: datetime,
) -> None:  # fmt: skip
    """Record that one person's breach of a rule in ``[starts_at, ends_at)`` is allowed, and why."""
    if session.get(Staff, staff_id) is None:
        raise NotFound("There is no such person.")
    if not starts_at < ends_at <= now + FURTHEST_DATE:
        raise BadInput("That is no time on the rota.")
    allow(session, staff_id, rule, starts_at, ends_at, reason=reason, actor_id=actor_id, now=now)
