"""What may be promised in the rota: how many requests a window has room for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from callback_service.domain.breaks import BREAK_SHARE
from callback_service.domain.contact import Window

#: Share of counsellor minutes sold as windows; the rest serves "as soon as you can". The lesser
#: where few are on shift and the window is short. Source: docs/planning.md, "Windows".
SOLD_SHARE: Final = 0.7
SOLD_SHARE_OF_FEW: Final = 0.4
MANY_ON_SHIFT: Final = 4
LONG_WINDOW: Final = timedelta(hours=2)
#: Minutes one request costs on average, retries included, where p = 25% do not answer:
#: (1 + p + p^2) ((1 - p) 30 + 2 p). What is lost beside, like the rest after a try in vain, is in
#: the share that is not sold.
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


def places(
    window: Window,
    shifts: Sequence[tuple[datetime, datetime]],
    *,
    reserved: int = 0,
    break_share: float = BREAK_SHARE,
) -> int:
    """How many requests may be promised in ``window``, given the (start, end) of duty shifts.

    ``reserved`` counts open requests that are to be rung then and hold no place: follow-ups and
    retries, and who is that long in the queue for "as soon as you can". Give 0 as ``break_share``
    where the spans leave the breaks out.
    """
    lasts = (window.end - window.start).total_seconds() / 60
    minutes = sum(_sellable(window, start, end).total_seconds() / 60 for start, end in shifts)
    is_ample = minutes >= MANY_ON_SHIFT * lasts or window.end - window.start >= LONG_WINDOW
    share = SOLD_SHARE if is_ample else SOLD_SHARE_OF_FEW
    net = minutes * (1 - break_share) - reserved * MINUTES_PER_REQUEST
    return max(math.floor(share * net / MINUTES_PER_REQUEST), 0)


def _sellable(window: Window, start: datetime, end: datetime) -> timedelta:
    usable_end = min(window.end, end - LOST_AT_SHIFT_END)
    return max(usable_end - max(window.start, start), timedelta())
