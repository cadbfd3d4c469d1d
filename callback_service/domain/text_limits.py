"""How long a send may take, how much may be sent, and when to leave a gateway alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

#: Sends of one text that stayed unclear; then it is not sent again and a person is told.
MAX_UNCLEAR_TRIES: Final = 3
#: Failures in a row, whoever sent, after which nothing is sent for a while.
FAILURES_TO_OPEN: Final = 10
#: The longest that a gateway may ask us to wait.
LONGEST_WAIT: Final = timedelta(minutes=10)

#: A sender has no more in hand than goes in this time: it waits for a lease if the sender dies.
IN_HAND: Final = timedelta(seconds=1)

A_DAY: Final = timedelta(hours=24)
AN_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class TextLimits:
    """What one installation allows. None is no limit."""

    http: timedelta = timedelta(seconds=10)  # a request to the gateway takes no longer
    a_number_by_forms: int = 2  # texts in 24 hours that posts of the form brought about
    a_number: int = 6  # texts in 24 hours of all kinds to one caller
    a_network: int = 20  # texts in an hour that posts from one network brought about
    segments_a_day: int | None = None  # of all texts; beyond it callers get none that day
    a_second: int | None = None  # texts of all senders together

    @property
    def begin_within(self) -> timedelta:
        """A text that was claimed is handed over within this time, or given back."""
        return self.http

    @property
    def look_up_after(self) -> timedelta:
        """A send whose fate is unclear is looked up no earlier: it is surely over by then."""
        return 2 * self.http

    @property
    def lease(self) -> timedelta:
        """How long a claim lasts: until the last send begun within it may be looked up."""
        return self.begin_within + self.look_up_after

    @property
    def patience(self) -> timedelta:
        """How long past its lease a claim is left to a sender that still runs, or is stopped."""
        return 6 * self.lease

    def pause_after(self, previous: timedelta) -> timedelta:
        """How long a gateway that failed is left alone: 5 s, then twice as long up to a minute.

        ``previous`` is the last pause, nought at first. The figures are those of requests that may
        take 10 s.
        """
        return min(2 * previous, 6 * self.http) if previous else self.http / 2


def failures_in_a_row(before: int, went_well: Iterable[bool]) -> int:
    """How many failed in a row up to the last one, ``before`` counting those of earlier runs."""
    for is_well in went_well:
        before = 0 if is_well else before + 1
    return before


def in_hand_next(went: int, took: timedelta, *, least: int, most: int) -> int:
    """How many texts to claim after ``went`` went in the time ``took``, if they go as these did."""
    at_this_pace = went * IN_HAND / max(took, timedelta(milliseconds=1))
    return min(max(int(at_this_pace), least), most)


def tokens(held: float, since: timedelta | None, *, a_second: int) -> float:
    """Texts that may go now: ``a_second`` more with every second, and never more than that.

    ``since``: the time since ``held`` was counted; None the first time.
    """
    if since is None:
        return float(a_second)
    return min(held + max(since.total_seconds(), 0) * a_second, float(a_second))
