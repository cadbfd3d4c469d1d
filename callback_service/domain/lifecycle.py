"""The states of a callback request, the moves between them, and the words for how it went."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from callback_service.errors import Refused


class RequestState(StrEnum):
    """Where a request is in its life."""

    WAITING = "waiting"
    ASSIGNED = "assigned"
    CALLING = "calling"
    CLOSED = "closed"


#: Every allowed move. What is not here is refused.
ALLOWED: Final[dict[RequestState, frozenset[RequestState]]] = {
    RequestState.WAITING: frozenset({RequestState.ASSIGNED, RequestState.CLOSED}),
    RequestState.ASSIGNED: frozenset(
        {RequestState.CALLING, RequestState.WAITING, RequestState.CLOSED}
    ),
    RequestState.CALLING: frozenset({RequestState.WAITING, RequestState.CLOSED}),
    RequestState.CLOSED: frozenset(),
}

#: States in which one counsellor holds the request.
HELD: Final = frozenset({RequestState.ASSIGNED, RequestState.CALLING})


class Outcome(StrEnum):
    """What came of one attempt."""

    ANSWERED = "answered"
    NO_ANSWER = "no_answer"
    ENGAGED = "engaged"
    VOICEMAIL = "voicemail"
    WRONG_NUMBER = "wrong_number"
    NOT_SAFE_NOW = "not_safe_now"
    FAILED = "failed"


class Disposition(StrEnum):
    """Why a request closed."""

    HELPED = "helped"
    REFERRED = "referred"
    WITHDRAWN = "withdrawn"
    UNREACHABLE = "unreachable"
    WRONG_NUMBER = "wrong_number"
    DUPLICATE = "duplicate"
    EXPIRED = "expired"


class LetGo(StrEnum):
    """Why a counsellor declines a request or gives it back."""

    KNOWS_CALLER = "knows_caller"  # they never get a request of this number again
    NOT_NOW = "not_now"
    NEEDS_SKILL = "needs_skill"
    OTHER = "other"


#: Closed without a word with the caller, who may ask again with what they told us.
NOT_REACHED: Final = frozenset({Disposition.UNREACHABLE, Disposition.EXPIRED})

#: Dispositions a counsellor may give after speaking with the caller.
AFTER_SPEAKING: Final = (Disposition.HELPED, Disposition.REFERRED, Disposition.WITHDRAWN)


def check_move(current: RequestState, target: RequestState) -> None:
    """Refuse a move that the table of allowed moves does not hold."""
    if target not in ALLOWED[current]:
        raise Refused(f"This request is {current}, so it cannot become {target}.")
