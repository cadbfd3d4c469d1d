"""Marks by which senders see that another is still at work, though its lease be over.

A process that is stopped holds whatever it is in the middle of: it may be one step from writing to
the gateway, and no clock it looked at helps. So a run of a sender holds a mark that ends with it,
however it ends: killed, crashed or done, but not while it is only stopped. What it has in hand is
left to it for as long. On PostgreSQL the mark is a lock of a connection of its own; on SQLite,
which has one machine, it is a lock of a file beside the database.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

#: The first of the two keys of each such lock on PostgreSQL.
LOCK_CLASS: Final = 7_702_027
LARGEST_ID: Final = 2**31 - 1

_LOCK: Final = text("SELECT pg_advisory_lock(:kind, :id)")
_UNLOCK: Final = text("SELECT pg_advisory_unlock(:kind, :id)")
_HELD: Final = text(
    "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND classid = :kind AND objsubid = 2"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def at_work(engine: Engine) -> AbstractContextManager[int]:
    """Hold a mark while a run lasts; its number, which goes with what the run claims."""
    number = secrets.randbelow(LARGEST_ID) + 1
    if engine.dialect.name == "postgresql":
        return _locked(engine, number)
    return _locked_file(_folder(engine), number)


def at_work_now(session: Session) -> frozenset[int]:
    """The marks that are held, whoever holds them."""
    engine = session.get_bind().engine
    if engine.dialect.name == "postgresql":
        return frozenset(session.scalars(_HELD, {"kind": LOCK_CLASS}))
    return frozenset(_held_files(_folder(engine)))


@contextmanager
def _locked(engine: Engine, number: int) -> Iterator[int]:
    facts = {"kind": LOCK_CLASS, "id": number}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(_LOCK, facts)
        try:
            yield number
        except BaseException:
            connection.invalidate()  # the lock goes with it, whatever state it is in
            raise
        connection.execute(_UNLOCK, facts)


def _folder(engine: Engine) -> Path:
    database = Path(engine.url.database or "")
    return database.with_name(f"{database.name}-senders")


@contextmanager
def _locked_file(folder: Path, number: int) -> Iterator[int]:
    """Hold the lock of a file that nobody else can have: it is locked before it has its name."""
    folder.mkdir(exist_ok=True)
    path, unnamed = folder / str(number), folder / f".{number}"
    handle = os.open(unnamed, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        unnamed.rename(path)
        yield number
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _held_files(folder: Path) -> Iterator[int]:
    """Which marks are held; those left behind by a sender that died are swept up."""
    for path in folder.glob("[0-9]*"):
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:  # its run has just ended
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield int(path.name)
        else:
            path.unlink(missing_ok=True)
        finally:
            os.close(handle)
