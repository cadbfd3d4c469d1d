"""Senders as real processes that are killed and stopped while the double of Twilio misbehaves."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing.process import BaseProcess
from typing import Any

from flask import Flask
from sqlalchemy import NullPool, create_engine, func, insert, select
from sqlalchemy.orm import Session

from callback_service import sender
from callback_service.clock import utc_now
from callback_service.config import Settings
from callback_service.domain.contact import LineKind
from callback_service.domain.languages import ENGLISH
from callback_service.domain.lifecycle import RequestState
from callback_service.models.callback import CallbackRequest
from callback_service.models.outbox import OutboxMessage, OutboxState, TextGate, TextKind
from callback_service.models.sealing import keyring
from callback_service.models.staff import new_uid
from callback_service.services import text_wording
from tests.journey.processes import House
from tests.support.settings import ROOT

SENDERS = 3
NUMBERS = 999  # kept for drama, less the service's own; each gets several, with other words
LOOK_EVERY_S = 0.1
DONE = (OutboxState.SENT, OutboxState.KEPT)


#: Forked from here, where the service is made already: making it anew for each sender that is
#: killed would be half of what a storm costs, and no part of what it asks.
FORKS = multiprocessing.get_context("fork")


def send_without_end(app: Flask) -> None:
    """What a sender process does, without the other ticks."""
    while True:
        with app.app_context(), contextlib.suppress(Exception):  # as a tick: the next one tries
            sender.send_due(app)
        time.sleep(LOOK_EVERY_S)


@dataclass
class Storm:
    """Keeps three senders alive, and one of them in trouble about every second."""

    app: Flask
    stopped_for_s: float
    chance: random.Random = field(default_factory=lambda: random.Random(5))  # noqa: S311
    senders: list[BaseProcess] = field(default_factory=list)
    stopped: dict[int, float] = field(default_factory=dict)  # process id: when it goes on
    counts: Counter[str] = field(default_factory=Counter)

    @contextlib.contextmanager
    def raging(self) -> Iterator[None]:
        """Senders at work; none is left at the end."""
        try:
            self.senders = [self._start() for _ in range(SENDERS)]
            yield
        finally:
            for process in self.senders:
                process.kill()
                process.join()

    def strike(self, *, stops_too: bool = True) -> None:
        """Kill one sender and start another, or stop it for longer than its lease."""
        self._go_on()
        process = self.chance.choice(self.senders)
        assert process.pid is not None
        if stops_too and process.pid not in self.stopped and self.chance.random() < 0.25:
            os.kill(process.pid, signal.SIGSTOP)
            self.stopped[process.pid] = time.monotonic() + self.stopped_for_s
            self.counts["stopped"] += 1
            self.senders.append(self._start())  # three go on working
            return
        process.kill()
        process.join()
        self.counts["killed"] += 1
        self.senders.remove(process)
        if len(self.senders) - len(self.stopped) < SENDERS:
            self.senders.append(self._start())

    def _go_on(self) -> None:
        alive = {process.pid for process in self.senders}
        for pid, at in list(self.stopped.items()):
            if pid not in alive:
                del self.stopped[pid]
            elif time.monotonic() >= at:
                os.kill(pid, signal.SIGCONT)
                del self.stopped[pid]

    def _start(self) -> BaseProcess:
        process = FORKS.Process(target=send_without_end, args=(self.app,), daemon=True)
        process.start()
        return process


def settings_of(house: House) -> Settings:
    """The settings that the parts of ``house`` run with."""
    return Settings.from_environ(house.environ, root=ROOT)


def fill(house: House, count: int, *, now: datetime | None = None) -> None:
    """Requests with a confirmation each, of which no two to one number have the same words."""
    now = now or utc_now()
    with storm_session(house) as session:
        session.execute(insert(CallbackRequest), [_request(n, now) for n in range(count)])
        ids = session.scalars(
            select(CallbackRequest.id).order_by(CallbackRequest.id.desc()).limit(count)
        ).all()
        rows = [_message(n, request_id, now) for n, request_id in enumerate(sorted(ids))]
        session.execute(insert(OutboxMessage), rows)
        session.commit()


def _request(number: int, now: datetime) -> dict[str, Any]:
    uid = new_uid()
    return {
        "uid": uid,
        "reference": uid[:8],
        "phone_index": os.urandom(16),
        "phone_kind": LineKind.MOBILE,
        "state": RequestState.WAITING,
        "may_text": True,
        "may_leave_voicemail": False,
        "created_at": now,
        "ring_from": now,
        "due_at": now + timedelta(hours=2),
        "is_window": False,
    }


def _message(number: int, request_id: int, now: datetime) -> dict[str, Any]:
    uid, to = new_uid(), f"+447700900{number % NUMBERS:03}"
    hour, minute = divmod(number // NUMBERS, 60)
    when = f"by {hour + 1}:{minute:02}pm"
    return {
        "uid": uid,
        "once_key": f"confirmation:{uid}",
        "kind": TextKind.CONFIRMATION,
        "template": text_wording.template_of(TextKind.CONFIRMATION, ENGLISH),
        "request_id": request_id,
        "to_sealed": keyring().seal(to, context=f"outbox_message.to:{uid}"),
        "to_index": keyring().blind_index("phone", to),
        "body": text_wording.wording(TextKind.CONFIRMATION, when=when),
        "send_after": now,
        "expires_at": now + timedelta(hours=2),
        "created_at": now,
    }


def states(house: House) -> Counter[OutboxState]:
    """How many texts are in each state."""
    query = select(OutboxMessage.state, func.count()).group_by(OutboxMessage.state)
    with storm_session(house) as session:
        return Counter(dict(session.execute(query).all()))


def are_done(house: House, count: int) -> bool:
    """Whether so many texts have gone."""
    found = states(house)
    return sum(found[state] for state in DONE) >= count


def has_given_up(house: House) -> bool:
    """Whether the senders leave the gateway alone."""
    with storm_session(house) as session:
        return session.scalar(select(TextGate.opened_at)) is not None


@contextlib.contextmanager
def storm_session(house: House) -> Iterator[Session]:
    url = settings_of(house).database_url
    patience = {"timeout": 30} if url.startswith("sqlite") else {}
    engine = create_engine(url, poolclass=NullPool, connect_args=patience)
    with Session(engine) as session:
        yield session
    engine.dispose()


def said_twice(house: House) -> list[tuple[str, str]]:
    """The texts, by number and words, that the double took more than once."""
    taken = Counter((one["to"], one["body"]) for one in house.ask_twilio("messages"))
    return [text for text, times in taken.items() if times > 1]


def taken(house: House) -> int:
    """How many texts the double took."""
    return len(house.ask_twilio("messages"))


def strike_until(
    storm: Storm, is_done: Callable[[], bool], *, every_s: float, within_s: float
) -> float:
    """Strike again and again until all is done; the seconds it took."""
    begun = time.monotonic()
    while not is_done():
        if time.monotonic() - begun > within_s:
            break
        time.sleep(every_s)
        storm.strike()
    return time.monotonic() - begun
