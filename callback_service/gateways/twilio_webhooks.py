"""How Twilio is to call us: waiting shortly, and trying again after any failure."""

from typing import Final

#: Connection overrides: 3 retries (``rc``) after any failure (``rp``), 2 s to connect (``ct``) and
#: 3.5 s to answer (``rt``), which fits into the 15 s that Twilio gives all tries together.
#: Source: Twilio, "Webhooks (HTTP callbacks): Connection Overrides".
OVERRIDES: Final = "rc=3&rp=all&ct=2000&rt=3500"


def with_overrides(url: str) -> str:
    """``url`` with the overrides as its fragment, which is neither sent to us nor signed."""
    return f"{url}#{OVERRIDES}"
