"""Keys change, and everything is sealed anew, while people write and processes die."""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask, current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service import create_app
from callback_service.config import Settings
from callback_service.domain.data_keys import DataKeys
from callback_service.extensions import db, reading, transaction
from callback_service.models.callback import CallbackRequest
from callback_service.models.request_key import RequestKey
from callback_service.services import keys
from tests.concurrency.racing import race, start_until_killed
from tests.support.builders import NOW
from tests.support.request_builders import an_ask, make_request, mobile, stored, take
from tests.support.sealed_rows import opened, seal_by_service
from tests.support.settings import make_settings

BEFORE, WRITES = 24, 10


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A file with one key."""
    path = tmp_path / "data_keys"
    path.write_text(f"k1:{base64.b64encode(os.urandom(32)).decode()}\n", encoding="utf-8")
    return path


@pytest.fixture
def settings(database_url: str, tmp_path: Path, key_file: Path) -> Settings:
    """An installation whose keys are in a file."""
    return make_settings(database_url, tmp_path, DATA_KEYS="", DATA_KEYS_FILE=str(key_file))


@pytest.fixture
def app(settings: Settings) -> Flask:
    """The service, with requests from before there were keys of requests, and from since."""
    app = create_app(settings)
    with stored(app) as session:
        for number in range(BEFORE):
            request = make_request(session, mobile(number), name="Sam", may_text=True)
            if number % 2:
                seal_by_service(session, request)
    return app


def command(*arguments: str) -> str:
    """What ``flask keys ...`` prints; raises where it fails."""
    done = current_app.test_cli_runner().invoke(args=["keys", *arguments])
    if done.exit_code:
        raise RuntimeError(done.output or repr(done.exception))
    return done.output


def write(first: int) -> int:
    """Ask again for numbers that are there, with a note, and for some that are new."""
    for number in range(first, first + WRITES):
        with transaction() as session:
            take(session, an_ask(mobile(number), note=f"Written {number}"), now=NOW)
    return WRITES


def rotate_and_reencrypt() -> str:
    command("rotate")
    return reencrypt()


def reencrypt() -> str:
    """Seal anew; what others wrote with an older key meanwhile may be left over."""
    said: str = current_app.test_cli_runner().invoke(args=["keys", "reencrypt"]).output
    assert "do not open" not in said, said
    return said


def do(run: Callable[..., object], *given: object) -> object:
    """One of the runs of a race."""
    return run(*given)


def reencrypt_slowly(report: Callable[[object], None]) -> None:
    """Seal anew, two rows at a time, and tell of each step that was committed."""
    for room in keys.rooms():
        step = keys.Step(0, 0, None)
        while True:
            with transaction() as session:
                step = keys.reencrypt_some(session, room, after=step.last, at_once=2)
            if step.last is None:
                break
            report(step.renewed)


def old_ones(session: Session) -> int:
    return keys.uses(session, "k1")


def test_keys_are_rotated_and_all_is_sealed_anew_while_others_write(
    app: Flask, settings: Settings
) -> None:
    runs = [(rotate_and_reencrypt,), (reencrypt,), (write, 0), (write, 20)]
    for finish in race(settings, do, runs, lasts=60):
        assert finish.refused_with is None, finish
    with app.app_context():
        command("reencrypt")
        with reading() as session:
            assert old_ones(session) == 0
            requests = session.scalars(select(CallbackRequest)).all()
            notes = {request.note for request in requests if request.note}
            assert len(opened(session)) >= 3 * BEFORE
            assert len(session.scalars(select(RequestKey)).all()) == len(requests)
        assert notes == {f"Written {number}" for number in [*range(10), *range(20, 30)]}
        db.engine.dispose()


def test_sealing_anew_that_is_killed_halfway_goes_on_where_it_was(
    app: Flask, settings: Settings
) -> None:
    with app.app_context():
        with reading() as session:
            before = opened(session)
        command("rotate")
    for steps in (4, 5):  # among the keys of requests, and among requests
        process, progress = start_until_killed(settings, reencrypt_slowly, ())
        for _ in range(steps):
            progress.recv()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        with app.app_context(), reading() as session:
            assert old_ones(session) > 0
            assert opened(session) == before
    with app.app_context():
        command("reencrypt")
        with reading() as session:
            assert old_ones(session) == 0
            assert opened(session) == before
        db.engine.dispose()


@pytest.mark.one_database
def test_of_keys_that_are_added_at_one_instant_none_is_lost(
    settings: Settings, key_file: Path
) -> None:
    assert {one.refused_with for one in race(settings, do, [(command, "rotate")] * 5)} == {None}
    found = DataKeys.parse(key_file.read_text(encoding="utf-8"))
    assert found.ids == ("k6", "k5", "k4", "k3", "k2", "k1")
