"""Swapping shifts: offered, taken, approved, declined, withdrawn, undone.

Each function is one use case inside the caller's transaction. The accounts concerned are locked
first, in order of id, and then the swap; so between the checks and the write nothing changes the
rota of either. A swap whose shift is no longer exactly what was offered is not carried out: it
lapses, and the caller finds that as its state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.rota import MAY_HOLD, Duty, Source
from callback_service.domain.rota_changes import Override
from callback_service.domain.swaps import OPEN, SwapState, Terms, check_move, replacements
from callback_service.domain.wall_time import ONE_DAY, WEEK, Span
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.rota_change import RotaChangeSpan
from callback_service.models.staff import Staff
from callback_service.models.swap import Swap
from callback_service.services import audit
from callback_service.services.cover_warnings import given_reason
from callback_service.services.rest_checks import RestBroken, allow_all, breaches_of_change
from callback_service.services.rota import resolve, zulu
from callback_service.services.rota_change_checks import lock_people
from callback_service.services.rota_change_rows import span_in_words
from callback_service.services.rota_changes import cancel_swap, make_change
from callback_service.services.rota_edits import edits
from callback_service.services.rota_preview import what_would_break
from callback_service.services.rota_texts import tell_of_swap

#: How far ahead a shift may be offered.
LOOK_AHEAD: Final = 12 * WEEK
#: Swaps lapsed in one run of the scheduler.
LAPSED_AT_ONCE: Final = 100
BEGAN: Final = "The shift began before the swap was agreed."
MOVED: Final = "The rota was changed: the shift is no longer as it was offered."
_NOBODY_ABLE: Final = "Choose somebody else, who has an active account and may have this duty."


@dataclass(frozen=True, slots=True)
class Offer:
    """A shift that ``staff_id`` gives: to anybody able, or to one, maybe for one of theirs."""

    staff_id: int
    duty: Duty
    shift: Span
    to_id: int | None = None
    wanted: Span | None = None


def offer_shift(
    session: Session, offer: Offer, *, actor_id: int, now: datetime, tz: tzinfo
) -> Swap:
    """Offer a coming shift to colleagues. Refuses what is not a whole shift of theirs."""
    lock_people(session, [offer.staff_id, *([offer.to_id] if offer.to_id else [])])
    _check_offer(session, offer, now=now, tz=tz)
    wanted = offer.wanted or (None, None)
    row = Swap(
        state=SwapState.OFFERED,
        duty=offer.duty,
        offered_by_id=offer.staff_id,
        starts_at=offer.shift[0],
        ends_at=offer.shift[1],
        to_id=offer.to_id,
        wanted_starts_at=wanted[0],
        wanted_ends_at=wanted[1],
        begins_at=min(offer.shift[0], wanted[0] or offer.shift[0]),
        created_by_id=actor_id,
        created_at=now,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        raise Refused("This shift is offered already.") from error
    _record(session, row, actor_id=actor_id, now=now)
    tell_of_swap(session, row, actor_id=actor_id, now=now)
    return row


def _check_offer(session: Session, offer: Offer, *, now: datetime, tz: tzinfo) -> None:
    if not now < offer.shift[0] <= now + LOOK_AHEAD:
        raise _field_error("shift", "Choose a shift that begins within the next twelve weeks.")
    if not _is_there(session, offer.staff_id, offer.duty, offer.shift, tz=tz):
        raise _field_error(
            "shift", "Choose a whole shift of the patterns. What came by a change is not offered."
        )
    if offer.to_id is None:
        return
    if offer.to_id == offer.staff_id or not _may_hold(session, offer.to_id, offer.duty):
        raise _field_error("to_id", _NOBODY_ABLE)
    if offer.wanted is not None:
        _check_wanted(session, offer.to_id, offer, offer.wanted, now=now, tz=tz)
    terms = Terms(offer.staff_id, offer.to_id, offer.duty, offer.shift, offer.wanted)
    if clash := first_clash(session, replacements(terms), tz=tz):
        raise _field_error("to_id", clash)


def _check_wanted(
    session: Session, to_id: int, offer: Offer, wanted: Span, *, now: datetime, tz: tzinfo
) -> None:
    if not now < wanted[0] <= now + LOOK_AHEAD or wanted == offer.shift:
        raise _field_error("wanted", "Choose another shift, that has not begun.")
    if not _is_there(session, to_id, offer.duty, wanted, tz=tz):
        raise _field_error(
            "wanted", "Choose a whole shift of theirs by a pattern, of the same duty."
        )


def _field_error(field: str, sentence: str) -> BadInput:
    return BadInput(sentence, {field: sentence})


def _may_hold(session: Session, staff_id: int, duty: Duty) -> bool:
    staff = session.get(Staff, staff_id)
    return staff is not None and staff.is_active and staff.role in MAY_HOLD[duty]


def _is_there(session: Session, staff_id: int, duty: Duty, span: Span, *, tz: tzinfo) -> bool:
    """Whether the person has exactly this shift, by a pattern."""
    shifts, _ = resolve(session, *span, tz=tz, duty=duty)
    return any(
        shift.staff_id == staff_id
        and (shift.start, shift.end) == span
        and shift.source is Source.PATTERN
        for shift in shifts
    )


def first_clash(session: Session, parts: Sequence[Override], *, tz: tzinfo) -> str | None:
    """Who of those who stand in is not free then, in a sentence; it does not say why."""
    for part in parts:
        shifts, people = resolve(session, part.start, part.end, tz=tz)
        for shift in shifts:
            if shift.staff_id == part.by_id and shift.staff_id is not None:
                duty = " as duty lead" if shift.duty is Duty.DUTY_LEAD else ""
                when = span_in_words(shift.start, shift.end, tz=tz)
                return f"{people[shift.staff_id].name} has a shift{duty} then already: {when}."
        if name := _spoken_for(session, part):
            when = span_in_words(part.start, part.end, tz=tz)
            return f"The rota of {name} is changed for that time already: {when}."
    return None


def _spoken_for(session: Session, part: Override) -> str | None:
    """The name of one of the two for whom another change speaks then."""
    return session.scalar(
        select(Staff.name)
        .join(RotaChangeSpan, RotaChangeSpan.staff_id == Staff.id)
        .where(
            Staff.id.in_([part.staff_id, part.by_id]),
            RotaChangeSpan.starts_at < part.end,
            RotaChangeSpan.ends_at > part.start,
        )
        .order_by(RotaChangeSpan.starts_at)
        .limit(1)
    )


@edits("rota.swap_agreed")
def take_swap(
    session: Session,
    swap_id: int,
    *,
    staff_id: int,
    actor_id: int,
    needs_approval: bool,
    now: datetime,
    tz: tzinfo,
) -> Swap:
    """Take a shift that is offered. Of several at once the first has it.

    Without approval it holds at once, unless it would cost cover, a promise or rest: then a manager
    decides all the same. Look at the state of what comes back: it may have lapsed.
    """
    row = _locked(session, swap_id, also=[staff_id])
    if row.taken_by_id == staff_id and row.state in {SwapState.TAKEN, SwapState.APPROVED}:
        return row  # the button was pressed twice
    _check_taking(session, row, staff_id)
    if _lapsed(session, row, staff_id, actor_id=actor_id, now=now, tz=tz):
        return row
    parts = replacements(row.terms(staff_id))
    if clash := first_clash(session, parts, tz=tz):
        raise Refused(clash)
    row.taken_by_id, row.taken_at = staff_id, now
    _move(session, row, SwapState.TAKEN, actor_id=actor_id, now=now)
    if not needs_approval and not _is_costly(session, parts, now=now, tz=tz):
        _carry_out(session, row, parts, actor_id=actor_id, now=now, tz=tz)
    return row


def _is_costly(session: Session, parts: Sequence[Override], *, now: datetime, tz: tzinfo) -> bool:
    """Whether a swap costs cover, a promise or rest, so that a manager is asked in any case."""
    if breaches_of_change(session, *parts, now=now, tz=tz):
        return True
    return what_would_break(session, *parts, now=now, tz=tz).is_costly


def _check_taking(session: Session, row: Swap, staff_id: int) -> None:
    if row.taken_by is not None and row.state is not SwapState.OFFERED:
        raise Refused(f"{row.taken_by.name} took this shift first.")
    check_move(row.state, SwapState.TAKEN)
    if row.to_id not in {None, staff_id}:
        raise Refused("This shift is offered to somebody else.")
    if staff_id == row.offered_by_id or not _may_hold(session, staff_id, row.duty):
        raise Refused(_NOBODY_ABLE)


def _lapsed(
    session: Session, row: Swap, taker_id: int, *, actor_id: int, now: datetime, tz: tzinfo
) -> bool:
    """Whether the shifts are no longer what was offered; the swap has lapsed then."""
    reason = lapse_reason(session, row, taker_id, now=now, tz=tz)
    if reason is not None:
        row.reason = reason
        _move(session, row, SwapState.LAPSED, actor_id=actor_id, now=now)
    return reason is not None


def lapse_reason(
    session: Session, row: Swap, taker_id: int | None, *, now: datetime, tz: tzinfo
) -> str | None:
    """Why an open swap can no longer be carried out; None while it can."""
    if row.begins_at <= now:
        return BEGAN
    terms = row.terms(taker_id or 0)
    owed = [(terms.giver_id, terms.given)]
    if terms.returned is not None:
        owed.append((row.to_id or terms.taker_id, terms.returned))
    is_there = all(_is_there(session, who, row.duty, span, tz=tz) for who, span in owed)
    return None if is_there else MOVED


def give_up(
    session: Session, swap_id: int, *, actor_id: int, is_manager: bool, now: datetime
) -> None:
    """Un-take a shift before it is approved: it is offered again."""
    row = _locked(session, swap_id)
    if not is_manager and row.taken_by_id != actor_id:
        raise Refused("Only who took the shift can give it back.")
    check_move(row.state, SwapState.OFFERED)
    row.taken_by_id = row.taken_at = None
    _move(session, row, SwapState.OFFERED, actor_id=actor_id, now=now)


def withdraw(
    session: Session, swap_id: int, *, actor_id: int, is_manager: bool, now: datetime
) -> None:
    """Take an offer back before it is approved; or, as who alone was asked, say no to it."""
    row = _locked(session, swap_id)
    if row.state is SwapState.OFFERED and row.to is not None and row.to_id == actor_id:
        row.reason = f"{row.to.name} cannot take it."
    elif not is_manager and row.offered_by_id != actor_id:
        raise Refused("Only who offered the shift can take it back.")
    _move(session, row, SwapState.WITHDRAWN, actor_id=actor_id, now=now)


@edits("rota.swap_agreed")
def approve(
    session: Session,
    swap_id: int,
    *,
    rest_reason: str | None = None,
    actor_id: int,
    now: datetime,
    tz: tzinfo,
) -> Swap:
    """Have a swap hold. Look at the state of what comes back: it may have lapsed.

    Raises RestBroken where it breaks rest and no reason is given; with one, that is allowed.
    """
    row = _locked(session, swap_id)
    check_move(row.state, SwapState.APPROVED)
    taker_id = row.taken_by_id or 0
    if not _may_hold(session, taker_id, row.duty):
        raise Refused("Who took the shift may not have this duty any more. Decline the swap.")
    if _lapsed(session, row, taker_id, actor_id=actor_id, now=now, tz=tz):
        return row
    parts = replacements(row.terms(taker_id))
    if clash := first_clash(session, parts, tz=tz):
        raise Refused(f"{clash} Decline the swap, or change that first.")
    _allow_rest(session, parts, reason=rest_reason, actor_id=actor_id, now=now, tz=tz)
    _carry_out(session, row, parts, actor_id=actor_id, now=now, tz=tz)
    return row


def _allow_rest(
    session: Session, parts: Sequence[Override], *, reason: str | None, actor_id: int,
    now: datetime, tz: tzinfo,
) -> None:  # fmt: skip
    """Allow what the two would break, each for their own new shift; RestBroken without a reason."""
    breaches = breaches_of_change(session, *parts, now=now, tz=tz)
    if breaches and reason is None:
        raise RestBroken(breaches)
    for part in parts:
        own = [one for one in breaches if one.staff_id == part.by_id]
        begins, ends = part.start - ONE_DAY, part.end + ONE_DAY
        allow_all(session, own, begins, ends, reason=reason, actor_id=actor_id, now=now)


def _carry_out(
    session: Session, row: Swap, parts: Sequence[Override], *, actor_id: int, now: datetime,
    tz: tzinfo,
) -> None:  # fmt: skip
    for part in parts:
        make_change(session, part, actor_id=actor_id, now=now, tz=tz, swap_id=row.id)
    _move(session, row, SwapState.APPROVED, actor_id=actor_id, now=now)


def decline(session: Session, swap_id: int, *, reason: str, actor_id: int, now: datetime) -> None:
    """Decline a swap that was taken, with a reason that both will read."""
    reason = given_reason(reason)
    row = _locked(session, swap_id)
    check_move(row.state, SwapState.DECLINED)
    row.reason = reason
    _move(session, row, SwapState.DECLINED, actor_id=actor_id, now=now)


@edits("rota.swap_undone")
def undo(session: Session, swap_id: int, *, actor_id: int, now: datetime) -> None:
    """Bring both people back to their own shifts, before the first of them begins."""
    row = _locked(session, swap_id)
    check_move(row.state, SwapState.UNDONE)
    if row.begins_at <= now:
        raise Refused("The shift has begun. Change the rota for that time instead.")
    cancel_swap(session, row.id, actor_id=actor_id, now=now)
    _move(session, row, SwapState.UNDONE, actor_id=actor_id, now=now)


def lapse_is_due(session: Session, *, now: datetime) -> bool:
    """Whether an open swap waits for a shift that has begun."""
    begun = select(Swap.id).where(Swap.state.in_(OPEN), Swap.begins_at <= now)
    return session.scalar(begun.limit(1)) is not None


def lapse_begun(session: Session, *, now: datetime) -> int:
    """Let open swaps lapse whose shifts have begun; how many."""
    rows = session.scalars(
        select(Swap)
        .where(Swap.state.in_(OPEN), Swap.begins_at <= now)
        .order_by(Swap.id)
        .limit(LAPSED_AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        row.reason = BEGAN
        _move(session, row, SwapState.LAPSED, actor_id=None, now=now)
    return len(rows)


def _locked(session: Session, swap_id: int, *, also: Sequence[int] = ()) -> Swap:
    """The swap, under its lock and those of the accounts it speaks of."""
    seen = session.get(Swap, swap_id)
    if seen is None:
        raise NotFound("There is no such swap.")
    taker_id = seen.taken_by_id
    people = {seen.offered_by_id, taker_id, seen.to_id, *also}
    lock_people(session, sorted(staff_id for staff_id in people if staff_id is not None))
    row = session.get_one(Swap, swap_id, with_for_update=True, populate_existing=True)
    if not also and row.taken_by_id != taker_id:
        raise Refused("This swap was changed a moment ago. Look at it again.")
    return row


def _move(
    session: Session, row: Swap, target: SwapState, *, actor_id: int | None, now: datetime
) -> None:
    """The one place where a swap changes its state."""
    row.move_to(target)
    row.ended_at = None if target in OPEN else now
    session.flush()
    _record(session, row, actor_id=actor_id, now=now)
    if target is not SwapState.OFFERED:  # who gives it up again has nothing new to say
        tell_of_swap(session, row, actor_id=actor_id, now=now)


def _record(session: Session, row: Swap, *, actor_id: int | None, now: datetime) -> None:
    audit.record(
        session, f"swap.{row.state}", subject=Swap.__tablename__, subject_id=row.id,
        actor_id=actor_id, now=now, duty=row.duty, offered_by_id=row.offered_by_id,
        to_id=row.to_id, taken_by_id=row.taken_by_id, starts_at=zulu(row.starts_at),
        ends_at=zulu(row.ends_at),
        wanted_starts_at=zulu(row.wanted_starts_at) if row.wanted_starts_at else None,
    )  # fmt: skip
