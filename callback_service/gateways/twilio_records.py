"""Deleting Twilio's records of texts and calls, by the ``twilio`` SDK."""

from collections.abc import Callable
from http import HTTPStatus

import requests
from twilio.base.exceptions import TwilioException
from urllib3.exceptions import HTTPError

from callback_service.gateways.base import RecordKept
from callback_service.gateways.twilio_http import (
    CONNECT_SECONDS,
    READ_SECONDS,
    ErrorReplyError,
    UnreadableReplyError,
    twilio_client,
)

#: What somebody should do about it, by Twilio's answer.
_NOT_ALLOWED = "Twilio does not let us delete records: look at the account and its key."
_NOT_OVER = "Twilio has not finished with the record yet."
_SENTENCES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: _NOT_ALLOWED,
    HTTPStatus.FORBIDDEN: _NOT_ALLOWED,
    HTTPStatus.CONFLICT: _NOT_OVER,
    HTTPStatus.TOO_MANY_REQUESTS: "Twilio asks us to slow down.",
}


class TwilioRecords:
    """Deletes records of one Twilio account. ``api_url`` replaces Twilio's own address."""

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        *,
        api_key: tuple[str, str] | None = None,
        api_url: str | None = None,
        timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
    ) -> None:
        client = twilio_client(
            account_sid, auth_token, api_key=api_key, api_url=api_url, timeout=timeout
        )
        self._messages, self._calls = client.messages, client.calls

    def remove_text(self, sid: str) -> None:
        """Delete one text; see ``RecordRemover.remove_text``."""
        _delete(lambda: self._messages(sid).delete())

    def remove_call(self, sid: str) -> None:
        """Delete one call; see ``RecordRemover.remove_call``."""
        _delete(lambda: self._calls(sid).delete())


def _delete(ask: Callable[[], bool]) -> None:
    try:
        is_gone = ask()
    except ErrorReplyError as reply:
        if reply.http_status == HTTPStatus.NOT_FOUND and reply.code is not None:
            return
        otherwise = f"Twilio did not delete the record (HTTP {reply.http_status})."
        raise RecordKept(_SENTENCES.get(reply.http_status, otherwise)) from reply
    except (requests.RequestException, HTTPError):  # their words may hold an address
        raise RecordKept("Twilio could not be reached.") from None
    except (UnreadableReplyError, TwilioException, AttributeError, TypeError) as error:
        raise RecordKept("Twilio's answer could not be read.") from error
    if not is_gone:
        raise RecordKept("Twilio's answer could not be read.")
