"""The settings of calls: whose number they come from, what is shown, and what the line speaks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from callback_service.domain.calls import CallerId
from callback_service.domain.spoken import ENGLISH, VoiceLanguage
from callback_service.errors import SettingsError

_E164 = re.compile(r"\+[1-9]\d{6,14}")
#: One key of a telephone for each.
MOST_LANGUAGES = 9


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What one installation is told of its calls."""

    number: str | None  # that calls come from, E.164; None: the service rings nobody
    caller_id: CallerId  # what a caller's phone shows
    languages: tuple[VoiceLanguage, ...]  # that the phone line speaks, the first by itself
    words: Path | None  # a folder of words, used before our own

    @classmethod
    def read(cls, get: Callable[[str], str | None]) -> CallSettings:
        """The settings in ``get``, a look-up by name; raises SettingsError with one sentence."""
        return cls(
            number=_number(get("CALL_FROM"), get("TWILIO_FROM")),
            caller_id=_caller_id(get("CALL_CALLER_ID") or CallerId.NUMBER),
            languages=_languages(get("VOICE_LANGUAGES")),
            words=_folder("VOICE_WORDS", get("VOICE_WORDS")),
        )


def _number(given: str | None, sender: str | None) -> str | None:
    """The number of calls: its own setting, or the sender of texts where that is a number."""
    if given is not None and not _E164.fullmatch(given):
        raise SettingsError("CALL_FROM must be a number of the account, like +441632960001.")
    return given or (sender if sender and _E164.fullmatch(sender) else None)


def _caller_id(value: str) -> CallerId:
    try:
        return CallerId(value)
    except ValueError as error:
        raise SettingsError("CALL_CALLER_ID must be number or withheld.") from error


def _languages(value: str | None) -> tuple[VoiceLanguage, ...]:
    """``en en-GB Polly.Amy, cy cy-GB Polly.Gwyneth``: folder, locale and voice of each."""
    if value is None:
        return (ENGLISH,)
    given = [entry.split() for entry in value.split(",")]
    is_whole = all(len(parts) == 3 and parts[0].isalpha() for parts in given)
    tags = {parts[0] for parts in given if parts}
    if not is_whole or len(given) > MOST_LANGUAGES or len(tags) < len(given):
        raise SettingsError(
            "VOICE_LANGUAGES needs a folder, a locale and a voice for each language, "
            "like `en en-GB Polly.Amy`, with commas between."
        )
    return tuple(VoiceLanguage(*parts) for parts in given)


def _folder(name: str, value: str | None) -> Path | None:
    if value is not None and not Path(value).is_dir():
        raise SettingsError(f"{name} must be a folder.")
    return Path(value).resolve() if value else None
