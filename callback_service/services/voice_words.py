"""The words of the phone line: one folder of templates for each language."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from jinja2.meta import find_undeclared_variables

from callback_service.domain.spoken import ENGLISH, VoiceLanguage
from callback_service.domain.told import VOICES
from callback_service.errors import SettingsError

OWN = Path(__file__).parents[2] / "templates" / "voice"


class Line(StrEnum):
    """What can be said. Each is a template of the same name."""

    ASK = "ask"  # press a key
    OVER = "over"  # nobody is to be rung any more
    ENDED = "ended"  # after the caller
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


#: What a counsellor hears, in English. All other lines are for callers.
TO_STAFF: Final = frozenset({Line.ASK, Line.OVER, Line.ENDED})


class VoiceWords:
    """The words in each of ``languages``; those in the folder ``own`` go before the built-in ones.

    Raises SettingsError if a language lacks a line, since nobody should hear silence, or says a
    time in a language in which we know no words for one.
    """

    def __init__(self, languages: Sequence[VoiceLanguage], own: Path | None = None) -> None:
        folders = [own, OWN] if own is not None else [OWN]
        self._loader = ChoiceLoader([FileSystemLoader(folder) for folder in folders])
        self._templates = Environment(
            loader=self._loader,
            undefined=StrictUndefined,
            autoescape=False,  # nosec B701  # noqa: S701 - plain text to be spoken, and no typed words go in
        )
        for language in languages:
            self._check_whole(language)
            self._check_times(language)

    def _check_whole(self, language: VoiceLanguage) -> None:
        known = set(self._templates.list_templates())
        for_callers = [line for line in Line if line not in TO_STAFF]
        if missing := sorted(one for one in for_callers if _name(one, language) not in known):
            raise SettingsError(
                f"VOICE_LANGUAGES names {language.tag}, which has no words for "
                f"{', '.join(missing)}."
            )

    def _check_times(self, language: VoiceLanguage) -> None:
        if language.tag in VOICES:
            return
        for line in Line:
            if line not in TO_STAFF and "when" in self._facts_of(line, language):
                raise SettingsError(
                    f"The words {_name(line, language)} say {{{{ when }}}}, but times can be said "
                    f"only in {', '.join(VOICES)}: say there that we ring as soon as we can."
                )

    def _facts_of(self, line: Line, language: VoiceLanguage) -> set[str]:
        source, *_ = self._loader.get_source(self._templates, _name(line, language))
        return find_undeclared_variables(self._templates.parse(source))

    def say(self, line: Line, language: VoiceLanguage, **facts: str) -> str:
        """The words of one line. ``facts`` are times, keys, and a number read back to its owner."""
        return self._templates.get_template(_name(line, language)).render(facts).strip()

    def to_staff(self, line: Line) -> str:
        """The words of one of the lines ``TO_STAFF``."""
        return self.say(line, ENGLISH)


def _name(line: Line, language: VoiceLanguage) -> str:
    return f"{language.tag}/{line}.txt"
