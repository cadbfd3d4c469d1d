"""The service, and beside it at ``/raw`` a view that inserts the rows of one submit by hand.

For ``tools.bench.form``, which says in ``BENCH_BEFORE`` what was there before that submit: the keys
of all rows, by table. The first call must follow on that submit, as it learns from it.
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

SEALS = "audit_seal"
MOVE_END = """
    UPDATE audit_head SET position = position + 1, mac = %s, proof = %s RETURNING position
"""
ALPHABET = string.ascii_letters + string.digits

raw = Flask("raw")
_this_thread = threading.local()


@dataclass
class Insert:
    """One row to insert again: its statement, its values, and which of them must be new."""

    table: str
    statement: sql.Composed
    row: dict[str, Any]
    own_id: Any  # None where the row has no id that the database gives
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
    tables = [table for table in Base.metadata.sorted_tables if table.name != "audit_head"]
    return tuple(one for table in tables for one in _of(table, before))


def _of(table: Table, before: dict[str, list[str]]) -> list[Insert]:
    [key, *_] = table.primary_key.columns.keys()
    query = sql.SQL("SELECT * FROM {}").format(sql.Identifier(table.name))
    rows = _connection().execute(query).fetchall()
    return [_insert(table, row) for row in rows if str(row[key]) not in before[table.name]]


def _insert(table: Table, row: dict[str, Any]) -> Insert:
    own_id = row.pop("id") if isinstance(row.get("id"), int) else None
    columns = sql.SQL(", ").join(map(sql.Identifier, row))
    values = sql.SQL(", ").join(map(sql.Placeholder, row))
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table.name), columns, values
    )
    if own_id is not None:
        statement += sql.SQL(" RETURNING id")
    unique = [one for one in table.constraints if isinstance(one, UniqueConstraint)]
    unique += [one for one in table.indexes if one.unique]  # type: ignore[misc]  # columns alike
    fresh = {column.name for one in unique for column in one.columns}
    fresh |= set(table.primary_key.columns.keys()) & set(row)
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
    """Insert the rows of one submit in one transaction, and move the end of the audit chain."""
    connection = _connection()
    ids: dict[tuple[str, Any], Any] = {}
    with connection.transaction():
        for one in _inserts():
            row = _row(one, ids)
            if one.table == SEALS:
                row["position"] = _next_place(connection)
            written = connection.execute(one.statement, row)
            if one.own_id is not None:
                ids[one.table, one.own_id] = written.fetchone()["id"]  # type: ignore[index]  # it is there
    return Response(status=303, headers={"Location": "/"})


def _row(one: Insert, ids: dict[tuple[str, Any], Any]) -> dict[str, Any]:
    """The values, with new ones where they must be, and the rows written before as those meant."""
    return {
        name: _new(value)
        if name in one.fresh
        else ids.get((one.refers[name], value), value)
        if name in one.refers
        else value
        for name, value in one.row.items()
    }


def _next_place(connection: psycopg.Connection[dict[str, Any]]) -> int:
    """The next place of the chain; whoever else wants one waits until this one is committed."""
    macs = [secrets.token_bytes(32), secrets.token_bytes(32)]
    moved = connection.execute(MOVE_END, macs).fetchone()
    return cast("int", moved["position"]) if moved else 0


app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/raw": raw})  # type: ignore[method-assign]  # as Flask says
