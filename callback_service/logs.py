"""The service's own log: one line for each record, with the request it belongs to and no person.

A line is a JSON object, for programs that gather and search logs, or plain words for a terminal.

Whatever a stranger sent cannot make a line of its own: control characters are written as escapes,
and a traceback stands in the line of its record. What an exception says may quote a number or a
note, so it is left out unless it cannot.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.exc import DBAPIError

#: What these say names files, hosts, tables and types, and never what somebody typed.
TELLING: Final = (OSError, AttributeError, ImportError, NameError, TypeError)
WITHHELD: Final = "(what it says is left out: it may quote somebody)"
#: The words of ``LOG_LINES``.
JSON: Final = "json"
PLAIN: Final = "plain"
#: Causes behind causes are followed this far.
DEPTH: Final = 10

request_id: ContextVar[str] = ContextVar("request_id", default="-")


def set_up(*, level: int = logging.WARNING) -> None:
    """Write this process's log to standard error, in our lines. May be called again."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)


def guard_server_log() -> None:
    """Have gunicorn's log of this process keep to the same rules."""
    server = logging.getLogger("gunicorn.error")
    server.addFilter(_without_requests)
    for handler in server.handlers:
        handler.setFormatter(_formatter())


def _formatter() -> logging.Formatter:
    """What ``LOG_LINES`` asks for. The settings refuse other words; until they do, it is JSON."""
    return PlainFormatter() if os.environ.get("LOG_LINES") == PLAIN else JsonFormatter()


def _without_requests(record: logging.LogRecord) -> bool:
    """Leave out the address of a request, which may open a page, and what could not be read."""
    said = record.getMessage()
    if said.startswith("Invalid request from"):
        record.msg, record.args = "a request that is not HTTP was refused", ()
    elif said.startswith("Error handling request"):
        record.msg, record.args = "a request was not handled", ()
    return True


class JsonFormatter(logging.Formatter):
    """``{"at": "2026-11-25T20:00:00.000Z", "level": "WARNING", "logger": ..., "message": ...}``.

    Also the number of the process, the name of the request, and of a fault the steps to it.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        told: dict[str, object] = {
            "at": _instant(record),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "request": request_id.get(),
            "message": _in_one_line(record.getMessage()),
        }
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            told["fault"] = [_in_one_line(step.strip()) for step in _steps(error, DEPTH)]
        return json.dumps(told, ensure_ascii=False)


class PlainFormatter(logging.Formatter):
    """``2026-11-25T20:00:00.000Z WARNING callback_service.web.access [3f9a2b1c] what happened``."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        parts = [record.getMessage()]
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            parts += _steps(error, DEPTH)
        said = _in_one_line("\n".join(parts))
        return f"{_instant(record)} {record.levelname} {record.name} [{request_id.get()}] {said}"


def _instant(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return at.replace("+00:00", "Z")


def _steps(error: BaseException, depth: int) -> Iterator[str]:
    """The frames and the kind of an exception, after those of what caused it."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and depth > 1:
        yield from _steps(cause, depth - 1)
        yield "and then"
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
    kind = type(error)
    yield f"{kind.__module__}.{kind.__qualname__}: {_said_by(error)}"


def _said_by(error: BaseException) -> str:
    if isinstance(error, DBAPIError):
        return _said_by_database(error.orig)
    return str(error) if isinstance(error, TELLING) else WITHHELD


def _said_by_database(error: BaseException | None) -> str:
    """The database's code and the constraint; its words quote the values that broke it."""
    code = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None)
    constraint = getattr(getattr(error, "diag", None), "constraint_name", None)
    named = f" {constraint}" if constraint else ""
    return f"{type(error).__name__} {code or 'without a code'}{named}"


def _in_one_line(said: str) -> str:
    """``said`` with every control and line-breaking character escaped, as ``repr`` does it."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in said)
