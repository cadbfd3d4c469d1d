"""The two cookies of staff: one that signs a browser in, one by which it is known again."""

from __future__ import annotations

from typing import Final

from flask import Request
from werkzeug.wrappers import Response

from callback_service.extensions import current_settings

#: How long a browser keeps that an account signed in with it. Chromium keeps nothing for longer.
_DEVICE_COOKIE_LIFETIME: Final = 400 * 24 * 3600  # seconds


def token_of(request: Request) -> str | None:
    """The token in the cookie of ``request``."""
    return request.cookies.get(_cookie_name()) or None


def give_cookie(response: Response, token: str) -> None:
    """Sign the browser in that gets ``response``. The cookie ends with the browser's session."""
    response.set_cookie(
        _cookie_name(),
        token,
        secure=current_settings().is_https,
        httponly=True,
        samesite="Lax",
        path="/",
    )


def device_of(request: Request) -> str | None:
    """The token by which an account knows the browser of ``request`` again."""
    return request.cookies.get(_device_cookie_name()) or None


def give_device_cookie(response: Response, token: str) -> None:
    """Have the browser keep, beyond its session, that an account signed in with it."""
    response.set_cookie(
        _device_cookie_name(),
        token,
        max_age=_DEVICE_COOKIE_LIFETIME,
        secure=current_settings().is_https,
        httponly=True,
        samesite="Lax",
        path="/",
    )


def take_cookie(response: Response) -> None:
    """Have the browser forget its token."""
    response.delete_cookie(
        _cookie_name(), secure=current_settings().is_https, httponly=True, samesite="Lax", path="/"
    )


def _device_cookie_name() -> str:
    return "__Host-device" if current_settings().is_https else "device"


def _cookie_name() -> str:
    return "__Host-sid" if current_settings().is_https else "sid"
