"""Cover by skill: how many of those on shift speak Welsh, say, and how many have to.

The same headcount as ``domain.cover``, of fewer people, one skill at a time. Where nothing is
stated for a skill nobody needs to have it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from itertools import pairwise
from typing import NamedTuple

from callback_service.domain.cover import (
    Requirement,
    Stretch,
    in_force,
    merged,
    sweep,
    to_spare,
)
from callback_service.domain.rota import Duty, Shift
from callback_service.domain.skills import Skill, SkillsOf, who_have
from callback_service.domain.wall_time import Calendar

#: Cover by skill over one range: stretches that tile it, for each skill something is stated for.
BySkill = Mapping[Skill, Sequence[Stretch]]


def cover_by_skill(
    shifts: Iterable[Shift],
    requirements: Iterable[Requirement],
    skills_of: SkillsOf,
    start: datetime,
    end: datetime,
    *,
    tz: tzinfo,
) -> dict[Skill, list[Stretch]]:
    """Cover of counselling over ``[start, end)`` for each skill that ``requirements`` name.

    Each skill has its own order of requirements: one for dates beats one for bank holidays, and
    that one a weekly one. Naive instants raise ValueError.
    """
    needs: defaultdict[Skill, list[Requirement]] = defaultdict(list)
    for need in requirements:
        if need.skill is not None:
            needs[need.skill].append(need)
    calendar = Calendar(start, end, tz=tz)
    on_shift = [shift for shift in shifts if shift.duty is Duty.COUNSELLING] if needs else []
    found: dict[Skill, list[Stretch]] = {}
    for one in sorted(needs):
        able = who_have(one, skills_of)
        people = [
            (shift.start, shift.end, shift.staff_id)
            for shift in on_shift
            if shift.staff_id is not None and shift.staff_id in able
        ]
        required = in_force(needs[one], calendar, tz)
        found[one] = merged(sweep(people, required, start, end, default_need=0))
    return found


class SkillNeed(NamedTuple):
    """A skill that is needed over a row of cover. Figures are people."""

    skill: Skill
    required: int
    on_shift: int

    @property
    def short(self) -> int:
        """How many people with the skill are missing."""
        return max(0, self.required - self.on_shift)


class Row(NamedTuple):
    """Cover over a span: of the headcount, and of each skill that is needed then."""

    stretch: Stretch
    skills: tuple[SkillNeed, ...]


def cut_by_need(stretches: Iterable[Stretch], by_skill: BySkill) -> list[Stretch]:
    """``stretches``, cut wherever a figure of a skill that is needed there changes."""
    cuts = sorted(
        {
            at
            for own in by_skill.values()
            for stretch in own
            if stretch.required
            for at in (stretch.start, stretch.end)
        }
    )
    pieces = []
    for stretch in stretches:
        inside = cuts[bisect_right(cuts, stretch.start) : bisect_left(cuts, stretch.end)]
        edges = [stretch.start, *inside, stretch.end]
        pieces += [stretch._replace(start=start, end=end) for start, end in pairwise(edges)]
    return pieces


def with_skills(stretches: Sequence[Stretch], by_skill: BySkill) -> list[Row]:
    """A row for each of ``stretches``, with the skills that are needed during it.

    Each skill shows its worst moment of those at which it is needed, the earliest such.
    """
    columns = [list(_worst(one, own, stretches)) for one, own in by_skill.items()]
    return [
        Row(stretch, tuple(need for column in columns if (need := column[place]) is not None))
        for place, stretch in enumerate(stretches)
    ]


def _worst(
    one: Skill, own: Iterable[Stretch], stretches: Sequence[Stretch]
) -> Iterator[SkillNeed | None]:
    """The worst moment of a skill in each of ``stretches``; None where it is not needed."""
    needed = [stretch for stretch in own if stretch.required]
    at = 0
    for stretch in stretches:
        while at < len(needed) and needed[at].end <= stretch.start:
            at += 1
        ahead = at
        while ahead < len(needed) and needed[ahead].start < stretch.end:
            ahead += 1
        worst = min(needed[at:ahead], key=to_spare, default=None)
        yield SkillNeed(one, worst.required, worst.on_shift) if worst else None
