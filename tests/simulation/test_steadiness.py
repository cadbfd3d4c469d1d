"""A counsellor who looks at the plan finds the same calls there a minute later, nearly always."""

from __future__ import annotations

import pytest

from callback_service.domain import plan_run
from tools.bench.steadiness import GOAL, steadiness


def test_from_minute_to_minute_few_requests_change_counsellor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = steadiness("demo", days=2)
    monkeypatch.setattr(plan_run, "KEEP_SECONDS", 0)
    not_kept = steadiness("demo", days=2)
    assert kept.pairs > 2_000
    assert kept.changed_percent < 0.75 * GOAL
    assert kept.changed_percent < not_kept.changed_percent / 2
