"""What a text that came in may bring about. Senders can be forged, so only what is safe."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from callback_service.domain.contact import GB_ONLY, REGIONS, LineKind, Phone, parse_phone
from callback_service.errors import BadInput


class InboundKind(StrEnum):
    """What a text that came in asks for."""

    STOP = "stop"
    START = "start"
    HELP = "help"  # the gateway answers it by itself
    WORDS = "words"


#: The words that the gateway takes for itself, alone in a text and in any case.
#: Source: Twilio, "Twilio support for opt-out keywords (SMS STOP filtering)".
KEYWORDS: Final = {
    **dict.fromkeys(
        ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"),
        InboundKind.STOP,
    ),
    **dict.fromkeys(("START", "YES", "UNSTOP"), InboundKind.START),
    **dict.fromkeys(("HELP", "INFO"), InboundKind.HELP),
}


def kind_of(body: str, *, opt_out_type: str = "") -> InboundKind:
    """What the text asks for, as the gateway says (``opt_out_type``) or by its one word.

    A stop counts with a full stop or quotes around it too; the others are taken to the letter.
    """
    if opt_out_type.lower() in list(InboundKind):
        return InboundKind(opt_out_type.lower())
    word = body.strip().upper()
    bare = KEYWORDS.get(re.sub(r"^\W+|\W+$", "", word))
    if bare is InboundKind.STOP:
        return bare
    return KEYWORDS.get(word, InboundKind.WORDS)


def sender_of(typed: str, *, allow_drama: bool) -> Phone | None:
    """The number that a text came from; None for short codes, names, and numbers abroad.

    Of the islands too, whether or not we take requests for them: a stop is heeded in any case.
    """
    if not typed.startswith("+"):
        return None
    try:
        return parse_phone(typed, allow_drama=allow_drama, countries=REGIONS)
    except BadInput:
        return None


def may_be_answered(
    sender: Phone, *, our_numbers: frozenset[str], countries: frozenset[str] = GB_ONLY
) -> bool:
    """Whether a text may go back: to a mobile of one of ``countries``, and never to ourselves."""
    if sender.kind is not LineKind.MOBILE or sender.e164 in our_numbers:
        return False
    try:
        parse_phone(sender.e164, allow_drama=True, countries=countries)
    except BadInput:
        return False
    return True
