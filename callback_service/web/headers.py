"""What every answer tells the browser to refuse."""

from __future__ import annotations

from typing import Final

from flask import Flask, Response, request
from werkzeug.datastructures import Headers

from callback_service.extensions import current_settings

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "manifest-src 'self'; object-src 'none'"
)
_CLOSED_FEATURES = (
    "accelerometer", "autoplay", "browsing-topics", "camera", "display-capture",
    "encrypted-media", "fullscreen", "geolocation", "gyroscope", "hid", "identity-credentials-get",
    "idle-detection", "local-fonts", "magnetometer", "microphone", "midi", "payment",
    "picture-in-picture", "screen-wake-lock", "serial", "storage-access", "usb",
    "xr-spatial-tracking",
)  # fmt: skip
_ON_EVERYTHING: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: over HTTPS Flask-WTF refuses a form that comes without a referrer of our own.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in _CLOSED_FEATURES),
}
_ONE_YEAR_OF_HTTPS = "max-age=31536000; includeSubDomains"


def init_app(app: Flask) -> None:
    """Put the headers on every answer of ``app``, errors too."""
    app.after_request(_guard)


def add_to(headers: Headers, *, is_https: bool) -> None:
    """Add what every answer carries, static files too. What an answer says itself stays."""
    for name, value in _ON_EVERYTHING.items():
        headers.setdefault(name, value)
    if is_https:
        headers.setdefault("Strict-Transport-Security", _ONE_YEAR_OF_HTTPS)


def _guard(response: Response) -> Response:
    add_to(response.headers, is_https=current_settings().is_https)
    if not (request.endpoint == "static" and response.status_code in {200, 206, 304}):
        response.headers["Cache-Control"] = "no-store"
    return response
