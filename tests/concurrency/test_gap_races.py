"""Several schedulers look for gaps at once: the managers are told once."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select

from callback_service.config import Settings
from callback_service.extensions import transaction
from callback_service.models.cover import CoverLook, CoverWarning
from callback_service.models.outbox import OutboxMessage
from callback_service.services.cover_warnings import warn_of_gaps
from tests.concurrency.racing import race
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import make_manager, stored


def look_once() -> int:
    with transaction() as session:
        return warn_of_gaps(session, now=NOW, tz=LONDON)


@pytest.mark.fault("several schedulers")
def test_of_many_looks_at_once_one_tells(app: Flask, settings: Settings) -> None:
    with stored(app) as session:
        make_manager(session)
    finishes = race(settings, look_once, [()] * 6)
    assert sorted(finish.value for finish in finishes) == [0, 0, 0, 0, 0, 1]
    with stored(app) as session:
        for model in (CoverLook, CoverWarning, OutboxMessage):
            assert session.scalar(select(func.count()).select_from(model)) == 1
