"""Cover: how many are on shift and how many are needed, and stating what is needed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, tzinfo
from typing import NamedTuple

from sqlalchemy.orm import Session

from callback_service.domain import cover as domain
from callback_service.domain.cover import (
    AppliesOn,
    Requirement,
    Stretch,
    gaps,
    new_gaps,
    step_edges,
    worst_moments,
)
from callback_service.domain.cover_by_skill import (
    Row,
    SkillNeed,
    cover_by_skill,
    cut_by_need,
    with_skills,
)
from callback_service.domain.cover_week import Week, week_grid
from callback_service.domain.cover_words import gap_in_words
from callback_service.domain.rota import Duty, Shift
from callback_service.domain.skills import Skill
from callback_service.domain.wall_time import (
    ONE_DAY,
    WEEK,
    start_of_day,
)
from callback_service.gateways.bank_holidays import bank_holidays
from callback_service.services.cover_requirements import load_requirements
from callback_service.services.rota import Proposal, resolve, zulu
from callback_service.services.staff_skills import skills_of_staff

LOOK_AHEAD = timedelta(days=28)


def cover_between(
    session: Session,
    start: datetime,
    end: datetime,
    *,
    tz: tzinfo,
    step: timedelta | None = None,
    duty: Duty = Duty.COUNSELLING,
    proposed: Collection[Proposal] = (),
) -> list[Stretch]:
    """Cover over ``[start, end)``: a row per stretch in which nothing changes, or per ``step``.

    A duty lead is needed at every minute; requirements are for counselling. What is
    ``proposed`` for the rota counts as if it were stored.
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


def _facts(
    session: Session,
    start: datetime,
    end: datetime,
    tz: tzinfo,
    duty: Duty,
    proposed: Collection[Proposal],
) -> tuple[list[Shift], list[Requirement]]:
    shifts, _ = resolve(session, start, end, tz=tz, duty=duty, proposed=proposed)
    return shifts, _needs_between(session, start, end, tz) if duty is Duty.COUNSELLING else []


class Cover(NamedTuple):
    """Cover over one range, of the headcount and of each skill that something is stated for."""

    stretches: list[Stretch]
    by_skill: dict[Skill, list[Stretch]]

    def of_each(self) -> list[tuple[Skill | None, list[Stretch]]]:
        """The headcount, as None, and then each skill."""
        return [(None, self.stretches), *self.by_skill.items()]


def whole_cover(
    session: Session,
    start: datetime,
    end: datetime,
    *,
    tz: tzinfo,
    proposed: Collection[Proposal] = (),
    duty: Duty = Duty.COUNSELLING,
) -> Cover:
    """Cover over ``[start, end)`` by headcount and by skill; for a duty lead no skill is needed."""
    shifts, needs = _facts(session, start, end, tz, duty, proposed)
    skills = skills_of_staff(session) if any(need.skill for need in needs) else {}
    return Cover(
        domain.cover(shifts, needs, start, end, tz=tz, duty=duty),
        cover_by_skill(shifts, needs, skills, start, end, tz=tz),
    )


def cover_rows(
    session: Session,
    start: datetime,
    end: datetime,
    *,
    tz: tzinfo,
    step: timedelta | None = None,
) -> list[Row]:
    """Cover with the skills that are needed: a row where nothing changes, or per ``step``."""
    found = whole_cover(session, start, end, tz=tz)
    if step is None:
        return with_skills(cut_by_need(found.stretches, found.by_skill), found.by_skill)
    return with_skills(worst_moments(found.stretches, step_edges(start, end, step)), found.by_skill)


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


def week_of_cover(session: Session, monday: date, *, tz: tzinfo) -> tuple[Week, Cover]:
    """The seven days from ``monday`` by hour of the clock, for the page; and all their cover."""
    start, end = start_of_day(monday, tz=tz), start_of_day(monday + WEEK, tz=tz)
    found = whole_cover(session, start, end, tz=tz)
    return week_grid(found.stretches, monday, tz=tz), found


def gaps_in_words(
    session: Session, start: datetime, end: datetime, *, tz: tzinfo, duty: Duty = Duty.COUNSELLING
) -> list[str]:
    """Each gap in ``[start, end)`` in words, in order, with how many are on shift and needed.

    Those of people come first, those of skills follow.
    """
    found = whole_cover(session, start, end, tz=tz, duty=duty)
    return [
        gap_in_words(gap, tz=tz, skill=skill)
        for skill, stretches in found.of_each()
        for gap in gaps(stretches)
    ]


def new_gaps_in_words(before: Cover, after: Cover, *, tz: tzinfo) -> list[str]:
    """Where ``after`` is shorter than ``before``, of people or of a skill, in words.

    Both must be of the same range. Two answers of ``whole_cover``: without a proposal and with it.
    """
    return [
        gap_in_words(gap, tz=tz, skill=skill)
        for skill, stretches in after.of_each()
        for gap in _new_gaps(before.by_skill.get(skill) if skill else before.stretches, stretches)
    ]


def _new_gaps(before: list[Stretch] | None, after: list[Stretch]) -> list[Stretch]:
    return gaps(after) if before is None else new_gaps(before, after)


def cover_as_json(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Cover in the shape other systems rely on: the design's contract for ``rota cover``.

    A row says ``skills`` only where one is needed.
    """
    return [_row_as_json(*row) for row in rows]


def _row_as_json(stretch: Stretch, skills: Sequence[SkillNeed]) -> dict[str, object]:
    row: dict[str, object] = {
        "start": zulu(stretch.start),
        "end": zulu(stretch.end),
        "required": stretch.required,
        "on_shift": stretch.on_shift,
        "short": stretch.short,
    }
    if skills:
        row["skills"] = [
            {
                "skill": str(need.skill),
                "required": need.required,
                "on_shift": need.on_shift,
                "short": need.short,
            }
            for need in skills
        ]
    return row
