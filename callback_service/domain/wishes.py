"""Whom a caller would like to speak with, and how long each wish holds.

A wish holds for a part of the time that was promised, then it is widened to everybody, who have the
rest of it: the same counsellor again first, a woman or a man next, a language last of all, since a
call nobody understands helps nobody. So a wish can delay a call within its promise, and never
leaves a request to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from callback_service.domain.languages import is_english, language_name, language_tag
from callback_service.domain.skills import Gender, Skill, SkillKind, has


class WishKind(StrEnum):
    """What a wish is about; in the order in which wishes are widened."""

    COUNSELLOR = "counsellor"
    GENDER = "gender"
    LANGUAGE = "language"


#: How much of the time from "not before" to "promised by" each wish holds for.
HOLDS_FOR: Final[Mapping[WishKind, float]] = {
    WishKind.COUNSELLOR: 0.5,
    WishKind.GENDER: 0.75,
    WishKind.LANGUAGE: 5 / 6,
}
#: No wish but a language holds for longer than it does in a window of two hours: it grew with the
#: promise otherwise, and the promises of all who ask later with it.
LONGEST: Final = timedelta(hours=2)
#: A language holds until this long before "promised by", if that is later: who speaks it may come
#: on shift hours after everybody else could have rung, and that is what was promised then.
LAST_CHANCE: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Wishes:
    """Whom a caller would like to speak with. ``counsellor_id`` is who spoke with them before."""

    language: str | None = None  # a BCP 47 tag; English needs no wish
    gender: Gender | None = None
    counsellor_id: int | None = None

    def kinds(self) -> list[WishKind]:
        """What is wished for, in the order in which it is widened."""
        wished = {
            WishKind.COUNSELLOR: self.counsellor_id,
            WishKind.GENDER: self.gender,
            WishKind.LANGUAGE: self.language,
        }
        return [kind for kind in WishKind if wished[kind] is not None]

    def or_else(self, other: Wishes) -> Wishes:
        """These wishes, and those of ``other`` where nothing is wished for here."""
        return Wishes(
            self.language or other.language,
            self.gender or other.gender,
            self.counsellor_id or other.counsellor_id,
        )

    def need_of(self, kind: WishKind) -> str:
        """One wish as the plan knows it: "language:pl", "gender:woman", "counsellor:12"."""
        if kind is WishKind.COUNSELLOR:
            return f"{kind}:{self.counsellor_id}"
        return str(skill_wished(self, kind))


NO_WISHES: Final = Wishes()


def skill_wished(wishes: Wishes, kind: WishKind) -> Skill:
    """The skill that a wish for a language or a gender is for."""
    if kind is WishKind.LANGUAGE:
        return Skill(SkillKind.LANGUAGE, wishes.language or "")
    return Skill(SkillKind.GENDER, str(wishes.gender))


def read_wishes(language: str | None, gender: str | None) -> Wishes:
    """The wishes of what was typed or sent; ValueError for a language or gender we do not know."""
    tag = language_tag(language) if language else None
    known = None if tag is None or is_english(tag) else tag
    return Wishes(known, Gender(gender) if gender else None)


def is_held_back_by(newcomer: Wishes, older: Wishes) -> bool:
    """Whether a newcomer may be promised no time before an older open promise.

    Not by one that waits for a language the newcomer does without: it can be hours away until
    somebody who speaks it is on shift, and would put off everybody else for as long.
    """
    return older.language in {None, newcomer.language}


class Step(NamedTuple):
    """From ``since`` on, whoever meets ``needs`` may ring."""

    needs: frozenset[str]
    since: datetime


def widened_at(kind: WishKind, *, ring_from: datetime, due_at: datetime) -> datetime:
    """When a wish of this kind is widened to everybody, who still have time to keep the promise."""
    promised = due_at - ring_from
    if kind is WishKind.LANGUAGE:
        return max(ring_from + HOLDS_FOR[kind] * promised, due_at - LAST_CHANCE)
    return ring_from + HOLDS_FOR[kind] * min(promised, LONGEST)


def steps(wishes: Wishes, *, ring_from: datetime, due_at: datetime) -> list[Step]:
    """What is asked of the counsellor from when on: all wishes first, none at the end."""
    kinds = wishes.kinds()
    found = [Step(_needs(wishes, kinds), ring_from)]
    for place, kind in enumerate(kinds):
        since = widened_at(kind, ring_from=ring_from, due_at=due_at)
        found.append(Step(_needs(wishes, kinds[place + 1 :]), since))
    return found


def _needs(wishes: Wishes, kinds: Iterable[WishKind]) -> frozenset[str]:
    return frozenset(wishes.need_of(kind) for kind in kinds)


def may_ring_from(found: Sequence[Step], skills: Iterable[frozenset[str]]) -> datetime:
    """When the first of some counsellors, given what each can do, may ring by these steps."""
    known = list(skills)
    able = (step.since for step in found if any(step.needs <= own for own in known))
    return next(able, found[-1].since)


def in_force(found: Sequence[Step], *, now: datetime) -> list[Step]:
    """The step that holds at ``now``, and those that follow."""
    begun = sum(step.since <= now for step in found)
    return list(found[max(begun - 1, 0) :])


def asked_until(found: Sequence[Step], need: str) -> datetime | None:
    """When these steps stop to ask for a need; None if they never do."""
    return next((step.since for step in found if need not in step.needs), None)


def meets(need: str, *, staff_id: int, skills: frozenset[Skill]) -> bool:
    """Whether somebody meets one need of a plan."""
    kind, _, value = need.partition(":")
    if kind == WishKind.COUNSELLOR:
        return value == str(staff_id)
    return has(skills, Skill(SkillKind(kind), value))


def in_words(wishes: Wishes, kind: WishKind, *, counsellor: str | None = None) -> str:
    """One wish after "Asked for": "a woman", "somebody who speaks Polish", "Amira Khan"."""
    if kind is WishKind.LANGUAGE:
        return f"somebody who speaks {language_name(wishes.language or '')}"
    if kind is WishKind.GENDER:
        return f"a {wishes.gender}"
    return counsellor or "the counsellor they spoke with"
