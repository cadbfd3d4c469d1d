"""Looking behind the mask: a reason, one audit row, and so many a day and no more.

The budget is counted from the rows themselves, under the lock of the person's row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.domain import policy
from callback_service.domain.looks import LookReason, is_within_budget
from callback_service.domain.policy import Action, Condition
from callback_service.domain.rota import Duty
from callback_service.domain.staff import StaffMember
from callback_service.errors import BadInput, Forbidden, NotFound, Refused
from callback_service.models.callback import CallbackRequest, Escalation
from callback_service.models.look import Look, LookAllowance
from callback_service.models.staff import Staff
from callback_service.services import audit, decoys, permission, sight
from callback_service.services.conflicts import check_not_barred
from callback_service.services.permission import allowed
from callback_service.services.presence import lock_person
from callback_service.services.requests import NO_SUCH
from callback_service.services.rota import shifts_between

WORDS_LIMIT = 200  # characters


@dataclass(frozen=True, slots=True)
class LookLine:
    """One look, for the managers' list: who, at what, why. Nothing of the caller."""

    id: int
    at: datetime
    who: str
    request_id: int
    reference: str
    reason: LookReason
    words: str | None
    number: int
    is_beyond: bool


@dataclass(frozen=True, slots=True)
class LooksOfDay:
    """How many looks somebody has taken today, and how many they may take in all."""

    staff_id: int
    who: str
    taken: int
    may_take: int


@allowed(Action.LOOK_BEHIND_MASK)
def take_look(
    session: Session,
    request_id: int,
    *,
    staff: StaffMember,
    reason: LookReason,
    words: str | None,
    a_day: int,
    now: datetime,
    tz: tzinfo,
) -> None:
    """Let ``staff`` see the whole record for a quarter of an hour; raises Refused past the budget.

    A look that is still open is not taken twice.
    """
    request = _request(session, request_id, staff, now=now)
    said = _words(reason, words)
    lock_person(session, staff.id)
    if sight.open_look(session, request_id, staff.id, now=now) is not None:
        return
    number, is_beyond = _next_number(session, request, staff, a_day=a_day, now=now, tz=tz)
    look = Look(
        request_id=request_id, staff_id=staff.id, reason=reason, on_day=now.astimezone(tz).date(),
        number=number, is_beyond=is_beyond, at=now,
    )  # fmt: skip
    session.add(look)
    session.flush()  # gives the row the uid that sealed words are tied to
    look.words = said
    decoys.record_look(
        session, "request.look", request_id,
        actor_id=staff.id, now=now, reason=reason, number=number, is_beyond=is_beyond,
    )  # fmt: skip


def _next_number(
    session: Session,
    request: CallbackRequest,
    staff: StaffMember,
    *,
    a_day: int,
    now: datetime,
    tz: tzinfo,
) -> tuple[int, bool]:
    """Which look of the day this is, and whether it is beyond the budget; Refused if it may not."""
    day = now.astimezone(tz).date()
    taken = looks_taken(session, staff.id, day)
    more = _allowances(session, staff.id, day)
    if is_within_budget(taken, a_day=a_day, allowances=more):
        return taken + 1, False
    if not _is_for_duty_lead(session, request, staff, now=now, tz=tz):
        raise Refused(f"You have opened {taken} records today. A manager must allow you more.")
    return taken + 1, True


def _request(
    session: Session, request_id: int, staff: StaffMember, *, now: datetime
) -> CallbackRequest:
    """The request, where everything but the reason that is being given lets ``staff`` look."""
    request = session.get(CallbackRequest, request_id)
    if request is None:
        raise NotFound(NO_SUCH)
    check_not_barred(session, request_id, staff.id)
    met = sight.conditions(session, request, staff, now=now) | {Condition.REASON}
    if not policy.permits(staff.role, Action.LOOK_BEHIND_MASK, met):
        raise NotFound(NO_SUCH)
    return request


def _words(reason: LookReason, words: str | None) -> str | None:
    said = (words or "").replace("\x00", "").strip()
    if reason is not LookReason.OTHER:
        return None
    if not said:
        raise BadInput("There is a problem", {"words": "Say the reason in a few words"})
    if len(said) > WORDS_LIMIT:
        raise BadInput("There is a problem", {"words": f"Use {WORDS_LIMIT} characters or fewer"})
    return said


def _is_for_duty_lead(
    session: Session, request: CallbackRequest, staff: StaffMember, *, now: datetime, tz: tzinfo
) -> bool:
    """Whether the duty lead asks, for a request that was taken to them: at night they are alone.

    Such a look is marked as beyond the budget.
    """
    escalated = session.scalar(
        select(Escalation.id)
        .where(Escalation.request_id == request.id, Escalation.round == request.round)
        .limit(1)
    )
    if escalated is None:
        return False
    leading = shifts_between(
        session, now, now + timedelta(seconds=1), tz=tz, duty=Duty.DUTY_LEAD, only={staff.id}
    )
    return bool(leading)


def looks_taken(session: Session, staff_id: int, day: date) -> int:
    """How many looks somebody took on ``day``."""
    of_day = select(func.count()).where(Look.staff_id == staff_id, Look.on_day == day)
    return session.scalar(of_day) or 0


def _allowances(session: Session, staff_id: int, day: date) -> int:
    of_day = select(func.count()).where(
        LookAllowance.staff_id == staff_id, LookAllowance.on_day == day
    )
    return session.scalar(of_day) or 0


@allowed(Action.ALLOW_LOOKS)
def allow_more(
    session: Session, staff_id: int, *, staff: StaffMember, now: datetime, tz: tzinfo
) -> str:
    """Allow a colleague some more looks today; their name."""
    if staff_id == staff.id:
        raise Forbidden("Another manager must allow you more.")
    colleague = session.get(Staff, staff_id)
    if colleague is None or not permission.may(session, Action.LOOK_BEHIND_MASK, staff_id):
        raise NotFound("There is nobody there who looks at records.")
    day = now.astimezone(tz).date()
    session.add(LookAllowance(staff_id=staff_id, on_day=day, allowed_by_id=staff.id, at=now))
    audit.record(
        session, "staff.more_looks", subject="staff", subject_id=staff_id,
        actor_id=staff.id, now=now,
    )  # fmt: skip
    return colleague.name
