"""What the last calls and offers say of the next ones, for the futures of a quote."""

from __future__ import annotations

from typing import Final, NamedTuple

from callback_service.domain.call_lengths import PRIOR, CallLengths

#: Of offers, until some are counted: nobody takes them in time (source: assumed).
LAPSES: Final = 0.05
#: How many offers what we believe at first weighs as much as; and as many of the last ones count.
PRIOR_WEIGHT: Final = 50
MOST_OFFERS: Final = 500
#: The share is never taken to be more: an outage must not put off all who ask after it.
MOST_LAPSES: Final = 0.3


class Habits(NamedTuple):
    """How long calls last, and which share of offers nobody takes in time."""

    lengths: CallLengths = PRIOR
    lapses: float = LAPSES


def learned_lapses(lapsed: int, offers: int) -> float:
    """The share of offers that lapse, given how many of the last ones did."""
    share = (lapsed + LAPSES * PRIOR_WEIGHT) / (offers + PRIOR_WEIGHT)
    return min(share, MOST_LAPSES)
