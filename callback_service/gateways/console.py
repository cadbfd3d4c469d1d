"""The gateway of a machine without a Twilio account: texts are kept for staff to read."""

import math
import secrets
from datetime import datetime

from callback_service.gateways.base import FoundText, SentText


class ConsoleGateway:
    """Takes every text and carries it nowhere: the outbox row is what staff read."""

    is_live = False

    def send_text(
        self,
        *,
        to: str,
        body: str,
        status_callback: str,
        valid_seconds: int,
        begin_by: float = math.inf,
    ) -> SentText:
        """Call the text kept. Nothing is written or logged here."""
        del to, body, status_callback, valid_seconds, begin_by
        return SentText(sid=f"console-{secrets.token_hex(16)}", status="kept")

    def find_texts(self, *, to: str, body: str, since: datetime) -> list[FoundText]:
        """Return nothing: a kept text is never in doubt."""
        del to, body, since
        return []

    def fetch_text(self, sid: str) -> FoundText | None:
        """Return nothing: nobody else holds the text."""
        del sid
        return None
