"""Everything the phone line says: in each language whole, neutral, and without a blank to fill."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from jinja2 import UndefinedError

from callback_service.domain.spoken import BUILT_IN, ENGLISH, WELSH, VoiceLanguage, digits_spoken
from callback_service.domain.told import Told, forbidden_words, heard
from callback_service.errors import SettingsError
from callback_service.gateways import twiml
from callback_service.gateways.twiml import Said
from callback_service.services.voice_words import OWN, TO_STAFF, Line, VoiceWords
from tests.rota_builders import LONDON

NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
LATER = Told.by(datetime(2026, 9, 23, 11, 55, tzinfo=UTC))
WITH_FACTS = (Line.CHOOSE, Line.READ_BACK, Line.TAKEN_NUMBER, Line.TAKEN_WITHHELD)
POLISH = VoiceLanguage("pl", "pl-PL", "Polly.Ola")
EVERYTHING = [
    (line, language)
    for language in BUILT_IN.values()
    for line in Line
    if language == ENGLISH or line not in TO_STAFF
]
every_line = pytest.mark.parametrize(
    ("line", "language"), EVERYTHING, ids=[f"{two.tag}-{one}" for one, two in EVERYTHING]
)


def said(line: Line, language: VoiceLanguage = ENGLISH) -> str:
    return VoiceWords([language]).say(line, language, **facts(line, language))


def facts(line: Line, language: VoiceLanguage) -> dict[str, str]:
    when = heard(LATER, language=language.tag, now=NOW, tz=LONDON)
    given = {"key": "1", "number": digits_spoken("+447700900982"), "when": when}
    needed = dict(zip(WITH_FACTS, ("key", "number", "when", "when"), strict=True))
    return {needed[line]: given[needed[line]]} if line in needed else {}


@every_line
def test_a_line_does_not_say_who_we_are(line: Line, language: VoiceLanguage) -> None:
    words = said(line, language)
    assert forbidden_words(words, language=language.tag, also=("Callback",)) == []


@every_line
def test_a_line_is_one_line_with_no_blank_left(line: Line, language: VoiceLanguage) -> None:
    words = said(line, language)
    assert words == " ".join(words.split())
    assert not re.search(r"[{}<>]|None|undefined|://", words)


@every_line
def test_no_file_names_a_number_but_that_of_an_emergency(
    line: Line, language: VoiceLanguage
) -> None:
    source = (OWN / language.tag / f"{line}.txt").read_text(encoding="utf-8")
    assert not re.search(r"\d[ \d]*\d", source.replace("9 9 9", ""))


def test_no_file_is_a_stranger() -> None:
    found = {str(path.relative_to(OWN)) for folder in OWN.iterdir() for path in folder.iterdir()}
    assert found == {f"{language.tag}/{line}.txt" for line, language in EVERYTHING}


def test_no_language_says_what_another_says() -> None:
    for line in set(Line) - TO_STAFF:
        assert said(line, WELSH) != said(line, ENGLISH)


@pytest.mark.parametrize("line", WITH_FACTS)
def test_a_line_without_its_facts_is_not_said(line: Line) -> None:
    with pytest.raises(UndefinedError):
        VoiceWords([ENGLISH]).say(line, ENGLISH)


def test_a_folder_of_ones_own_goes_before_the_built_in_words(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "ask.txt").write_text("Press 1.\n")
    words = VoiceWords([ENGLISH], tmp_path)
    assert words.say(Line.ASK, ENGLISH) == "Press 1."
    assert words.say(Line.OVER, ENGLISH) == said(Line.OVER)


def test_a_language_that_lacks_a_line_is_refused_at_the_start(tmp_path: Path) -> None:
    own_words(tmp_path, skip=Line.GOODBYE)
    with pytest.raises(SettingsError, match="pl, which has no words for goodbye"):
        VoiceWords([POLISH], tmp_path)


def test_a_time_is_not_said_in_a_language_that_we_know_no_words_of_time_in(tmp_path: Path) -> None:
    own_words(tmp_path)
    assert VoiceWords([POLISH], tmp_path).say(Line.TAKEN_NUMBER, POLISH) == "Dobrze."
    (tmp_path / "pl" / "taken_number.txt").write_text("Dobrze, {{ when }}.")
    with pytest.raises(SettingsError, match=r"pl/taken_number\.txt say \{\{ when"):
        VoiceWords([POLISH], tmp_path)


def test_staff_hear_english_whatever_callers_hear() -> None:
    assert VoiceWords([WELSH]).to_staff(Line.ASK) == said(Line.ASK)


def own_words(folder: Path, *, skip: Line | None = None) -> None:
    """A Polish folder with every line that callers hear, but for one."""
    (folder / "pl").mkdir()
    for line in set(Line) - TO_STAFF - {skip}:
        (folder / "pl" / f"{line}.txt").write_text("Dobrze.")


@pytest.mark.parametrize(
    ("number", "spoken"),
    [
        ("+447700900982", "0 7 7 0 0, 9 0 0, 9 8 2"),
        ("+441632960001", "0 1 6 3 2, 9 6 0, 0 0 1"),
        ("+442079460123", "0 2 0, 7 9 4 6, 0 1 2 3"),
    ],
)
def test_a_number_is_read_out_in_groups(number: str, spoken: str) -> None:
    assert digits_spoken(number) == spoken


class TestTwiml:
    def test_the_caller_is_dialled_with_our_number_and_never_recorded(self) -> None:
        document = twiml.dial(
            "+447700900123",
            caller_id="+441632960001",
            rings_seconds=40,
            longest_seconds=7200,
            action="https://x.test/a",
            status="https://x.test/s#rc=2",
        )
        [dial] = ElementTree.fromstring(document)  # noqa: S314 - our own
        [number] = dial
        assert dial.attrib == {
            "action": "https://x.test/a",
            "answerOnBridge": "true",
            "callerId": "+441632960001",
            "method": "POST",
            "timeLimit": "7200",
            "timeout": "40",
        }
        assert number.text == "+447700900123"
        assert "record" not in document.lower()

    def test_a_key_is_asked_for_twice_and_then_the_call_ends(self) -> None:
        document = twiml.ask_for_key([Said("Press 1.", ENGLISH)], action="https://x.test/k")
        verbs = [verb.tag for verb in ElementTree.fromstring(document)]  # noqa: S314 - our own
        assert verbs == ["Gather", "Gather", "Hangup"]
        assert '<Say language="en-GB" voice="Polly.Amy">Press 1.</Say>' in document
