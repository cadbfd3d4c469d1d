"""TwiML, the answers to Twilio's voice webhooks, by the SDK's classes. Nothing is ever recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from twilio.twiml.voice_response import Dial, Gather, VoiceResponse

from callback_service.domain.spoken import VoiceLanguage

#: What Twilio takes for a withheld number where the way out to the network allows it.
WITHHELD: Final = "anonymous"
#: Of the caller's leg.
EVENTS: Final = "initiated ringing answered completed"
KEY_SECONDS: Final = 8
NUMBER_SECONDS: Final = 10
TWICE: Final = 2


@dataclass(frozen=True, slots=True)
class Said:
    """Words and the language they are in."""

    words: str
    language: VoiceLanguage


def hang_up_after(*said: Said) -> str:
    """Say it, and end the call."""
    response = VoiceResponse()
    _say(response, said)
    response.hangup()
    return str(response)


def ask_for_key(asked: Sequence[Said], *, action: str, at_last: Said | None = None) -> str:
    """Ask for one key, twice at most; with none pressed say ``at_last`` and end the call."""
    return _ask(asked, action, at_last, num_digits=1, timeout=KEY_SECONDS)


def ask_for_number(asked: Said, *, action: str, at_last: Said) -> str:
    """Ask for a number that ends with the hash key, twice at most."""
    return _ask([asked], action, at_last, finish_on_key="#", timeout=NUMBER_SECONDS)


def dial(
    number: str,
    *,
    caller_id: str,
    rings_seconds: int,
    longest_seconds: int,
    action: str,
    status: str,
) -> str:
    """Dial ``number`` and bridge it when it is answered. The caller ID is always said: Twilio's own
    choice could be the counsellor's number.
    """
    response = VoiceResponse()
    leg = Dial(
        action=action,
        method="POST",
        answer_on_bridge=True,
        caller_id=caller_id,
        timeout=rings_seconds,
        time_limit=longest_seconds,
    )
    leg.number(
        number,
        status_callback=status,
        status_callback_event=EVENTS,
        status_callback_method="POST",
    )
    response.append(leg)
    return str(response)


def _ask(asked: Sequence[Said], action: str, at_last: Said | None, **how: object) -> str:
    response = VoiceResponse()
    for _ in range(TWICE):
        gather = Gather(input="dtmf", action=action, method="POST", **how)
        _say(gather, asked)
        response.append(gather)
    if at_last is not None:
        _say(response, [at_last])
    response.hangup()
    return str(response)


def _say(where: VoiceResponse | Gather, said: Sequence[Said]) -> None:
    for one in said:
        where.say(one.words, language=one.language.locale, voice=one.language.voice)
