"""Rows that one deed adds, inserted together: whoever sent the form waits for each statement.

On a server several rows go in one statement, by WITH; SQLite knows no such statement, and needs
none, as it answers at once. The rows are objects of the models, so that they seal themselves; the
session does not get to know them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Insert,
    bindparam,
    func,
    select,
)
from sqlalchemy import (
    Sequence as Numbers,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from callback_service.models.base import Base
from callback_service.services import plain_rows
from callback_service.services.server import is_server

#: Values of one statement. The driver reads one with more of them anew each time it is run.
MOST_VALUES: Final = 50


class _Shape(NamedTuple):
    """What the statement for a row is made of."""

    model: type[Base]
    columns: tuple[str, ...]  # that the row gives
    unless_there: bool


def next_id(model: type[Base], *, on_server: bool) -> ColumnElement[int]:
    """The id for a new row, in a query. SQLite: nobody else writes until the transaction ends."""
    if on_server:
        return Numbers(f"{model.__tablename__}_id_seq").next_value()
    ids = model.__table__.c.id
    return select(func.coalesce(func.max(ids), 0) + 1).scalar_subquery()


class NewRows:
    """Rows to be inserted, in the order in which they were added."""

    def __init__(self) -> None:
        self._rows: list[tuple[_Shape, dict[str, Any]]] = []

    def add(self, new: Base, *, unless_there: bool = False) -> None:
        """Have a row inserted as it is now. One that others refer to must have its id.

        ``unless_there``: not if another is in its way, which whoever was earlier has put there.
        """
        given = _given(new)
        self._rows.append((_Shape(type(new), tuple(given), unless_there), given))

    def write(self, session: Session) -> None:
        """Insert them, after what the session has yet to write."""
        rows, self._rows = self._rows, []
        on_server = is_server(session)
        for some in _parts(rows) if on_server else ([row] for row in rows):
            statement = _insert(tuple(shape for shape, _ in some), on_server=on_server)
            plain_rows.run(session, statement, _values(given for _, given in some))


def _parts(rows: Sequence[tuple[_Shape, dict[str, Any]]]) -> Iterator[list[Any]]:
    """The rows of one statement after the other."""
    some: list[Any] = []
    for row in rows:
        if some and sum(len(given) for _, given in [*some, row]) > MOST_VALUES:
            yield some
            some = []
        some.append(row)
    if some:
        yield some


def _values(rows: Iterator[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        _name(number, column): value
        for number, given in enumerate(rows)
        for column, value in given.items()
    }


def _name(number: int, column: str) -> str:
    return f"{column}_{number}"


@cache
def _insert(shapes: tuple[_Shape, ...], *, on_server: bool) -> Insert:
    """One statement for several rows. The server runs the first, then the rest in their order.

    References between them are looked at when all of it is done.
    """
    insert = postgresql.insert if on_server else sqlite.insert
    first, *others = (_insert_one(insert, *one) for one in enumerate(shapes))
    return first.add_cte(*(one.cte(f"row_{number}") for number, one in enumerate(others)))


def _insert_one(
    insert: Callable[[type[Base]], postgresql.Insert | sqlite.Insert], number: int, shape: _Shape
) -> Insert:
    types = shape.model.__table__.c
    given = {name: bindparam(_name(number, name), type_=types[name].type) for name in shape.columns}
    statement = insert(shape.model).inline().values(given)
    return statement.on_conflict_do_nothing() if shape.unless_there else statement


def _given(new: Base) -> dict[str, Any]:
    """The values of a row, with those that the model gives where nothing else does."""
    columns = new.__table__.c
    given = {name: value for name, value in vars(new).items() if name in columns}
    for column in _with_defaults(type(new)):
        if column.name not in given:
            given[column.name] = _default(column, given)
    return given


@cache
def _with_defaults(model: type[Base]) -> tuple[Any, ...]:
    return tuple(column for column in model.__table__.c if column.default is not None)


def _default(column: Any, given: dict[str, Any]) -> Any:
    """What ``default`` of a column says; of the other values if it asks for them."""
    default = column.default
    return default.arg(_Given(given)) if default.is_callable else default.arg


class _Given:
    """What a default may ask of the row it is for, as SQLAlchemy has it."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    def get_current_parameters(self) -> Mapping[str, Any]:
        """The other values of the row."""
        return self._given
