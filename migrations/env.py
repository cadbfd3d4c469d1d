"""How Alembic meets our database: the app's engine, and limits so that nothing hangs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import context
from flask import current_app
from sqlalchemy import Connection, text

LOCK_TIMEOUT_MS = 5_000  # rather give up than have everybody queue behind us
STATEMENT_TIMEOUT_MS = 600_000


def render_item(kind: str, item: Any, autogen_context: Any) -> str | bool:
    """Write our own column types as the plain ones they are kept as."""
    if kind == "type" and type(item).__name__ == "UtcDateTime":
        return "sa.DateTime(timezone=True)"
    return False


@contextmanager
def without_foreign_keys(connection: Connection) -> Iterator[None]:
    """Let SQLite make a table anew while others refer to it; what refers to nothing is an error.

    Only outside a transaction can it be told so: beneath SQLAlchemy, which begins one at once.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    driver = connection.connection.dbapi_connection.cursor()
    driver.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
        if broken := driver.execute("PRAGMA foreign_key_check").fetchall():
            raise RuntimeError(f"rows that refer to nothing: {broken}")
    finally:
        driver.execute("PRAGMA foreign_keys = ON")
        driver.close()


def run() -> None:
    """Run the migrations on the app's engine."""
    database = current_app.extensions["migrate"].db
    with database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SET lock_timeout = {LOCK_TIMEOUT_MS}"))
            connection.execute(text(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}"))
            connection.commit()
        context.configure(
            connection=connection,
            target_metadata=database.metadata,
            render_item=render_item,
            compare_type=True,
            render_as_batch=connection.dialect.name == "sqlite",
        )
        with without_foreign_keys(connection), context.begin_transaction():
            context.run_migrations()


run()
