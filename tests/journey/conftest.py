"""The whole service as processes, for one test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journey.processes import House


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    """Web server, scheduler and the double of Twilio, with no staff; logs shown on failure."""
    yield from _opened(House(database_url, tmp_path), is_staffed=False)


@pytest.fixture
def staffed_house(database_url: str, tmp_path: Path) -> Iterator[House]:
    """The same with the demo's people and rota."""
    yield from _opened(House(database_url, tmp_path), is_staffed=True)


def _opened(house: House, *, is_staffed: bool) -> Iterator[House]:
    try:
        house.open(is_staffed=is_staffed)
        yield house
    finally:
        sys.stdout.write(house.close())
