"""What a plan is made from, as columns of numbers: quick to sort, to compare and to look up.

Tasks and people go by their place in these lists; times are seconds from now. People whom no task
tells apart are of one class; tasks that the same classes may take are of one kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: A number holds a rank (or a count, or an instant) and a place, so that to sort by the one and
#: then by the other is to compare numbers: ``rank << PLACES | place``.
PLACES: Final = 24
PLACE: Final = (1 << PLACES) - 1
NOBODY: Final = -1
#: Seconds that no plan comes to.
NEVER: Final = 10**12


@dataclass(frozen=True, slots=True)
class Tasks:
    """One column for each fact, in order of the requests' ids."""

    keys: list[int]  # rank and place
    kinds: list[int]
    releases: list[int]
    dues: list[int]
    lengths: list[int]
    planned_for: list[int]  # the place of a person, or NOBODY


@dataclass(frozen=True, slots=True)
class People:
    """One column for each fact, in order of the counsellors' ids."""

    classes: list[int]
    calls: list[int]
    free_at: list[int]
    #: First and last instant a call may start, for each shift; the next shift is the last.
    spans: list[list[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Facts:
    """The tasks, the people, and who may take what."""

    tasks: Tasks
    people: People
    able: list[list[int]]  # classes that may take each kind, those of fewest skills first
    kinds_of: list[frozenset[int]]  # kinds that each class may take
    needs_of: list[int]  # what each kind needs, as a number: whom it avoids does not matter here
