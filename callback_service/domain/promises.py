"""What may be promised: room for windows in the rota, and the time for "as soon as you can"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from callback_service.domain.contact import Window

#: Share of counsellor minutes sold as windows; the rest serves "as soon as you can".
#: Source: docs/planning.md, "Windows".
SOLD_SHARE: Final = 0.7
#: Minutes one request costs on average, retries included, where p = 25% do not answer:
#: (1 + p + p^2) ((1 - p) 30 + 2 p).
MINUTES_PER_REQUEST: Final = 30.2
#: Minutes of a shift's last stretch that cannot be sold.
LOST_AT_SHIFT_END: Final = timedelta(minutes=10)
NOTICE: Final = timedelta(minutes=30)
HORIZON: Final = timedelta(days=14)


def target_of(release: datetime, due_at: datetime, *, is_window: bool) -> datetime:
    """The instant the plan aims at: the middle of a window, the due time of anything else.

    Aiming at the middle kept more windows than aiming at the end (docs/planning.md, "Windows").
    """
    return release + (due_at - release) / 2 if is_window else due_at


def quote(expected: datetime, *, latest_open_promise: datetime | None, now: datetime) -> datetime:
    """The time to promise for "as soon as you can", from the time the plan ``expected``.

    Half as long again plus 15 minutes, up to a full five minutes; never earlier than the latest
    promise still open, so that nobody is overtaken (source: docs/planning.md, "Quotes").
    """
    padded = now + 1.5 * (expected - now) + timedelta(minutes=15)
    return round_up(max(padded, latest_open_promise or padded), timedelta(minutes=5))


def round_up(at: datetime, step: timedelta) -> datetime:
    """``at`` rounded up to a whole ``step`` of the clock."""
    seconds = step.total_seconds()
    return datetime.fromtimestamp(math.ceil(at.timestamp() / seconds) * seconds, tz=at.tzinfo)


def places(window: Window, shifts: Sequence[tuple[datetime, datetime]]) -> int:
    """How many requests may be promised in ``window``, given the (start, end) of duty shifts."""
    minutes = sum(_sellable(window, start, end).total_seconds() / 60 for start, end in shifts)
    return math.floor(SOLD_SHARE * minutes / MINUTES_PER_REQUEST)


def _sellable(window: Window, start: datetime, end: datetime) -> timedelta:
    usable_end = min(window.end, end - LOST_AT_SHIFT_END)
    return max(usable_end - max(window.start, start), timedelta())
