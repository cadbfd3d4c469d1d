"""The one place that reads the wall clock. Everything below it is told the time."""

from __future__ import annotations

import time
from datetime import UTC, datetime

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def utc_now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)


def running() -> float:
    """Seconds that only ever go on, whatever is done to the wall clock or to this process.

    Where the system can tell, the time that the machine sleeps counts too.
    """
    return time.clock_gettime(_STEADY)
