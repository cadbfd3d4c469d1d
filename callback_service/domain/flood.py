"""When a form that was posted is let into the queue, and when it waits until the flood is over.

Nobody is turned away for what others do: a post that waits is let in later, or by a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

#: Posts are counted over this time.
COUNTED_FOR: Final = timedelta(hours=1)
#: The first post of a network is let in up to so many times the limit of all: a flood from few
#: addresses leaves this much to everybody else.
FIRST_OF_NETWORK: Final = 3
#: What seems to be filled in by a program waits so long for a person to look at it; then it waits
#: as everything else does, so that nobody is forgotten for being quick.
HELD_FOR: Final = timedelta(minutes=15)
#: Posts of one network, and of all, that are kept waiting at most: a disk has an end.
MOST_WAITING_OF_NETWORK: Final = 100
MOST_WAITING: Final = 5_000


@dataclass(frozen=True, slots=True)
class FormLimits:
    """Posts of the form that go straight into the queue within an hour."""

    a_network: int = 5  # from one IPv4 address, or one IPv6 /64
    in_all: int = 100
    #: Nobody reads and answers the form in less, whoever fills it in for them. 0: not looked at.
    least_time: timedelta = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Seen:
    """What came within the last hour, and what waits now."""

    let_in_from_network: int
    let_in: int
    waiting_from_network: int
    waiting: int
    held_from_network: int = 0  # waits for a person to look at it, and keeps nobody else back


def must_wait(seen: Seen, limits: FormLimits) -> bool:
    """Whether another post of that network has to wait. Those that wait already come before it."""
    return seen.waiting_from_network > 0 or not has_room(seen, limits)


def has_room(seen: Seen, limits: FormLimits) -> bool:
    """Whether one more post of that network may be let in now."""
    is_first = seen.let_in_from_network == 0
    most = limits.in_all * (FIRST_OF_NETWORK if is_first else 1)
    return seen.let_in_from_network < limits.a_network and seen.let_in < most


def can_be_kept(seen: Seen) -> bool:
    """Whether there is a place to wait in."""
    of_network = seen.waiting_from_network + seen.held_from_network
    is_own_full = of_network >= MOST_WAITING_OF_NETWORK
    return not is_own_full and seen.waiting < MOST_WAITING


def is_too_fast(taken: timedelta | None, limits: FormLimits) -> bool:
    """Whether a form came back sooner than a person can have answered it.

    ``taken`` is None where it does not say when it was given out: no page of ours was. Less than
    nothing, where a clock was set back, tells nothing.
    """
    if not limits.least_time:
        return False
    return taken is None or timedelta(0) <= taken < limits.least_time


def is_flooded(seen: Seen, limits: FormLimits) -> bool:
    """Whether callers are asked to ring instead, because so much comes in."""
    return seen.let_in >= limits.in_all
