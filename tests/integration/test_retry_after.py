"""Twilio asks us to wait: a batch in hand stops there, unless it is one number's matter."""

from __future__ import annotations

import math
import threading
from collections import Counter
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from callback_service import sender
from callback_service.clock import utc_now
from callback_service.gateways.base import FoundText, SentText, SmsSendError, SmsUnclearError
from callback_service.gateways.twilio import TwilioGateway
from callback_service.models.outbox import OutboxMessage, OutboxState, TextGate
from tests.rota_builders import make_pattern
from tests.support.builders import make_staff
from tests.support.request_builders import make_request, mobile, phone_of, stored
from tests.twilio_double.api import Reply, refuse
from tests.twilio_double.server import serving

TEXTS = 60
WAIT_S = 30


class Busy:
    """A gateway that refuses the texts to one number, and takes all others."""

    is_live = True

    def __init__(self, refused: str, error: Exception) -> None:
        self._refused, self._error = refused, error
        self.asked = 0
        self._lock = threading.Lock()

    def send_text(
        self,
        *,
        to: str,
        body: str,
        status_callback: str,
        valid_seconds: int,
        begin_by: float = math.inf,
    ) -> SentText:
        with self._lock:
            self.asked += 1
            sid = f"SM{self.asked:032x}"
        if to == self._refused:
            raise self._error
        return SentText(sid, "queued")

    def find_texts(self, **_: object) -> list[FoundText]:
        return []

    def fetch_text(self, sid: str) -> FoundText | None:
        return None


def send_all(app: Flask, error: Exception) -> tuple[Busy, Counter[OutboxState]]:
    """Send 60 texts of which the first is refused with ``error``; where they then stand."""
    with stored(app) as session:
        make_pattern(session, make_staff(session), "00:00", "00:00")
        for number in range(TEXTS):
            make_request(session, mobile(number), may_text=True, now=utc_now())
    gateway = Busy(phone_of(mobile(0)).e164, error)
    app.extensions["text_gateway"] = gateway
    with app.app_context():
        sender.send_due(app)
    with stored(app) as session:
        query = select(OutboxMessage.state, func.count()).group_by(OutboxMessage.state)
        return gateway, Counter(dict(session.execute(query).all()))


@pytest.mark.parametrize(
    "error",
    [
        SmsSendError("busy", permanent=False, code=20429, retry_after=WAIT_S, is_outage=True),
        SmsUnclearError("HTTP 503", retry_after=WAIT_S),
    ],
    ids=["429", "503"],
)
def test_what_was_claimed_waits_when_twilio_asks_for_it(app: Flask, error: Exception) -> None:
    gateway, states = send_all(app, error)
    assert gateway.asked <= 2 * sender.THREADS  # what was begun by then went
    assert states[OutboxState.QUEUED] >= TEXTS - 2 * sender.THREADS
    with stored(app) as session:
        gate = session.scalars(select(TextGate)).one()
        assert gate.closed_until is not None
        assert gate.closed_until > utc_now() + timedelta(seconds=WAIT_S - 5)


def test_one_numbers_limit_holds_up_no_other_text(app: Flask) -> None:
    error = SmsSendError("busy", permanent=False, code=14107, retry_after=WAIT_S)
    gateway, states = send_all(app, error)
    assert gateway.asked == TEXTS
    assert states == {OutboxState.SENT: TEXTS - 1, OutboxState.QUEUED: 1}
    with stored(app) as session:
        gate = session.scalars(select(TextGate)).one_or_none()
        assert gate is None or gate.closed_until is None
        held = OutboxMessage.state == OutboxState.QUEUED
        [send_after] = session.scalars(select(OutboxMessage.send_after).where(held))
        assert send_after > utc_now() + timedelta(seconds=WAIT_S - 5)


@pytest.mark.one_database
@pytest.mark.parametrize(("code", "is_outage"), [(20429, True), (None, True), (14107, False)])
def test_a_429_is_told_apart_by_twilios_code(code: int | None, is_outage: bool) -> None:
    reply = refuse(code or 0, "Too many", 429, Retry_After="7") if code else Reply(429)
    with serving(lambda _: reply) as url, pytest.raises(SmsSendError) as no:
        TwilioGateway("AC" + "1" * 32, "0" * 32, sender="+441632960001", api_url=url).send_text(
            to="+447700900123", body="x", status_callback="https://x.test/1", valid_seconds=60
        )
    assert (no.value.is_outage, no.value.permanent) == (is_outage, False)
