"""Calls through Twilio's API, by the ``twilio`` SDK. No call is ever recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar

import requests
from twilio.base.exceptions import TwilioException
from urllib3.exceptions import HTTPError

from callback_service.gateways.twilio import CLOCK_SKEW, surely_never_left
from callback_service.gateways.twilio_http import (
    CONNECT_SECONDS,
    READ_SECONDS,
    ErrorReplyError,
    UnreadableReplyError,
    twilio_client,
)
from callback_service.gateways.voice_base import CallRefusedError, CallUnclearError, LegFacts

Answer = TypeVar("Answer")

#: How many calls to one phone a look-up reads: more within minutes are none of ours.
MOST_LISTED: Final = 50
#: What is reported of the counsellor's leg.
EVENTS: Final = ["initiated", "ringing", "answered", "completed"]

_TRANSPORT_FAULTS: Final = (requests.RequestException, HTTPError)
_UNREADABLE: Final = (UnreadableReplyError, TwilioException, AttributeError, TypeError, ValueError)

_OWN_NUMBER = "Twilio cannot ring your number. Check it under Your account, or ring by hand."
_SET_UP = "Calls are not going out: the Twilio account needs a manager's attention. Ring by hand."
_BUSY = "Twilio has too many calls just now. Press again in a moment, or ring by hand."
NOT_REACHED: Final = "Twilio cannot be reached. Ring by hand."
UNCLEAR: Final = "It is not clear whether Twilio took the call."

#: What the desk is told, by Twilio's error code (https://www.twilio.com/docs/api/errors).
SENTENCES: Final = {
    10001: _SET_UP,  # account is not active
    10003: _SET_UP,  # the call's number is not one of the account
    10004: _BUSY,  # too many calls at once
    10005: _SET_UP,  # calls are switched off
    20003: _SET_UP,  # account sid or token is wrong
    20404: _SET_UP,  # there is no such account
    20429: _BUSY,
    21201: _OWN_NUMBER,  # no number to ring
    21205: _SET_UP,  # our public address is not one
    21210: _SET_UP,  # our number is not verified
    21211: _OWN_NUMBER,
    21212: _SET_UP,  # our number is malformed
    21213: _SET_UP,  # no number of ours given
    21214: _OWN_NUMBER,
    21215: _OWN_NUMBER,  # its country is switched off
    21216: _OWN_NUMBER,  # its range is blocked
    21217: _OWN_NUMBER,
    21219: _OWN_NUMBER,  # a trial account may not ring it
    21401: _OWN_NUMBER,
}
#: A call that is over cannot be ended: what was wanted is so.
OVER_ALREADY: Final = 21220


class TwilioVoiceGateway:
    """Makes calls from one number of a Twilio account.

    ``number`` is E.164. ``api_key`` (id, secret) signs in instead of the account's token;
    ``api_url`` replaces Twilio's own address. ``timeout`` is connect and read, in seconds.
    """

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        *,
        number: str,
        api_key: tuple[str, str] | None = None,
        api_url: str | None = None,
        timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
    ) -> None:
        client = twilio_client(
            account_sid, auth_token, api_key=api_key, api_url=api_url, timeout=timeout
        )
        self._calls = client.calls
        self._number = number

    def ring(
        self, *, to: str, answer_url: str, status_url: str, ring_seconds: int, longest_seconds: int
    ) -> LegFacts:
        """Ring one phone; see ``VoiceGateway.ring``."""
        try:
            made = self._calls.create(
                to=to,
                from_=self._number,
                url=answer_url,
                method="POST",
                status_callback=status_url,
                status_callback_event=EVENTS,
                status_callback_method="POST",
                timeout=ring_seconds,
                time_limit=longest_seconds,
            )
        except ErrorReplyError as reply:
            raise _refusal(reply) from reply
        except _TRANSPORT_FAULTS as error:  # its words hold the number: keep them out of the log
            raise _connection_fault(error) from None
        except UnreadableReplyError as error:
            raise CallUnclearError(UNCLEAR) from error
        if not made.sid:
            raise CallUnclearError(UNCLEAR)
        return _facts(made)

    def rung_since(self, *, to: str, since: datetime) -> list[LegFacts]:
        """Look calls up; see ``VoiceGateway.rung_since``.

        Twilio's filter by start time is left out: a call that still waits there has none, and that
        is the one we must not miss.
        """
        earliest = since.replace(microsecond=0) - CLOCK_SKEW

        def read() -> list[LegFacts]:
            page = self._calls.page(to=to, from_=self._number, page_size=MOST_LISTED)
            listed = [_facts(one) for one in page]
            return [one for one in listed if one.created_at is None or one.created_at >= earliest]

        return _asked(read)

    def look(self, sid: str) -> LegFacts | None:
        """Fetch one leg; see ``VoiceGateway.look``."""
        try:
            return _asked(lambda: _facts(self._calls(sid).fetch()))
        except _NoSuchCallError:
            return None

    def dialled_by(self, sid: str) -> LegFacts | None:
        """Find the caller's leg; see ``VoiceGateway.dialled_by``."""

        def read() -> LegFacts | None:
            page = self._calls.page(parent_call_sid=sid, page_size=MOST_LISTED)
            return next((_facts(one) for one in page), None)

        return _asked(read)

    def hang_up(self, sid: str) -> None:
        """End a call; see ``VoiceGateway.hang_up``."""
        try:
            _asked(lambda: self._calls(sid).update(status="completed"))
        except _NoSuchCallError:
            return


class _NoSuchCallError(Exception):
    """Twilio knows no such call, or it is over."""


def _asked(read: Callable[[], Answer]) -> Answer:
    """What ``read`` gets from Twilio; CallUnclearError when it gets nothing that can be used."""
    try:
        return read()
    except ErrorReplyError as reply:
        if reply.http_status == HTTPStatus.NOT_FOUND or reply.code == OVER_ALREADY:
            raise _NoSuchCallError from reply
        raise CallUnclearError(f"Twilio would not say ({reply}).") from reply
    except _TRANSPORT_FAULTS:  # its words hold the number: keep them out of the log
        raise CallUnclearError("Twilio could not be asked.") from None
    except _UNREADABLE as error:
        raise CallUnclearError("Twilio's answer could not be read.") from error


def _facts(call: Any) -> LegFacts:
    seconds = str(call.duration or "")
    return LegFacts(
        sid=str(call.sid),
        status=str(call.status or ""),
        seconds=int(seconds) if seconds.isdecimal() else None,
        created_at=call.date_created,
    )


def _refusal(reply: ErrorReplyError) -> CallRefusedError | CallUnclearError:
    """Return what an answer other than yes means for a call that was asked for."""
    if not HTTPStatus.MULTIPLE_CHOICES <= reply.http_status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return CallUnclearError(UNCLEAR)
    is_busy = reply.http_status == HTTPStatus.TOO_MANY_REQUESTS
    otherwise = _BUSY if is_busy else _SET_UP
    return CallRefusedError(SENTENCES.get(reply.code or 0, otherwise), code=reply.code)


def _connection_fault(error: Exception) -> CallRefusedError | CallUnclearError:
    """Return a definite no only where the request surely never left."""
    if surely_never_left(error):
        return CallRefusedError(NOT_REACHED)
    return CallUnclearError(UNCLEAR)
