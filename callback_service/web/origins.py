"""Forms are sent by our own pages: what a browser says comes from another site is refused.

The token in each form is what holds. This stands before it, and costs nothing: browsers say with
every request whose page began it, and no page can change what they say.
"""

from __future__ import annotations

from typing import Final

from flask import Flask, request
from flask_wtf.csrf import CSRFError

from callback_service.extensions import current_settings
from callback_service.web.problems import is_api

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
#: Rooms of programs, which have a signature for each request instead.
SIGNED: Final = frozenset({"twilio", "twilio_calls", "twilio_inbound"})
#: Our page, or the browser itself: a reload, a page that was restored.
_OWN: Final = frozenset({"same-origin", "none"})


def init_app(app: Flask) -> None:
    """Refuse what comes from elsewhere, before anything is looked at."""
    app.before_request(_check_origin)


def _check_origin() -> None:
    is_form = request.endpoint is not None and request.method not in _SAFE_METHODS
    if not is_form or is_api() or request.blueprint in SIGNED:
        return
    if request.headers.get("Sec-Fetch-Site", "none") not in _OWN or not _is_own_origin():
        raise CSRFError("The form was sent from another site.")


def _is_own_origin() -> bool:
    """Whether ``Origin``, where a browser names one, is ours. Without a referrer it says null."""
    origin = request.headers.get("Origin", "null")
    return origin in {"null", request.host_url.rstrip("/"), current_settings().public_base_url}
