"""Twilio's webhooks of bridged calls: what the counsellor's phone does, and reports of both legs.

The call's uid is in the path. No number of ours or of a caller's is in any address.
"""

from __future__ import annotations

from flask import Blueprint, Response, current_app
from flask.typing import ResponseReturnValue

from callback_service.clock import utc_now
from callback_service.domain.calls import CallerId, Leg
from callback_service.errors import CallbackServiceError
from callback_service.extensions import csrf, current_settings, transaction
from callback_service.gateways import twiml
from callback_service.gateways.twiml import Said
from callback_service.services import attempts, call_reports, calls
from callback_service.services.call_reports import Report
from callback_service.services.voice_words import Line, VoiceWords
from callback_service.web.access import public
from callback_service.web.twilio import check_signature, posted

bp = Blueprint("twilio_calls", __name__, url_prefix="/twilio/calls")
csrf.exempt(bp)
bp.before_request(check_signature)

#: Twilio's connection overrides: a report that we did not take is told twice more.
RETRIES = "#rc=2"


def webhook(path: str) -> str:
    """The public address of one of these webhooks; by it Twilio signs."""
    return f"{current_settings().public_base_url}/twilio/calls/{path}"


def status_url(uid: str, leg: Leg) -> str:
    """Where one leg of a call is reported."""
    return webhook(f"{uid}/{leg}{RETRIES}")


def as_twiml(document: str) -> Response:
    """An answer that tells Twilio what to do."""
    return Response(document, mimetype="text/xml")


def to_counsellor(line: Line) -> Said:
    """A line for a counsellor's phone, in the language that the staff's pages have."""
    words: VoiceWords = current_app.extensions["voice_words"]
    return Said(words.to_staff(line), current_settings().calls.english)


@bp.errorhandler(CallbackServiceError)
def refused(_error: CallbackServiceError) -> ResponseReturnValue:
    """Whatever is refused, the counsellor hears words and not Twilio's own alarm."""
    return as_twiml(twiml.hang_up_after(to_counsellor(Line.OVER)))


@bp.post("/<uid>/answer")
@public
def answer(uid: str) -> ResponseReturnValue:
    """The counsellor's phone was answered, by a person or a machine: ask for a key."""
    return _ask_for_key(uid)


@bp.post("/<uid>/key")
@public
def key(uid: str) -> ResponseReturnValue:
    """A key was pressed: dial the caller, or say that nobody is to be rung any more."""
    pressed = posted("Digits", 8)
    if pressed != calls.CONFIRMING_KEY:
        return _ask_for_key(uid)
    with transaction() as session:
        dialling = calls.press_key(
            session,
            uid,
            sid=posted("CallSid"),
            key=pressed,
            now=utc_now(),
            tz=current_settings().service_time_zone,
        )
    if dialling is None:
        return as_twiml(twiml.hang_up_after(to_counsellor(Line.OVER)))
    return as_twiml(_dial(uid, dialling.to))


def _ask_for_key(uid: str) -> Response:
    with transaction() as session:
        is_wanted = calls.answered(session, uid, sid=posted("CallSid"), now=utc_now())
    if not is_wanted:
        return as_twiml(twiml.hang_up_after(to_counsellor(Line.OVER)))
    ask = twiml.ask_for_key([to_counsellor(Line.ASK)], action=webhook(f"{uid}/key"))
    return as_twiml(ask)


def _dial(uid: str, number: str) -> str:
    return twiml.dial(
        number,
        caller_id=_shown_to_caller(),
        rings_seconds=calls.CALLER_RINGS_S,
        longest_seconds=int(attempts.LONGEST_CALL.total_seconds()),
        action=webhook(f"{uid}/dialled"),
        status=status_url(uid, Leg.CALLER),
    )


def _shown_to_caller() -> str:
    """What the caller's phone shows, as their page and their text said."""
    own = current_settings().calls
    return twiml.WITHHELD if own.caller_id is CallerId.WITHHELD else own.number or twiml.WITHHELD


@bp.post("/<uid>/dialled")
@public
def dialled(uid: str) -> ResponseReturnValue:
    """The caller's leg is over, and the counsellor still on the line."""
    seconds = posted("DialCallDuration", 9)
    report = Report(
        Leg.CALLER, posted("DialCallSid"), posted("DialCallStatus", 16), _number(seconds)
    )
    with transaction() as session:
        call_reports.take_report(session, uid, report, now=utc_now())
    return as_twiml(twiml.hang_up_after(to_counsellor(Line.ENDED)))


@bp.post("/<uid>/own")
@public
def own_status(uid: str) -> ResponseReturnValue:
    """A report of the counsellor's leg."""
    return _status(uid, Leg.OWN)


@bp.post("/<uid>/caller")
@public
def caller_status(uid: str) -> ResponseReturnValue:
    """A report of the caller's leg."""
    return _status(uid, Leg.CALLER)


def _status(uid: str, leg: Leg) -> ResponseReturnValue:
    """Take a report. Unknown, repeated and late ones are taken too, and change nothing."""
    seconds = _number(posted("CallDuration", 9))
    report = Report(leg, posted("CallSid"), posted("CallStatus", 16), seconds)
    with transaction() as session:
        call_reports.take_report(session, uid, report, now=utc_now())
    return "", 204


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() else None
