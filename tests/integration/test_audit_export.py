"""Audit entries as lines of JSON: by the command, and to a log outside as they are written."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from callback_service.extensions import reading, transaction
from callback_service.services import audit, audit_export
from callback_service.ticks import ship_audit
from tests.support.builders import NOW


def write(app: Flask, *actions: str) -> None:
    """One transaction for each deed, a minute apart."""
    for n, action in enumerate(actions):
        with app.app_context(), transaction() as session:
            at = NOW + timedelta(minutes=n)
            audit.record(session, action, subject="test", subject_id=n, now=at, why="x\r\ny")


def ship(app: Flask) -> int:
    with app.app_context():
        return ship_audit(app)


def actions(lines: str) -> list[str]:
    return [json.loads(line)["action"] for line in lines.splitlines()]


@pytest.fixture
def target(app: Flask, tmp_path: Path) -> Path:
    """A file that entries are shipped to."""
    path = tmp_path / "audit.jsonl"
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], audit_log=str(path))
    return path


def test_the_command_prints_every_entry_as_one_line(app: Flask, cli: FlaskCliRunner) -> None:
    write(app, "one", "two", "three")
    printed = cli.invoke(args=["audit", "export"]).output
    assert actions(printed) == ["one", "two", "three"]
    first: dict[str, Any] = json.loads(printed.splitlines()[0])
    assert len(first.pop("mac")) == 64
    assert first == {
        "position": 1, "id": 1, "at": "2026-11-25T20:00:00.000000+00:00", "actor_id": None,
        "action": "one", "subject": "test", "subject_id": 0, "detail": {"why": "x\r\ny"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--after-id", "1"], ["two", "three"]),
        (["--since", "2026-11-25T20:01"], ["two", "three"]),
        (["--since", "2026-11-26"], []),
    ],
)
def test_the_command_prints_what_came_since(
    app: Flask, cli: FlaskCliRunner, options: list[str], expected: list[str]
) -> None:
    write(app, "one", "two", "three")
    assert actions(cli.invoke(args=["audit", "export", *options]).output) == expected


def test_nothing_is_shipped_unless_a_target_is_set(app: Flask) -> None:
    write(app, "one")
    assert ship(app) == 0


def test_each_entry_is_shipped_once_in_order(
    app: Flask, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_export, "AT_ONCE", 2)
    write(app, "one", "two", "three")
    assert ship(app) == 3
    write(app, "four")
    assert (ship(app), ship(app)) == (1, 0)
    assert actions(target.read_text()) == ["one", "two", "three", "four"]
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_target_that_cannot_be_written_holds_nothing_up_and_gets_all_of_it_later(
    app: Flask, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target.mkdir()
    write(app, "one", "two")
    assert ship(app) == 0
    assert "audit entries wait, as they cannot be written: Is a directory" in caplog.text
    with app.app_context(), reading() as session:
        assert audit_export.waiting(session) == 2
    target.rmdir()
    assert ship(app) == 2
    assert actions(target.read_text()) == ["one", "two"]


def test_a_disk_that_fills_up_in_the_middle_leaves_no_torn_line(
    app: Flask, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(app, "one")
    ship(app)
    really = os.write

    def full_after_ten(file: int, content: bytes) -> int:
        if len(content) > 10:
            return really(file, content[:-10])
        raise OSError(28, "No space left on device")

    write(app, "two")
    with monkeypatch.context() as full:
        full.setattr(os, "write", full_after_ten)
        assert ship(app) == 0
    assert actions(target.read_text()) == ["one"]
    assert ship(app) == 1
    assert actions(target.read_text()) == ["one", "two"]


def test_a_target_may_be_the_standard_output(
    app: Flask, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], audit_log="stdout")
    write(app, "one")
    assert ship(app) == 1
    assert actions(capsys.readouterr().out) == ["one"]
    assert not target.exists()
