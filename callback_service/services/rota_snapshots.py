"""Rows of the rota as plain values, to keep and to compare; and rows from such values again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, time
from enum import Enum
from typing import Any, Final

from sqlalchemy import Column, Table, TypeDecorator, select
from sqlalchemy.orm import Session

from callback_service.models.base import Base
from callback_service.models.rest import RestAllowance
from callback_service.models.rota import CoverRequirement, ShiftPattern, ShiftTurn
from callback_service.models.rota_change import ChangeKind, RotaChange

#: The rows whose history is kept, by table. Turns go with their pattern; whose time a change
#: speaks for follows from the change. What is allowed goes with the edit it is for.
KEPT: Final[dict[str, type[Base]]] = {
    model.__tablename__: model
    for model in (ShiftPattern, CoverRequirement, RotaChange, RestAllowance)
}
#: The columns of the rota that say whose shift it is, or would be.
PEOPLE: Final = ("staff_id", "by_id")
OPEN_SHIFT: Final = "open_shift"

#: The columns of a row by name, as JSON takes them.
Columns = dict[str, Any]


def about_person(staff_id: int) -> str:
    """The subject of everything that concerns one person."""
    return f"staff:{staff_id}"


def about_row(table_name: str, row_id: int) -> str:
    """The subject of everything that concerns one row."""
    return f"{table_name}:{row_id}"


def stored(session: Session, table_name: str, ids: Collection[int]) -> dict[int, Columns]:
    """The rows as the database has them, by id; those that are not there are left out.

    It looks past the session: what is not flushed is not seen.
    """
    table = _table(table_name)
    found = session.connection().execute(select(table).where(table.c.id.in_(ids))).mappings()
    rows = {row["id"]: {name: _plain(value) for name, value in row.items()} for row in found}
    if table_name == ShiftPattern.__tablename__:
        for columns in rows.values():
            columns["turns"] = []
        for pattern_id, *turn in _turns(session, rows):
            rows[pattern_id]["turns"].append(turn)
    return rows


def _turns(session: Session, ids: Collection[int]) -> Iterator[tuple[Any, ...]]:
    """(pattern id, place, length, staff id) of every turn of these patterns, in order."""
    columns = _table(ShiftTurn.__tablename__).c
    yield from session.connection().execute(
        select(columns.pattern_id, columns.place, columns.length, columns.staff_id)
        .where(columns.pattern_id.in_(ids))
        .order_by(columns.place, columns.staff_id)
    )


def rebuilt(table_name: str, columns: Columns) -> Base:
    """A row of these columns that is in no session."""
    table = _table(table_name)
    values = {
        name: _typed(_kind(table.c[name]), value)
        for name, value in columns.items()
        if name in table.c
    }
    if "turns" in columns:
        values["turns"] = [
            ShiftTurn(place=place, length=length, staff_id=staff_id)
            for place, length, staff_id in columns["turns"]
        ]
    return KEPT[table_name](**values)


def _table(name: str) -> Table:
    return Base.metadata.tables[name]


def _plain(value: Any) -> Any:
    if isinstance(value, date | time):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value


def _kind(column: Column[Any]) -> type[Any]:
    """What a column holds in Python."""
    kind = column.type
    return (kind.impl_instance if isinstance(kind, TypeDecorator) else kind).python_type


def _typed(kind: type[Any], value: Any) -> Any:
    if value is None or isinstance(value, kind):
        return value
    return kind.fromisoformat(value) if issubclass(kind, date | time) else kind(value)


def people_of(columns: Columns) -> set[int]:
    """Ids of those whose shifts the row speaks of."""
    people = {columns.get(name) for name in PEOPLE}
    people |= {staff_id for *_, staff_id in columns.get("turns", ())}
    return {staff_id for staff_id in people if staff_id is not None}


def subjects_of(table_name: str, row_id: int, columns: Columns | None) -> set[str]:
    """What a row is about: itself, its people, open shifts, or how many are needed."""
    subjects = {about_row(table_name, row_id)}
    if columns is None:
        return subjects
    subjects |= {about_person(staff_id) for staff_id in people_of(columns)}
    if columns.get("kind") == ChangeKind.OPEN:
        subjects.add(OPEN_SHIFT)
    if table_name == CoverRequirement.__tablename__:
        subjects.add(table_name)
    return subjects
