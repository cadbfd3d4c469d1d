"""The stored changes of the rota as the domain knows them, and in words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo
from functools import cache
from typing import Any, Final

from sqlalchemy import Row, Select, bindparam, or_, select
from sqlalchemy.orm import Session

from callback_service.domain.rota import Duty, Source
from callback_service.domain.rota_changes import (
    Change,
    Leave,
    LeaveReason,
    OpenShift,
    Override,
    OverrideKind,
    person_spans,
)
from callback_service.domain.wall_time import day_in_words
from callback_service.models.rota_change import ChangeKind, RotaChange
from callback_service.services import plain_rows

#: What makes a change, and not who wrote it down.
_TOLD: Final = (
    RotaChange.kind, RotaChange.duty, RotaChange.starts_at, RotaChange.ends_at,
    RotaChange.staff_id, RotaChange.by_id, RotaChange.reason, RotaChange.swap_id,
)  # fmt: skip
REASON_WORDS = {
    LeaveReason.ANNUAL: "annual leave",
    LeaveReason.SICK: "ill",
    LeaveReason.TRAINING: "training",
    LeaveReason.OTHER: "another reason",
}

#: A duty in a sentence of somebody who works it.
AS_WORDS = {Duty.COUNSELLING: "as counsellor", Duty.DUTY_LEAD: "as duty lead"}


def load_changes(
    session: Session, start: datetime, end: datetime, *, duty: Duty | None = None
) -> list[Change]:
    """The changes that hold somewhere in ``[start, end)``, in order; of one duty, or of all."""
    rows = plain_rows.rows(session, _holding(duty), {"start": start, "end": end})
    return [change_of(row) for row in rows]


@cache
def _holding(duty: Duty | None) -> Select[*tuple[Any, ...]]:
    """The changes that hold somewhere between ``start`` and ``end``."""
    return (
        select(*_TOLD)
        .where(
            RotaChange.cancelled_at.is_(None),
            RotaChange.starts_at < bindparam("end"),
            RotaChange.ends_at > bindparam("start"),
            *([or_(RotaChange.duty.is_(None), RotaChange.duty == duty)] if duty else []),
        )
        .order_by(RotaChange.id)
    )


def change_of(row: RotaChange | Row[*tuple[Any, ...]]) -> Change:
    """The stored change as the domain knows it; an open shift that is taken is an addition.

    ``row`` is one of the table, or what of it makes the change.
    """
    span = row.starts_at, row.ends_at
    if row.duty is None:
        return Leave(_given(row.staff_id), *span, row.reason or LeaveReason.OTHER)
    if row.kind is ChangeKind.OPEN and row.staff_id is None:
        return OpenShift(*span, row.duty)
    kind = OverrideKind.ADD if row.kind is ChangeKind.OPEN else OverrideKind(row.kind)
    source = Source.OVERRIDE if row.swap_id is None else Source.SWAP
    return Override(kind, _given(row.staff_id), *span, row.duty, row.by_id, source)


def _given(staff_id: int | None) -> int:
    if staff_id is None:
        raise RuntimeError("a change of one person's rota names no person")
    return staff_id


def people_in(changes: Iterable[Change]) -> set[int]:
    """Ids of everybody whom ``changes`` speak of."""
    return {staff_id for change in changes for staff_id, *_ in person_spans(change)}


def replaced_in(changes: Iterable[Change]) -> set[int]:
    """Ids of those who are replaced at some of their shifts."""
    return {
        change.staff_id
        for change in changes
        if isinstance(change, Override) and change.kind is OverrideKind.REPLACE
    }


def in_words(row: RotaChange, *, tz: tzinfo) -> str:
    """A change for managers: who, what and when. It says why somebody is away."""
    return f"{_deed(row)}, {span_in_words(row.starts_at, row.ends_at, tz=tz)}"


def _deed(row: RotaChange) -> str:
    name = row.staff.name if row.staff else "nobody yet"
    duty = AS_WORDS[row.duty or Duty.COUNSELLING]
    match row.kind:
        case ChangeKind.ADD:
            return f"{name} works {duty}"
        case ChangeKind.REMOVE:
            return f"{name} does not work {duty}"
        case ChangeKind.REPLACE:
            return f"{row.by.name if row.by else 'somebody'} works {duty} instead of {name}"
        case ChangeKind.LEAVE:
            return f"{name} is away ({REASON_WORDS[row.reason or LeaveReason.OTHER]})"
        case ChangeKind.OPEN:
            return f"Open shift {duty}, held by {name}"


def span_in_words(start: datetime, end: datetime, *, tz: tzinfo) -> str:
    """A span for people: "Saturday 28 November 22:00 to Sunday 29 November 06:00"."""
    first, last = start.astimezone(tz), end.astimezone(tz)
    until = f"{last:%H:%M}"
    if last.date() != first.date():
        until = f"{day_in_words(last.date())} {until}"
    return f"{day_in_words(first.date())} {first:%H:%M} to {until}"
