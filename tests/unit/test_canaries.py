"""The search for canaries finds them, whatever they were written as."""

from __future__ import annotations

import json

import pytest

from tests.support.canaries import Aviary


@pytest.fixture
def aviary() -> Aviary:
    birds = Aviary()
    birds.add_phone("phone", "741")
    birds.add("note", 'Zoë said: "ring the <blue> door"')
    birds.add_code("code", "123456")
    return birds


@pytest.mark.parametrize(
    "content",
    [
        "tel:+447700900741", "07700 900741", "7700-900741 or 07700-900741", "q=%2B447700900741",
        b"\x00\x01+447700900741\xff".decode("latin-1"), "\\x" + b"07700900741".hex(),
    ],
)  # fmt: skip
def test_finds_a_number_in_every_shape(aviary: Aviary, content: str) -> None:
    assert aviary.found_in(content) == ["phone"]


@pytest.mark.parametrize(
    "content",
    [
        'Zoë said: "ring the <blue> door"',
        "<p>Zoë said: &#34;ring the &lt;blue&gt; door&#34;</p>".replace("&#34;", "&quot;"),
        json.dumps({"note": 'Zoë said: "ring the <blue> door"'}),
        "note=Zo%C3%AB+said%3A+%22ring+the+%3Cblue%3E+door%22",
    ],
)
def test_finds_words_in_every_shape(aviary: Aviary, content: str) -> None:
    assert aviary.found_in(content) == ["note"]


def test_finds_a_code_only_where_it_stands_alone(aviary: Aviary) -> None:
    assert aviary.found_in("code=123456&x") == ["code"]
    assert aviary.found_in("2026-11-25T20:00:00.123456 1123456 ab123456f") == []


def test_fails_for_a_canary_that_never_flew(aviary: Aviary) -> None:
    aviary.seen("phone", "07700 900741")
    assert aviary.never_in_play() == ["note", "code"]
    with pytest.raises(AssertionError, match="the canary note was not where it had to be"):
        aviary.seen("note", "nothing")


def test_what_may_be_in_a_place_is_not_found_there(aviary: Aviary) -> None:
    assert aviary.found_in("07700 900741", besides=("phone",)) == []
