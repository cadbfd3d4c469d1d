"""The bank holidays of the nations of the United Kingdom, from the ``holidays`` library."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

import holidays

from callback_service.config import NATIONS

_nation = NATIONS[0]


def use_nation(nation: str) -> None:
    """Take the days of ``nation`` from now on. Called once, by ``create_app``."""
    global _nation  # noqa: PLW0603 - one process, one service, one nation
    if nation not in NATIONS:
        raise ValueError(f"no nation of the United Kingdom: {nation}")
    _nation = nation


def bank_holidays(first: date, last: date, *, nation: str | None = None) -> dict[date, str]:
    """The bank holidays from ``first`` to ``last``, both included, with their names, in order.

    Where a holiday falls on a weekend both it and the weekday given in its place are here.
    """
    return {
        day: name
        for year in range(first.year, last.year + 1)
        for day, name in _of_year(nation or _nation, year)
        if first <= day <= last
    }


@lru_cache(maxsize=256)
def _of_year(nation: str, year: int) -> tuple[tuple[date, str], ...]:
    days = holidays.country_holidays(
        "GB", subdiv=nation, years=year, expand=False, language="en_GB"
    )
    return tuple(sorted(days.items()))
