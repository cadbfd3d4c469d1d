"""Looks at what a caller told us by somebody who does not ring them: why, for how long, how many.

Source: the threat of staff who browse; the figures are the service's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

#: A look shows one record for so long; opening it again within that is the same look.
LOOK_LASTS: Final = timedelta(minutes=15)
#: Looks that one person may take on one day of the service's zone, unless the settings say else.
LOOKS_A_DAY: Final = 20
#: How many more a colleague allows at once.
MORE_LOOKS: Final = 5


class LookReason(StrEnum):
    """Why somebody needs to see a record that is not their call."""

    STEPPING_IN = "stepping_in"
    AT_RISK = "at_risk"
    COMPLAINT = "complaint"
    DATA_REQUEST = "data_request"
    WRONG_DATA = "wrong_data"
    OTHER = "other"


LOOK_REASONS: Final[Mapping[LookReason, str]] = {
    LookReason.STEPPING_IN: "I am stepping in for a counsellor",
    LookReason.AT_RISK: "Somebody may be at risk",
    LookReason.COMPLAINT: "A complaint",
    LookReason.DATA_REQUEST: "The caller asked what we hold, or to erase it",
    LookReason.WRONG_DATA: "Something in it seems wrong",
    LookReason.OTHER: "Another reason",
}


def is_within_budget(taken: int, *, a_day: int, allowances: int) -> bool:
    """Whether one more look may be taken, with ``taken`` looks and ``allowances`` of the day."""
    return taken < a_day + MORE_LOOKS * allowances


def mask(number: str | None) -> str:
    """A telephone number as those see it who do not ring it: dots and its last three digits."""
    return f"•••• {number[-3:]}" if number else ""
