"""Everything the phone line says: in each language whole, neutral, and without a blank to fill."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from jinja2 import UndefinedError

from callback_service.domain.contact import Window
from callback_service.domain.spoken import ENGLISH, VoiceLanguage, digits_spoken
from callback_service.domain.wording import forbidden_words
from callback_service.errors import SettingsError
from callback_service.gateways import twiml
from callback_service.gateways.twiml import Said
from callback_service.services.intake import spoken_promise
from callback_service.services.voice_words import OWN, Line, VoiceWords
from tests.rota_builders import LONDON

LANGUAGES = [VoiceLanguage(folder.name, "en-GB", "Polly.Amy") for folder in sorted(OWN.iterdir())]
NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
LATER = Window(NOW, datetime(2026, 9, 23, 11, 55, tzinfo=UTC))
FACTS = {
    Line.CHOOSE: {"key": "1"},
    Line.READ_BACK: {"number": digits_spoken("+447700900982")},
    Line.TAKEN_NUMBER: {"when": spoken_promise(LATER, is_window=False, now=NOW, tz=LONDON)},
    Line.TAKEN_WITHHELD: {"when": spoken_promise(LATER, is_window=False, now=NOW, tz=LONDON)},
}
EVERYTHING = [(line, language) for language in LANGUAGES for line in Line]
every_line = pytest.mark.parametrize(
    ("line", "language"), EVERYTHING, ids=[f"{two.tag}-{one}" for one, two in EVERYTHING]
)


def said(line: Line, language: VoiceLanguage = ENGLISH) -> str:
    return VoiceWords([language]).say(line, language, **FACTS.get(line, {}))


@every_line
def test_a_line_does_not_say_who_we_are(line: Line, language: VoiceLanguage) -> None:
    assert forbidden_words(said(line, language), also=("Callback",)) == []


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
    names = {path.name for folder in OWN.iterdir() for path in folder.iterdir()}
    assert names == {f"{line}.txt" for line in Line}


@pytest.mark.parametrize("line", FACTS)
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
    (tmp_path / "cy").mkdir()
    (tmp_path / "cy" / "ask.txt").write_text("Pwyswch 1.\n")
    with pytest.raises(SettingsError, match="cy, which has no words for choose, ended"):
        VoiceWords([VoiceLanguage("cy", "cy-GB", "Polly.Gwyneth")], tmp_path)


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
