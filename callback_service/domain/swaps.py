"""Swaps of shifts between colleagues: the states of one, and what it makes of the rota.

A swap is tied to shifts, each with its exact span. Once it holds, shifts of the patterns change
hands by replacements, so that only what is there of them moves; a shift that came by a change is
handed on: that change has the other person work instead. Both have a source of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from callback_service.domain.rota import Duty, Source
from callback_service.domain.rota_changes import Override, OverrideKind
from callback_service.domain.spans import without
from callback_service.domain.wall_time import Span
from callback_service.errors import Refused


class SwapState(StrEnum):
    """How far a swap has come. The rota is changed while it is approved, and at no other time."""

    OFFERED = "offered"
    TAKEN = "taken"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    UNDONE = "undone"
    LAPSED = "lapsed"


#: Every allowed move. What is not here is refused.
ALLOWED: Final[dict[SwapState, frozenset[SwapState]]] = {
    SwapState.OFFERED: frozenset({SwapState.TAKEN, SwapState.WITHDRAWN, SwapState.LAPSED}),
    SwapState.TAKEN: frozenset(
        {
            SwapState.OFFERED,
            SwapState.APPROVED,
            SwapState.DECLINED,
            SwapState.WITHDRAWN,
            SwapState.LAPSED,
        }
    ),
    SwapState.APPROVED: frozenset({SwapState.UNDONE}),
    SwapState.DECLINED: frozenset(),
    SwapState.WITHDRAWN: frozenset(),
    SwapState.UNDONE: frozenset(),
    SwapState.LAPSED: frozenset(),
}

#: States in which somebody may still be waiting for an answer.
OPEN: Final = frozenset({SwapState.OFFERED, SwapState.TAKEN})


def check_move(current: SwapState, target: SwapState) -> None:
    """Refuse a move that the table of allowed moves does not hold."""
    if target not in ALLOWED[current]:
        raise Refused(f"This swap is {current}, so it cannot become {target}.")


#: Where a shift that is swapped may come from. One that came by a swap goes back by undoing it.
SWAPPABLE: Final = frozenset({Source.PATTERN, Source.OVERRIDE})


@dataclass(frozen=True, slots=True)
class Terms:
    """Who gives which shift of a duty to whom, and which of the other's they have for it."""

    giver_id: int
    taker_id: int
    duty: Duty
    given: Span
    returned: Span | None

    def owed(self) -> list[tuple[int, Span]]:
        """Who must have which shift for the swap to be what was offered."""
        owed = [(self.giver_id, self.given)]
        return owed if self.returned is None else [*owed, (self.taker_id, self.returned)]


def overlaps(terms: Terms) -> bool:
    """Whether the two shifts that are exchanged share some time."""
    given, returned = terms.given, terms.returned
    return returned is not None and given[0] < returned[1] and returned[0] < given[1]


def replacements(terms: Terms) -> list[Override]:
    """What a swap makes of the rota, in order of time.

    Where two shifts that are exchanged overlap, both people are on duty before and after: nothing
    is said of that time.
    """
    given, returned = [terms.given], []
    if terms.returned is not None:
        given = without(terms.given, [terms.returned])
        returned = without(terms.returned, [terms.given])
    moves = [(span, terms.giver_id, terms.taker_id) for span in given]
    moves += [(span, terms.taker_id, terms.giver_id) for span in returned]
    return [
        Override(OverrideKind.REPLACE, who, *span, terms.duty, by, Source.SWAP)
        for span, who, by in sorted(moves)
    ]


@dataclass(frozen=True, slots=True)
class Move:
    """A part of a swap: who works instead of whom; ``is_by_change``: a shift that is handed on."""

    part: Override
    is_by_change: bool


def as_changes(move: Move) -> list[Override]:
    """A part of a swap as changes beside those that are made, to see what it would mean.

    A replacement moves shifts of patterns alone. What is handed on is taken from one person and
    given to the other.
    """
    part = move.part
    if not move.is_by_change or part.by_id is None:
        return [part]
    span = part.start, part.end
    return [
        Override(OverrideKind.REMOVE, part.staff_id, *span, part.duty),
        Override(OverrideKind.ADD, part.by_id, *span, part.duty, source=Source.SWAP),
    ]
