"""What holds of the shifts of a swap now: whether they are there, who is free, what would move."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from typing import Final

from sqlalchemy import and_, not_, or_, select
from sqlalchemy.orm import Session

from callback_service.domain.policy import Action
from callback_service.domain.rota import MAY_HOLD, Duty, Shift, Source
from callback_service.domain.rota_changes import Override
from callback_service.domain.swaps import (
    SWAPPABLE,
    Move,
    Terms,
    as_changes,
    overlaps,
    replacements,
)
from callback_service.domain.wall_time import Span
from callback_service.errors import NotFound
from callback_service.models.rota_change import RotaChange, RotaChangeSpan
from callback_service.models.staff import Staff
from callback_service.models.swap import Swap
from callback_service.services.permission import may
from callback_service.services.rota import resolve
from callback_service.services.rota_change_rows import span_in_words
from callback_service.services.rota_handing_on import puts_on_duty

NO_SUCH: Final = "There is no such swap."
BEGAN: Final = "The shift began before the swap was agreed."
MOVED: Final = "The rota was changed: the shift is no longer as it was offered."
_OVERLAPPING: Final = "Shifts that overlap are exchanged only where both are of the patterns."


def held_shift(
    session: Session, staff_id: int, duty: Duty, span: Span, *, tz: tzinfo
) -> Shift | None:
    """Exactly this shift of the person, if they have it and it may be swapped."""
    shifts, _ = resolve(session, *span, tz=tz, duty=duty)
    return next(
        (
            shift
            for shift in shifts
            if shift.staff_id == staff_id
            and (shift.start, shift.end) == span
            and shift.source in SWAPPABLE
        ),
        None,
    )


def may_hold(session: Session, staff_id: int, duty: Duty) -> bool:
    """Whether somebody has an active account and may have the duty."""
    staff = session.get(Staff, staff_id)
    return staff is not None and staff.is_active and staff.role in MAY_HOLD[duty]


def check_known(session: Session, row: Swap | None, *, reader_id: int) -> Swap:
    """The swap, if it is there for this person: managers, both sides, and for an offer to all
    whoever may have the duty. Raises NotFound alike for everybody else and for what is not there.
    """
    if row is None:
        raise NotFound(NO_SUCH)
    is_for_all = row.to_id is None and may_hold(session, reader_id, row.duty)
    is_side = reader_id in {row.offered_by_id, row.to_id, row.taken_by_id}
    if not (is_for_all or is_side or may(session, Action.EDIT_ROTA, reader_id)):
        raise NotFound(NO_SUCH)
    return row


def lapse_reason(
    session: Session, row: Swap, taker_id: int | None, *, now: datetime, tz: tzinfo
) -> str | None:
    """Why an open swap can no longer be carried out; None while it can."""
    if row.begins_at <= now:
        return BEGAN
    terms = row.terms(taker_id or row.to_id or 0)
    is_there = all(held_shift(session, who, row.duty, span, tz=tz) for who, span in terms.owed())
    return None if is_there else MOVED


def moves_of(session: Session, terms: Terms, *, tz: tzinfo) -> list[Move]:
    """What a swap comes to, and which of it hands on a shift that came by a change."""
    by_change = {
        who
        for who, span in terms.owed()
        if (shift := held_shift(session, who, terms.duty, span, tz=tz))
        and shift.source is not Source.PATTERN
    }
    return [Move(part, part.staff_id in by_change) for part in replacements(terms)]


def changes_of(moves: Iterable[Move]) -> list[Override]:
    """The moves of a swap as changes that count as if they were made."""
    return [change for move in moves for change in as_changes(move)]


def first_clash(session: Session, terms: Terms, moves: Sequence[Move], *, tz: tzinfo) -> str | None:
    """Why a swap cannot be, in a sentence; of who is not free it does not say why."""
    if overlaps(terms) and any(move.is_by_change for move in moves):
        return _OVERLAPPING
    for move in moves:
        part = move.part
        shifts, people = resolve(session, part.start, part.end, tz=tz)
        for shift in shifts:
            if shift.staff_id == part.by_id and shift.staff_id is not None:
                duty = " as duty lead" if shift.duty is Duty.DUTY_LEAD else ""
                when = span_in_words(shift.start, shift.end, tz=tz)
                return f"{people[shift.staff_id].name} has a shift{duty} then already: {when}."
        if name := _spoken_for(session, move):
            when = span_in_words(part.start, part.end, tz=tz)
            return f"The rota of {name} is changed for that time already: {when}."
    return None


def _spoken_for(session: Session, move: Move) -> str | None:
    """The name of one of the two for whom another change speaks then.

    Not the change that the giver has the shift by: that ends with the swap.
    """
    part = move.part
    handed_on = and_(
        RotaChangeSpan.staff_id == part.staff_id, puts_on_duty(part.staff_id, part.duty)
    )
    return session.scalar(
        select(Staff.name)
        .join(RotaChangeSpan, RotaChangeSpan.staff_id == Staff.id)
        .join(RotaChange, RotaChange.id == RotaChangeSpan.change_id)
        .where(
            or_(Staff.id == part.staff_id, Staff.id == part.by_id),
            RotaChangeSpan.starts_at < part.end,
            RotaChangeSpan.ends_at > part.start,
            *([not_(handed_on)] if move.is_by_change else []),
        )
        .order_by(RotaChangeSpan.starts_at)
        .limit(1)
    )
