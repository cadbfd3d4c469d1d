"""Statements compiled once a process, not once a test.

SQLAlchemy keeps what it compiled with the engine, as an installation has one for its whole life.
Each test has an engine of its own, as it has a database of its own, and began with nothing kept.
"""

from __future__ import annotations

from typing import Any

from flask import Flask
from sqlalchemy import Engine
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
