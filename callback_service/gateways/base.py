"""What the service asks of whoever carries its texts, and the two ways that can fail."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from callback_service.errors import CallbackServiceError


class SmsSendError(CallbackServiceError):
    """A definite no: the gateway did not take the text.

    ``permanent`` means that trying again cannot help; ``is_outage`` that the gateway could not be
    reached or has too much to do, so that other texts would fare no better. ``code`` is its own
    error code and ``retry_after`` the seconds it asked us to wait, where it gave them.
    """

    status = 502
    title = "The text was not taken"

    def __init__(
        self,
        reason: str,
        *,
        permanent: bool,
        code: int | None = None,
        retry_after: float | None = None,
        is_outage: bool = False,
    ) -> None:
        super().__init__(reason)
        self.permanent = permanent
        self.is_outage = is_outage
        self.code = code
        self.retry_after = retry_after


class SmsTooLateError(CallbackServiceError):
    """The time to begin had passed: nothing was handed over."""

    status = 502
    title = "The text was not handed over"


class SmsUnclearError(CallbackServiceError):
    """The gateway may or may not have taken the text: look it up before it is sent again."""

    status = 502
    title = "It is not clear whether the text was taken"

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(frozen=True)
class SentText:
    """A text the gateway took: its id there and the state it was in."""

    sid: str
    status: str


@dataclass(frozen=True)
class FoundText:
    """A text the gateway already holds. ``sent_at`` is empty while it still waits there."""

    sid: str
    status: str
    body: str
    sent_at: datetime | None
    error_code: int | None


class TextGateway(Protocol):
    """Carries texts. One gateway may be shared by the threads of a process."""

    @property
    def is_live(self) -> bool:
        """Whether texts really leave this machine."""

    def send_text(
        self,
        *,
        to: str,
        body: str,
        status_callback: str,
        valid_seconds: int,
        begin_by: float = math.inf,
    ) -> SentText:
        """Hand one text over, once, and say what became of it.

        ``to`` is E.164, ``status_callback`` the public address for delivery receipts, and
        ``valid_seconds`` how long the gateway may still send it. Raises ``SmsSendError`` for a
        definite no, ``SmsUnclearError`` when nobody can tell yet, and ``SmsTooLateError``, with
        nothing handed over, once ``begin_by`` has passed (seconds of ``clock.running``).
        """

    def find_texts(self, *, to: str, body: str, since: datetime) -> list[FoundText]:
        """Return the texts from our sender to ``to``, with exactly this ``body``, since ``since``.

        ``since`` is widened by a little, as two clocks never agree: leave out the ids already
        recorded for other texts. Raises ``SmsUnclearError`` when the gateway cannot say.
        """

    def fetch_text(self, sid: str) -> FoundText | None:
        """Return the text with this id as it stands there; None where there is no such text.

        Raises ``SmsUnclearError`` when the gateway cannot say.
        """


class RecordKept(CallbackServiceError):  # noqa: N818 - reads as what it is at every raise
    """The gateway has not deleted a record of its log yet: to be tried again later."""

    status = 502
    title = "The record is still kept"


class RecordRemover(Protocol):
    """Deletes what the gateway keeps of a text or a call. No transaction may be open meanwhile."""

    def remove_text(self, sid: str) -> None:
        """Delete the record of one text, its words and number; one that is gone already is fine.

        Raises ``RecordKept`` when it is still there, or nobody can say.
        """

    def remove_call(self, sid: str) -> None:
        """Delete the record of one call, as above."""
