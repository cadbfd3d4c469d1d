"""What follows an attempt: another one, and when, or the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from callback_service.domain.contact import Window
from callback_service.domain.lifecycle import Disposition, Outcome
from callback_service.errors import Refused

#: Attempts in one window (source: docs/design.md, "Defaults").
MAX_ATTEMPTS: Final = 3
AFTER_ENGAGED: Final = timedelta(minutes=5)
AFTER_NO_ANSWER: Final = (timedelta(minutes=10), timedelta(minutes=60))
#: Tries are at least this far apart, and begin at least this long before a window ends.
SHORTEST_PAUSE: Final = timedelta(minutes=5)
#: A retry is due this long after its time (source: docs/planning.md, "Quotes").
RETRY_SLACK: Final = timedelta(minutes=15)

_SPACING: Final[dict[Outcome, tuple[timedelta, ...]]] = {
    Outcome.NO_ANSWER: AFTER_NO_ANSWER,
    Outcome.VOICEMAIL: AFTER_NO_ANSWER,
    Outcome.ENGAGED: (AFTER_ENGAGED, AFTER_ENGAGED),
    Outcome.FAILED: (AFTER_ENGAGED, AFTER_ENGAGED),
    Outcome.NOT_SAFE_NOW: (AFTER_NO_ANSWER[-1],),
}


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Ring again, from ``at`` until ``due``. ``fresh`` starts the count of attempts anew."""

    at: datetime
    due: datetime
    fresh: bool


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Close with this disposition."""

    disposition: Disposition


def after_attempt(
    outcome: Outcome,
    *,
    attempts: int,
    now: datetime,
    ring_until: datetime | None,
    later: Sequence[Window],
    again_at: datetime | None = None,
) -> TryAgain | GiveUp:
    """Decide what follows an attempt that did not reach the caller.

    ``attempts`` counts those made in this window, this one included. ``ring_until`` ends the
    window the caller chose; None means "as soon as you can", which sets no end. ``later`` are the
    caller's further windows. ``again_at`` is a time the caller named themselves and wins.
    Raises Refused for an attempt that did reach them, unless they named a time.
    """
    if outcome is Outcome.WRONG_NUMBER:
        return GiveUp(Disposition.WRONG_NUMBER)
    if again_at is not None:
        return TryAgain(again_at, again_at + RETRY_SLACK, fresh=True)
    if outcome is Outcome.ANSWERED:
        raise Refused("The caller was reached: say how the call ended.")
    if attempts < MAX_ATTEMPTS:
        spacing = _SPACING[outcome][min(attempts, len(_SPACING[outcome])) - 1]
        at = _within(now + spacing, now=now, ring_until=ring_until)
        if at is not None:
            return TryAgain(at, _no_later_than(at + RETRY_SLACK, ring_until), fresh=False)
    following = min((window for window in later if window.start > now), default=None)
    if following is not None:
        return TryAgain(following.start, following.end, fresh=True)
    return GiveUp(Disposition.UNREACHABLE)


def _within(at: datetime, *, now: datetime, ring_until: datetime | None) -> datetime | None:
    """``at``, brought forward where the window ends first; None where no further try fits."""
    if ring_until is None:
        return at
    at = min(at, ring_until - SHORTEST_PAUSE)
    return at if at >= now + SHORTEST_PAUSE else None


def _no_later_than(at: datetime, limit: datetime | None) -> datetime:
    return at if limit is None else min(at, limit)
