"""How many pages one address may ask for in a minute, before anything is looked up for them.

Counted in this process alone, so it costs nothing and holds for each worker by itself. It keeps one
machine from using up the threads; many machines are for the proxy, and for the limits of the form,
of signing in and of texts, which stand in the database.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import ClassVar, Final

from flask import Flask, Response, request

from callback_service.errors import CallbackServiceError
from callback_service.extensions import caller_address, current_settings

#: Requests in a minute, by room. Staff behind one address, and Twilio, are not counted: their
#: pages refresh themselves, and its webhooks come from few addresses.
PER_MINUTE: Final[Mapping[str, int]] = {
    "public": 120,
    "own_data": 120,
    "complaints": 120,
    "trust": 120,
    "sign_in": 120,
    "calendar": 120,
    "api": 600,
}
#: Always open: leaving must never wait.
FREE: Final = frozenset({"public.exit_page", "sign_in.sign_out"})
#: Addresses remembered in one minute; memory has an end.
MOST_ADDRESSES: Final = 50_000


class TooFast(CallbackServiceError):  # noqa: N818 - reads as what it is at every raise
    """One address asks for more pages than people do."""

    status: ClassVar[int] = 429
    title: ClassVar[str] = "Too many tries"


class _Minute:
    """What came in the present minute, and nothing of the one before."""

    def __init__(self) -> None:
        self._number = 0
        self._counts: Counter[tuple[str, str]] = Counter()

    def count(self, room: str, address: str) -> int:
        """How many there were with this one."""
        if (number := _minute_now()) != self._number:
            self._number, self._counts = number, Counter()
        if len(self._counts) < MOST_ADDRESSES or (room, address) in self._counts:
            self._counts[room, address] += 1
        return self._counts[room, address]


def init_app(app: Flask) -> None:
    """Refuse what comes too fast, before anything else is done for it."""
    minute = _Minute()

    def check() -> None:
        room, address = request.blueprint or "", caller_address()
        if address is None or room not in PER_MINUTE or request.endpoint in FREE:
            return
        if minute.count(room, address) > PER_MINUTE[room]:
            number = current_settings().service_phone
            raise TooFast(f"Wait a minute, then try again. You can always ring us on {number}.")

    app.before_request(check)
    app.after_request(_say_when)


def _say_when(response: Response) -> Response:
    if response.status_code == TooFast.status:
        response.headers.setdefault("Retry-After", "60")
    return response


def _minute_now() -> int:
    return int(time.monotonic()) // 60
