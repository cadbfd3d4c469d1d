"""Reading and writing rows without the objects of the session, where somebody waits for it.

In the same transaction and after what the session has yet to write; it takes half the time.

Wherever a function with ``@cache`` makes such a statement, with ``bindparam`` for what differs, it
is because putting a statement together takes longer than running it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, TypeVarTuple

from sqlalchemy import ColumnElement, Executable, Result, Row, insert, literal
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.selectable import TypedReturnsRows

from callback_service.models.base import Base
from callback_service.services.server import is_server

Given = Mapping[str, Any]
Columns = TypeVarTuple("Columns")
Word = TypeVar("Word", bound=StrEnum | None)


def rows(
    session: Session, statement: TypedReturnsRows[*Columns], given: Given | None = None
) -> Result[*Columns]:
    """What a statement of columns finds."""
    session.flush()
    return session.connection().execute(statement, given)


def row(
    session: Session, statement: TypedReturnsRows[*Columns], given: Given | None = None
) -> Row[*Columns]:
    """The one row that a statement of columns finds."""
    return rows(session, statement, given).one()


def among(column: InstrumentedAttribute[Word], words: Collection[Word]) -> ColumnElement[bool]:
    """Whether ``column`` is one of some words that are always the same.

    Written out once: the values of ``in_`` are put into the statement anew each time it is run.
    """
    return column.in_([literal(word, column.type) for word in words])


def run(session: Session, statement: Executable, given: Any = None) -> None:
    """Run a statement that finds nothing."""
    session.flush()
    session.connection().execute(statement, given)


def put_if_new(session: Session, model: type[Base], values: Given) -> bool:
    """Insert one row; False if another is in its way, which whoever was earlier has put there."""
    return rows(session, _put_if_new(model, is_server(session)), values).first() is not None


@cache
def _put_if_new(model: type[Base], on_server: bool) -> TypedReturnsRows[int]:
    insert_into = postgresql.insert if on_server else sqlite.insert
    return insert_into(model).on_conflict_do_nothing().returning(literal(1))


def put(session: Session, new: Base) -> None:
    """Insert a new row, and give it its key.

    The session does not get to know it: what is changed on it afterwards is not written, and what
    the database or a default filled in is not on it.
    """
    columns = type(new).__table__.columns
    given = {name: value for name, value in vars(new).items() if name in columns}
    for name, value in row(session, _put(type(new)), given)._mapping.items():
        setattr(new, name, value)


@cache
def _put(model: type[Base]) -> TypedReturnsRows[*tuple[Any, ...]]:
    return insert(model).returning(*model.__table__.primary_key)
