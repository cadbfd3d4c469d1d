"""A backup from before the keys changed: what opens it, what does not, what was erased since."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from callback_service import create_app
from callback_service.domain.lifecycle import Disposition
from callback_service.domain.retention import USUAL, Kept
from callback_service.extensions import db
from callback_service.models.base import Base
from callback_service.models.callback import CallbackRequest
from callback_service.models.complaint import Complaint
from callback_service.models.privacy import About, DataRequest
from callback_service.models.request_key import RequestKey
from callback_service.models.sealing import SealBroken
from callback_service.services import (
    complaint_cases,
    data_requests,
    erasures,
    keys,
    requests,
    retention,
)
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.complaint_builders import make_complaint, told
from tests.support.databases import PostgresServer, sqlite_url
from tests.support.request_builders import make_manager, make_request, mobile, phone_of, stored
from tests.support.sealed_rows import CANARIES, of_strangers, one_of_each, opened, sealed_columns
from tests.support.settings import make_settings

LATER = NOW + USUAL.lasts(Kept.CALLERS)
ERASED = ("Erasedname Fulmar", "Erasednote gannet", "+447700900333")
CASE, OF_NUMBER, ALONE = "Erasedcase dotterel", "Erasedgrief ruff", "Erasedalone siskin"
A_WHILE = 120  # seconds: longer than a change of keys takes to settle

Back = Callable[[], str]
Start = Callable[[str, Path], Flask]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A file with one key."""
    return written(
        tmp_path / "keys" / "data_keys", f"k1:{base64.b64encode(os.urandom(32)).decode()}\n"
    )


