"""Counsellors who ring one caller after another while web server and scheduler are killed."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests
from flask import Flask
from sqlalchemy import func, select, update

from callback_service.clock import utc_now
from callback_service.domain.calls import SUGGESTED, CallState
from callback_service.domain.lifecycle import Disposition, Outcome, RequestState
from callback_service.domain.staff import StaffMember
from callback_service.errors import CallbackServiceError
from callback_service.extensions import reading, transaction
from callback_service.models.call import BridgedCall
from callback_service.models.callback import CallbackRequest
from callback_service.services import attempts, desk
from callback_service.services.attempts import Record
from tests.journey.processes import House, Part
from tests.journey.visitor import Visitor
from tests.rota_builders import LONDON, make_pattern
from tests.support.builders import PASSWORD, make_staff
from tests.support.request_builders import make_request, member
from tests.support.signing_in import next_code

#: Web workers: one of them is killed, and the other goes on.
WORKERS = 2
#: How long a second of the double's exchange lasts: a phone rings out in one or two of ours.
PACE_S = 0.04
TALKS_S = 0.3
LOOK_EVERY_S = 0.2
#: How often phones behave so, of counsellors and of callers.
OWN_PHONES: Sequence[tuple[int, dict[str, Any]]] = (
    (8, {"picks_up": "at once", "keys": "1"}),
    (1, {"picks_up": "at once"}),  # a machine
    (1, {"picks_up": "never"}),
)
CALLERS_PHONES: Sequence[tuple[int, dict[str, Any]]] = (
    (6, {"picks_up": "at once", "talks_seconds": TALKS_S}),
    (2, {"picks_up": "never"}),
    (1, {"picks_up": "engaged"}),
    (1, {"picks_up": "failed"}),
)
#: Twilio's own misbehaviour: what of, how often, what it is told of.
MISDEEDS: Sequence[tuple[str, float, str]] = (
    ("500", 0.04, "call"),
    ("500_stored", 0.06, "call"),
    ("reply_lost", 0.08, "call"),
    ("slow_reply", 0.03, "call"),
    ("429", 0.03, "call"),
    ("500", 0.1, "look"),
    ("receipt_duplicated", 0.2, "call"),
    ("receipt_reordered", 0.2, "call"),
    ("receipt_dropped", 0.1, "call"),
)
#: Longer than the service waits for an answer to a call that it asks for.
SLOW_S = 8


@dataclass
class Counsellor:
    """Somebody at the desk who takes callers, has them rung, and says how it went."""

    house: House
    app: Flask
    staff: StaffMember
    phone: str
    chance: random.Random
    visitor: Visitor
    presses: Counter[int] = field(default_factory=Counter)  # by request
    failed: Exception | None = None

    def ring_all(self, callers: Sequence[str], *, until: float) -> None:
        """Ring these numbers, one request each, until each has been through an attempt."""
        try:
            for number in callers:
                self._ring(self._take(number), number, until=until)
        except Exception as error:  # of a thread: the test says so
            self.failed = error

    def _take(self, number: str) -> int:
        with self.app.app_context(), transaction() as session:
            request = make_request(session, number, now=utc_now())
            desk.accept(session, request.id, staff=self.staff, now=utc_now(), tz=LONDON)
            return request.id

    def _ring(self, request_id: int, number: str, *, until: float) -> None:
        while self._is_in_hand(request_id):
            if time.monotonic() > until:
                raise TimeoutError("the time was over with a request in hand")
            self._choose(self.phone, OWN_PHONES)
            self._choose(number, CALLERS_PHONES)
            self._press(request_id)
            self._wait_for_the_end(request_id, until=until)
            self._say_how_it_went(request_id)

    def _choose(self, number: str, manners: Sequence[tuple[int, dict[str, Any]]]) -> None:
        [manner] = self.chance.choices(
            [manner for _, manner in manners], [weight for weight, _ in manners]
        )
        self.house.ask_twilio("phone", number=number.replace("07", "+447", 1), **manner)

    def _press(self, request_id: int) -> None:
        """Press "Ring now" where the page has it. Of a lost answer nobody knows what it said."""
        path = f"/desk/requests/{request_id}"
        with contextlib.suppress(requests.RequestException):
            if f"{path}/ring-now" in self.visitor.open(path):
                self.presses[request_id] += 1
                self.visitor.post(f"{path}/ring-now")
                return
        time.sleep(LOOK_EVERY_S)

    def _wait_for_the_end(self, request_id: int, *, until: float) -> None:
        is_open = select(BridgedCall.id).where(
            BridgedCall.request_id == request_id, BridgedCall.ended_at.is_(None)
        )
        while time.monotonic() < until:
            with self.app.app_context(), reading() as session:
                if session.scalar(is_open) is None:
                    return
            time.sleep(LOOK_EVERY_S)

    def _say_how_it_went(self, request_id: int) -> None:
        """Record the outcome that the desk suggests, if the caller was dialled."""
        newest = (
            select(BridgedCall)
            .where(BridgedCall.request_id == request_id, BridgedCall.attempt_id.is_not(None))
            .order_by(BridgedCall.id.desc())
        )
        with self.app.app_context(), transaction() as session:
            call = session.scalars(newest.limit(1)).first()
            request = session.get_one(CallbackRequest, request_id)
            if call is None or call.ending is None or request.state is not RequestState.CALLING:
                return
            outcome = SUGGESTED.get(call.ending, Outcome.FAILED)
            helped = Disposition.HELPED if outcome is Outcome.ANSWERED else None
            attempts.record_outcome(
                session, request_id, Record(outcome, helped), staff=self.staff, now=utc_now(),
                tz=LONDON,
            )  # fmt: skip

    def _is_in_hand(self, request_id: int) -> bool:
        with self.app.app_context(), reading() as session:
            request = session.get_one(CallbackRequest, request_id)
            return request.assigned_to_id == self.staff.id


def counsellors(house: House, app: Flask, count: int) -> list[Counsellor]:
    """So many people on shift round the clock, signed in, each with a phone."""
    people = []
    for number in range(count):
        with app.app_context(), transaction() as session:
            staff = make_staff(session, name=f"Counsellor {number + 1}")
            staff.phone = f"+447700900{800 + number}"
            make_pattern(session, staff, "00:00", "00:00")
            session.flush()
            known, phone = member(staff), staff.phone
        visitor = Visitor(house.url)
        with app.app_context():
            code = next_code(known.email)
        visitor.sign_in(known.email, PASSWORD, code=code)
        chance = random.Random(number)  # noqa: S311 - repeatable
        people.append(Counsellor(house, app, known, phone, chance, visitor))
    return people


@contextlib.contextmanager
def at_work(
    people: Sequence[Counsellor], callers: Sequence[str], *, until: float
) -> Iterator[list[threading.Thread]]:
    """Everybody rings their share of the callers; ended by the time ``until`` at the latest."""
    threads = [
        threading.Thread(
            target=person.ring_all, args=(callers[n :: len(people)],), kwargs={"until": until}
        )
        for n, person in enumerate(people)
    ]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for thread in threads:
            thread.join()


@dataclass
class Killer:
    """Kills parts of the service in turn, and starts each again."""

    house: House
    web: Part
    schedulers: list[Part]
    chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311
    counts: Counter[str] = field(default_factory=Counter)

    def strike(self) -> None:
        """A worker of the web server, a scheduler, and seldom the whole web server."""
        kind = self.chance.choices(["worker", "scheduler", "web"], [5, 3, 1])[0]
        self.counts[kind] += 1
        if kind == "worker":
            self._kill_worker()
        elif kind == "scheduler":
            self.schedulers.pop(0).kill()
            self.schedulers.append(self.house.start_scheduler())
        else:
            self.web.kill()
            self.web = self.house.start_web()

    def _kill_worker(self) -> None:
        booted = re.findall(r"Booting worker with pid: (\d+)", self.web.log.read_text())
        alive = [int(pid) for pid in booted[-WORKERS:] if self._is_ours(int(pid))]
        if alive:
            os.kill(self.chance.choice(alive), signal.SIGKILL)

    def _is_ours(self, pid: int) -> bool:
        try:
            return os.getpgid(pid) == self.web.process.pid
        except ProcessLookupError:
            return False


def hurry(app: Flask) -> None:
    """Have open calls asked about sooner than in life, but for those that may not be made yet.

    Their time to wait is what keeps them from being judged too early.
    """
    asked_about = (
        update(BridgedCall)
        .where(BridgedCall.ended_at.is_(None), BridgedCall.state != CallState.STARTING)
        .values(check_at=utc_now())
    )
    with app.app_context(), contextlib.suppress(CallbackServiceError), transaction() as session:
        session.execute(asked_about)


def open_calls(app: Flask) -> int:
    """How many calls are not over, by what the service knows."""
    with app.app_context(), reading() as session:
        query = select(func.count(BridgedCall.id)).where(BridgedCall.ended_at.is_(None))
        return session.scalar(query) or 0
