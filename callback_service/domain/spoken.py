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

    tag: str  # "en"; of the language that a caller who chooses it wishes to speak, too
    locale: str  # "en-GB"
    voice: str  # "Polly.Amy"


#: Also what staff hear, whatever callers choose.
ENGLISH: Final = VoiceLanguage("en", "en-GB", "Polly.Amy")
#: Twilio has this one voice that speaks Welsh.
#: Source: Twilio, "Text-to-Speech", available voices and languages.
WELSH: Final = VoiceLanguage("cy", "cy-GB", "Polly.Gwyneth")
#: The languages that need no words of one's own, by tag.
BUILT_IN: Final = {one.tag: one for one in (ENGLISH, WELSH)}


def digits_spoken(e164: str) -> str:
    """A number to be read out digit by digit: "0 7 7 0 0, 9 0 0, 9 8 2"."""
    groups = (part for group in national(e164).split() for part in _parts(group))
    return ", ".join(" ".join(part) for part in groups)


def _parts(group: str) -> list[str]:
    if len(group) <= GROUP:
        return [group]
    middle = -(-len(group) // 2)
    return [group[:middle], group[middle:]]
