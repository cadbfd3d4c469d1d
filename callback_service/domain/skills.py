"""What staff can do that not everybody can: languages, skills, and being a woman or a man.

Cover counts people by it, and requests may wish for it. A gender is what the counsellor wishes to
be known as by callers who ask; nobody has to have one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from callback_service.domain.languages import is_english, language_name, language_tag


class SkillKind(StrEnum):
    """What kind of thing a skill is."""

    LANGUAGE = "language"
    SKILL = "skill"
    GENDER = "gender"


class Gender(StrEnum):
    """What a caller may ask a counsellor to be."""

    WOMAN = "woman"
    MAN = "man"


class Skill(NamedTuple):
    """One thing that somebody can do or is. Make one with ``skill``, which checks its value."""

    kind: SkillKind
    value: str

    def __str__(self) -> str:
        """As it is stored and sent: "language:cy", "skill:family", "gender:woman"."""
        return f"{self.kind.value}:{self.value}"


#: What each member of staff has, by id. Who has nothing may be left out; English is not listed.
SkillsOf = Mapping[int, frozenset[Skill]]

NO_SKILLS: Final[frozenset[Skill]] = frozenset()
LONGEST_WORD: Final = 30
_WORD: Final = re.compile(r"[^\W_]+([ '-][^\W_]+)*")


def skill(kind: SkillKind, value: str) -> Skill:
    """A skill in its one form; ValueError, with a sentence fit for a page, where it is none."""
    if kind is SkillKind.LANGUAGE:
        return Skill(kind, language_tag(value))
    folded = " ".join(value.split()).lower()
    if kind is SkillKind.GENDER:
        if folded not in list(Gender):
            raise ValueError("Give woman or man, or leave it out.")
    elif len(folded) > LONGEST_WORD or not _WORD.fullmatch(folded):
        raise ValueError(
            f"A skill is a word or two of at most {LONGEST_WORD} letters, like “young people”."
        )
    return Skill(kind, folded)


def parse_skill(text: str) -> Skill:
    """The skill of its stored form, like "language:cy"; raises ValueError."""
    kind, _, value = text.partition(":")
    return skill(SkillKind(kind), value)


def kept(skills: Iterable[Skill]) -> frozenset[Skill]:
    """What is stored of ``skills``: all but English. ValueError where there are two genders."""
    result = frozenset(one for one in skills if not _is_implied(one))
    if sum(one.kind is SkillKind.GENDER for one in result) > 1:
        raise ValueError("Choose one: woman, man, or neither.")
    return result


def has(own: Collection[Skill], wanted: Skill) -> bool:
    """Whether somebody with the skills ``own`` has ``wanted``. Everybody speaks English.

    Who speaks a language speaks its every kind ("zh" for "zh-HK") and a kind is the language too:
    only kinds of one language are told apart.
    """
    return (
        _is_implied(wanted)
        or wanted in own
        or (
            wanted.kind is SkillKind.LANGUAGE
            and any(
                one.kind is SkillKind.LANGUAGE and _same(one.value, wanted.value) for one in own
            )
        )
    )


def _is_implied(one: Skill) -> bool:
    return one.kind is SkillKind.LANGUAGE and is_english(one.value)


def _same(spoken: str, wanted: str) -> bool:
    return spoken.startswith(f"{wanted}-") or wanted.startswith(f"{spoken}-")


def who_have(wanted: Skill, skills_of: SkillsOf) -> frozenset[int]:
    """The ids of those in ``skills_of`` who have ``wanted``."""
    return frozenset(staff_id for staff_id, own in skills_of.items() if has(own, wanted))


def label(one: Skill) -> str:
    """A skill in a list: "Welsh", "young people", "woman"."""
    return language_name(one.value) if one.kind is SkillKind.LANGUAGE else one.value


def in_words(one: Skill) -> str:
    """A skill said of somebody: "speaks Welsh", "is a woman", "has the skill young people"."""
    if one.kind is SkillKind.LANGUAGE:
        return f"speaks {label(one)}"
    return f"is a {one.value}" if one.kind is SkillKind.GENDER else f"has the skill {one.value}"
