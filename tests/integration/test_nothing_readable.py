"""Nothing that is sealed can be read from the bytes of the database, by whoever has no key."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from flask import Flask
from sqlalchemy import select

from callback_service.extensions import db
from callback_service.models.base import Base
from callback_service.models.request_key import RequestKey
from callback_service.services import keys
from tests.support.databases import PostgresServer
from tests.support.request_builders import stored
from tests.support.sealed_rows import CANARIES, one_of_each, opened

#: What proves that a search of the bytes would find what is there in clear.
IN_CLEAR = "Alex Marsh"


def looked_for() -> list[bytes]:
    """Every canary: as it is, in other widths, as bytes print, and the digits of numbers."""
    texts = {*CANARIES.values(), *(text.removeprefix("+44") for text in CANARIES.values())}
    texts |= {one for text in CANARIES.values() for one in text.split() if len(one) > 6}
    texts |= {json.dumps(text)[1:-1] for text in CANARIES.values()}
    plain = [text.encode(coding) for text in texts for coding in ("utf-8", "utf-16-le")]
    return plain + [one.hex().encode() for one in plain]


def check(found: bytes, key: bytes) -> None:
    """Nothing of it is in ``found``, nor the key of the request as it is used."""
    assert IN_CLEAR.encode() in found
    assert not [one for one in looked_for() if one in found]
    assert key not in found
    assert key.hex().encode() not in found


def fill(app: Flask) -> bytes:
    """Put a canary into every sealed column; the key of the request, unwrapped."""
    with stored(app) as session:
        one_of_each(session)
        assert set(CANARIES.values()) <= set(opened(session))
        row = session.scalars(select(RequestKey)).one()
        return unwrapped(row)


def unwrapped(row: RequestKey) -> bytes:
    from callback_service.models import sealing

    context = f"request_key.wrapped:{row.request_uid}"
    return sealing.keyring()._open(row.wrapped, context)  # what no other code may see


def test_there_is_a_canary_for_every_sealed_column() -> None:
    named = {
        f"{mapper.class_.__name__}.{name}"
        for mapper in Base.registry.mappers
        for name in keys.sealed_fields(mapper.class_)
    }
    assert named == set(CANARIES)


def test_nothing_is_readable_in_the_database(
    app: Flask, database_url: str, request: object
) -> None:
    key = fill(app)
    check(bytes_of(app, database_url, request), key)


def bytes_of(app: Flask, database_url: str, request: object) -> bytes:
    """The whole database: SQLite's file and its log, or what pg_dump writes of PostgreSQL's."""
    if database_url.startswith("sqlite"):
        path = Path(database_url.removeprefix("sqlite:///"))
        log = path.with_name(f"{path.name}-wal")
        with app.app_context(), db.engine.connect() as held:  # keeps the log from being emptied
            held.exec_driver_sql("SELECT 1 FROM staff")
            assert log.stat().st_size > 0
            return path.read_bytes() + log.read_bytes()
    server: PostgresServer = request.getfixturevalue("postgres_server")  # type: ignore[attr-defined]
    command = [f"{server.programs()}/pg_dump", "--inserts", database_url.replace("+psycopg", "")]
    return subprocess.run(command, capture_output=True, check=True, env=os.environ).stdout
