"""The settings of calls, and the sentences that refuse a wrong one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callback_service.config_calls import CallSettings
from callback_service.domain.calls import CallerId
from callback_service.domain.spoken import ENGLISH, WELSH
from callback_service.errors import SettingsError
from callback_service.gateways.twilio_voice import TwilioVoiceGateway
from callback_service.gateways.voice_factory import voice_gateway

NUMBER = "+441632960001"


def read(**given: str) -> CallSettings:
    return CallSettings.read(given.get)


def test_nothing_set_rings_nobody_and_speaks_english() -> None:
    settings = read()
    assert (settings.number, settings.caller_id) == (None, CallerId.NUMBER)
    assert (settings.languages, settings.words) == ((ENGLISH,), None)


def test_calls_come_from_the_sender_of_texts_where_that_is_a_number() -> None:
    assert read(TWILIO_FROM=NUMBER).number == NUMBER
    assert read(TWILIO_FROM="Callback").number is None
    assert read(TWILIO_FROM="Callback", CALL_FROM=NUMBER).number == NUMBER


def test_several_languages_each_have_their_voice() -> None:
    settings = read(VOICE_LANGUAGES="en en-GB Polly.Amy, cy cy-GB Polly.Gwyneth")
    assert [(one.tag, one.locale) for one in settings.languages] == [
        ("en", "en-GB"),
        ("cy", "cy-GB"),
    ]


def test_a_language_that_is_built_in_needs_no_voice() -> None:
    assert read(VOICE_LANGUAGES="cy, en").languages == (WELSH, ENGLISH)


@pytest.mark.parametrize("given", ["cy", "cy, en", "pl pl-PL Polly.Ola, en en-GB Polly.Emma"])
def test_staff_are_spoken_to_in_english(given: str) -> None:
    assert read(VOICE_LANGUAGES=given).english.locale == "en-GB"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"CALL_FROM": "01632 960001"}, "CALL_FROM"),
        ({"CALL_CALLER_ID": "hidden"}, "CALL_CALLER_ID"),
        ({"VOICE_LANGUAGES": "pl"}, "VOICE_LANGUAGES"),
        ({"VOICE_LANGUAGES": "pl pl-PL"}, "VOICE_LANGUAGES"),
        ({"VOICE_LANGUAGES": "en, en"}, "VOICE_LANGUAGES"),
        ({"VOICE_LANGUAGES": "EN en-GB Polly.Amy"}, "VOICE_LANGUAGES"),
        ({"VOICE_LANGUAGES": ","}, "VOICE_LANGUAGES"),
        ({"VOICE_LANGUAGES": "en en-GB A, en en-GB B"}, "VOICE_LANGUAGES"),
        ({"VOICE_LANGUAGES": "../x en-GB A"}, "VOICE_LANGUAGES"),
        ({"VOICE_WORDS": "/no/such/folder"}, "VOICE_WORDS"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(given: dict[str, str], names: str) -> None:
    with pytest.raises(SettingsError, match=names):
        read(**given)


def test_a_folder_of_words_is_taken(tmp_path: Path) -> None:
    assert read(VOICE_WORDS=str(tmp_path)).words == tmp_path.resolve()


@pytest.mark.parametrize("missing", ["account_sid", "auth_token", "number"])
def test_half_an_account_rings_nobody(missing: str) -> None:
    whole: dict[str, Any] = {
        "account_sid": "AC" + "1" * 32,
        "auth_token": "0" * 32,
        "number": NUMBER,
        "api_key": None,
        "api_url": None,
    }
    assert isinstance(voice_gateway(**whole), TwilioVoiceGateway)
    assert voice_gateway(**{**whole, missing: None}) is None
