"""The settings of how long data is kept, and of whom to complain to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

from callback_service.config_values import whole_number
from callback_service.domain.retention import CLOCKS, SMALL_CELL, Keeping

LARGEST_SMALL_CELL = 50


def keeping(get: Callable[[str], str | None], *, tz: ZoneInfo) -> Keeping:
    """How long this installation keeps what; raises SettingsError with one sentence."""
    chosen = {}
    for clock in CLOCKS:
        given = get(clock.setting) if clock.setting else None
        if clock.setting and given:
            days = whole_number(clock.setting, given, least=clock.least, most=clock.most)
            chosen[clock.kind] = timedelta(days=days)
    small = whole_number(
        "FIGURES_LEAST",
        get("FIGURES_LEAST") or str(SMALL_CELL),
        least=SMALL_CELL,
        most=LARGEST_SMALL_CELL,
    )
    return Keeping(chosen, tz, small)
