"""A name for each web request, in every line that the log has of it."""

from __future__ import annotations

import secrets

from flask import Flask

from callback_service import logs


def init_app(app: Flask) -> None:
    """Name each request of ``app`` before anything else happens to it."""
    app.before_request(_name)
    app.teardown_request(_forget)


def _name() -> None:
    logs.request_id.set(secrets.token_hex(4))


def _forget(_error: BaseException | None) -> None:
    logs.request_id.set("-")  # the thread goes on to another request
