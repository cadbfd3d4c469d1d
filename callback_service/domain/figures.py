"""What is counted of requests before they are emptied: tables of numbers with no person in them.

Each table counts by one thing and a span of time only. Two things at once (an hour and an outcome,
say) would single somebody out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final

#: A wait of at most so long falls into the band of this name; longer ones into the last.
BANDS: Final = (
    (timedelta(minutes=15), "within 15 minutes"),
    (timedelta(minutes=30), "within half an hour"),
    (timedelta(hours=1), "within an hour"),
    (timedelta(hours=2), "within 2 hours"),
)
LONGER: Final = "later than that"
NOT_RUNG: Final = "not rung"


class Measure(StrEnum):
    """What a table counts."""

    ASKED = "asked"  # by day and by hour of the day, when they asked
    ENDED = "ended"  # by month, how it ended
    WAITED = "waited"  # by month, from when we might ring to the first try


@dataclass(frozen=True, slots=True)
class Ended:
    """What is counted of one closed request. Instants are aware."""

    created_at: datetime
    ring_from: datetime
    first_attempt_at: datetime | None
    disposition: str


@dataclass(frozen=True, slots=True)
class Cell:
    """Where one request counts one: a table, a span named by its first day, a line."""

    measure: Measure
    from_on: date
    line: str


def cells(ended: Ended, *, tz: tzinfo) -> Iterator[Cell]:
    """The cells that one request counts in, by local days."""
    asked = ended.created_at.astimezone(tz)
    yield Cell(Measure.ASKED, asked.date(), f"{asked:%H}")
    month = asked.date().replace(day=1)
    yield Cell(Measure.ENDED, month, ended.disposition)
    yield Cell(Measure.WAITED, month, band(ended))


def band(ended: Ended) -> str:
    """How long the first try was waited for, as one of a few bands."""
    if ended.first_attempt_at is None:
        return NOT_RUNG
    waited = ended.first_attempt_at - max(ended.created_at, ended.ring_from)
    return next((name for most, name in BANDS if waited <= most), LONGER)


def shown(count: int, *, small: int) -> str:
    """A count as it is shown: none, or a number that is large enough to hide everybody in it."""
    if count == 0:
        return "0"
    return f"{count:,}" if count >= small else f"fewer than {small}"
