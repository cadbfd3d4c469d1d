"""Reading and writing rows without the objects of the session, where somebody waits for it.

In the same transaction and after what the session has yet to write; it takes half the time.

Wherever a function with ``@cache`` makes such a statement, with ``bindparam`` for what differs, it
is because putting a statement together takes longer than running it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, TypeVarTuple

from sqlalchemy import Executable, Result, Row, literal_column
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import TypedReturnsRows

from callback_service.models.base import Base
from callback_service.services.server import is_server

Given = Mapping[str, Any]
Columns = TypeVarTuple("Columns")
One = TypeVar("One")


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


def run(session: Session, statement: Executable, given: Any = None) -> None:
    """Run a statement that finds nothing."""
    session.flush()
    session.connection().execute(statement, given)


def put_if_new(session: Session, model: type[Base], values: Given) -> bool:
    """Insert one row; False if another is in its way, which whoever was earlier has put there."""
    dialect = postgresql if is_server(session) else sqlite
    insert = dialect.insert(model).on_conflict_do_nothing()
    return rows(session, insert.returning(literal_column("1")), values).first() is not None
