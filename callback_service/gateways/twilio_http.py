"""How the Twilio SDK reaches Twilio: one pooled session, time-outs always, no retries of its own.

The SDK's own ``request`` is replaced whole: it has no time-out, writes phone numbers from query
strings to the log, and hands the answer over in an attribute that threads share.
"""

import json
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from callback_service import clock

CONNECT_SECONDS = 3.0
READ_SECONDS = 7.0
POOL_SIZE = 32

_this_thread = threading.local()


class TooLateError(Exception):
    """The time to begin had passed: the request did not leave, or not whole."""


@contextmanager
def begun_by(instant: float) -> Iterator[None]:
    """Requests made inside leave by ``instant`` (seconds of ``clock.running``) or not at all."""
    _this_thread.begin_by = instant
    try:
        yield
    finally:
        _this_thread.begin_by = math.inf


class _Punctual:
    """Looks at the clock at the last moment before bytes leave.

    A process may be stopped anywhere, for any time. When it goes on, another sender may have the
    text, so the look cannot come earlier: not before a connection was made, which takes seconds.
    """

    sock: Any  # this and connect are those of the connection it is mixed into

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]  # the connection's, as above
        if clock.running() > getattr(_this_thread, "begin_by", math.inf):
            raise TooLateError
        super().send(data)  # type: ignore[misc]  # the connection's, as above


class _PunctualHTTPConnection(_Punctual, HTTPConnection):
    pass


class _PunctualHTTPSConnection(_Punctual, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _PunctualHTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _PunctualHTTPSConnection


class _PunctualAdapter(requests.adapters.HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


class ErrorReplyError(Exception):
    """Twilio answered, and not with a yes: the status, its own code, the seconds to wait."""

    def __init__(self, http_status: int, code: int | None, retry_after: float | None) -> None:
        super().__init__(f"HTTP {http_status}, code {code}")
        self.http_status = http_status
        self.code = code
        self.retry_after = retry_after


class UnreadableReplyError(Exception):
    """Twilio said yes in a form nobody can read."""


class PinnedHttpClient(TwilioHttpClient):  # type: ignore[misc]  # the SDK ships no types
    """The SDK's HTTP client, pointed at ``api_url`` where one is given."""

    def __init__(self, *, api_url: str | None, timeout: tuple[float, float]) -> None:
        super().__init__(max_retries=0)
        self._timeouts = timeout
        self._api: SplitResult | None = urlsplit(api_url) if api_url else None
        adapter = _PunctualAdapter(pool_maxsize=POOL_SIZE, max_retries=0)
        self._http = requests.Session()
        self._http.mount("https://", adapter)
        self._http.mount("http://", adapter)

    def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Make one request and return a readable yes, or raise what it was instead."""
        del timeout, allow_redirects
        reply = self._http.request(
            method,
            self._pinned(url),
            params=params,  # type: ignore[arg-type]  # the SDK's own are strings
            data=data,
            headers=headers,
            auth=auth,
            timeout=self._timeouts,
            allow_redirects=False,
        )
        if reply.status_code == HTTPStatus.NO_CONTENT:
            return Response(reply.status_code, "", reply.headers)
        content = _json_object(reply)
        if not reply.ok or reply.is_redirect or reply.is_permanent_redirect:
            raise ErrorReplyError(reply.status_code, _code(content), _retry_after(reply))
        if content is None:
            raise UnreadableReplyError(f"HTTP {reply.status_code} without a JSON object")
        return Response(reply.status_code, json.dumps(content), reply.headers)

    def _pinned(self, url: str) -> str:
        """Return ``url`` with the scheme, host and port of the address that was set."""
        if self._api is None:
            return url
        path = self._api.path.rstrip("/") + urlsplit(url).path
        return (
            urlsplit(url)
            ._replace(scheme=self._api.scheme, netloc=self._api.netloc, path=path)
            .geturl()
        )


def twilio_client(
    account_sid: str,
    auth_token: str,
    *,
    api_key: tuple[str, str] | None,
    api_url: str | None,
    timeout: tuple[float, float],
) -> Client:
    """Return the SDK's client; ``api_key`` (id, secret) signs in instead of the account's token."""
    user, secret = api_key or (account_sid, auth_token)
    http = PinnedHttpClient(api_url=api_url, timeout=timeout)
    return Client(user, secret, account_sid, http_client=http)


def _json_object(reply: requests.Response) -> dict[str, object] | None:
    try:
        content = json.loads(reply.content)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _code(content: dict[str, object] | None) -> int | None:
    code = (content or {}).get("code")
    return code if isinstance(code, int) else None


def _retry_after(reply: requests.Response) -> float | None:
    """Return the seconds of Retry-After; the form with a date is not used by Twilio."""
    seconds = reply.headers.get("Retry-After", "")
    is_asked = reply.status_code in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
    return float(seconds) if is_asked and seconds.isdecimal() else None
