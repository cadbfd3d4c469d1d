"""The settings of calls: whose number they come from, what is shown, and what the line speaks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from callback_service.domain.calls import CallerId
from callback_service.domain.languages import language_tag
from callback_service.domain.spoken import BUILT_IN, ENGLISH, VoiceLanguage
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

    @property
    def english(self) -> VoiceLanguage:
        """The voice that staff hear: that of callers, if they may choose English."""
        return next((one for one in self.languages if one.tag == ENGLISH.tag), ENGLISH)

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
    """``en, cy, pl pl-PL Polly.Ola``: of those that are not built in, locale and voice as well."""
    if value is None:
        return (ENGLISH,)
    languages = tuple(_language(entry) for entry in value.split(","))
    if not 0 < len({one.tag for one in languages}) == len(languages) <= MOST_LANGUAGES:
        raise SettingsError(f"VOICE_LANGUAGES names a language twice, or over {MOST_LANGUAGES}.")
    return languages


def _language(entry: str) -> VoiceLanguage:
    tag, *how = entry.split() or [""]
    try:
        is_tag = language_tag(tag) == tag
    except ValueError:
        is_tag = False
    if is_tag and not how and tag in BUILT_IN:
        return BUILT_IN[tag]
    if is_tag and len(how) == len(("locale", "voice")):
        return VoiceLanguage(tag, *how)
    raise SettingsError(
        f"VOICE_LANGUAGES needs one of {', '.join(BUILT_IN)}, or a language's code, locale and "
        "voice, like `pl pl-PL Polly.Ola`, with commas between."
    )


def _folder(name: str, value: str | None) -> Path | None:
    if value is not None and not Path(value).is_dir():
        raise SettingsError(f"{name} must be a folder.")
    return Path(value).resolve() if value else None
