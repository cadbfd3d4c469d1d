"""Cover: how many are on shift and how many are needed, and stating what is needed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, tzinfo

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain import cover as domain
from callback_service.domain.cover import (
    AppliesOn,
    Requirement,
    Stretch,
    Week,
    gap_in_words,
    gaps,
    requirement_in_words,
    week_grid,
)
from callback_service.domain.rota import Duty, Shift
from callback_service.domain.rota_changes import Change
from callback_service.domain.wall_time import (
    EVERY_DAY,
    ONE_DAY,
    WEEK,
    mask_from_weekdays,
    start_of_day,
    weekdays_from_mask,
)
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.gateways.bank_holidays import bank_holidays
from callback_service.models.rota import CoverRequirement
from callback_service.services import audit
from callback_service.services.rota import resolve, zulu
from callback_service.services.shift_patterns import check_dates

#: More people at once than any helpline has desks for; keeps a slip of the finger out.
MOST_NEEDED = 500
LOOK_AHEAD = timedelta(days=28)


def cover_between(
    session: Session,
    start: datetime,
    end: datetime,
    *,
    tz: tzinfo,
    step: timedelta | None = None,
    duty: Duty = Duty.COUNSELLING,
    proposed: Collection[Change] = (),
) -> list[Stretch]:
    """Cover over ``[start, end)``: a row per stretch in which nothing changes, or per ``step``.

    A duty lead is needed at every minute; requirements are for counselling. ``proposed`` changes
    of the rota count as if they were stored.
    """
    shifts, _ = resolve(session, start, end, tz=tz, duty=duty, proposed=proposed)
    return cover_of(session, shifts, start, end, tz=tz, step=step, duty=duty)


def cover_of(
    session: Session,
    shifts: Iterable[Shift],
    start: datetime,
    end: datetime,
    *,
    tz: tzinfo,
    step: timedelta | None = None,
    duty: Duty = Duty.COUNSELLING,
) -> list[Stretch]:
    """Cover by ``shifts`` that were resolved already: see ``cover_between``."""
    needs = _needs_between(session, start, end, tz) if duty is Duty.COUNSELLING else []
    if step is None:
        return domain.cover(shifts, needs, start, end, tz=tz, duty=duty)
    return domain.cover_by_step(shifts, needs, start, end, tz=tz, step=step, duty=duty)


def _needs_between(
    session: Session, start: datetime, end: datetime, tz: tzinfo
) -> list[Requirement]:
    """The stated requirements, told which days of the range (and around it) are bank holidays."""
    first, last = start.astimezone(tz).date() - 2 * ONE_DAY, end.astimezone(tz).date() + ONE_DAY
    days = frozenset(bank_holidays(first, last))
    return [
        replace(need, bank_holidays=days) if need.applies_on is AppliesOn.BANK_HOLIDAYS else need
        for need in load_requirements(session)
    ]


def week_of_cover(session: Session, monday: date, *, tz: tzinfo) -> Week:
    """The seven days from ``monday`` by hour of the clock, for the page."""
    start, end = start_of_day(monday, tz=tz), start_of_day(monday + WEEK, tz=tz)
    return week_grid(cover_between(session, start, end, tz=tz), monday, tz=tz)


def gaps_in_words(
    session: Session, start: datetime, end: datetime, *, tz: tzinfo, duty: Duty = Duty.COUNSELLING
) -> list[str]:
    """Each gap in ``[start, end)`` in words, in order, with how many are on shift and needed."""
    stretches = cover_between(session, start, end, tz=tz, duty=duty)
    return [gap_in_words(gap, tz=tz) for gap in gaps(stretches)]


def gaps_ahead(
    session: Session, *, now: datetime, tz: tzinfo, ahead: timedelta = LOOK_AHEAD
) -> list[str]:
    """The gaps from ``now`` on, four weeks unless told, in words."""
    return gaps_in_words(session, now, now + ahead, tz=tz)


def load_requirements(session: Session, *, from_day: date | None = None) -> list[Requirement]:
    """The stated requirements, in order of time, without those that ended before ``from_day``."""
    stated = select(CoverRequirement).order_by(
        CoverRequirement.applies_on.desc(),  # the letters put the weekly ones first
        CoverRequirement.starts,
        CoverRequirement.weekdays,
        CoverRequirement.id,
    )
    if from_day is not None:
        stated = stated.where(
            or_(CoverRequirement.until_on.is_(None), CoverRequirement.until_on >= from_day)
        )
    return [requirement_of(row) for row in session.scalars(stated)]


def requirement_of(row: CoverRequirement) -> Requirement:
    """The stored requirement as the domain knows it."""
    return Requirement(
        id=row.id,
        weekdays=weekdays_from_mask(row.weekdays),
        start=row.starts,
        end=row.ends,
        needed=row.needed,
        from_on=row.from_on,
        until_on=row.until_on,
        applies_on=row.applies_on,
    )


def add_requirement(
    session: Session, requirement: Requirement, *, actor_id: int | None, now: datetime
) -> CoverRequirement:
    """State how many are needed. Refuses what cannot be meant, and saying it twice.

    One for dates without a last day is for its first day alone.
    """
    requirement = _complete(requirement)
    check_dates(requirement.from_on, requirement.until_on, now=now)
    if not 1 <= requirement.needed <= MOST_NEEDED:
        sentence = f"Enter a number from 1 to {MOST_NEEDED}."
        raise BadInput(sentence, {"needed": sentence})
    mask = mask_from_weekdays(requirement.weekdays)
    _refuse_same_times(session, requirement, mask)
    row = CoverRequirement(
        applies_on=requirement.applies_on,
        weekdays=mask,
        starts=requirement.start,
        ends=requirement.end,
        needed=requirement.needed,
        from_on=requirement.from_on,
        until_on=requirement.until_on,
        created_by_id=actor_id,
        created_at=now,
    )
    session.add(row)
    try:
        session.flush()
    except IntegrityError as error:  # another manager stated the same meanwhile
        raise Refused("These days and times already have a requirement.") from error
    _changed(session, "cover.requirement_added", row, actor_id=actor_id, now=now)
    return row


def _complete(requirement: Requirement) -> Requirement:
    """The requirement without what it does not look at."""
    if requirement.applies_on is AppliesOn.WEEKDAYS:
        return requirement
    last = requirement.until_on
    if requirement.applies_on is AppliesOn.DATES and last is None:
        last = requirement.from_on
    return replace(requirement, weekdays=EVERY_DAY, until_on=last)


def _refuse_same_times(session: Session, requirement: Requirement, mask: int) -> None:
    same = session.scalar(
        select(CoverRequirement.needed).where(
            CoverRequirement.applies_on == requirement.applies_on,
            CoverRequirement.weekdays == mask,
            CoverRequirement.starts == requirement.start,
            CoverRequirement.ends == requirement.end,
            or_(
                CoverRequirement.until_on.is_(None),
                CoverRequirement.until_on >= requirement.from_on,
            ),
            *([CoverRequirement.from_on <= requirement.until_on] if requirement.until_on else []),
        )
    )
    if same is not None:
        raise Refused(
            f"These days and times already have a requirement, of {same}. Remove that one first."
        )


def remove_requirement(
    session: Session, requirement_id: int, *, actor_id: int | None, now: datetime, tz: tzinfo
) -> None:
    """Let a requirement hold no longer from today on; what was needed before stays on record."""
    row = session.get(CoverRequirement, requirement_id, with_for_update=True)
    yesterday = now.astimezone(tz).date() - ONE_DAY
    if row is None or (row.until_on is not None and row.until_on <= yesterday):
        raise NotFound("That requirement has already been removed.")
    _changed(session, "cover.requirement_removed", row, actor_id=actor_id, now=now)
    if row.from_on > yesterday:
        session.delete(row)
    else:
        row.until_on = yesterday
    session.flush()


def _changed(
    session: Session, action: str, row: CoverRequirement, *, actor_id: int | None, now: datetime
) -> None:
    audit.record(
        session,
        action,
        subject=CoverRequirement.__tablename__,
        subject_id=row.id,
        actor_id=actor_id,
        now=now,
        needed=row.needed,
        requirement=requirement_in_words(requirement_of(row)),
    )


def cover_as_json(stretches: Sequence[Stretch]) -> list[dict[str, object]]:
    """Cover in the shape other systems rely on: the design's contract for ``rota cover``."""
    return [
        {
            "start": zulu(stretch.start),
            "end": zulu(stretch.end),
            "required": stretch.required,
            "on_shift": stretch.on_shift,
            "short": stretch.short,
        }
        for stretch in stretches
    ]
