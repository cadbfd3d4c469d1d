"""Breaks that nobody has planned: who on shift is still to have one, when, and for how long."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from callback_service.domain.presence import BREAK_MINUTES
from callback_service.domain.wall_time import Span

#: Share of a shift that goes to breaks: 30 minutes in 8 hours.
BREAK_SHARE: Final = 30 / (8 * 60)
#: A shift from this length on has a break (source: Working Time Regulations 1998, regulation 12).
BREAK_FROM: Final = timedelta(hours=6)
#: Breaks begin after this share of a shift, and before as much of it is left.
EDGE: Final = 0.25

_LENGTHS: Final = [timedelta(minutes=minutes) for minutes in BREAK_MINUTES]


class BreakToCome(NamedTuple):
    """A break that begins at some time in ``[earliest, latest]``, once they are free."""

    earliest: datetime
    latest: datetime
    length: timedelta


def break_to_come(duty: Span, *, now: datetime) -> BreakToCome | None:
    """The break of somebody on ``duty`` who has had none: None if it is short, or nearly over."""
    start, end = duty
    lasts = end - start
    edge = EDGE * lasts
    earliest, latest = max(start + edge, now), end - edge
    if lasts < BREAK_FROM or latest <= now:
        return None
    return BreakToCome(earliest, latest, usual_break(lasts))


def usual_break(duty: timedelta) -> timedelta:
    """How long the break is in so much duty: the nearest of those that can be chosen."""
    share = duty * BREAK_SHARE
    return min(_LENGTHS, key=lambda one: abs(one - share))
