"""A process that stands still inside a transaction keeps no lock that everybody needs.

Stopped here by a signal, as it would be by a debugger, a full swap or a machine that is gone.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from callback_service.config import Settings
from callback_service.domain.text_limits import TextLimits
from callback_service.extensions import db, reading, transaction
from callback_service.models.audit import AuditSeal
from callback_service.services import audit, audit_chain, outbox_claims, text_gate
from tests.concurrency.racing import PATIENCE, start_until_killed
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import make_request, make_shift, stored

#: Any transaction that stands still is ended after a minute: one with such a lock is much sooner.
LONGEST_WAIT = text("SET LOCAL lock_timeout = '30s'")
Report = Callable[[object], None]


def write_down(session: Session) -> None:
    audit.record(session, "text.sent", subject="outbox_message", subject_id=1, now=NOW)


def stand_still_at_the_gate(report: Report) -> None:
    with transaction() as session:
        text_gate.enter(session)
        report("locked")
        time.sleep(PATIENCE)


def stand_still_at_the_end_of_the_chain(report: Report) -> None:
    with transaction() as session:
        write_down(session)
        audit_chain.seal(session)
        report("locked")
        time.sleep(PATIENCE)


@contextmanager
def standing_still(settings: Settings, run: Callable[[Report], None]) -> Iterator[None]:
    process, receiver = start_until_killed(settings, run, ())
    try:
        assert receiver.poll(PATIENCE)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        yield
    finally:
        process.kill()
        process.join()


@pytest.fixture(autouse=True)
def _on_a_server(app: Flask) -> None:
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            pytest.skip("nobody can end a transaction of SQLite but its own process")


def test_texts_go_on_though_a_sender_stands_still_at_the_gate(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        make_shift(session)
        make_request(session, may_text=True)
    with standing_still(settings, stand_still_at_the_gate), stored(app) as session:
        session.execute(LONGEST_WAIT)
        claims = outbox_claims.claim(session, TextLimits(), now=NOW, tz=LONDON)
        assert len(claims) == 1


def test_writing_goes_on_though_a_process_stands_still_at_the_end_of_the_audit_chain(
    app: Flask, settings: Settings
) -> None:
    with standing_still(settings, stand_still_at_the_end_of_the_chain), app.app_context():
        with transaction() as session:
            session.execute(LONGEST_WAIT)
            write_down(session)
        places = select(func.count()).select_from(AuditSeal)
        with reading() as session:
            assert session.scalar(places) == 1


def test_no_transaction_may_stand_still_for_longer_than_a_minute(app: Flask) -> None:
    with app.app_context(), reading() as session:
        assert session.scalar(text("SHOW idle_in_transaction_session_timeout")) == "1min"
