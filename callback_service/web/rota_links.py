"""What waits for somebody about their own rota or that of all, as links with counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from flask import url_for
from sqlalchemy.orm import Session

from callback_service.domain import policy
from callback_service.domain.policy import Action
from callback_service.domain.staff import StaffMember
from callback_service.services import leave_requests, rota, rota_notices, swap_lists
from callback_service.services.rota_change_rows import span_in_words

LOOK_AHEAD: Final = timedelta(weeks=4)


@dataclass(frozen=True, slots=True)
class RotaLink:
    """A link of the rota page; ``waiting`` things there want an answer."""

    label: str
    url: str
    waiting: int


@dataclass(frozen=True, slots=True)
class RotaLinks:
    """The links about one's own rota, and those about the rota of all."""

    own: list[RotaLink]
    of_all: list[RotaLink]


@dataclass(frozen=True, slots=True)
class NextShift:
    """The shift somebody is on, or else has next, in words."""

    words: str
    is_on: bool


def rota_links(session: Session, staff: StaffMember, *, now: datetime) -> RotaLinks:
    """The links for ``staff``; none for who has no shifts. A manager decides on swaps and leave."""
    if not policy.may(staff.role, Action.WORK_OWN_SHIFTS):
        return RotaLinks([], [])
    cannot_work = RotaLink("When you cannot work", url_for("availability.own"), 0)
    waiting = swap_lists.count_for(session, staff.id, now=now)
    if not policy.may(staff.role, Action.EDIT_ROTA):
        own = [_swaps(waiting), cannot_work, _leave(0)]
        return RotaLinks(own, [])
    waiting += swap_lists.count_for_manager(session, now=now)
    told = rota_notices.count_unseen(session)
    absences = RotaLink("Sudden absences", url_for("rota_notices.notices"), told)
    asked = leave_requests.count_asked(session)
    return RotaLinks([cannot_work], [absences, _swaps(waiting), _leave(asked)])


def _swaps(waiting: int) -> RotaLink:
    return RotaLink("Swaps", url_for("swaps.swaps"), waiting)


def _leave(waiting: int) -> RotaLink:
    return RotaLink("Leave", url_for("leave.requests"), waiting)


def next_shift(session: Session, staff_id: int, *, now: datetime, tz: tzinfo) -> NextShift | None:
    """What somebody works now or next within four weeks."""
    shifts = rota.shifts_between(session, now, now + LOOK_AHEAD, tz=tz, only=[staff_id])
    own = [one for one in shifts if one.person is not None and one.person.id == staff_id]
    if not own:
        return None
    first = min(own, key=lambda shift: shift.start)
    return NextShift(span_in_words(first.start, first.end, tz=tz), first.start <= now)
