"""When a form was given out, signed into it; and whether a program seems to have filled it in.

The stamp is bound to the key of its form: one page fetched once does for one post.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Protocol

from itsdangerous import BadSignature, TimestampSigner
from wtforms import Field

from callback_service.domain import flood
from callback_service.extensions import caller_address, current_settings

_SALT: Final = "form given out"


class GivenOut(Protocol):
    """A form with a key, the time at which it was given out, and the field for programs."""

    @property
    def submission_key(self) -> Field: ...
    @property
    def given(self) -> Field: ...
    @property
    def comments(self) -> Field: ...


def stamp(key: str) -> str:
    """The present time, for the form that has this key."""
    return _signer().sign(key).decode()


def time_taken(stamped: str, key: str, *, now: datetime) -> timedelta | None:
    """How long ago the form with this key was given out; None where the stamp is not ours.

    It is less than nothing where the clock of the server was set back meanwhile.
    """
    try:
        value, given_at = _signer().unsign(stamped, return_timestamp=True)
    except BadSignature:
        return None
    return now - given_at if value.decode() == key else None


def is_by_program(form: GivenOut, *, now: datetime) -> bool:
    """Whether a program seems to have filled the form in: nobody is refused for it.

    How fast it was counts where addresses do: where they tell nothing, nothing holds up a crowd.
    """
    if form.comments.data:
        return True
    if caller_address() is None:
        return False
    taken = time_taken(form.given.data or "", form.submission_key.data or "", now=now)
    return flood.is_too_fast(taken, current_settings().form_limits)


def _signer() -> TimestampSigner:
    return TimestampSigner(current_settings().signing_keys, salt=_SALT)
