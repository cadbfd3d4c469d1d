"""Texts through everything at once: nothing is lost, nothing is said twice.

In a run of the tests a few hundred texts, in ``make faults`` ten thousand (``FAULT_TEXTS``).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from callback_service import create_app
from callback_service.models.outbox import OutboxMessage, OutboxState
from tests.faults.storm import (
    Storm,
    are_done,
    fill,
    has_given_up,
    said_twice,
    settings_of,
    states,
    storm_session,
    strike_until,
)
from tests.journey.processes import House, wait_for
from tests.journey.visitor import Visitor

pytestmark = [pytest.mark.journey, pytest.mark.alone]

TEXTS = int(os.environ.get("FAULT_TEXTS") or "240")
IS_LONG = TEXTS >= 5_000
#: Seconds that a request to Twilio may take: all other times follow from it.
TIMEOUT_S = 3 if IS_LONG else 1
WITHIN_S = 180.0 if IS_LONG else 120.0
#: How long Twilio is away, and what a request to it may take then. All times follow from that:
#: how soon the breaker lets one through to see, for one.
AWAY_S, AWAY_TIMEOUT_S = (600.0, 10) if IS_LONG else (5.0, 1)
RATES = {
    "500": 0.01,
    "500_stored": 0.03,
    "429": 0.02,
    "reply_lost": 0.03,
    "slow_reply": 0.005,
    "reset": 0.005,
}
#: In a long run most receipts are not sent: with all, the web server would be what is measured.
RECEIPTS = {"receipt_duplicated": 0.2, "receipt_reordered": 0.2}

Record = Callable[[str, object], None]


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    """Web server and the double of Twilio as processes; the senders are the test's own."""
    house = House(database_url, tmp_path)
    house.environ["TWILIO_TIMEOUT_SECONDS"] = str(TIMEOUT_S)
    if not IS_LONG:
        house.environ["TEXTS_PER_SECOND"] = "40"  # so that there is time to kill somebody
    try:
        house.start_twilio()
        house.wait_until_up(house.start_web())
        yield house
    finally:
        sys.stdout.write(house.close())


@pytest.mark.fault("senders killed, a bad gateway")
def test_every_text_goes_once_through_kills_stops_and_a_gateway_gone_bad(
    house: House, record_property: Record
) -> None:
    fill(house, TEXTS)
    for seed, (kind, rate) in enumerate(RATES.items()):
        seconds = TIMEOUT_S + 1 if kind == "slow_reply" else 1
        house.ask_twilio("misbehave", kind=kind, probability=rate, seed=seed, seconds=seconds)
    house.ask_twilio("misbehave", kind="500", probability=0.02, seed=9, on="find")
    if IS_LONG:
        house.ask_twilio("misbehave", kind="receipt_dropped", probability=0.9, seed=8)
    for seed, (kind, rate) in enumerate(RECEIPTS.items()):
        house.ask_twilio("misbehave", kind=kind, probability=rate, seed=seed)
    storm = Storm(create_app(settings_of(house)), stopped_for_s=3 * TIMEOUT_S + 1)
    with storm.raging():
        took = strike_until(storm, lambda: are_done(house, TEXTS), every_s=0.9, within_s=WITHIN_S)
    left = {state: n for state, n in states(house).items() if state is not OutboxState.SENT}
    record_property("seconds", round(took, 1))
    record_property("strikes", dict(storm.counts))
    assert said_twice(house) == []
    assert left == {}, left
    _check_each_is_its_own(house)


def _check_each_is_its_own(house: House) -> None:
    """What we call sent is at the double under that id, with its words; and nothing else is."""
    there = {one["sid"]: (one["to"], one["body"]) for one in house.ask_twilio("messages")}
    with storm_session(house) as session:
        ours = {
            message.provider_sid: (message.to, message.body)
            for message in session.scalars(select(OutboxMessage))
        }
    assert len(ours) == TEXTS
    assert ours == there


@pytest.mark.fault("Twilio away")
def test_a_backlog_drains_fast_after_twilio_was_away_and_the_form_answered_throughout(
    house: House, record_property: Record
) -> None:
    count = min(TEXTS, 3_000)
    house.environ |= {"TWILIO_TIMEOUT_SECONDS": str(AWAY_TIMEOUT_S), "TEXTS_PER_SECOND": "1000"}
    house.ask_twilio("misbehave", kind="503", probability=1.0, on="any")
    fill(house, count)
    storm = Storm(create_app(settings_of(house)), stopped_for_s=1)
    with storm.raging():
        wait_for(lambda: has_given_up(house), "the breaker")
        answers = _ask_for(house, AWAY_S)
        sends = house.ask_twilio("calls-made")["sends"]
        house.ask_twilio("behave", now=True)
        begun = time.monotonic()
        wait_for(
            lambda: states(house)[OutboxState.SENT] > 0,
            "the first text",
            within_s=30 * AWAY_TIMEOUT_S,
        )
        first = time.monotonic()
        wait_for(lambda: are_done(house, count), "an empty backlog", within_s=180)
        rate = 60 * count / max(time.monotonic() - first, 0.001)
    record_property("tries while away", sends)
    record_property("first text after s", round(first - begun, 1))
    record_property("texts a minute", round(rate))
    record_property("slowest answer of the form, s", round(max(answers), 2))
    assert said_twice(house) == []
    assert sends < 200, "the breaker did not open"
    assert rate >= 1_000
    assert max(answers) < 5


def _ask_for(house: House, seconds: float) -> list[float]:
    """How long the form took to take a request, asked again and again for so many seconds."""
    end_at = time.monotonic() + seconds
    answers: list[float] = []
    while time.monotonic() < end_at:
        with Visitor(house.url) as caller:
            begun = time.monotonic()
            caller.open("/")
            phone = f"01632 960{len(answers) % 1000:03}"
            answer = caller.post("/", phone=phone, when="asap", messages="no", consent="y")
            assert answer.status_code == 303, answer.text
            answers.append(time.monotonic() - begun)
        time.sleep(0.2)
    return answers
