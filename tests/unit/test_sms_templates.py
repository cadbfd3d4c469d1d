"""Every text we may send: short enough for one segment, and silent about who we are."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from jinja2 import Environment, UndefinedError, meta

from callback_service.domain.auditing import FindingKind
from callback_service.domain.contact import Window
from callback_service.domain.escalation import Reason
from callback_service.domain.languages import ENGLISH, NAMES
from callback_service.domain.told import VOICES, Told, forbidden_words, spoken
from callback_service.domain.wording import GSM_BASIC, segments, time_spoken, window_spoken
from callback_service.models.outbox import FOR_CALLERS, TextKind
from callback_service.services import account_events, auditor, escalation, text_wording
from callback_service.services.text_wording import FOLDER, TEMPLATES, wording

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
FILES: Final = sorted(FOLDER.glob("*/*"))
#: Every text there is: each kind in English, those to callers in every language.
TEXTS: Final = [
    (kind, language)
    for kind in TextKind
    for language in VOICES
    if language == ENGLISH or kind in FOR_CALLERS
]
EVERY_TEXT = pytest.mark.parametrize(("kind", "language"), TEXTS, ids=str)
#: What a text may be told: times, who is missing, a reason of ours and a reference. No name and
#: no number.
FACTS: Final = {"when", "whom", "what", "reason", "reference", "shows_number"}


def times() -> list[Told]:
    """Times of every length: today and in a year, on the hour and not, across midnight."""
    starts = [
        (NOW + timedelta(days=day)).replace(hour=hour, minute=minute)
        for day in range(366)
        for hour, minute in ((9, 0), (10, 55), (11, 0), (21, 35), (22, 0), (23, 0))
    ]
    return [
        told
        for start in starts
        for told in (
            Told.between(Window(start, start + timedelta(hours=2))),
            Told.by(start),
            Told.at(start),
        )
    ]


def longest_and_shortest(language: str) -> tuple[str, str]:
    """The times with the most and the fewest letters."""
    said = [spoken(told, language=language, now=NOW, tz=LONDON) for told in times()]
    return max(said, key=len), min(said, key=len)


LONG_AND_SHORT: Final = {language: longest_and_shortest(language) for language in VOICES}


def bodies(kind: TextKind, language: str) -> list[str]:
    """The text with long facts and with short ones."""
    return [
        wording(kind, language=language, **facts(kind, when)) for when in LONG_AND_SHORT[language]
    ]


def facts(kind: TextKind, when: str) -> dict[str, str]:
    """What a kind of text is told; the longest there is of all but the time."""
    staff = {
        TextKind.ESCALATION: {
            "reason": max(escalation._REASONS.values(), key=len),
            "reference": "MMMMMMMM",
        },
        TextKind.GAP: {
            "whom": f"somebody who speaks {max(NAMES.values(), key=len)}",
            "when": "at 999 times, first on Wednesday 23 September from 11:55am",
        },
        TextKind.OFFER: {
            "when": time_spoken(datetime(2026, 9, 23, 11, 55, tzinfo=UTC), now=NOW, tz=LONDON)
        },
        TextKind.AUDIT: {
            "reason": max((auditor.said(kind, others=999) for kind in FindingKind), key=len),
            "reference": "MMMMMMMM",
        },
        TextKind.ACCOUNT: {"what": max(account_events.TEXTED.values(), key=len)},
    }
    if kind in staff:
        return staff[kind]
    told = (TextKind.CONFIRMATION, TextKind.CHANGE, TextKind.REMINDER, TextKind.MISSED)
    return {"when": when} if kind in told else {}


def test_no_day_of_the_year_is_longer_than_the_longest_these_tests_use() -> None:
    longest, _ = LONG_AND_SHORT[ENGLISH]
    year = (NOW + timedelta(days=2 + day) for day in range(365))
    said = (window_spoken(Window(at, at), now=NOW, tz=LONDON) for at in year)
    assert max(len(text.partition(" between")[0]) for text in said) == len(
        longest.partition(" between")[0]
    )


@EVERY_TEXT
def test_a_text_is_one_segment_of_the_gsm_alphabet(kind: TextKind, language: str) -> None:
    for body in bodies(kind, language):
        assert segments(body) == 1
        assert segments(body + "é" * (160 - len(body))) == 1, "not of the GSM alphabet"


@pytest.mark.parametrize("kind", [TextKind.CONFIRMATION, TextKind.REMINDER])
def test_a_text_says_what_the_call_shows_in_one_segment(
    monkeypatch: pytest.MonkeyPatch, kind: TextKind
) -> None:
    assert all(body.endswith("show as No caller ID.") for body in bodies(kind, ENGLISH))
    monkeypatch.setitem(text_wording._WORDINGS.globals, "shows_number", True)
    told = bodies(kind, ENGLISH)
    assert all(body.endswith("No caller ID or an unknown number.") for body in told)
    assert [segments(body) for language in VOICES for body in bodies(kind, language)] == [
        1
    ] * 2 * len(VOICES)


@EVERY_TEXT
def test_a_text_does_not_say_who_we_are(kind: TextKind, language: str) -> None:
    for body in bodies(kind, language):
        assert forbidden_words(body, language=language, also=("Callback",)) == []


def test_the_lint_finds_words_of_its_own_language() -> None:
    assert forbidden_words("Eich galwad am gyffuriau", language="cy") == ["gyffur"]
    assert forbidden_words("Your call about drugs", language="cy") == ["drug"]


def test_no_language_gives_a_caller_away_or_leaves_the_gsm_alphabet() -> None:
    names = " ".join(NAMES.values())
    assert forbidden_words(names, language=ENGLISH) == []
    assert set(names) <= GSM_BASIC


@EVERY_TEXT
def test_a_text_has_one_line_and_no_blank_to_fill_left(kind: TextKind, language: str) -> None:
    for body in bodies(kind, language):
        assert body == " ".join(body.split())
        assert not re.search(r"[{}<>]|None|undefined", body)


@pytest.mark.parametrize(
    ("kind", "language"), [(kind, language) for kind, language in TEXTS if facts(kind, "x")]
)
def test_a_text_without_its_facts_is_not_written(kind: TextKind, language: str) -> None:
    with pytest.raises(UndefinedError):
        wording(kind, language=language)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_template_holds_no_link_no_name_and_no_number(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert forbidden_words(source, language=path.parent.name) == []
    assert not re.search(r"://|\bwww|\.[a-z]{2,}/|\d{3}", source, re.IGNORECASE)
    assert meta.find_undeclared_variables(Environment().parse(source)) <= FACTS  # noqa: S701


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_template_asks_for_a_reply_that_the_gateway_takes_for_an_opt_out(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert not re.search(r"\b(STOP|CANCEL|END|QUIT|YES|START|UNSTOP|REVOKE)\b|reply", source)


def test_every_kind_of_text_has_its_template_in_each_of_its_languages() -> None:
    names = {f"{path.parent.name}/{path.name}" for path in FILES}
    assert {f"{language}/{TEMPLATES[kind]}.txt" for kind, language in TEXTS} <= names
    assert set(TEMPLATES) == set(TextKind)
    assert all(re.fullmatch(r"[a-z]{2}/[a-z_]+\.v\d+\.txt", name) for name in names)
    assert {path.parent.name for path in FILES} == set(VOICES)


@pytest.mark.parametrize("what", account_events.TEXTED.values())
def test_no_news_of_an_account_says_who_we_are(what: str) -> None:
    body = wording(TextKind.ACCOUNT, what=what)
    assert forbidden_words(body, language=ENGLISH, also=("Callback",)) == []
    assert segments(body) == 1


def test_every_reason_of_an_escalation_has_its_words() -> None:
    assert set(escalation._REASONS) == set(Reason)
