"""Every refusal the service makes: its HTTP status and a sentence fit for a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class CallbackServiceError(Exception):
    """Root of the tree. ``message`` is shown to people as it is: it never holds personal data."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class SettingsError(CallbackServiceError):
    """The environment does not describe a service that may start."""

    title = "The service cannot start"


class BadInput(CallbackServiceError):  # noqa: N818 - reads as what it is at every raise
    """What was typed cannot be used. ``fields`` names each field with its reason."""

    status = 422
    title = "There is a problem"

    def __init__(self, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = dict(fields or {})


class WindowGone(BadInput):
    """The time that was chosen has passed or has just been taken."""


class NotFound(CallbackServiceError):  # noqa: N818 - reads as what it is at every raise
    """There is no such thing, or it is not for this person to know of."""

    status = 404
    title = "Page not found"


class Refused(CallbackServiceError):  # noqa: N818 - reads as what it is at every raise
    """The move is not allowed in the state things are in now."""

    status = 409
    title = "That is no longer possible"


class Forbidden(CallbackServiceError):  # noqa: N818 - reads as what it is at every raise
    """The signed-in person may not do this."""

    status = 403
    title = "You cannot do this"


class TooMany(CallbackServiceError):  # noqa: N818 - reads as what it is at every raise
    """A limit was reached; trying later will work."""

    status = 429
    title = "Too many tries"


class Busy(CallbackServiceError):  # noqa: N818 - reads as what it is at every raise
    """Others are writing, and it took too long to wait for them; trying again soon will work."""

    status = 503
    title = "We are busy"
    retry_after: ClassVar[int] = 5  # seconds
