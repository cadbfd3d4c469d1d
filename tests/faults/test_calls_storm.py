"""Bridged calls through everything at once: nobody is rung twice for a press, nothing is stuck.

In a run of the tests a few calls, in ``make faults`` some hundred (``FAULT_CALLS``).
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import select

from callback_service import create_app
from callback_service.domain.calls import CallEnding
from callback_service.domain.lifecycle import RequestState
from callback_service.extensions import db, reading
from callback_service.models.call import BridgedCall
from callback_service.models.callback import Attempt, CallbackRequest
from tests.faults.calls_storm import (
    MISDEEDS,
    PACE_S,
    SLOW_S,
    WORKERS,
    Counsellor,
    Killer,
    at_work,
    counsellors,
    hurry,
    open_calls,
)
from tests.faults.storm import settings_of
from tests.journey.processes import House, wait_for
from tests.support.request_builders import mobile

pytestmark = pytest.mark.journey

CALLS = int(os.environ.get("FAULT_CALLS") or "12")
IS_LONG = CALLS >= 100
PEOPLE = 8 if IS_LONG else 4
STRIKE_EVERY_S = 2.5
#: A call whose answer was lost is looked up after half a minute, and one caller may meet several.
WITHIN_S = 150.0 + 5.0 * CALLS
#: What Twilio tells of the caller's phone at its end, and what the call then was.
ENDINGS = {
    "completed": CallEnding.CONNECTED,
    "answered": CallEnding.CONNECTED,
    "in-progress": CallEnding.CONNECTED,
    "busy": CallEnding.ENGAGED,
    "no-answer": CallEnding.NO_ANSWER,
    "failed": CallEnding.FAILED,
    "canceled": CallEnding.HUNG_UP,
}
_OF_CALLER = re.compile(r"/twilio/calls/(?P<uid>[0-9a-f]{32})/(caller|dialled)")

Record = Callable[[str, object], None]


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    """Web server with several workers, and the double of Twilio, as processes."""
    house = House(database_url, tmp_path)
    house.environ["WEB_CONCURRENCY"] = str(WORKERS)
    try:
        house.start_twilio()
        yield house
    finally:
        sys.stdout.write(house.close())


@pytest.fixture
def app(house: House) -> Iterator[Flask]:
    """The service in the test's own process: there requests are taken, and outcomes recorded."""
    app = create_app(settings_of(house))
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.mark.fault("calls: web and scheduler killed, a bad gateway")
def test_every_caller_is_rung_once_for_a_press_and_no_request_is_stuck(
    house: House, app: Flask, record_property: Record
) -> None:
    web = house.start_web()
    house.wait_until_up(web)
    schedulers = [house.start_scheduler(), house.start_scheduler()]
    people = counsellors(house, app, PEOPLE)
    _let_twilio_misbehave(house)
    killer, begun = Killer(house, web, schedulers), time.monotonic()
    callers = [mobile(number) for number in range(CALLS)]
    with at_work(people, callers, until=begun + WITHIN_S) as threads:
        while any(thread.is_alive() for thread in threads):
            time.sleep(STRIKE_EVERY_S)
            if house.answers():  # what is still starting is not worth a strike
                killer.strike()
            hurry(app)
    took = time.monotonic() - begun
    house.ask_twilio("behave", now=True)
    house.wait_until_up(killer.web)
    wait_for(lambda: _all_is_quiet(house, app), "the end of every call", within_s=60)
    record_property("seconds", round(took, 1))
    record_property("presses", sum(sum(person.presses.values()) for person in people))
    record_property("strikes", dict(killer.counts))
    record_property("endings", {str(ending): n for ending, n in _endings(app).items()})
    assert [person.failed for person in people if person.failed] == []
    _check_nobody_was_rung_twice(house, app, people)
    _check_every_request_was_seen_to(app)
    _check_what_was_told_is_kept(house, app)


def _let_twilio_misbehave(house: House) -> None:
    house.ask_twilio("pace", second=PACE_S)
    for seed, (kind, probability, on) in enumerate(MISDEEDS):
        seconds = SLOW_S if kind == "slow_reply" else 1
        house.ask_twilio(
            "misbehave", kind=kind, probability=probability, seed=seed, seconds=seconds, on=on
        )


def _all_is_quiet(house: House, app: Flask) -> bool:
    hurry(app)
    legs = house.ask_twilio("calls")
    is_any_up = any(leg["status"] in {"queued", "ringing", "in-progress"} for leg in legs)
    return not is_any_up and not open_calls(app)


def _endings(app: Flask) -> Counter[CallEnding | None]:
    with app.app_context(), reading() as session:
        return Counter(session.scalars(select(BridgedCall.ending)))


def _check_nobody_was_rung_twice(house: House, app: Flask, people: Sequence[Counsellor]) -> None:
    """One press asks Twilio once at most; one call of Twilio's dials the caller once at most."""
    asked = Counter(
        call["form"]["Url"].rsplit("/", 2)[1]
        for call in house.ask_twilio("calls-made")["calls"]
        if call["method"] == "POST" and call["path"].endswith("/Calls.json")
    )
    assert [uid for uid, times in asked.items() if times > 1] == []
    dialled = [leg for leg in house.ask_twilio("calls") if leg["parent_call_sid"]]
    parents = Counter(leg["parent_call_sid"] for leg in dialled)
    assert [sid for sid, times in parents.items() if times > 1] == []
    pressed = sum((person.presses for person in people), Counter[int]())
    rung = Counter(leg["to"] for leg in dialled)
    with app.app_context(), reading() as session:
        for request in session.scalars(select(CallbackRequest)):
            tries = len(request.attempts)
            assert rung[request.phone] <= tries <= pressed[request.id], request.id


def _check_every_request_was_seen_to(app: Flask) -> None:
    """Each was rung and is closed, or waits for its next try with nobody's name on it."""
    with app.app_context(), reading() as session:
        found = session.scalars(select(CallbackRequest)).all()
        assert len(found) == CALLS
        for request in found:
            assert request.state in {RequestState.CLOSED, RequestState.WAITING}, request.id
            assert request.attempts, request.id
            assert request.assigned_to_id is None or request.state is RequestState.CLOSED
        assert session.scalars(select(Attempt.id).where(Attempt.ended_at.is_(None))).all() == []


def _check_what_was_told_is_kept(house: House, app: Flask) -> None:
    """A report of the caller's leg that we took says how the call ended, in whatever order."""
    told = defaultdict(list)
    for post in house.ask_twilio("webhooks"):
        of_caller = _OF_CALLER.fullmatch(urlsplit(post["url"]).path)
        if of_caller and post["status"] in {200, 204}:
            told[of_caller["uid"]].append(_status(post["form"]))
    with app.app_context(), reading() as session:
        endings = dict(session.execute(select(BridgedCall.uid, BridgedCall.ending)).all())
    for uid, statuses in told.items():
        last = [one for one in statuses if one in ENDINGS and one != "in-progress"]
        expected = {ENDINGS[one] for one in last or statuses if one in ENDINGS}
        assert not expected or endings[uid] in expected, (uid, statuses)


def _status(form: dict[str, Any]) -> str:
    return str(form.get("DialCallStatus") or form["CallStatus"])