def written(path: Path, lines: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(lines, encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """``start(url, keys)``: the service on a database with a file of keys."""
    started: list[Flask] = []

    def start(url: str, key_file: Path) -> Flask:
        chosen = {"DATA_KEYS": "", "DATA_KEYS_FILE": str(key_file)}
        started.append(create_app(make_settings(url, tmp_path, **chosen)))
        return started[-1]

    yield start
    for app in started:
        close(app)


def close(app: Flask) -> None:
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def back_up(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Back]:
    """``back_up()``: a whole copy of the database as it is; its URL."""
    if database_url.startswith("sqlite"):
        yield lambda: _copy_of_file(database_url, tmp_path / "old.sqlite3")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    server.create("old")
    yield lambda: _copy_of_server(server, database_url, server.url("old"))
    server.drop("old")


def _copy_of_file(url: str, path: Path) -> str:
    """By SQLite's own backup, which copies a file that is in use."""
    source, copy = sqlite3.connect(url.removeprefix("sqlite:///")), sqlite3.connect(path)
    source.backup(copy)
    source.close()
    copy.close()
    return sqlite_url(path)


def _copy_of_server(server: PostgresServer, here: str, there: str) -> str:
    programs = Path(server.programs())
    dump = subprocess.run(
        [programs / "pg_dump", "--format=custom", here], capture_output=True, check=True
    ).stdout
    subprocess.run(
        [programs / "pg_restore", "--no-owner", f"--dbname={there}"],
        input=dump, capture_output=True, check=True,
    )  # fmt: skip
    return there


def fill(app: Flask) -> list[str]:
    """Something in every sealed column, and a closed request; every text, opened."""
    with stored(app) as session:
        one_of_each(session)
        of_strangers(session)
        name, note, _ = ERASED
        erased = make_request(session, mobile(333), name=name, note=note)
        requests.close(session, erased, Disposition.HELPED, now=NOW)
        session.flush()
        assert is_anything_in_every_column(session)
        return opened(session)


def is_anything_in_every_column(session: Session) -> bool:
    return all(
        session.scalar(select(column).where(column.is_not(None)).limit(1)) is not None
        for column in sealed_columns()
    )


def change_keys(app: Flask, key_file: Path) -> None:
    """From k1 to k2, with the erasure of the closed request in between."""
    run(app, "rotate")
    with stored(app) as session:
        assert retention.erase_old(session, now=LATER)[Kept.CALLERS] == 1
    run(app, "reencrypt")
    settle(key_file)
    run(app, "retire", "k1")


def settle(key_file: Path) -> None:
    """A minute goes by since the keys changed."""
    past = time.time() - A_WHILE
    os.utime(key_file, (past, past))


def run(app: Flask, *arguments: str) -> str:
    """What ``flask keys ...`` prints; fails the test where it fails."""
    done = app.test_cli_runner().invoke(args=["keys", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def all_opened(app: Flask) -> list[str]:
    with app.app_context():
        found = opened(db.session())
        db.session.rollback()
        return found


def broken(app: Flask) -> tuple[int, int]:
    """How many sealed texts do not open, and how many there are."""
    lost = there = 0
    with app.app_context():
        for mapper in Base.registry.mappers:
            fields = keys.sealed_fields(mapper.class_)
            for row in db.session.scalars(select(mapper.class_)) if fields else ():
                for name, field in fields.items():
                    there += getattr(row, field.column) is not None
                    lost += _is_broken(row, name)
    return lost, there


def _is_broken(row: object, name: str) -> bool:
    try:
        getattr(row, name)
    except SealBroken:
        return True
    return False


@pytest.fixture
def before(database_url: str, key_file: Path, start: Start) -> list[str]:
    """Every text of the service before anything was changed."""
    app = start(database_url, key_file)
    texts = fill(app)
    assert {*CANARIES.values(), *ERASED} <= set(texts)
    return texts


def test_an_old_backup_opens_whole_with_the_old_keys_and_nothing_of_it_with_the_new_alone(
    database_url: str,
    tmp_path: Path,
    key_file: Path,
    start: Start,
    before: list[str],
    back_up: Back,
) -> None:
    old_keys = written(tmp_path / "kept" / "old", key_file.read_text(encoding="utf-8"))
    old = back_up()
    live = start(database_url, key_file)
    change_keys(live, key_file)
    assert not set(ERASED) & set(all_opened(live))
    restored = start(old, old_keys)
    assert all_opened(restored) == before
    close(restored)
    assert "k1" not in key_file.read_text(encoding="utf-8")
    lost, there = broken(start(old, key_file))
    assert lost == there == len(before)


def test_restored_with_the_keys_of_requests_as_they_are_now_it_brings_nobody_back(
    database_url: str,
    tmp_path: Path,
    key_file: Path,
    start: Start,
    before: list[str],
    back_up: Back,
) -> None:
    old_line = key_file.read_text(encoding="utf-8")
    old = back_up()
    live = start(database_url, key_file)
    change_keys(live, key_file)
    present = keys_of_requests(live)
    with_old_behind = written(
        tmp_path / "restored" / "keys", key_file.read_text(encoding="utf-8") + old_line
    )
    restored = start(old, with_old_behind)
    put_keys_of_requests(restored, present)
    kept = [text for text in before if text not in ERASED]
    assert all_opened(restored) == kept
    assert "Requests without a key: 1." in run(restored, "list")
    assert "Emptied: 1." in run(restored, "erase-again", "--apply")
    run(restored, "reencrypt")
    settle(with_old_behind)
    run(restored, "retire", "k1")
    assert all_opened(restored) == kept
    with stored(restored) as session:
        rows = session.scalars(select(CallbackRequest).order_by(CallbackRequest.id)).all()
        assert [one.phone_index is None for one in rows] == [False, True]


@pytest.fixture
def log(database_url: str, key_file: Path, start: Start, before: list[str], tmp_path: Path,
        back_up: Back) -> tuple[str, Path]:  # fmt: skip
    """A backup; and the audit log of what was erased after it: a request, a case, a complaint."""
    live = start(database_url, key_file)
    with stored(live) as session:
        asker, confirmer = make_manager(session), make_manager(session, phone=None)
        case_id = data_requests.open_case(
            session, phone_of(mobile(444)), about=About.ERASURE, words=CASE, actor_id=asker.id,
            now=NOW, tz=LONDON,
        )  # fmt: skip
        make_complaint(session, told(OF_NUMBER, phone=mobile(444)))
        alone = make_complaint(session, told(ALONE)).id
        who = asker.id, confirmer.id
    old = back_up()
    with stored(live) as session:
        erasures.ask(session, case_id, stop_texts=False, stop_calls=False, actor_id=who[0], now=NOW)
        erasures.confirm(session, case_id, USUAL, actor_id=who[1], now=NOW)
        complaint_cases.ask_for_erasure(session, alone, actor_id=who[0], now=NOW)
        complaint_cases.erase(session, alone, actor_id=who[1], now=NOW)
        retention.erase_old(session, now=LATER)
    lines = live.test_cli_runner().invoke(args=["audit", "export"]).output
    return old, written(tmp_path / "outside" / "audit.jsonl", lines)


def test_what_was_erased_since_is_erased_again_by_the_log_that_was_kept_outside(
    key_file: Path, start: Start, log: tuple[str, Path]
) -> None:
    old, lines = log
    restored = start(old, key_file)  # with the keys of requests as they were then
    gone = {*ERASED, CASE, OF_NUMBER, ALONE}
    back = set(all_opened(restored))
    assert gone <= back
    assert "Erased, by the log: 4. To be erased again (nothing has changed): 4." in erase_again(
        restored, lines
    )
    assert set(all_opened(restored)) == back
    assert "Erased again: 4." in erase_again(restored, lines, "--apply")
    assert set(all_opened(restored)) == back - gone - {"+447700900444", "+447700900321"}
    assert "Erased again: 0." in erase_again(restored, lines, "--apply")


def test_who_came_after_the_restore_and_got_an_old_id_is_left_alone(
    key_file: Path, start: Start, log: tuple[str, Path]
) -> None:
    old, lines = log
    restored = start(old, key_file)
    erase_again(restored, lines, "--apply")
    much_later = LATER + timedelta(days=1)
    with stored(restored) as session:
        for model in (DataRequest, Complaint):
            session.execute(delete(model))
        make_complaint(session, told("Somebody else"), now=much_later)
        case = DataRequest(
            phone_index=b"0" * 16, about=About.ACCESS, opened_at=much_later,
            due_on=much_later.date(),
        )  # fmt: skip
        session.add(case)
        session.flush()
        new = session.scalars(select(Complaint)).one()
        ids = {"complaint.erased": new.id, "data_request.erased": case.id}
    again = [
        json.dumps({"action": action, "subject_id": row_id, "at": LATER.isoformat()})
        for action, row_id in ids.items()
    ]
    assert "Erased again: 0." in erase_again(
        restored, written(lines.parent / "again.jsonl", "\n".join(again)), "--apply"
    )
    assert "Somebody else" in all_opened(restored)


def test_what_is_no_log_is_refused(key_file: Path, start: Start, database_url: str) -> None:
    app = start(database_url, key_file)
    done = app.test_cli_runner().invoke(args=["retention", "erase-again", str(key_file)])
    assert done.exit_code == 1
    assert "This is no line of an audit log" in done.output


def erase_again(app: Flask, lines: Path, *options: str) -> str:
    """What the command prints; fails the test where it fails."""
    done = app.test_cli_runner().invoke(args=["retention", "erase-again", str(lines), *options])
    assert done.exit_code == 0, done.output
    return done.output


def keys_of_requests(app: Flask) -> list[tuple[str, bytes]]:
    with app.app_context():
        rows = db.session.execute(select(RequestKey.request_uid, RequestKey.wrapped)).all()
        db.session.rollback()
        return [(uid, wrapped) for uid, wrapped in rows]


def put_keys_of_requests(app: Flask, present: list[tuple[str, bytes]]) -> None:
    """As docs/deploy.md restores: the table of keys as it is now, in place of the backup's."""
    with stored(app) as session:
        session.execute(delete(RequestKey))
        session.add_all(RequestKey(request_uid=uid, wrapped=wrapped) for uid, wrapped in present)
