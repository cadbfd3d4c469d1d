"""Handing a shift on that somebody has by a change, and taking it back.

The change ends for them where the shift begins and goes on where it ends; in between a change of
the same kind has somebody else work. So the resolver knows nothing new, nobody is spoken for who
has nothing to do with the shift any more, and the database still refuses what overlaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from callback_service.domain.rota import MAY_HOLD, Duty
from callback_service.domain.rota_changes import Override
from callback_service.domain.swaps import replacements
from callback_service.domain.wall_time import Span
from callback_service.errors import Refused
from callback_service.models.rota_change import ChangeKind, RotaChange
from callback_service.models.staff import Staff
from callback_service.models.swap import Swap
from callback_service.services.rota import resolve
from callback_service.services.rota_change_rows import change_of, span_in_words
from callback_service.services.rota_change_writing import (
    audit_change,
    end_change,
    keep_change,
    lock_change,
)

#: What a change keeps when it is cut into pieces.
_KEPT = ("kind", "duty", "staff_id", "by_id", "taken_at", "imported_uid")


@dataclass(frozen=True, slots=True)
class HandedOn:
    """A change that a swap handed on, and the whole span that the swap is about."""

    origin_id: int
    span: Span


def puts_on_duty(staff_id: int, duty: Duty) -> ColumnElement[bool]:
    """Whether a change is what puts this person on this duty."""
    added = RotaChange.kind.in_([ChangeKind.ADD, ChangeKind.OPEN])
    return and_(
        RotaChange.duty == duty,
        or_(
            and_(added, RotaChange.staff_id == staff_id),
            and_(RotaChange.kind == ChangeKind.REPLACE, RotaChange.by_id == staff_id),
        ),
    )


def hand_on(
    session: Session, part: Override, *, swap_id: int, actor_id: int, now: datetime, tz: tzinfo
) -> RotaChange:
    """Have ``part.by_id`` work the shift that ``part.staff_id`` has by a change.

    Whoever calls has locked both, and has seen that the one has the shift and the other is free.
    """
    row = lock_change(session, _id_of_origin(session, part))
    ends_at = row.ends_at
    end_change(session, row, part.start, actor_id=actor_id, now=now)
    audit_change(session, "rota.change_cut_short", row, actor_id=actor_id, now=now)
    if part.end < ends_at:
        rest = _piece_of(row, (part.end, ends_at), actor_id=actor_id, now=now)
        _write(session, rest, actor_id=actor_id, now=now, tz=tz)
    piece = _piece_of(row, (part.start, part.end), actor_id=actor_id, now=now)
    _give_to(piece, part.by_id)
    piece.swap_id, piece.handed_on_from_id = swap_id, row.id
    _write(session, piece, actor_id=actor_id, now=now, tz=tz)
    return piece


def _id_of_origin(session: Session, part: Override) -> int:
    return session.scalars(
        select(RotaChange.id).where(
            RotaChange.cancelled_at.is_(None),
            RotaChange.starts_at <= part.start,
            RotaChange.ends_at >= part.end,
            puts_on_duty(part.staff_id, part.duty),
        )
    ).one()


def _piece_of(row: RotaChange, span: Span, *, actor_id: int, now: datetime) -> RotaChange:
    """A new change that says for ``span`` what ``row`` said."""
    piece = RotaChange(created_by_id=actor_id, created_at=now)
    for name in _KEPT:
        setattr(piece, name, getattr(row, name))
    piece.starts_at, piece.ends_at = span
    return piece


def _give_to(row: RotaChange, staff_id: int | None) -> None:
    if row.kind is ChangeKind.REPLACE:
        row.by_id = staff_id
    else:
        row.staff_id = staff_id


def _write(session: Session, row: RotaChange, *, actor_id: int, now: datetime, tz: tzinfo) -> None:
    keep_change(session, row, change_of(row), tz=tz)
    audit_change(session, "rota.change_made", row, actor_id=actor_id, now=now)


def handed_on_by(session: Session, swap: Swap) -> list[HandedOn]:
    """What a swap handed on. Refuses where a shift that was open is open again in the meantime."""
    parts = {part.start: part for part in replacements(swap.terms(swap.taken_by_id or 0))}
    rows = session.scalars(
        select(RotaChange)
        .where(RotaChange.swap_id == swap.id, RotaChange.handed_on_from_id.is_not(None))
        .order_by(RotaChange.id)
    )
    found = []
    for row in rows:
        part = parts[row.starts_at]
        is_whole = row.cancelled_at is None and row.ends_at == part.end
        if row.kind is ChangeKind.OPEN and not is_whole:
            raise Refused("The shift is open again, for anybody to take: nothing can be undone.")
        found.append(HandedOn(row.handed_on_from_id or 0, (part.start, part.end)))
    return found


def take_back(
    session: Session, handed_on: HandedOn, *, actor_id: int, now: datetime, tz: tzinfo
) -> None:
    """Have whoever handed a shift on work it again. Refuses where they cannot any more.

    Whoever calls has locked them.

    A change that was handed on whole is what it was; else another one says what it said.
    """
    origin = lock_change(session, handed_on.origin_id)
    staff = origin.by if origin.kind is ChangeKind.REPLACE else origin.staff
    duty = origin.duty or Duty.COUNSELLING
    _check_free(session, staff, duty, handed_on.span, tz=tz)
    row = origin
    if origin.cancelled_at is None:
        row = _piece_of(origin, handed_on.span, actor_id=actor_id, now=now)
    row.starts_at, row.ends_at = handed_on.span
    row.cancelled_at = row.cancelled_by_id = None
    keep_change(session, row, change_of(row), tz=tz)
    audit_change(session, "rota.change_put_back", row, actor_id=actor_id, now=now)


def _check_free(
    session: Session, staff: Staff | None, duty: Duty, span: Span, *, tz: tzinfo
) -> None:
    if staff is None or not staff.is_active or staff.role not in MAY_HOLD[duty]:
        raise Refused("Who had the shift may not have this duty any more: change the rota instead.")
    shifts, _ = resolve(session, *span, tz=tz)
    for shift in shifts:
        if shift.staff_id == staff.id:
            when = span_in_words(shift.start, shift.end, tz=tz)
            raise Refused(f"{staff.name} has a shift then already: {when}.")
