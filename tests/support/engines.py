"""What is done to every engine of a test process.

Statements are compiled once a process, not once a test: SQLAlchemy keeps what it compiled with the
engine, as an installation has one for its whole life. Each test has an engine of its own, as it has
a database of its own, and began with nothing kept.

And SQLite gives rows backwards where no order was asked for: PostgreSQL gives them in whatever
order it likes, once in a thousand runs another than they were written in.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from flask import Flask
from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import LRUCache

from callback_service.extensions import db

#: More than all tests have; SQLAlchemy's own 500 are for one application.
STATEMENTS = 10_000

_lenders: dict[str, Engine] = {}


def lend_from(engine: Engine) -> None:
    """Let every engine made from now on use what this one, which has connected, compiled."""
    if not _lenders:
        _lend_to_new_ones()
    if _lenders.setdefault(engine.dialect.name, engine) is engine:
        engine._compiled_cache = LRUCache(STATEMENTS)


def _lend_to_new_ones() -> None:
    make_engine = db._make_engine

    def make(bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
        engine = make_engine(bind_key, options, app)
        if lender := _lenders.get(engine.dialect.name):
            engine.dialect = engine.pool._dialect = lender.dialect  # the key of what is kept
            engine._compiled_cache = lender._compiled_cache
        return engine

    db._make_engine = make  # type: ignore[method-assign]


def give_unordered_rows_backwards() -> None:
    """Let whoever reads rows without an order, and counts on one, fail on SQLite at every run."""
    event.listen(Engine, "connect", _reverse)


def _reverse(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA reverse_unordered_selects = ON")
