"""The Flask extensions, and ``transaction()``: the only committer of the service."""

from __future__ import annotations

import ipaddress
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from flask import current_app, request
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import Engine, event, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from callback_service.clock import utc_now
from callback_service.config import Settings
from callback_service.models.base import Base
from callback_service.services import audit_chain

SQLITE_BUSY_TIMEOUT_MS = 15_000
#: Writers wait while the log is emptied, so readers are not waited for long.
LOG_BUSY_TIMEOUT_MS = 500
#: A transaction in which nothing is said for so long is ended by PostgreSQL, and its locks go.
ENDED_AFTER: Final = "60s"
#: Somebody else holds what we need: lock not available, deadlock, serialization failure (source:
#: PostgreSQL documentation, appendix A).
BUSY_SQLSTATES: Final = frozenset({"55P03", "40P01", "40001"})


def client_network() -> str:
    """The network a request came from: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        address = ipaddress.ip_address(request.remote_addr or "0.0.0.0")  # nosec B104  # noqa: S104 - a key, not a bind
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def caller_network() -> str | None:
    """The network that texts brought about by a form are counted by: a /24, or the /64 of IPv6.

    None where the address tells nothing: this machine, or a private network.
    """
    return _public_network(ipv4_bits=24)


def caller_address() -> str | None:
    """The address that posts of the form are counted by, or the /64 of IPv6; None as above."""
    return _public_network(ipv4_bits=32)


def _public_network(*, ipv4_bits: int) -> str | None:
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return None
    if not address.is_global:
        return None
    prefix = 64 if isinstance(address, ipaddress.IPv6Address) else ipv4_bits
    return str(ipaddress.ip_network((address, prefix), strict=False))


db = SQLAlchemy(metadata=Base.metadata)
migrate = Migrate()
csrf = CSRFProtect()
login = LoginManager()


def current_settings() -> Settings:
    """The settings of the app that is running."""
    settings: Settings = current_app.config["SETTINGS"]
    return settings


@contextmanager
def transaction() -> Iterator[Session]:
    """One use case, all or nothing: commits at the end, rolls back on any error.

    A read that was open on this thread ends first. On SQLite the write lock is taken at the
    start, so that what is read inside cannot change before it is written.
    """
    session: Session = db.session()
    if session.info.get("in_use_case"):
        raise RuntimeError("transaction() was entered twice: services must not open their own")
    session.rollback()
    session.info["in_use_case"] = True
    try:
        session.connection(execution_options={"sqlite_begin": "IMMEDIATE"})
        yield session
        audit_chain.seal(session)  # the last lock of all: see there
        session.commit()
    except BaseException:
        session.rollback()
        raise
    finally:
        session.info["in_use_case"] = False


@contextmanager
def reading() -> Iterator[Session]:
    """A session to read with; what it read is let go of at the end."""
    session: Session = db.session()
    try:
        yield session
    finally:
        if not session.info.get("in_use_case"):
            session.rollback()


def is_busy(error: OperationalError) -> bool:
    """Whether the database failed only because others held it; nothing was written."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return (code & 0xFF) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
    return getattr(error.orig, "sqlstate", None) in BUSY_SQLSTATES


def database_now(session: Session) -> datetime:
    """The present instant by the clock that all schedulers share: the server's, if there is one.

    What is decided by it does not depend on which machine runs the tick. SQLite has one machine.
    """
    if session.get_bind().dialect.name != "postgresql":
        return utc_now()
    return _server_now(session)


def _server_now(session: Session) -> datetime:
    now: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return now.astimezone(UTC)


def truncate_log() -> bool:
    """Empty SQLite's write-ahead log into the database file; False while a reader needs it.

    What was erased stands in the log until then. No transaction of this thread may be open.
    """
    if db.engine.dialect.name != "sqlite":
        return True
    raw = db.engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {LOG_BUSY_TIMEOUT_MS}")
        is_busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}")
        return not is_busy
    finally:
        raw.close()


def prepare_engine(engine: Engine) -> None:
    """Set SQLite up for one writer and many readers; PostgreSQL, to end what stands still."""
    prepare = _prepare_sqlite if engine.dialect.name == "sqlite" else _prepare_postgresql
    prepare(engine)


def _prepare_postgresql(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.execute(f"SET idle_in_transaction_session_timeout = '{ENDED_AFTER}'")
        connection.execute("SET TIME ZONE 'UTC'")  # an instant in another zone takes longer to read
        connection.commit()


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin below, not in the driver
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")  # an accepted request survives a power cut
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")
