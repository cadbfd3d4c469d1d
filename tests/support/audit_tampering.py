"""What somebody does to the audit log who may do anything to the database but has no key."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from flask import Flask
from sqlalchemy import text

from callback_service.extensions import db


def tamper(app: Flask, *statements: str) -> None:
    """Run ``statements`` with triggers and foreign keys out of the way."""
    with app.app_context():
        engine = db.engine
    if engine.dialect.name == "sqlite":
        _tamper_with_file(str(engine.url.database), statements)
        return
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            connection.execute(text(statement))


def _tamper_with_file(path: str, statements: tuple[str, ...]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
