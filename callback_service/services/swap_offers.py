"""Offering a shift to colleagues: to anybody able, or to one, maybe for a shift of theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.policy import Action
from callback_service.domain.rota import Duty
from callback_service.domain.swaps import SwapState, Terms
from callback_service.domain.wall_time import WEEK, Span
from callback_service.errors import Refused
from callback_service.models.swap import Swap
from callback_service.services.permission import allowed
from callback_service.services.rota_change_checks import field_error, lock_people
from callback_service.services.rota_texts import tell_of_swap
from callback_service.services.swap_facts import first_clash, held_shift, may_hold, moves_of
from callback_service.services.swaps import NOBODY_ABLE, record

#: How far ahead a shift may be offered.
LOOK_AHEAD: Final = 12 * WEEK


@dataclass(frozen=True, slots=True)
class Offer:
    """A shift that ``staff_id`` gives: to anybody able, or to one, maybe for one of theirs."""

    staff_id: int
    duty: Duty
    shift: Span
    to_id: int | None = None
    wanted: Span | None = None


@allowed(Action.WORK_OWN_SHIFTS)
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
    record(session, row, actor_id=actor_id, now=now)
    tell_of_swap(session, row, actor_id=actor_id, now=now)
    return row


def _check_offer(session: Session, offer: Offer, *, now: datetime, tz: tzinfo) -> None:
    if not now < offer.shift[0] <= now + LOOK_AHEAD:
        raise field_error("shift", "Choose a shift that begins within the next twelve weeks.")
    if held_shift(session, offer.staff_id, offer.duty, offer.shift, tz=tz) is None:
        raise field_error(
            "shift", "Choose a whole shift. One that came by a swap is not swapped again."
        )
    if offer.to_id is None:
        return
    if offer.to_id == offer.staff_id or not may_hold(session, offer.to_id, offer.duty):
        raise field_error("to_id", NOBODY_ABLE)
    if offer.wanted is not None:
        _check_wanted(session, offer.to_id, offer, offer.wanted, now=now, tz=tz)
    terms = Terms(offer.staff_id, offer.to_id, offer.duty, offer.shift, offer.wanted)
    moves = moves_of(session, terms, tz=tz)
    if clash := first_clash(session, terms, moves, tz=tz):
        raise field_error("to_id", clash)


def _check_wanted(
    session: Session, to_id: int, offer: Offer, wanted: Span, *, now: datetime, tz: tzinfo
) -> None:
    if not now < wanted[0] <= now + LOOK_AHEAD or wanted == offer.shift:
        raise field_error("wanted", "Choose another shift, that has not begun.")
    if held_shift(session, to_id, offer.duty, wanted, tz=tz) is None:
        raise field_error(
            "wanted", "Choose a whole shift of theirs, of the same duty, that came by no swap."
        )
