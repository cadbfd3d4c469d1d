"""One code, sent by many at once, lets one in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import select

from callback_service.config import Settings
from callback_service.domain.signing_in import RECOVERY_CODES
from callback_service.extensions import transaction
from callback_service.models.staff import Staff
from callback_service.services import second_step, sign_in
from callback_service.services.tries import Caller
from tests.concurrency.racing import race
from tests.support.builders import PASSWORD, make_staff
from tests.support.signing_in import code_at

AT_ONCE = 8
HERE = Caller("192.0.2.7")


@pytest.fixture
def half_in(app: Flask, now: datetime) -> tuple[list[int], list[str]]:
    """Eight browsers in which one person gave the password, and the person's recovery codes."""
    with app.app_context(), transaction() as session:
        staff = make_staff(session)
        codes = second_step.renew_recovery_codes(session, staff.id, keep=None, now=now)
        ids = []
        for _ in range(AT_ONCE):
            proven = sign_in.check_password(session, email=staff.email, password=PASSWORD)
            opened = sign_in.open_sign_in(session, proven, caller=HERE, now=now)
            ids.append(sign_in.visit_by_token(session, opened.token, now=now).sign_in_id or 0)
    return ids, list(codes)


def send_code(sign_in_id: int, code: str, now: datetime) -> None:
    with transaction() as session:
        second_step.give_code(session, sign_in_id, code, caller=HERE, now=now)


def send_recovery_code(sign_in_id: int, code: str, now: datetime) -> None:
    with transaction() as session:
        second_step.give_recovery_code(session, sign_in_id, code, caller=HERE, now=now)


def got_in(
    settings: Settings, send: Callable[..., None], ids: list[int], code: str, now: datetime
) -> int:
    done = race(settings, send, [(sign_in_id, code, now) for sign_in_id in ids])
    assert {finish.refused_with for finish in done} <= {None, "BadInput"}
    return sum(finish.refused_with is None for finish in done)


def test_one_code_of_an_app_sent_by_eight_at_once_lets_one_in(
    settings: Settings, half_in: tuple[list[int], list[str]], now: datetime
) -> None:
    ids, _ = half_in
    assert got_in(settings, send_code, ids, code_at(now), now) == 1


def test_one_recovery_code_sent_by_eight_at_once_lets_one_in(
    settings: Settings, app: Flask, half_in: tuple[list[int], list[str]], now: datetime
) -> None:
    ids, codes = half_in
    assert got_in(settings, send_recovery_code, ids, codes[0], now) == 1
    with app.app_context(), transaction() as session:
        staff_id = session.scalars(select(Staff.id)).one()
        assert second_step.recovery_codes_left(session, staff_id) == RECOVERY_CODES - 1
