"""Texts: how soon one goes after its commit, how fast they are claimed, and how many a second."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

import psycopg
from flask import Flask, current_app
from sqlalchemy import insert
from sqlalchemy.orm import Session

from callback_service import create_app, sender
from callback_service.clock import utc_now
from callback_service.config import Settings
from callback_service.domain.text_limits import TextLimits
from callback_service.extensions import db, transaction
from callback_service.gateways.base import FoundText, SentText
from callback_service.gateways.twilio import TwilioGateway
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.models.sealing import keyring
from callback_service.models.staff import new_uid
from callback_service.services import outbox_claims, outbox_due
from callback_service.services.receipts import receipts_address
from callback_service.text_listener import TextListener
from callback_service.ticks import TEXTS
from tests.concurrency.racing import race
from tests.rota_builders import LONDON
from tests.support.databases import PostgresServer, migrate, sqlite_url
from tests.support.settings import make_settings
from tools.bench import Figure

ACCOUNT, TOKEN, SENDER = "AC" + "1" * 32, "0123456789abcdef0123456789abcdef", "+441632960001"
TO, BODY = "+447700900123", "We will ring you by 9:40pm tonight."
COMMITS, CLAIMED, SENT = 40, 3_000, 1_000
#: A text that has not gone by then never will.
LONGEST_WAIT_S = 60
TICK_MS = 1000 * TEXTS.every.total_seconds()

#: What a claim has to do at least, as one would write it by hand.
RAW_CLAIM = """
    UPDATE outbox_message
    SET state = 'sending', lease_until = now() + interval '30 seconds', fence = fence + 1,
        first_tried_at = coalesce(first_tried_at, now())
    WHERE id IN (
        SELECT id FROM outbox_message WHERE state = 'queued' AND send_after <= now()
        ORDER BY urgency, send_after, id LIMIT 100 FOR UPDATE SKIP LOCKED
    )
    RETURNING id, uid, fence, to_sealed, body, expires_at
