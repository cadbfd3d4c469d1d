"""What the service asks of whoever carries its calls, and the two ways that can fail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from callback_service.errors import CallbackServiceError


class CallRefusedError(CallbackServiceError):
    """A definite no: the gateway did not take the call. The message is a sentence for the desk."""

    status = 502
    title = "The call was not taken"

    def __init__(self, reason: str, *, code: int | None = None) -> None:
        super().__init__(reason)
        self.code = code


class CallUnclearError(CallbackServiceError):
    """The gateway may or may not have done what was asked: look before anything is repeated."""

    status = 502
    title = "It is not clear what became of the call"


@dataclass(frozen=True, slots=True)
class LegFacts:
    """One leg of a call as the gateway knows it: its id, its state, and seconds once it is over."""

    sid: str
    status: str
    seconds: int | None
    created_at: datetime | None


class VoiceGateway(Protocol):
    """Carries calls. One gateway may be shared by the threads of a process."""

    def ring(
        self, *, to: str, answer_url: str, status_url: str, ring_seconds: int, longest_seconds: int
    ) -> LegFacts:
        """Ring ``to`` (E.164) once from the service's number.

        What to do when it is answered is asked at ``answer_url``; ``status_url`` hears of each
        step. Raises CallRefusedError for a definite no, CallUnclearError when nobody can tell yet.
        """

    def rung_since(self, *, to: str, since: datetime) -> list[LegFacts]:
        """Return the calls from the service's number to ``to`` since ``since``, newest first.

        ``since`` is widened by a little, as two clocks never agree: leave out the ids already
        recorded for other calls. Raises CallUnclearError when the gateway cannot say.
        """

    def look(self, sid: str) -> LegFacts | None:
        """Return how a leg stands, None if the gateway knows none; or CallUnclearError."""

    def dialled_by(self, sid: str) -> LegFacts | None:
        """Return the newest leg that the call ``sid`` dialled, if any; or CallUnclearError."""

    def hang_up(self, sid: str) -> None:
        """End a call wherever it is. One that is over already is fine; or CallUnclearError."""
