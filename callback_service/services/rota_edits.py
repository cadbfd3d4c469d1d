"""Edits of the rota: each is kept as one revision, with every row it changed as it was and is.

A service that changes the rota is marked with ``@edits("rota.something")``. What it writes is
noticed as it is flushed, so nothing that belongs to the rota is left out; edits made inside an
edit are a part of it. Edits are made one after the other, so the ids of revisions are in the order
of their commits: whoever has seen the newest id has seen every edit before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar, cast

from sqlalchemy import event, func, or_, select
from sqlalchemy.orm import Session

from callback_service.models.rota_revision import (
    RotaRevision,
    RotaRevisionRow,
    RotaRevisionSubject,
)
from callback_service.services.rota_snapshots import KEPT, Columns, stored, subjects_of

Given = ParamSpec("Given")
Result = TypeVar("Result")

_RUNNING: Final = "rota_edit"
_EDIT_LOCK: Final = 5_104_311  # any number that no other advisory lock uses


class Edit:
    """One edit while it is made: each row it touched as it was before, by table and id.

    ``revision`` is there once it is over; None where all is as it was.
    """

    def __init__(self, session: Session) -> None:
        self.revision: RotaRevision | None = None
        self._session = session
        self._before: dict[tuple[str, int], Columns | None] = {}

    def note_old(self, session: Session, *_: Any) -> None:
        """Keep rows as they are before they are written over."""
        for row in [*session.dirty, *session.deleted]:
            table_name = getattr(row, "__tablename__", "")
            if table_name in KEPT and (table_name, row.id) not in self._before:
                kept = stored(session, table_name, [row.id]).get(row.id)
                self._before[table_name, row.id] = kept

    def note_new(self, session: Session, *_: Any) -> None:
        """Keep that rows were not there, now that they have ids."""
        for row in session.new:
            table_name = getattr(row, "__tablename__", "")
            if table_name in KEPT:
                self._before.setdefault((table_name, row.id), None)

    def rows(self) -> list[RotaRevisionRow]:
        """What has changed."""
        self._session.flush()
        ids: dict[str, list[int]] = defaultdict(list)
        for table_name, row_id in self._before:
            ids[table_name].append(row_id)
        now = {name: stored(self._session, name, wanted) for name, wanted in ids.items()}
        return [
            RotaRevisionRow(table_name=name, row_id=row_id, before=before, after=after)
            for (name, row_id), before in self._before.items()
            if before != (after := now[name].get(row_id))
        ]


@contextmanager
def rota_edit(
    session: Session,
    action: str,
    *,
    actor_id: int | None,
    now: datetime,
    undoes_id: int | None = None,
) -> Iterator[Edit]:
    """Keep what changes on the rota inside as one revision; within another edit, as part of it."""
    running: Edit | None = session.info.get(_RUNNING)
    if running is not None:
        yield running
        return
    wait_for_turn(session)
    edit = Edit(session)
    with _noticing(session, edit):
        yield edit
        rows = edit.rows()
    if rows:
        edit.revision = RotaRevision(
            made_at=now, actor_id=actor_id, action=action, undoes_id=undoes_id, rows=rows
        )
        edit.revision.subjects = [RotaRevisionSubject(subject=one) for one in _subjects(rows)]
        session.add(edit.revision)
        session.flush()


@contextmanager
def _noticing(session: Session, edit: Edit) -> Iterator[None]:
    listeners = [("before_flush", edit.note_old), ("after_flush", edit.note_new)]
    session.info[_RUNNING] = edit
    for name, listener in listeners:
        event.listen(session, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners:
            event.remove(session, name, listener)
        del session.info[_RUNNING]


def _subjects(rows: Collection[RotaRevisionRow]) -> list[str]:
    return sorted(
        {
            subject
            for row in rows
            for columns in (row.before, row.after)
            for subject in subjects_of(row.table_name, row.row_id, columns)
        }
    )


def edits(action: str) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """Mark a service as an edit of the rota. It takes the session first, and ``now`` by name.

    Who makes the edit is its ``actor_id``, or its ``staff_id`` where people act for themselves.
    """

    def mark(use_case: Callable[Given, Result]) -> Callable[Given, Result]:
        @wraps(use_case)
        def edit(*args: Given.args, **named: Given.kwargs) -> Result:
            actor_id = cast("int | None", named.get("actor_id", named.get("staff_id")))
            session, now = cast("Session", args[0]), cast("datetime", named["now"])
            with rota_edit(session, action, actor_id=actor_id, now=now):
                return use_case(*args, **named)

        return edit

    return mark


def wait_for_turn(session: Session) -> None:
    """Let no other edit of the rota begin until this transaction ends.

    On SQLite the transaction that writes is alone anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_EDIT_LOCK)))


def latest_revision(session: Session) -> int:
    """The id of the newest revision; 0 before the first."""
    return session.scalar(select(func.max(RotaRevision.id))) or 0


def revisions_since(
    session: Session, seen: int, subjects: Collection[str], *, actor_id: int | None
) -> list[RotaRevision]:
    """What others than ``actor_id`` changed after revision ``seen`` about ``subjects``, in order.

    Inside a transaction that has waited for its turn nothing more can come.
    """
    about = select(RotaRevisionSubject.revision_id).where(
        RotaRevisionSubject.subject.in_(subjects), RotaRevisionSubject.revision_id > seen
    )
    rows = session.scalars(
        select(RotaRevision)
        .where(
            RotaRevision.id.in_(about),
            or_(RotaRevision.actor_id.is_(None), RotaRevision.actor_id != actor_id),
        )
        .order_by(RotaRevision.id)
    )
    return list(rows)
