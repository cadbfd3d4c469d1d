"""A bridged call: its states, what the gateway's words say of it, which outcome they suggest.

Two legs make one call: our own, to the counsellor, and then the caller's. Reports of both repeat
and come out of order; what a call has reached is never taken back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from callback_service.domain.lifecycle import Outcome


class CallState(StrEnum):
    """How far a bridged call has come."""

    STARTING = "starting"  # marked before the gateway is asked: after a crash it is unclear
    RINGING_US = "ringing_us"  # the counsellor's phone rings
    ASKING = "asking"  # it was answered, and waits for a key
    DIALLING = "dialling"  # a key was pressed: the caller's phone rings
    TALKING = "talking"
    ENDED = "ended"


class CallEnding(StrEnum):
    """How a bridged call ended."""

    CONNECTED = "connected"  # somebody, or an answering machine, answered the caller's phone
    NO_ANSWER = "no_answer"
    ENGAGED = "engaged"
    FAILED = "failed"
    HUNG_UP = "hung_up"  # the counsellor did, before the caller's phone was answered
    NOT_TAKEN = "not_taken"  # the counsellor's phone was not answered, or no key was pressed
    CALLED_OFF = "called_off"  # the call was no longer wanted: nobody was dialled
    NOT_MADE = "not_made"  # the gateway did not take it
    LOST = "lost"  # the gateway could not say


class CallerId(StrEnum):
    """What a caller's phone shows of a call through the gateway: our number, or none."""

    NUMBER = "number"
    WITHHELD = "withheld"


class Leg(StrEnum):
    """Whose phone a report is of."""

    OWN = "own"
    CALLER = "caller"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a call has come, and how it ended if it has."""

    state: CallState
    ending: CallEnding | None = None

    def ended(self, ending: CallEnding) -> Standing:
        """The same call, ended so."""
        return Standing(CallState.ENDED, ending)


#: The states in order. A report only ever moves a call forward.
RANK: Final = {state: rank for rank, state in enumerate(CallState)}
#: Nobody has dialled the caller yet: the call may still be called off.
BEFORE_DIALLING: Final = frozenset({CallState.STARTING, CallState.RINGING_US, CallState.ASKING})

#: Twilio's words for a leg (https://www.twilio.com/docs/voice/api/call-resource#call-status-values).
_OWN_STEPS: Final = {
    "queued": CallState.RINGING_US,
    "initiated": CallState.RINGING_US,
    "ringing": CallState.RINGING_US,
    "in-progress": CallState.ASKING,
}
_CALLER_ENDINGS: Final = {
    "completed": CallEnding.CONNECTED,
    "answered": CallEnding.CONNECTED,  # the word of <Dial> for a call that was bridged
    "no-answer": CallEnding.NO_ANSWER,
    "busy": CallEnding.ENGAGED,
    "failed": CallEnding.FAILED,
    "canceled": CallEnding.HUNG_UP,
}
OVER: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
#: Endings that were only inferred: the caller's leg knows better, should it still report.
_INFERRED: Final = frozenset({CallEnding.HUNG_UP, CallEnding.LOST})

#: The outcome each ending suggests to the counsellor, who knows whether it was a machine.
SUGGESTED: Final = {
    CallEnding.CONNECTED: Outcome.ANSWERED,
    CallEnding.NO_ANSWER: Outcome.NO_ANSWER,
    CallEnding.ENGAGED: Outcome.ENGAGED,
    CallEnding.FAILED: Outcome.FAILED,
    CallEnding.HUNG_UP: Outcome.NO_ANSWER,
}


def after_own_report(standing: Standing, status: str) -> Standing:
    """What a report of the counsellor's phone makes of a call; an unknown word changes nothing."""
    if status in OVER:
        return _own_phone_is_down(standing)
    return _forward(standing, _OWN_STEPS.get(status))


def _own_phone_is_down(standing: Standing) -> Standing:
    """Without the counsellor there is no bridge, whatever the caller's phone does."""
    if standing.state is CallState.ENDED:
        return standing
    if standing.state in BEFORE_DIALLING:
        return standing.ended(CallEnding.NOT_TAKEN)
    is_talking = standing.state is CallState.TALKING
    return standing.ended(CallEnding.CONNECTED if is_talking else CallEnding.HUNG_UP)


def after_caller_report(standing: Standing, status: str) -> Standing:
    """What a report of the caller's phone makes of a call that was dialled."""
    if standing.state in BEFORE_DIALLING:
        return standing
    if standing.state is CallState.ENDED:
        return _as_it_was(standing, status)
    ending = _CALLER_ENDINGS.get(status)
    if ending is None:
        return _forward(standing, CallState.TALKING if status == "in-progress" else None)
    return standing.ended(ending)


def _as_it_was(standing: Standing, status: str) -> Standing:
    """A call that is over, by what its caller's leg says late: also that it had been answered."""
    ending = CallEnding.CONNECTED if status == "in-progress" else _CALLER_ENDINGS.get(status)
    if ending is None or standing.ending not in _INFERRED:
        return standing
    return standing.ended(ending)


def _forward(standing: Standing, state: CallState | None) -> Standing:
    if state is None or RANK[state] <= RANK[standing.state]:
        return standing
    return replace(standing, state=state)
