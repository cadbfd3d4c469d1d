"""Asking for leave: the states of what was asked for."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from callback_service.domain.rota_changes import LeaveReason
from callback_service.errors import Refused


class LeaveState(StrEnum):
    """What became of a request for leave."""

    ASKED = "asked"
    GRANTED = "granted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


#: Every allowed move. What is not here is refused. Leave that was granted is cancelled as a change.
ALLOWED: Final[dict[LeaveState, frozenset[LeaveState]]] = {
    LeaveState.ASKED: frozenset({LeaveState.GRANTED, LeaveState.DECLINED, LeaveState.WITHDRAWN}),
    LeaveState.GRANTED: frozenset(),
    LeaveState.DECLINED: frozenset(),
    LeaveState.WITHDRAWN: frozenset(),
}

#: Nobody asks to be ill.
MAY_BE_ASKED: Final = (LeaveReason.ANNUAL, LeaveReason.TRAINING, LeaveReason.OTHER)


def check_move(current: LeaveState, target: LeaveState) -> None:
    """Refuse a move that the table of allowed moves does not hold."""
    if target not in ALLOWED[current]:
        raise Refused(f"This request for leave was {current} already.")
