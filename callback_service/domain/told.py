"""A time as a caller is told it, in the languages that we write and speak."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Final

from callback_service.domain import wording, wording_cy
from callback_service.domain.contact import Window
from callback_service.domain.languages import ENGLISH


class Manner(StrEnum):
    """How a time is told."""

    BETWEEN = "between"
    BY = "by"
    AT = "at"


@dataclass(frozen=True, slots=True)
class Told:
    """What a caller is told of when we ring: a window, or an instant by or at which we do."""

    manner: Manner
    window: Window

    @classmethod
    def between(cls, window: Window) -> Told:
        """At some time in a window."""
        return cls(Manner.BETWEEN, window)

    @classmethod
    def by(cls, at: datetime) -> Told:
        """Not later than an instant."""
        return cls(Manner.BY, Window(at, at))

    @classmethod
    def at(cls, at: datetime) -> Told:
        """At about an instant."""
        return cls(Manner.AT, Window(at, at))


@dataclass(frozen=True, slots=True)
class Voice:
    """How one language says a time inside a sentence, and the words no text in it may hold.

    ``aloud`` makes of a sentence that is read one that is heard.
    """

    says: Callable[[Window, str, datetime, tzinfo], str]
    forbidden: tuple[str, ...]
    aloud: Callable[[str], str] = str


def _english(window: Window, manner: str, now: datetime, tz: tzinfo) -> str:
    if manner == Manner.BETWEEN:
        return wording.window_spoken(window, now=now, tz=tz)
    return f"{manner} {wording.time_spoken(window.end, now=now, tz=tz)}"


def _welsh(window: Window, manner: str, now: datetime, tz: tzinfo) -> str:
    if manner == Manner.BETWEEN:
        return wording_cy.window_spoken(window, now=now, tz=tz)
    if manner == Manner.BY:
        return wording_cy.by_spoken(window.end, now=now, tz=tz)
    return wording_cy.at_spoken(window.end, now=now, tz=tz)


#: The languages that texts to callers are written in, by tag. English comes first.
VOICES: Final = {
    ENGLISH: Voice(_english, ()),
    "cy": Voice(_welsh, wording_cy.FORBIDDEN, wording_cy.aloud),
}


def spoken(told: Told, *, language: str, now: datetime, tz: tzinfo) -> str:
    """``told`` inside a sentence of ``language``: "tonight between 9pm and 11pm"."""
    return VOICES[language].says(told.window, told.manner, now, tz)


def heard(told: Told, *, language: str, now: datetime, tz: tzinfo) -> str:
    """``told`` inside a sentence that is said on the phone."""
    return VOICES[language].aloud(spoken(told, language=language, now=now, tz=tz))


def forbidden_words(text: str, *, language: str, also: tuple[str, ...] = ()) -> list[str]:
    """The words in ``text`` that give a caller away, in English and in ``language``."""
    return wording.forbidden_words(text, also=(*VOICES[language].forbidden, *also))
