"""Twilio's webhooks of calls that come in: by a key, somebody leaves word to be rung back.

The number that rings is only read from Twilio's own fields. One that is keyed in is kept, sealed,
with the call, and is read out to whoever keyed it in and to nobody else.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from flask import Blueprint, Response, current_app
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import NotFound as NoSuchPage

from callback_service.clock import utc_now
from callback_service.domain.calls import CallerId
from callback_service.domain.contact import Phone, Window
from callback_service.domain.spoken import VoiceLanguage, digits_spoken
from callback_service.domain.told import VOICES, Told, heard
from callback_service.errors import BadInput, CallbackServiceError
from callback_service.extensions import csrf, current_settings, transaction
from callback_service.gateways import twiml
from callback_service.gateways.twiml import Said
from callback_service.services import inbound_calls
from callback_service.services.voice_words import Line, VoiceWords
from callback_service.web.access import public
from callback_service.web.numbers import ringable
from callback_service.web.twilio import check_signature, posted
from callback_service.web.twilio_calls import as_twiml, webhook

bp = Blueprint("twilio_inbound", __name__, url_prefix="/twilio/calls/inbound")
csrf.exempt(bp)
bp.before_request(check_signature)

YES, OTHER = "1", "2"


@bp.errorhandler(CallbackServiceError)
@bp.errorhandler(SQLAlchemyError)
def cannot_take(error: Exception) -> ResponseReturnValue:
    """Whoever rings hears what to do, even where nothing can be kept."""
    current_app.logger.error("a call that came in was not taken: %s", type(error).__name__)
    first = current_settings().calls.languages[0]
    return as_twiml(twiml.hang_up_after(_said(Line.NOT_NOW, first)))


@bp.post("")
@public
def ring() -> ResponseReturnValue:
    """Somebody rings: choose a language if there are several, then the greeting."""
    languages = current_settings().calls.languages
    if len(languages) == 1:
        return _greet(languages[0])
    offered = [_said(Line.CHOOSE, one, key=str(key)) for key, one in enumerate(languages, start=1)]
    goodbye = _said(Line.GOODBYE, languages[0])
    ask = twiml.ask_for_key(offered, action=webhook("inbound/language"), at_last=goodbye)
    return as_twiml(ask)


@bp.post("/language")
@public
def language() -> ResponseReturnValue:
    """A language was chosen; any other key is the first."""
    languages = current_settings().calls.languages
    pressed = posted("Digits", 1)
    chosen = int(pressed) if pressed in "123456789" and pressed else 1
    return _greet(languages[chosen - 1] if chosen <= len(languages) else languages[0])


@bp.post("/<tag>/choice")
@public
def choice(tag: str) -> ResponseReturnValue:
    """A key after the greeting: this number, or another."""
    spoken = _language(tag)
    pressed, phone = posted("Digits", 1), _rings_from()
    if pressed == OTHER or phone is None:
        return _ask_for_number(Line.KEY_IN, spoken)
    if pressed != YES:
        return _greet(spoken)
    with transaction() as session:
        promised = inbound_calls.take(
            session,
            posted("CallSid"),
            phone,
            language=spoken.tag,
            now=utc_now(),
            tz=_zone(),
        )
    return _taken(promised, spoken)


@bp.post("/<tag>/number")
@public
def number(tag: str) -> ResponseReturnValue:
    """A number was keyed in: read it back, or ask for another."""
    spoken = _language(tag)
    with transaction() as session:
        phone = inbound_calls.key_in(
            session, posted("CallSid"), posted("Digits", 40), read=ringable, now=utc_now()
        )
    if phone is None:
        return _ask_again(Line.KEY_IN_AGAIN, spoken)
    read_back = _said(Line.READ_BACK, spoken, number=digits_spoken(phone.e164))
    action, goodbye = webhook(f"inbound/{tag}/confirm"), _said(Line.GOODBYE, spoken)
    return as_twiml(twiml.ask_for_key([read_back], action=action, at_last=goodbye))


@bp.post("/<tag>/confirm")
@public
def confirm(tag: str) -> ResponseReturnValue:
    """A key after the number was read back: it is right, or it is keyed in again."""
    spoken = _language(tag)
    if posted("Digits", 1) != YES:
        with transaction() as session:
            inbound_calls.not_that_number(session, posted("CallSid"), now=utc_now())
        return _ask_again(Line.KEY_IN, spoken)
    try:
        with transaction() as session:
            promised = inbound_calls.take_keyed(
                session,
                posted("CallSid"),
                read=ringable,
                language=spoken.tag,
                now=utc_now(),
                tz=_zone(),
            )
    except BadInput:
        return _ask_again(Line.KEY_IN, spoken)
    return _taken(promised, spoken)


def _greet(spoken: VoiceLanguage) -> Response:
    """The greeting; a number that is withheld or that we cannot ring is asked for at once."""
    if _rings_from() is None:
        return _ask_for_number(Line.GREETING_HIDDEN, spoken)
    action, goodbye = webhook(f"inbound/{spoken.tag}/choice"), _said(Line.GOODBYE, spoken)
    greeting = _said(Line.GREETING, spoken)
    return as_twiml(twiml.ask_for_key([greeting], action=action, at_last=goodbye))


def _ask_again(line: Line, spoken: VoiceLanguage) -> Response:
    with transaction() as session:
        may = inbound_calls.may_try_again(session, posted("CallSid"), now=utc_now())
    if not may:
        return as_twiml(twiml.hang_up_after(_said(Line.GOODBYE, spoken)))
    return _ask_for_number(line, spoken)


def _ask_for_number(line: Line, spoken: VoiceLanguage) -> Response:
    action = webhook(f"inbound/{spoken.tag}/number")
    goodbye = _said(Line.GOODBYE, spoken)
    return as_twiml(twiml.ask_for_number(_said(line, spoken), action=action, at_last=goodbye))


def _taken(promised: Window | None, spoken: VoiceLanguage) -> Response:
    if promised is None:
        return as_twiml(twiml.hang_up_after(_said(Line.TOO_MANY, spoken)))
    is_withheld = current_settings().calls.caller_id is CallerId.WITHHELD
    line = Line.TAKEN_WITHHELD if is_withheld else Line.TAKEN_NUMBER
    return as_twiml(twiml.hang_up_after(_said(line, spoken, **_when(promised, spoken))))


def _when(promised: Window, spoken: VoiceLanguage) -> dict[str, str]:
    """The time we ring by, where it can be said; words of one's own in other languages say none."""
    if spoken.tag not in VOICES:
        return {}
    by = Told.by(promised.end)
    return {"when": heard(by, language=spoken.tag, now=utc_now(), tz=_zone())}


def _rings_from() -> Phone | None:
    """The number that rings; None if it is withheld, or none that we would ring."""
    try:
        return ringable(posted("From"))
    except BadInput:
        return None


def _language(tag: str) -> VoiceLanguage:
    for one in current_settings().calls.languages:
        if one.tag == tag:
            return one
    raise NoSuchPage


def _said(line: Line, spoken: VoiceLanguage, **facts: str) -> Said:
    words: VoiceWords = current_app.extensions["voice_words"]
    return Said(words.say(line, spoken, **facts), spoken)


def _zone() -> ZoneInfo:
    return current_settings().service_time_zone
