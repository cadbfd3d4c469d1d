"""When a form was given out, signed into it, so that nobody can say that it was earlier.

The stamp is bound to the key of its form: one page fetched once does for one post.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from itsdangerous import BadSignature, TimestampSigner

from callback_service.extensions import current_settings

_SALT: Final = "form given out"


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


def _signer() -> TimestampSigner:
    return TimestampSigner(current_settings().signing_keys, salt=_SALT)
