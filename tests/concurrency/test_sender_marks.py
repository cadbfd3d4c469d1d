"""A sender that is stopped keeps what it has in hand; one that is gone does not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
from flask import Flask

from callback_service import sender_marks
from callback_service.config import Settings
from callback_service.domain.text_limits import TextLimits
from callback_service.extensions import db, transaction
from callback_service.services import outbox_claims, outbox_due
from tests.concurrency.racing import PATIENCE, start_until_killed
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import make_request, make_shift, seen, stored

LIMITS = TextLimits()
LEASE_OVER = NOW + LIMITS.lease


def claim_and_hang(report: Callable[[object], None]) -> None:
    """What a sender does up to the moment its bytes should leave."""
    with sender_marks.at_work(db.engine) as mark:
        with transaction() as session:
            found = outbox_claims.claim(session, LIMITS, mark=mark, now=NOW, tz=LONDON)
        report(len(found))
        time.sleep(PATIENCE)


@contextmanager
def a_sender_at_work(app: Flask, settings: Settings) -> Iterator[int]:
    """The process id of one that has a text in hand."""
    with stored(app) as session:
        make_shift(session)
        make_request(session, may_text=True)
    process, receiver = start_until_killed(settings, claim_and_hang, ())
    try:
        assert receiver.poll(PATIENCE)
        assert receiver.recv() == 1
        assert process.pid is not None
        yield process.pid
    finally:
        process.kill()
        process.join()


def is_due(app: Flask, now: datetime) -> bool:
    """Whether another sender would take the text."""
    with seen(app) as session:
        at_work = sender_marks.at_work_now(session)
        return outbox_due.texts_are_due(session, LIMITS, at_work=at_work, now=now)


def take(app: Flask, now: datetime) -> list[outbox_claims.Claim]:
    with stored(app) as session:
        at_work = sender_marks.at_work_now(session)
        return outbox_claims.claim(session, LIMITS, at_work=at_work, now=now, tz=LONDON)


def test_a_text_is_left_to_a_sender_that_is_stopped_past_its_lease(
    app: Flask, settings: Settings
) -> None:
    with a_sender_at_work(app, settings) as pid:
        os.kill(pid, signal.SIGSTOP)
        assert not is_due(app, LEASE_OVER)
        assert take(app, LEASE_OVER) == []


def test_one_that_is_stopped_for_too_long_is_not_waited_for(app: Flask, settings: Settings) -> None:
    with a_sender_at_work(app, settings) as pid:
        os.kill(pid, signal.SIGSTOP)
        assert is_due(app, LEASE_OVER + LIMITS.patience)
        [claim] = take(app, LEASE_OVER + LIMITS.patience)
        assert claim.looked_up_since == NOW


def test_what_a_sender_had_in_hand_that_was_killed_is_taken_when_the_lease_is_over(
    app: Flask, settings: Settings
) -> None:
    with a_sender_at_work(app, settings):
        pass
    give_up_at = time.monotonic() + PATIENCE
    while not is_due(app, LEASE_OVER):  # the server notices in its own time
        assert time.monotonic() < give_up_at
    [claim] = take(app, LEASE_OVER)
    assert claim.looked_up_since == NOW


@pytest.mark.parametrize("fault", [None, RuntimeError("the run failed")])
def test_a_mark_ends_with_its_run_however_that_ends(app: Flask, fault: Exception | None) -> None:
    with app.app_context():
        engine = db.engine
    try:
        with sender_marks.at_work(engine) as mark:
            with seen(app) as session:
                assert sender_marks.at_work_now(session) == {mark}
            if fault is not None:
                raise fault
    except RuntimeError as raised:
        assert raised is fault  # noqa: PT017 - it comes out of the block, or the mark swallowed it
    with seen(app) as session:
        assert sender_marks.at_work_now(session) == frozenset()
