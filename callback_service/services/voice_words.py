"""The words of the phone line: one folder of templates for each language."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined

from callback_service.domain.spoken import VoiceLanguage
from callback_service.errors import SettingsError

OWN = Path(__file__).parents[2] / "templates" / "voice"


class Line(StrEnum):
    """What can be said. Each is a template of the same name."""

    ASK = "ask"  # to the counsellor: press a key
    OVER = "over"  # to the counsellor: nobody is to be rung any more
    ENDED = "ended"  # to the counsellor, after the caller
    CHOOSE = "choose"  # a language
    GREETING = "greeting"
    GREETING_HIDDEN = "greeting_hidden"  # where the number is withheld, or none that we ring
    KEY_IN = "key_in"
    KEY_IN_AGAIN = "key_in_again"
    READ_BACK = "read_back"
    TAKEN_NUMBER = "taken_number"
    TAKEN_WITHHELD = "taken_withheld"
    GOODBYE = "goodbye"
    TOO_MANY = "too_many"
    NOT_NOW = "not_now"


class VoiceWords:
    """The words in each of ``languages``; those in the folder ``own`` go before the built-in ones.

    Raises SettingsError if a language lacks a line: nobody should hear silence.
    """

    def __init__(self, languages: Sequence[VoiceLanguage], own: Path | None = None) -> None:
        folders = [own, OWN] if own is not None else [OWN]
        self._templates = Environment(
            loader=ChoiceLoader([FileSystemLoader(folder) for folder in folders]),
            undefined=StrictUndefined,
            autoescape=False,  # nosec B701  # noqa: S701 - plain text to be spoken, and no typed words go in
        )
        known = set(self._templates.list_templates())
        for language in languages:
            missing = sorted(line for line in Line if f"{language.tag}/{line}.txt" not in known)
            if missing:
                raise SettingsError(
                    f"VOICE_LANGUAGES names {language.tag}, which has no words for "
                    f"{', '.join(missing)}."
                )

    def say(self, line: Line, language: VoiceLanguage, **facts: str) -> str:
        """The words of one line. ``facts`` are times, keys, and a number read back to its owner."""
        template = self._templates.get_template(f"{language.tag}/{line}.txt")
        return template.render(facts).strip()
