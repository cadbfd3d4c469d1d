"""Ids of rows and days as they stand in addresses."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from werkzeug.routing import IntegerConverter, Map

from callback_service.domain.wall_time import is_meant

LARGEST_ID: Final = 2**31 - 1


class RowId(IntegerConverter):
    """``<int:...>`` in an address: a number no row can have is not found, and never a fault."""

    def __init__(self, map: Map, **options: Any) -> None:
        super().__init__(map, **{"max": LARGEST_ID, **options})


def a_day(text: str) -> date:
    """The day in a query or a field; ValueError for what nobody can mean."""
    day = date.fromisoformat(text)
    if not is_meant(day):
        raise ValueError("nobody means this day")
    return day


def row_id(text: str) -> int:
    """The id in a query; ValueError for what cannot be one."""
    number = int(text)
    if not 0 <= number <= LARGEST_ID:
        raise ValueError("no row has this id")
    return number
