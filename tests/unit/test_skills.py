"""Languages, skills and genders: their one form, who has them, and their words."""

from __future__ import annotations

import pytest

from callback_service.domain.languages import NAMES, language_name, language_tag
from callback_service.domain.skills import (
    Skill,
    SkillKind,
    has,
    in_words,
    kept,
    parse_skill,
    skill,
    who_have,
)


@pytest.mark.parametrize(
    ("typed", "tag"),
    [
        ("cy", "cy"),
        (" CY ", "cy"),
        ("Welsh", "cy"),
        ("scottish  gaelic", "gd"),
        ("zh_hant_hk", "zh-Hant-HK"),
        ("pt-br", "pt-BR"),
        ("es-419", "es-419"),
        ("ca-valencia", "ca-valencia"),
        ("som", "som"),
    ],
)
def test_a_language_has_one_form_however_it_is_typed(typed: str, tag: str) -> None:
    assert language_tag(typed) == tag


@pytest.mark.parametrize("typed", ["", "xx", "elvish", "c", "cy,pl", "cy-", "en" * 20, "cy\x00"])
def test_what_is_no_language_is_refused_with_a_sentence(typed: str) -> None:
    with pytest.raises(ValueError, match=r"is no language we know. Give its name or its code"):
        language_tag(typed)


def test_each_name_leads_to_its_language() -> None:
    assert {tag: language_tag(name) for tag, name in NAMES.items()} == {tag: tag for tag in NAMES}
    assert sum(len(tag) == 2 for tag in NAMES) == 183


def test_a_kind_of_a_language_says_which() -> None:
    assert [language_name(tag) for tag in ("cy", "zh-HK", "som")] == [
        "Welsh",
        "Chinese (HK)",
        "som",
    ]


@pytest.mark.parametrize("word", ["", "a" * 31, "one:two", "  ", "<b>", "a--b", "one\ntwo,three"])
def test_a_skill_is_a_word_or_two(word: str) -> None:
    with pytest.raises(ValueError, match="A skill is a word or two"):
        skill(SkillKind.SKILL, word)


def test_a_skill_is_one_however_it_is_typed() -> None:
    assert str(skill(SkillKind.SKILL, " Young  People ")) == "skill:young people"
    assert str(skill(SkillKind.GENDER, "Woman")) == "gender:woman"
    with pytest.raises(ValueError, match="woman or man"):
        skill(SkillKind.GENDER, "lady")


@pytest.mark.parametrize("stored", ["language:zh-HK", "skill:young people", "gender:man"])
def test_a_skill_is_read_as_it_was_stored(stored: str) -> None:
    assert str(parse_skill(stored)) == stored


WELSH, WOMAN, MAN = (parse_skill(text) for text in ("language:cy", "gender:woman", "gender:man"))


def test_english_is_everybodys_and_is_not_kept() -> None:
    english = skill(SkillKind.LANGUAGE, "en-GB")
    assert kept([english, WELSH]) == {WELSH}
    assert has(frozenset(), english)


def test_nobody_has_two_genders() -> None:
    with pytest.raises(ValueError, match="Choose one"):
        kept([WOMAN, MAN])


def test_a_language_and_its_kinds_serve_for_each_other_but_kinds_do_not() -> None:
    chinese, hong_kong, taiwan = (
        Skill(SkillKind.LANGUAGE, tag) for tag in ("zh", "zh-HK", "zh-TW")
    )
    assert has({chinese}, hong_kong)
    assert has({hong_kong}, chinese)
    assert not has({hong_kong}, taiwan)
    assert not has({Skill(SkillKind.LANGUAGE, "cyx")}, WELSH)


def test_who_has_a_skill_is_found_by_id() -> None:
    assert who_have(WELSH, {1: frozenset({WELSH, MAN}), 2: frozenset({WOMAN})}) == {1}


def test_skills_are_said_of_somebody() -> None:
    said = [in_words(one) for one in (WELSH, WOMAN, parse_skill("skill:young people"))]
    assert said == ["speaks Welsh", "is a woman", "has the skill young people"]
