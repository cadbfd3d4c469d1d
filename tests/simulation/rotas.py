"""Rotas for tests that simulate."""

from __future__ import annotations

from datetime import date, timedelta

from callback_service.domain.rota import Shift, resolve_shifts
from callback_service.services.demo import counselling_patterns
from tests.rota_builders import LONDON, local

MONDAY = local("2026-03-02 00:00")
LONG_AGO = date(2026, 1, 5)


def demo_shifts(days: int) -> list[Shift]:
    """The demo's rota from MONDAY on, two days further than ``days``."""
    end = MONDAY + timedelta(days=days + 2)
    return resolve_shifts(counselling_patterns(LONG_AGO), MONDAY, end, tz=LONDON)
