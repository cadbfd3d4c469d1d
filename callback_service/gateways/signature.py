"""Whether a request that claims to come from Twilio was signed with our auth token."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from twilio.request_validator import RequestValidator


def signed_url(environ: Mapping[str, object], public_base_url: str) -> str:
    """The address that Twilio called and signed, as it was on the wire.

    Flask's own is decoded and encoded anew, which changes all but plain letters.
    """
    raw = str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or "")
    if not raw.startswith("/"):  # a proxy may ask with the whole address
        parts = urlsplit(raw)
        raw = parts.path + (f"?{parts.query}" if parts.query else "")
    return public_base_url + raw


class _Form:
    """A form as the validator wants it: every value of a repeated field is signed, not one."""

    def __init__(self, params: Mapping[str, str] | Mapping[str, Sequence[str]]) -> None:
        every = getattr(params, "getlist", None)
        self._values = {
            name: list(every(name)) if every else [value] if isinstance(value, str) else list(value)
            for name, value in params.items()
        }

    def __iter__(self) -> object:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def getlist(self, name: str) -> list[str]:
        return self._values[name]


def is_signed_by_twilio(
    url: str,
    params: Mapping[str, str] | Mapping[str, Sequence[str]],
    signature: str | None,
    auth_tokens: Sequence[str],
) -> bool:
    """Check ``X-Twilio-Signature`` against the exact public ``url`` and all form fields.

    ``params`` may be Werkzeug's MultiDict. Two tokens are both valid while one replaces the other.
    No signature, or no token to check it with, is a no.
    """
    if not signature:
        return False
    form = _Form(params)
    verdicts = [
        bool(RequestValidator(token).validate(url, form, signature))
        for token in auth_tokens
        if token
    ]
    return any(verdicts)
