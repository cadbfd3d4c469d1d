"""Swaps as the pages show them, and what one would mean before it is agreed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from callback_service.domain.rota import Duty, Source
from callback_service.domain.swaps import OPEN, SWAPPABLE, SwapState, replacements
from callback_service.models.swap import Swap
from callback_service.services import rest_checks
from callback_service.services.rota import resolve
from callback_service.services.rota_change_rows import span_in_words
from callback_service.services.rota_preview import Breakage, what_would_break
from callback_service.services.swap_facts import (
    MOVED,
    changes_of,
    check_known,
    first_clash,
    lapse_reason,
    moves_of,
)
from callback_service.services.swap_offers import LOOK_AHEAD

#: Swaps that ended are shown for this long.
SHOWN_FOR = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class SwapLine:
    """A swap for a list. ``trouble`` says why it cannot hold, or does not as agreed."""

    id: int
    state: SwapState
    duty: Duty
    shift: str
    wanted: str | None
    offered_by_id: int
    offered_by: str
    to_id: int | None
    to: str | None
    taken_by_id: int | None
    taken_by: str | None
    reason: str | None
    begins_at: datetime
    trouble: str | None


def list_swaps(session: Session, *, now: datetime, tz: tzinfo) -> list[SwapLine]:
    """Every swap that is open, holds for shifts to come, or ended lately; by its first instant."""
    rows = session.scalars(
        select(Swap)
        .where(
            or_(
                Swap.state.in_(OPEN),
                and_(Swap.state == SwapState.APPROVED, Swap.ends_at > now),
                Swap.ended_at > now - SHOWN_FOR,
            )
        )
        .order_by(Swap.begins_at, Swap.id)
    )
    return [_line(session, row, now=now, tz=tz) for row in rows]


def swap_line(
    session: Session, swap_id: int, *, reader_id: int, now: datetime, tz: tzinfo
) -> SwapLine:
    """One swap; raises NotFound where it is not there for this person."""
    row = check_known(session, session.get(Swap, swap_id), reader_id=reader_id)
    return _line(session, row, now=now, tz=tz)


def _line(session: Session, row: Swap, *, now: datetime, tz: tzinfo) -> SwapLine:
    wanted = None
    if row.wanted_starts_at and row.wanted_ends_at:
        wanted = span_in_words(row.wanted_starts_at, row.wanted_ends_at, tz=tz)
    return SwapLine(
        id=row.id,
        state=row.state,
        duty=row.duty,
        shift=span_in_words(row.starts_at, row.ends_at, tz=tz),
        wanted=wanted,
        offered_by_id=row.offered_by_id,
        offered_by=row.offered_by.name,
        to_id=row.to_id,
        to=row.to.name if row.to else None,
        taken_by_id=row.taken_by_id,
        taken_by=row.taken_by.name if row.taken_by else None,
        reason=row.reason,
        begins_at=row.begins_at,
        trouble=_trouble(session, row, now=now, tz=tz),
    )


def _trouble(session: Session, row: Swap, *, now: datetime, tz: tzinfo) -> str | None:
    if row.state in OPEN:
        return lapse_reason(session, row, row.taken_by_id, now=now, tz=tz)
    if row.state is SwapState.APPROVED and row.begins_at > now:
        return None if _holds(session, row, tz=tz) else MOVED
    return None


def _holds(session: Session, row: Swap, *, tz: tzinfo) -> bool:
    """Whether an approved swap still moves exactly the shifts that were agreed."""
    for part in replacements(row.terms(row.taken_by_id or 0)):
        shifts, _ = resolve(session, part.start, part.end, tz=tz, duty=part.duty)
        if not any(
            shift.staff_id == part.by_id
            and (shift.start, shift.end) == (part.start, part.end)
            and shift.source is Source.SWAP
            for shift in shifts
        ):
            return False
    return True


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a swap would mean: what it breaks, broken rest, and what makes it impossible."""

    breakage: Breakage
    rest: list[str]
    impossible: str | None


def meaning_of(
    session: Session, swap_id: int, taker_id: int, *, now: datetime, tz: tzinfo
) -> Meaning:
    """What it would mean if ``taker_id`` had the shift of a swap that is there."""
    row = session.get_one(Swap, swap_id)
    terms = row.terms(taker_id)
    moves = moves_of(session, terms, tz=tz)
    impossible = lapse_reason(session, row, taker_id, now=now, tz=tz)
    impossible = impossible or first_clash(session, terms, moves, tz=tz)
    if impossible:
        return Meaning(Breakage([], [], [], 0), [], impossible)
    changes = changes_of(moves)
    breakage = what_would_break(session, *changes, now=now, tz=tz)
    broken = rest_checks.breaches_of_change(session, *changes, now=now, tz=tz)
    words = rest_checks.in_words(session, broken, tz=tz, with_names=True)
    return Meaning(breakage, words, None)


@dataclass(frozen=True, slots=True)
class OfferedShift:
    """A shift that may be offered, or asked for in return."""

    duty: Duty
    start: datetime
    end: datetime
    words: str


def shifts_to_offer(
    session: Session, staff_id: int, *, now: datetime, tz: tzinfo
) -> list[OfferedShift]:
    """The coming whole shifts of somebody, soonest first; none that came by a swap."""
    shifts, _ = resolve(session, now, now + LOOK_AHEAD, tz=tz)
    return [
        OfferedShift(
            shift.duty, shift.start, shift.end, span_in_words(shift.start, shift.end, tz=tz)
        )
        for shift in shifts
        if shift.staff_id == staff_id and shift.source in SWAPPABLE and shift.start > now
    ]


def count_for_manager(session: Session, *, now: datetime) -> int:
    """How many swaps wait for a manager."""
    taken = Swap.state == SwapState.TAKEN, Swap.begins_at > now
    return session.scalar(select(func.count()).select_from(Swap).where(*taken)) or 0


def count_for(session: Session, staff_id: int, *, now: datetime) -> int:
    """How many offers somebody was named in."""
    offered = Swap.state == SwapState.OFFERED, Swap.begins_at > now, Swap.to_id == staff_id
    return session.scalar(select(func.count()).select_from(Swap).where(*offered)) or 0
