"""The service, and beside it at ``/raw`` a view that inserts the rows of one submit by hand.

For ``tools.bench.form``, which says in ``BENCH_BEFORE`` what was there before that submit: the
largest id of each table.
"""

from __future__ import annotations

import json
import os
import secrets
import string
import threading
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

import psycopg
from flask import Flask, Response
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Json
from sqlalchemy import Table, UniqueConstraint
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from callback_service.models.base import Base
from wsgi import app

ALPHABET = string.ascii_letters + string.digits

raw = Flask("raw")
_this_thread = threading.local()


@dataclass
class Insert:
    """One row to insert again: its statement, its values, and which of them must be new."""

    table: str
    statement: sql.Composed
    row: dict[str, Any]
    own_id: Any
    fresh: set[str] = field(default_factory=set)
    refers: dict[str, str] = field(default_factory=dict)  # column: table


def _connection() -> psycopg.Connection[dict[str, Any]]:
    if not hasattr(_this_thread, "connection"):
        url = os.environ["DATABASE_URL"].replace("+psycopg", "")
        _this_thread.connection = psycopg.connect(url, row_factory=dict_row)
    return cast("psycopg.Connection[dict[str, Any]]", _this_thread.connection)


@cache
def _inserts() -> tuple[Insert, ...]:
    """What the first submit wrote, in an order that suits its references."""
    before = json.loads(os.environ["BENCH_BEFORE"])
    found: list[Insert] = []
    for table in Base.metadata.sorted_tables:
        if table.name in before and "id" in table.c:
            found += _of(table, before[table.name])
    return tuple(found)


def _of(table: Table, largest_id: int) -> list[Insert]:
    name = sql.Identifier(table.name)
    query = sql.SQL("SELECT * FROM {} WHERE id > %s").format(name)
    rows = _connection().execute(query, [largest_id]).fetchall()
    return [_insert(table, row) for row in rows]


def _insert(table: Table, row: dict[str, Any]) -> Insert:
    own_id = row.pop("id")
    columns = sql.SQL(", ").join(map(sql.Identifier, row))
    values = sql.SQL(", ").join(map(sql.Placeholder, row))
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING id").format(
        sql.Identifier(table.name), columns, values
    )
    unique = [one for one in table.constraints if isinstance(one, UniqueConstraint)]
    unique += [one for one in table.indexes if one.unique]  # type: ignore[misc]  # columns alike
    fresh = {column.name for one in unique for column in one.columns}
    refers = {
        key.parent.name: key.column.table.name for key in table.foreign_keys if row[key.parent.name]
    }
    for column, value in row.items():
        if isinstance(value, dict):
            row[column] = Json(value)
    return Insert(table.name, statement, row, own_id, fresh - set(refers), refers)


def _new(value: Any) -> Any:
    if isinstance(value, bytes):
        return secrets.token_bytes(len(value))
    if isinstance(value, str):
        return "".join(secrets.choice(ALPHABET) for _ in value)
    return value


@raw.post("/")
def insert_by_hand() -> Response:
    """Insert the rows of one submit in one transaction."""
    connection = _connection()
    ids: dict[tuple[str, Any], Any] = {}
    with connection.transaction():
        for one in _inserts():
            row = {
                name: _new(value)
                if name in one.fresh
                else ids.get((one.refers.get(name, ""), value), value)
                if name in one.refers
                else value
                for name, value in one.row.items()
            }
            written = connection.execute(one.statement, row).fetchone()
            ids[one.table, one.own_id] = written["id"] if written else None
    return Response(status=303, headers={"Location": "/"})


app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/raw": raw})  # type: ignore[method-assign]  # as Flask says
