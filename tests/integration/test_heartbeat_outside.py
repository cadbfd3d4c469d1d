"""The heartbeat to a watch outside: only after an audit that came to its end and found all well."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
import time_machine
from flask import Flask
from sqlalchemy.orm import Session

from callback_service.domain import auditing
from callback_service.domain.auditing import CONFIRM_AFTER
from callback_service.domain.ticks import TickName
from callback_service.extensions import db
from callback_service.gateways.heartbeat import send_heartbeat
from callback_service.models.finding import Finding
from callback_service.services import auditor
from callback_service.ticks import TICKS, run_tick
from tests.support.builders import NOW
from tests.support.request_builders import make_request, make_shift, stored
from tests.twilio_double.api import Reply, Request
from tests.twilio_double.server import serving

pytestmark = pytest.mark.one_database


@dataclass
class Watch:
    """A watch outside: what it heard, and what it answers."""

    url: str = ""
    heard: list[str] = field(default_factory=list)
    status: int = 200
    was_in_transaction: list[bool] = field(default_factory=list)

    def answer(self, request: Request) -> Reply:
        self.heard.append(request.method)
        return Reply(self.status, content=b"OK", content_type="text/plain")


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = Watch()
    with serving(watch.answer) as url:
        watch.url = f"{url}/ping/secret-key"
        yield watch


@pytest.fixture
def app(app: Flask, watch: Watch) -> Flask:
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], heartbeat_url=watch.url)
    return app


def audit(app: Flask) -> bool:
    return run_tick(app, next(one for one in TICKS if one.name == TickName.AUDIT))


def test_an_audit_that_found_nothing_is_heard_outside(app: Flask, watch: Watch) -> None:
    assert audit(app)
    assert watch.heard == ["GET"]


def test_without_an_address_nothing_goes_out(app: Flask, watch: Watch) -> None:
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], heartbeat_url=None)
    assert audit(app)
    assert watch.heard == []


def test_an_audit_that_broke_off_is_not_heard(
    app: Flask, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditor, "look", lambda *_args, **_kwargs: 1 // 0)
    assert not audit(app)
    assert watch.heard == []


def test_with_a_finding_that_nobody_mends_it_falls_silent_and_speaks_again_when_it_is_over(
    app: Flask, watch: Watch
) -> None:
    with stored(app) as session:
        make_shift(session)
        request = make_request(session)
        request_id, late = request.id, request.due_at + auditing.UNOWNED_AFTER
    heard = []
    for at in (late, late + CONFIRM_AFTER, late + auditing.MENDED_WITHIN):
        with time_machine.travel(at, tick=False):
            assert audit(app)
        heard.append(len(watch.heard))
    assert heard == [1, 2, 2]
    with stored(app) as session:
        request = session.get_one(type(request), request_id)
        request.due_at = late + auditing.MENDED_WITHIN  # as if it had been given another time
    with time_machine.travel(late + auditing.MENDED_WITHIN, tick=False):
        assert audit(app)
    assert len(watch.heard) == 3


def test_no_transaction_is_open_while_it_goes_out(
    app: Flask, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    def look(_url: str) -> bool:
        session: Session = db.session()
        seen.append(session.in_transaction())
        return True

    monkeypatch.setattr("callback_service.ticks.send_heartbeat", look)
    with time_machine.travel(NOW, tick=False):
        assert audit(app)
    assert seen == [False]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_answer_that_is_no_yes_is_logged_and_does_not_fail_the_audit(
    app: Flask, watch: Watch, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    watch.status = status
    with caplog.at_level(logging.WARNING):
        assert audit(app)
    assert f"answered with {status}" in caplog.text
    with stored(app) as session:
        assert session.query(Finding).count() == 0


def test_a_watch_that_is_not_there_is_logged_without_its_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with caplog.at_level(logging.WARNING):
        assert not send_heartbeat(f"http://127.0.0.1:{port}/ping/secret-key")
    assert "did not go out: ConnectionError" in caplog.text
    assert "secret-key" not in caplog.text
