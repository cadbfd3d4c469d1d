"""Many looks at once by one person: the budget of the day holds."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import func, select

from callback_service.config import Settings
from callback_service.domain.looks import LookReason
from callback_service.extensions import transaction
from callback_service.models.look import Look
from callback_service.models.staff import Staff
from callback_service.services.looks import take_look
from tests.concurrency.racing import race
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import make_manager, make_request, member, mobile, stored

BUDGET = 3


def look(staff_id: int, request_id: int) -> None:
    with transaction() as session:
        staff = member(session.get_one(Staff, staff_id))
        take_look(
            session, request_id, staff=staff, reason=LookReason.COMPLAINT, words=None,
            a_day=BUDGET, now=NOW, tz=LONDON,
        )  # fmt: skip


def test_of_eight_looks_at_once_as_many_are_taken_as_the_budget_has(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        staff_id = make_manager(session).id
        ids = [make_request(session, mobile(100 + n)).id for n in range(8)]
    finishes = race(settings, look, [(staff_id, request_id) for request_id in ids])
    refused = [finish.refused_with for finish in finishes]
    assert refused.count(None) == BUDGET
    assert refused.count("Refused") == len(ids) - BUDGET
    with stored(app) as session:
        assert session.scalar(select(func.count()).select_from(Look)) == BUDGET
