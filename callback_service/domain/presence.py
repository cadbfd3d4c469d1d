"""Whether somebody on shift is free for a call, and how long they are not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from callback_service.domain.lifecycle import Outcome, RequestState


class PresenceKind(StrEnum):
    """Why somebody on shift is put to no call. Without one of these they are available."""

    WRAP_UP = "wrap_up"  # notes and rest after a call
    BREAK = "break"
    SIGNED_OFF = "signed_off"  # gone, or never came, for the rest of the shift


class DeskState(StrEnum):
    """What colleagues see of somebody on shift."""

    AVAILABLE = "available"
    HOLDING = "holding"
    CALLING = "calling"
    WRAP_UP = "wrap_up"
    BREAK = "break"
    SIGNED_OFF = "signed_off"


#: Lengths of a break to choose from, in minutes.
BREAK_MINUTES: Final = (15, 30, 60)
#: After somebody was spoken with: notes, then rest. Twenty minutes of talk and this are the length
#: of a call that the plan counts with (source: docs/design.md, "Defaults").
WRAP_UP: Final = timedelta(minutes=10)
#: The rest in it, and all there is after a try that reached nobody.
REST: Final = timedelta(minutes=5)

_SPOKEN: Final = frozenset({Outcome.ANSWERED, Outcome.NOT_SAFE_NOW})


@dataclass(frozen=True, slots=True)
class Rests:
    """How long nobody is put to the next call: the whole wrap-up, and the rest that is part of it.

    Asking for more time adds one more wrap-up, once.
    """

    wrap_up: timedelta = WRAP_UP
    between_calls: timedelta = REST

    def after(self, outcome: Outcome) -> timedelta:
        """The pause after an attempt with this outcome."""
        return self.wrap_up if outcome in _SPOKEN else self.between_calls


USUAL: Final = Rests()


def desk_state(kind: PresenceKind | None, held: RequestState | None) -> DeskState:
    """What colleagues see, from why somebody is away and the state of the request they hold.

    A call that is being made comes first: it is also finished by who has signed off.
    """
    if held is RequestState.CALLING:
        return DeskState.CALLING
    if kind is not None:
        return DeskState(kind.value)
    return DeskState.HOLDING if held is RequestState.ASSIGNED else DeskState.AVAILABLE


def end_of_duty(spans: list[tuple[datetime, datetime]], *, now: datetime) -> datetime | None:
    """When somebody's duty ends that runs at ``now``; None where none does.

    ``spans`` are their shifts ``[start, end)`` in order of start. One that begins as the last ends
    carries on: who goes home early is not back for it.
    """
    end = now
    for start, finish in spans:
        if start <= end:
            end = max(end, finish)
    return end if end > now else None
