"""How many are needed: the requirements as they are kept, and changing them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, tzinfo

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.cover import AppliesOn, Requirement
from callback_service.domain.cover_words import requirement_in_words
from callback_service.domain.languages import is_english
from callback_service.domain.policy import Action
from callback_service.domain.skills import Skill, SkillKind, parse_skill
from callback_service.domain.wall_time import (
    EVERY_DAY,
    ONE_DAY,
    mask_from_weekdays,
    weekdays_from_mask,
)
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.rota import CoverRequirement
from callback_service.services import audit
from callback_service.services.permission import allowed
from callback_service.services.rota_edits import edits
from callback_service.services.shift_patterns import check_dates

#: More people at once than any helpline has desks for; keeps a slip of the finger out.
MOST_NEEDED = 500


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
        skill=parse_skill(row.skill) if row.skill else None,
    )


@edits("cover.requirement_added")
@allowed(Action.EDIT_COVER)
def add_requirement(
    session: Session, requirement: Requirement, *, actor_id: int | None, now: datetime
) -> CoverRequirement:
    """State how many are needed, or how many with a skill. Refuses what cannot be meant, and
    saying it twice.

    One for dates without a last day is for its first day alone.
    """
    requirement = _complete(requirement)
    check_dates(requirement.from_on, requirement.until_on, now=now)
    if not 1 <= requirement.needed <= MOST_NEEDED:
        sentence = f"Enter a number from 1 to {MOST_NEEDED}."
        raise BadInput(sentence, {"needed": sentence})
    _refuse_english(requirement.skill)
    mask = mask_from_weekdays(requirement.weekdays)
    _refuse_same_times(session, requirement, mask)
    row = CoverRequirement(
        id=requirement.id,  # None but for one that is put back
        applies_on=requirement.applies_on,
        weekdays=mask,
        starts=requirement.start,
        ends=requirement.end,
        needed=requirement.needed,
        skill=str(requirement.skill or ""),
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


def _refuse_english(skill: Skill | None) -> None:
    if skill and skill.kind is SkillKind.LANGUAGE and is_english(skill.value):
        sentence = "Everybody here speaks English: that need not be stated."
        raise BadInput(sentence, {"skill": sentence})


def _refuse_same_times(session: Session, requirement: Requirement, mask: int) -> None:
    same = session.scalar(
        select(CoverRequirement.needed).where(
            CoverRequirement.applies_on == requirement.applies_on,
            CoverRequirement.weekdays == mask,
            CoverRequirement.starts == requirement.start,
            CoverRequirement.ends == requirement.end,
            CoverRequirement.skill == str(requirement.skill or ""),
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


@edits("cover.requirement_removed")
@allowed(Action.EDIT_COVER)
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


@allowed(Action.EDIT_COVER)
def end_from_now(
    session: Session, requirement_id: int, *, actor_id: int | None, now: datetime, tz: tzinfo
) -> None:
    """Let a requirement hold no longer from today on; nothing to do where it does not."""
    row = session.get(CoverRequirement, requirement_id, with_for_update=True)
    if row is not None and (row.until_on is None or row.until_on >= now.astimezone(tz).date()):
        remove_requirement(session, requirement_id, actor_id=actor_id, now=now, tz=tz)


@allowed(Action.EDIT_COVER)
def put_back(
    session: Session, before: CoverRequirement, *, actor_id: int | None, now: datetime, tz: tzinfo
) -> None:
    """Let a requirement that was removed hold as it did ``before``, from today on.

    Refuses what stating it would refuse. Nothing to do where it was over.
    """
    first_on = max(before.from_on, now.astimezone(tz).date())
    if before.until_on is not None and before.until_on < first_on:
        return
    row = session.get(CoverRequirement, before.id)
    need = replace(requirement_of(before), from_on=first_on)
    if row is None or row.until_on != first_on - ONE_DAY or not _same_but_end(row, before):
        new_id = before.id if row is None else None
        again = add_requirement(session, replace(need, id=new_id), actor_id=actor_id, now=now)
        if row is None:
            again.created_by_id, again.created_at = before.created_by_id, before.created_at
        return
    _refuse_same_times(session, need, before.weekdays)
    row.until_on = before.until_on
    session.flush()
    _changed(session, "cover.requirement_put_back", row, actor_id=actor_id, now=now)


def _same_but_end(row: CoverRequirement, other: CoverRequirement) -> bool:
    """Whether both are one requirement, but for its last day."""
    return replace(requirement_of(row), until_on=None) == replace(
        requirement_of(other), until_on=None
    )


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
        skill=row.skill,
        requirement=requirement_in_words(requirement_of(row)),
    )
