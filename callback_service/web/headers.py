"""What every answer tells the browser to refuse."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Response, request
from werkzeug.datastructures import Headers

from callback_service.extensions import current_settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_NONCE_KEY: Final = "callback_service.script_nonce"
_NONCE_BYTES: Final = 16
_CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src {scripts}; style-src 'self'; img-src 'self'; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; manifest-src 'self'; object-src 'none'"
)
_CLOSED_FEATURES = (
    "accelerometer", "autoplay", "browsing-topics", "camera", "display-capture",
    "encrypted-media", "fullscreen", "geolocation", "gyroscope", "hid", "identity-credentials-get",
    "idle-detection", "local-fonts", "magnetometer", "microphone", "midi", "payment",
    "picture-in-picture", "screen-wake-lock", "serial", "storage-access", "usb",
    "xr-spatial-tracking",
)  # fmt: skip
_ON_EVERYTHING: Final = {
    "X-Content-Type-Options": "nosniff",
    # For browsers, and scanners, that do not know the policy's frame-ancestors.
    "X-Frame-Options": "DENY",
    # Addresses hold one-time links: they are told to nobody, ourselves included.
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in _CLOSED_FEATURES),
}
_ONE_YEAR_OF_HTTPS = "max-age=31536000; includeSubDomains"


def init_app(app: Flask) -> None:
    """Put the headers on every answer of ``app``, errors too."""
    app.after_request(_guard)
    app.jinja_env.globals["script_nonce"] = script_nonce


def script_nonce() -> str:
    """What a script of the page being made carries, and nothing that was smuggled in can know."""
    nonce: str = request.environ.setdefault(_NONCE_KEY, secrets.token_urlsafe(_NONCE_BYTES))
    return nonce


def content_security_policy(nonce: str | None = None) -> str:
    """The policy of an answer: its own scripts by their ``nonce``, and none without one."""
    scripts = f"'nonce-{nonce}'" if nonce else "'none'"
    return _CONTENT_SECURITY_POLICY.format(scripts=scripts)


def guarded(served: WSGIApplication, *, is_https: bool) -> WSGIApplication:
    """``served`` with the headers on what Flask did not answer: static files, changed or not."""

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, found: list[tuple[str, str]], *more: Any) -> Callable[[bytes], Any]:
            headers = Headers(found)
            add_to(headers, is_https=is_https)
            return start_response(status, headers.to_wsgi_list(), *more)

        return served(environ, start)

    return serve


def add_to(headers: Headers, *, is_https: bool, nonce: str | None = None) -> None:
    """Add what every answer carries. What an answer says itself stays."""
    headers.setdefault("Content-Security-Policy", content_security_policy(nonce))
    for name, value in _ON_EVERYTHING.items():
        headers.setdefault(name, value)
    if is_https:
        headers.setdefault("Strict-Transport-Security", _ONE_YEAR_OF_HTTPS)


def _guard(response: Response) -> Response:
    nonce = request.environ.get(_NONCE_KEY)
    add_to(response.headers, is_https=current_settings().is_https, nonce=nonce)
    if not (request.endpoint == "static" and response.status_code in {200, 206, 304}):
        response.headers["Cache-Control"] = "no-store"
    return response
