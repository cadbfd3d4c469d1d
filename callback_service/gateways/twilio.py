"""Texts through Twilio's API, by the ``twilio`` SDK."""

import math
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import requests
from twilio.base.exceptions import TwilioException
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NewConnectionError,
)

from callback_service.gateways.base import (
    FoundText,
    SentText,
    SmsSendError,
    SmsTooLateError,
    SmsUnclearError,
)
from callback_service.gateways.twilio_codes import (
    desk_sentence,
    is_for_all_texts,
    is_permanent_refusal,
)
from callback_service.gateways.twilio_http import (
    CONNECT_SECONDS,
    READ_SECONDS,
    ErrorReplyError,
    TooLateError,
    UnreadableReplyError,
    begun_by,
    twilio_client,
)

#: The least a look-up reaches back before ``since``: our clock may run ahead of Twilio's.
CLOCK_SKEW = timedelta(minutes=2)
#: How many texts to one number a look-up reads at most, and at a time: Twilio's largest page.
MOST_LISTED = 3000
PAGE_SIZE = 1000
#: Twilio takes 1 to 36,000 seconds and advises more than 5.
SHORTEST_VALIDITY, LONGEST_VALIDITY = 6, 36_000

_MESSAGING_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
_REDIRECTS_NOT_DONE = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)
_TRANSPORT_FAULTS = (requests.RequestException, HTTPError)
_NEVER_SENT = (
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.ProxyError,
    requests.exceptions.ConnectTimeout,
    ConnectTimeoutError,
    LocationParseError,
    NewConnectionError,
    ConnectionRefusedError,
    socket.gaierror,
    ssl.SSLCertVerificationError,
)


class TwilioGateway:
    """Sends texts from one number or messaging service of a Twilio account.

    ``sender`` is an E.164 number or the id of a messaging service (MG...). ``api_key`` is the id
    (SK...) and secret that sign in instead of the account's own token. ``api_url`` replaces
    Twilio's own address. ``timeout`` is connect and read, in seconds.
    """

    is_live = True

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        *,
        sender: str,
        api_key: tuple[str, str] | None = None,
        api_url: str | None = None,
        timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
    ) -> None:
        client = twilio_client(
            account_sid, auth_token, api_key=api_key, api_url=api_url, timeout=timeout
        )
        self._messages = client.messages
        self._service = sender if _MESSAGING_SERVICE.fullmatch(sender) else None
        self._sender = {"messaging_service_sid": sender} if self._service else {"from_": sender}

    def send_text(
        self,
        *,
        to: str,
        body: str,
        status_callback: str,
        valid_seconds: int,
        begin_by: float = math.inf,
    ) -> SentText:
        """Hand one text to Twilio; see ``TextGateway.send_text``."""
        try:
            with begun_by(begin_by):
                message = self._messages.create(
                    to=to,
                    body=body,
                    status_callback=status_callback,
                    validity_period=min(max(valid_seconds, SHORTEST_VALIDITY), LONGEST_VALIDITY),
                    **self._sender,
                )
        except TooLateError as late:
            raise SmsTooLateError("There was no time left to begin.") from late
        except ErrorReplyError as reply:
            raise _refusal(reply) from reply
        except _TRANSPORT_FAULTS as error:
            raise _connection_fault(error) from None
        except UnreadableReplyError as error:
            raise SmsUnclearError("Twilio's answer could not be read.") from error
        if not message.sid:
            raise SmsUnclearError("Twilio's answer named no text.")
        return SentText(sid=message.sid, status=message.status or "accepted")

    def find_texts(self, *, to: str, body: str, since: datetime) -> list[FoundText]:
        """Look texts up at Twilio; see ``TextGateway.find_texts``.

        Twilio's filter by date is left out: it goes by the date of sending, which a text that
        still waits there does not have yet, and that is the one text we must not miss.
        """
        earliest = since.replace(microsecond=0) - CLOCK_SKEW
        with _unclear_if_it_fails():
            return [found for found in self._texts_to(to, earliest) if found.body == body]

    def fetch_text(self, sid: str) -> FoundText | None:
        """Read one text at Twilio; see ``TextGateway.fetch_text``."""
        with _unclear_if_it_fails():
            try:
                return _found(self._messages(sid).fetch())
            except ErrorReplyError as reply:
                if reply.http_status == HTTPStatus.NOT_FOUND and reply.code is not None:
                    return None
                raise

    def _texts_to(self, to: str, earliest: datetime) -> Iterator[FoundText]:
        """Yield our texts to one number; refuse to call a list complete that was cut short."""
        sender = {} if self._service else self._sender  # a service picks numbers we do not know
        page = self._messages.page(to=to, **sender, page_size=PAGE_SIZE)
        read = 0
        while True:
            listed = list(page)  # newest first
            recent = [
                one for one in listed if one.date_created is None or one.date_created >= earliest
            ]
            for one in recent:
                if self._service in {None, one.messaging_service_sid}:
                    yield _found(one)
            if not page.next_page_url or len(recent) < len(listed):
                return
            read += len(listed)
            if read >= MOST_LISTED:
                raise UnreadableReplyError("too many texts to tell them apart")
            page = page.next_page()


def _found(message: Any) -> FoundText:
    return FoundText(
        message.sid, message.status, message.body, message.date_sent, message.error_code
    )


@contextmanager
def _unclear_if_it_fails() -> Iterator[None]:
    """Whatever goes wrong in a look-up means that Twilio could not say."""
    try:
        yield
    except ErrorReplyError as reply:
        raise SmsUnclearError(
            f"Twilio would not say what it holds ({reply}).", retry_after=reply.retry_after
        ) from reply
    except _TRANSPORT_FAULTS:  # its words hold the number: keep them out of the log
        raise SmsUnclearError("Twilio could not be asked.") from None
    except (UnreadableReplyError, TwilioException, AttributeError, TypeError) as error:
        raise SmsUnclearError("Twilio's answer could not be read.") from error


def _refusal(reply: ErrorReplyError) -> SmsSendError | SmsUnclearError:
    """Return what an answer other than yes means for a text that was handed over."""
    status = reply.http_status
    if status in _REDIRECTS_NOT_DONE:
        return SmsSendError("TWILIO_API_URL answers with a redirect.", permanent=False)
    if not HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return SmsUnclearError(
            f"Twilio answered with HTTP {status}.", retry_after=reply.retry_after
        )
    return SmsSendError(
        f"Twilio refused the text (HTTP {status}, code {reply.code}). {desk_sentence(reply.code)}",
        permanent=is_permanent_refusal(status, reply.code),
        code=reply.code,
        retry_after=reply.retry_after,
        is_outage=is_for_all_texts(status, reply.code),
    )


def _connection_fault(error: Exception) -> SmsSendError | SmsUnclearError:
    """Return a definite no only where the request surely never left."""
    if surely_never_left(error):
        return SmsSendError("Twilio could not be reached.", permanent=False, is_outage=True)
    return SmsUnclearError("The connection to Twilio broke before it answered.")


def surely_never_left(error: Exception) -> bool:
    """Whether the request that failed so cannot have reached Twilio."""
    return any(isinstance(cause, _NEVER_SENT) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors behind ``error``: urllib3 keeps them as arguments and as reasons."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [*one.args, getattr(one, "reason", None)]