"""


@dataclass
class Listening:
    """A gateway that takes every text at once and notes when."""

    is_live: bool = True
    sent_at: dict[str, float] = field(default_factory=dict)  # by address for receipts

    def send_text(
        self, *, to: str, body: str, status_callback: str, valid_seconds: int, begin_by: float = inf
    ) -> SentText:
        """Take it."""
        del to, body, valid_seconds, begin_by
        self.sent_at[status_callback] = perf_counter()
        return SentText(sid=f"SM{new_uid()}", status="queued")

    def find_texts(self, **_: object) -> list[FoundText]:
        """Hold nothing."""
        return []

    def fetch_text(self, sid: str) -> FoundText | None:
        """Hold nothing."""
        del sid
        return None


def figures() -> Iterator[Figure]:
    """All of it on PostgreSQL; how soon a text goes on SQLite too."""
    with tempfile.TemporaryDirectory() as place:
        url = sqlite_url(Path(place) / "bench.sqlite3")
        migrate(url, Path(place))
        waits = _commit_to_send(make_settings(url, Path(place)))
        yield Figure("text, commit to send on SQLite, slowest", max(waits), "ms", TICK_MS + 100)
    with PostgresServer.started() as server, tempfile.TemporaryDirectory() as place:
        server.create("bench")
        url = server.url("bench")
        migrate(url, Path(place))
        waits = _commit_to_send(make_settings(url, Path(place)))
        yield Figure(
            "text, commit to send on PostgreSQL, half of them within", median(waits), "ms", 50
        )
        yield from _claims(make_settings(url, Path(place)), url)
        yield from _sends(url, Path(place))


@contextmanager
def _app(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    with app.app_context():
        yield app
        db.engine.dispose()


def _commit_to_send(settings: Settings) -> list[float]:
    """Milliseconds from the commit of a text to its hand-over, with the sender as it runs."""
    gateway, stopping, waits = Listening(), threading.Event(), []
    with _app(settings) as app:
        app.extensions["text_gateway"] = gateway
        run = _run_in(app)
        listener = TextListener(app, run)
        ticking = threading.Thread(target=_tick, args=(run, stopping))
        listener.start()
        ticking.start()
        sleep(1)  # until it listens
        for number in range(COMMITS):
            sleep(0.02 + number % 7 * 0.03)
            uid = _queue_one()
            committed_at = perf_counter()
            address = receipts_address(settings.public_base_url, uid)
            while address not in gateway.sent_at:
                sleep(0.0005)
                if perf_counter() > committed_at + LONGEST_WAIT_S:
                    raise TimeoutError("a text did not go")
            waits.append(1000 * max(gateway.sent_at[address] - committed_at, 0))
        stopping.set()
        ticking.join()
        listener.stop()
    return waits


def _run_in(app: Flask) -> Callable[[], None]:
    def run() -> None:
        with app.app_context():
            sender.send_due(app)

    return run


def _tick(run: Callable[[], None], stopping: threading.Event) -> None:
    while not stopping.wait(TEXTS.every.total_seconds()):
        run()


def _queue_one() -> str:
    row = _row(0)
    with transaction() as session:
        session.execute(insert(OutboxMessage), [row])
    return str(row["uid"])


def _fill(session: Session, count: int) -> None:
    session.execute(insert(OutboxMessage), [_row(number) for number in range(count)])
    session.commit()


def _row(number: int) -> dict[str, object]:
    """A notice to staff: it needs no request beside it."""
    uid, now = new_uid(), utc_now()
    return {
        "uid": uid,
        "once_key": f"bench:{uid}",
        "kind": TextKind.GAP,
        "template": "gap.v1",
        "to_sealed": keyring().seal(TO, context=f"outbox_message.to:{uid}"),
        "to_index": keyring().blind_index("phone", f"{TO}{number}"),
        "body": BODY,
        "send_after": now,
        "expires_at": now + timedelta(hours=2),
        "created_at": now,
    }


def _claims(settings: Settings, url: str) -> Iterator[Figure]:
    """Texts claimed a second in batches of 100, by us and by a statement written by hand."""
    times = CLAIMED // outbox_due.AT_ONCE
    with _app(settings), psycopg.connect(url) as connection:
        _fill(db.session(), 2 * CLAIMED)
        ours, raw = [], []
        for _ in range(times):  # in turns, so that both meet the same machine
            ours.append(_seconds(_claim_ours))
            raw.append(_seconds(lambda: _claim_raw(connection)))
    per_second = outbox_due.AT_ONCE / median(ours)
    baseline = outbox_due.AT_ONCE / median(raw)
    yield Figure("texts claimed in hundreds, psycopg by hand", baseline, "/s")
    yield Figure("texts claimed in hundreds", per_second, "/s", baseline / 2, at_least=True)


def _seconds(run: Callable[[], None]) -> float:
    begun = perf_counter()
    run()
    return perf_counter() - begun


def _claim_ours() -> None:
    with transaction() as session:
        found = outbox_claims.claim(session, TextLimits(), now=utc_now(), tz=LONDON)
    _check(len(found))


def _claim_raw(connection: psycopg.Connection) -> None:
    found = connection.execute(RAW_CLAIM).fetchall()
    connection.commit()
    _check(len(found))


def _check(claimed: int) -> None:
    if claimed != outbox_due.AT_ONCE:
        raise RuntimeError(f"a claim got {claimed} texts")


def _sends(url: str, place: Path) -> Iterator[Figure]:
    """Texts a second with one, two and four sender processes, and without an outbox at all."""
    with _double() as api_url:
        account = {
            "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN, "TWILIO_FROM": SENDER,
            "TWILIO_API_URL": api_url, "PUBLIC_BASE_URL": "http://127.0.0.1:9",
        }  # fmt: skip
        settings = make_settings(url, place, **account)
        yield Figure("texts sent, one after the other without an outbox", _bare(api_url), "/s")
        for count in (1, 2, 4):
            with _app(settings):
                _fill(db.session(), SENT)
            spans = [finish.value for finish in race(settings, drain, [()] * count, lasts=120)]
            seconds = max(end for _, end in spans) - min(begin for begin, _ in spans)
            yield Figure(f"texts sent, {count} senders", SENT / seconds, "/s", 17, at_least=True)


def _bare(api_url: str) -> float:
    gateway = TwilioGateway(ACCOUNT, TOKEN, sender=SENDER, api_url=api_url)
    begun = perf_counter()
    for _ in range(SENT // 4):
        gateway.send_text(to=TO, body=BODY, status_callback="http://127.0.0.1:9/", valid_seconds=60)
    return SENT // 4 / (perf_counter() - begun)


def drain() -> tuple[float, float]:
    """Send all that is due: when that began and ended."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # not in the stubs
    begun = perf_counter()
    while sender.send_due(app):
        pass
    return begun, perf_counter()


@contextmanager
def _double() -> Iterator[str]:
    """The double in a process of its own: it sends no receipts that anybody hears."""
    command = [
        sys.executable, "-m", "tests.twilio_double", "--manual",
        "--account-sid", ACCOUNT, "--auth-token", TOKEN,
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            yield process.stdout.readline().split()[-1] if process.stdout else ""
        finally:
            process.terminate()
