"""Several schedulers notice at once that a colleague's phone takes no texts: one alarm."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select

from callback_service.config import Settings
from callback_service.extensions import transaction
from callback_service.models.audit import AuditEntry
from callback_service.models.number import SaidBy
from callback_service.models.outbox import OutboxMessage
from callback_service.services import silent_staff, suppression
from tests.concurrency.racing import race
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import make_manager, mobile, phone_of, stored

PHONE = phone_of(mobile(1)).e164


def look_once() -> int:
    with transaction() as session:
        return silent_staff.look(session, now=NOW)


@pytest.mark.fault("several schedulers")
def test_of_many_looks_at_once_one_raises_the_alarm(app: Flask, settings: Settings) -> None:
    with stored(app) as session:
        make_manager(session)
        make_staff(session).phone = PHONE
        suppression.suppress(session, PHONE, said_by=SaidBy.TEXT, now=NOW)
    finishes = race(settings, look_once, [()] * 6)
    assert sorted(finish.value for finish in finishes) == [0, 0, 0, 0, 0, 1]
    with stored(app) as session:
        stopped = AuditEntry.action == "staff.texts_stopped"
        assert session.scalar(select(func.count(AuditEntry.id)).where(stopped)) == 1
        assert session.scalar(select(func.count(OutboxMessage.id))) == 1
