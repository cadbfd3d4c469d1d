"""Words that are spoken on the phone: in which languages, and how a number is read out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callback_service.domain.contact import national

#: Digits are read out in groups of at most this many.
GROUP: Final = 5


@dataclass(frozen=True, slots=True)
class VoiceLanguage:
    """A language the phone line speaks: its folder of words, its locale and its voice."""

    tag: str  # "en"
    locale: str  # "en-GB"
    voice: str  # "Polly.Amy"


ENGLISH: Final = VoiceLanguage("en", "en-GB", "Polly.Amy")


def digits_spoken(e164: str) -> str:
    """A number to be read out digit by digit: "0 7 7 0 0, 9 0 0, 9 8 2"."""
    groups = (part for group in national(e164).split() for part in _parts(group))
    return ", ".join(" ".join(part) for part in groups)


def _parts(group: str) -> list[str]:
    if len(group) <= GROUP:
        return [group]
    middle = -(-len(group) // 2)
    return [group[:middle], group[middle:]]
