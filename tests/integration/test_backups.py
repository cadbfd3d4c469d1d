"""The commands of docs/deploy.md, run as they stand there: what was erased stays unreadable."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from callback_service import create_app
from callback_service.domain.lifecycle import Disposition
from callback_service.domain.retention import USUAL, Kept
from callback_service.domain.staff import Role
from callback_service.extensions import db
from callback_service.models.callback import CallbackRequest
from callback_service.models.request_key import RequestKey
from callback_service.services import messages, requests, retention
from tests.support import signing_in
from tests.support.builders import NOW, make_staff
from tests.support.databases import PostgresServer, sqlite_url
from tests.support.request_builders import make_request, stored
from tests.support.settings import ROOT, make_settings

KEPT, ERASED, LATE = "07700 900124", "07700 900123", "07700 900125"
LATER = NOW + USUAL.lasts(Kept.CALLERS)


def commands(heading: str) -> str:
    """The block of commands under a heading of docs/deploy.md."""
    text = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    found = re.search(rf"### {heading}\n(?:(?!\n#).)*?```sh\n(.*?)```", text, re.DOTALL)
    assert found is not None, heading
    return found.group(1)


def shell(script: str, folder: Path, **environ: str) -> None:
    """Run commands in a folder; raises with their words if one fails."""
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def live(app: Flask) -> list[bytes]:
    """Three who ask, of whom one is helped; the keys that the service made for them."""
    with stored(app) as session:
        request = make_request(session, ERASED, name="Robin", note="Blue door", may_text=True)
        make_request(session, KEPT, name="Sam")
        requests.close(session, request, Disposition.HELPED, now=NOW)
        session.flush()
        return list(session.scalars(select(RequestKey.wrapped)))


def go_on(app: Flask) -> None:
    """Erase one of them, and take another request."""
    with stored(app) as session:
        assert retention.erase_old(session, now=LATER)[Kept.CALLERS] == 1
        make_request(session, LATE, now=LATER)


def check_restored(app: Flask) -> None:
    """The erased one cannot be read, the other can, and the service goes on."""
    with stored(app) as session:
        make_staff(session, role=Role.MANAGER, email="mo@example.org")
        erased, kept = session.scalars(select(CallbackRequest).order_by(CallbackRequest.id))
        assert erased.phone_sealed is not None
        assert (erased.phone, erased.name, erased.note) == (None, None, None)
        assert (kept.phone, kept.name) == ("+447700900124", "Sam")
        [text] = messages.latest(session, messages.Chosen(), viewer_id=0, limit=9)
        assert text.to_ending == ""
        fresh = make_request(session, LATE, now=LATER)  # its number was given out before
        assert fresh.phone == "+447700900125"
        erased_id = erased.id
    manager = app.test_client()
    assert signing_in.sign_in(manager, "mo@example.org").status_code == 303
    for page in ("/desk", "/messages", f"/desk/requests/{erased_id}/history"):
        assert manager.get(page).status_code == 200, page
    listed = app.test_cli_runner().invoke(args=["keys", "list"]).output
    assert "Requests without a key: 1." in listed
    app.test_cli_runner().invoke(args=["keys", "erase-again", "--apply"])
    with stored(app) as session:
        emptied = session.get_one(CallbackRequest, erased_id)
        assert (emptied.phone_sealed, emptied.note_sealed) == (None, None)


Start = Callable[[str], Flask]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """``start(url)``: the service on a database."""
    started = []

    def start(url: str) -> Flask:
        started.append(create_app(make_settings(url, tmp_path)))
        return started[-1]

    yield start
    for app in started:
        with app.app_context():
            db.engine.dispose()


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="there is no sqlite3 here")
def test_what_was_erased_stays_unreadable_in_a_restored_sqlite_backup(
    tmp_path: Path, sqlite_template: Path, start: Start
) -> None:
    path = tmp_path / "instance" / "callback.sqlite3"
    path.parent.mkdir()
    shutil.copyfile(sqlite_template, path)
    app = start(sqlite_url(path))
    wrapped = live(app)
    shell(commands("SQLite: back up"), tmp_path)
    main = (tmp_path / "callback.backup.sqlite3").read_bytes()
    kept_apart = (tmp_path / "request_key.sql").read_text(encoding="utf-8").lower()
    for key in wrapped:
        assert key not in main
        assert key.hex() in kept_apart
    go_on(app)
    with app.app_context():
        db.engine.dispose()
    shell(commands("SQLite: restore"), tmp_path)
    check_restored(start(sqlite_url(path)))


def test_what_was_erased_stays_unreadable_in_a_restored_postgresql_backup(
    tmp_path: Path, postgres_server: PostgresServer, postgres_database: str, start: Start
) -> None:
    here, there = postgres_server.url(postgres_database), postgres_server.url("restored")
    places = {
        "DATABASE_URL": here, "RESTORED_URL": there,
        "PATH": f"{postgres_server.programs()}:{os.environ['PATH']}",
    }  # fmt: skip
    app = start(here)
    postgres_server.create("restored")
    try:
        live(app)
        shell(commands("PostgreSQL: back up"), tmp_path, **places)
        go_on(app)
        shell(commands("PostgreSQL: restore"), tmp_path, **places)
        check_restored(start(there))
    finally:
        postgres_server.drop("restored")
        postgres_server.empty(postgres_database)
