"""The lines of the log: one for each record, and nobody in them."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from callback_service import logs
from callback_service.logs import JsonFormatter, PlainFormatter

CANARY = "07700 900777"


def record(message: str, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("a.b", logging.ERROR, "x.py", 1, message, args, info)


def line(message: str, *args: object, error: BaseException | None = None) -> str:
    return PlainFormatter().format(record(message, *args, error=error))


def json_line(message: str, *args: object, error: BaseException | None = None) -> str:
    return JsonFormatter().format(record(message, *args, error=error))


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except type(error):
        caught = sys.exception() if sys.version_info >= (3, 12) else sys.exc_info()[1]
    assert caught is not None
    return caught


def test_a_line_tells_when_how_bad_where_and_in_which_request() -> None:
    token = logs.request_id.set("3f9a2b1c")
    try:
        told = line("text %d was not sent", 7)
    finally:
        logs.request_id.reset(token)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ERROR a\.b \[3f9a2b1c\] text 7 was not sent", told
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\x85", "\x1b[2K", "\x00", "\x0b"])
@pytest.mark.parametrize("written", [line, json_line])
def test_nobody_makes_a_line_of_their_own(end: str, written: Callable[..., str]) -> None:
    told = written("staff %s was refused", f"1{end}2026-11-25T20:00:00.000Z ERROR forged")
    assert len(told.splitlines()) == 1
    assert end not in told
    assert told.isprintable()


def test_a_line_of_json_tells_the_same_in_fields() -> None:
    token = logs.request_id.set("3f9a2b1c")
    try:
        told = json.loads(json_line("text %d was not sent", 7))
    finally:
        logs.request_id.reset(token)
    assert datetime.fromisoformat(told.pop("at")).utcoffset() == timedelta(0)
    assert told == {
        "level": "ERROR",
        "logger": "a.b",
        "process": os.getpid(),
        "request": "3f9a2b1c",
        "message": "text 7 was not sent",
    }


def test_a_quote_or_a_brace_ends_no_field_of_json() -> None:
    said = 'x", "level": "DEBUG"} {"'
    assert json.loads(json_line("%s", said))["message"] == said


def test_a_fault_in_json_is_a_list_of_steps_without_what_was_said() -> None:
    told = json_line("it failed", error=raised(ValueError(CANARY), raised(KeyError(CANARY))))
    assert CANARY not in told
    assert len(told.splitlines()) == 1
    steps = json.loads(told)["fault"]
    assert steps[1].startswith("builtins.KeyError: (what it says is left out")
    assert steps[-1].startswith("builtins.ValueError: (what it says is left out")


@pytest.mark.parametrize(
    ("chosen", "kind"), [(None, JsonFormatter), ("json", JsonFormatter), ("plain", PlainFormatter)]
)
def test_lines_are_json_unless_plain_ones_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, chosen: str | None, kind: type
) -> None:
    monkeypatch.delenv("LOG_LINES", raising=False)
    if chosen:
        monkeypatch.setenv("LOG_LINES", chosen)
    assert type(logs._formatter()) is kind


def test_what_an_exception_says_is_left_out_and_where_it_happened_is_told() -> None:
    told = line("it failed", error=raised(ValueError(CANARY), raised(KeyError(CANARY))))
    assert CANARY not in told
    assert told.count("in raised") == 2
    assert "builtins.KeyError: (what it says is left out" in told
    assert "builtins.ValueError: (what it says is left out" in told
    assert len(told.splitlines()) == 1


def test_what_names_files_and_types_is_told() -> None:
    assert "No space left on device" in line(
        "x", error=raised(OSError(28, "No space left on device"))
    )
    assert "no attribute" in line("x", error=raised(AttributeError("None has no attribute x")))


def test_of_a_database_error_only_the_code_is_told() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE a (b TEXT CHECK (b <> '07700 900777'))"))
        with pytest.raises(IntegrityError) as caught:
            connection.execute(text("INSERT INTO a VALUES ('07700 900777')"))
    engine.dispose()
    told = line("x", error=caught.value)
    assert CANARY not in told
    assert "IntegrityError SQLITE_CONSTRAINT_CHECK" in told


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "Invalid request from ip=127.0.0.1: 'GET /manage/x'",
            "a request that is not HTTP was refused",
        ),
        ("Error handling request /manage/x", "a request was not handled"),
        ("Booting worker with pid: 3", "Booting worker with pid: 3"),
    ],
)
def test_the_servers_own_log_keeps_addresses_to_itself(said: str, told: str) -> None:
    one = record(said)
    assert logs._without_requests(one)
    assert one.getMessage() == told
