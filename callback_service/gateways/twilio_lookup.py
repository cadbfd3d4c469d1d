"""What kind of line a number is, by Twilio Lookup (Line Type Intelligence). Each answer costs."""

import logging
from typing import Final

import requests
from twilio.base.exceptions import TwilioException
from urllib3.exceptions import HTTPError

from callback_service.domain.contact import LineKind
from callback_service.gateways.twilio_http import (
    ErrorReplyError,
    UnreadableReplyError,
    twilio_client,
)

logger = logging.getLogger(__name__)

#: A text waits for the answer, so little patience is had: connect and read, in seconds.
PATIENCE: Final = (2.0, 5.0)
#: Only a mobile is texted: a text to any other line is read aloud, or answered by a machine. Of a
#: type that is not here Twilio knows no more than we do.
#: Source: Twilio, "Line Type Intelligence", type property values.
KINDS: Final = {
    "mobile": LineKind.MOBILE,
    **dict.fromkeys(
        (
            "landline", "fixedVoip", "nonFixedVoip", "personal", "tollFree", "premium",
            "sharedCost", "uan", "voicemail", "pager",
        ),
        LineKind.LANDLINE,
    ),
}  # fmt: skip


class TwilioLookup:
    """Asks Twilio about numbers. ``api_url`` replaces Twilio's own address."""

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        *,
        api_key: tuple[str, str] | None = None,
        api_url: str | None = None,
        timeout: tuple[float, float] = PATIENCE,
    ) -> None:
        client = twilio_client(
            account_sid, auth_token, api_key=api_key, api_url=api_url, timeout=timeout
        )
        self._numbers = client.lookups.v2

    def line_of(self, e164: str) -> LineKind | None:
        """The kind of line behind a number; None when Twilio does not know or does not answer.

        No transaction may be open: this waits on the network. It never raises for what Twilio does.
        """
        try:
            found = self._numbers.phone_numbers(e164).fetch(fields="line_type_intelligence")
        except (ErrorReplyError, UnreadableReplyError) as error:
            logger.warning("a number could not be looked up: %s", error)
            return None
        except (requests.RequestException, HTTPError, TwilioException) as error:
            # Its words hold the number, and stay out of the log.
            logger.warning("a number could not be looked up: %s", type(error).__name__)
            return None
        line = found.line_type_intelligence
        kind = line.get("type") if isinstance(line, dict) else None
        return KINDS.get(kind) if isinstance(kind, str) else None
