"""People who ask about their data: each a case with a due date, found by the full number only."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.contact import Phone
from callback_service.domain.policy import Action
from callback_service.errors import BadInput, NotFound, Refused, TooMany
from callback_service.models.callback import CallbackRequest
from callback_service.models.complaint import Complaint
from callback_service.models.privacy import About, CaseEnding, DataRequest
from callback_service.services import audit, suppression
from callback_service.services.permission import allowed

#: Numbers that one person may look up in a day: more is browsing, or somebody else at their desk.
LOOKS_A_DAY: Final = 20
A_DAY: Final = timedelta(days=1)
WORDS_MAX_CHARS: Final = 500


@dataclass(frozen=True, slots=True)
class CaseRow:
    """An open case in the list: nothing by which to tell whose it is."""

    case_id: int
    about: About
    opened_at: datetime
    opened_by: str | None  # None: the caller
    due_on: date
    is_overdue: bool
    is_erasure_asked: bool
    asked_by_id: int | None


def month_after(day: date) -> date:
    """The same day of the next month, or its last: what the law calls within one month.

    Source: UK GDPR, article 12(3), as the Information Commissioner's Office counts it.
    """
    year, month = day.year + day.month // 12, day.month % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


@allowed(Action.HANDLE_DATA_REQUESTS)
def open_case(
    session: Session,
    phone: Phone,
    *,
    about: About,
    words: str,
    actor_id: int,
    now: datetime,
    tz: tzinfo,
) -> int:
    """The case of a number, opened if none is; its id. It is the same whether we know the number.

    Each look is counted and written down with why. Raises TooMany beyond a day's looks.
    """
    said = " ".join(words.split())
    if not 1 <= len(said) <= WORDS_MAX_CHARS:
        sentence = f"Say who asks and why, in up to {WORDS_MAX_CHARS} characters"
        raise BadInput(sentence, {"words": sentence})
    _check_looks(session, actor_id, now=now)
    case, is_new = _case_of(session, phone.e164, about, opened_by_id=actor_id, now=now, tz=tz)
    if is_new:
        case.words = said
    _note(session, "data_request.looked_up", case, actor_id=actor_id, now=now, about=about)
    return case.id


def _check_looks(session: Session, actor_id: int, *, now: datetime) -> None:
    if (
        audit.count_since(session, "data_request.looked_up", actor_id=actor_id, since=now - A_DAY)
        >= LOOKS_A_DAY
    ):
        raise TooMany("You have looked up as many numbers today as one person may.")


def note_wish(
    session: Session, e164: str, *, asked_at: datetime, now: datetime, tz: tzinfo
) -> None:
    """See to it that there is an open case of a number whose link asked for all to be erased.

    Anybody who types a number gets a link, so that is a wish, for a person to look into.
    """
    case, _ = _case_of(session, e164, About.ERASURE, opened_by_id=None, now=asked_at, tz=tz)
    if case.asked_at is None:
        case.asked_at = asked_at
        _note(session, "data_request.erasure_asked", case, actor_id=None, now=now)


def _case_of(
    session: Session,
    e164: str,
    about: About,
    *,
    opened_by_id: int | None,
    now: datetime,
    tz: tzinfo,
) -> tuple[DataRequest, bool]:
    """The open case of a number, held until the transaction ends; and whether it is new."""
    index = suppression.index_of(e164)
    case = _open(session, index)
    if case is not None:
        return case, False
    new = DataRequest(
        phone_index=index,
        about=about,
        opened_by_id=opened_by_id,
        opened_at=now,
        due_on=month_after(now.astimezone(tz).date()),
    )
    try:
        with session.begin_nested():
            session.add(new)
    except IntegrityError:  # a colleague was a moment earlier
        found = _open(session, index)
        if found is None:
            raise
        return found, False
    new.phone = e164
    _note(session, "data_request.opened", new, actor_id=opened_by_id, now=now, about=about)
    return new, True


def _open(session: Session, index: bytes) -> DataRequest | None:
    return session.scalar(
        select(DataRequest)
        .where(DataRequest.phone_index == index, DataRequest.ended_at.is_(None))
        .with_for_update()
    )


def locked_case(session: Session, case_id: int) -> DataRequest:
    """An open case, held until the transaction ends; raises NotFound or Refused."""
    case = session.get(DataRequest, case_id, with_for_update=True, populate_existing=True)
    if case is None:
        raise NotFound("There is no such case.")
    if case.ended_at is not None:
        raise Refused("This case has ended.")
    return case


def open_cases(session: Session, *, now: datetime, tz: tzinfo) -> list[CaseRow]:
    """Every open case, the first due on top."""
    today = now.astimezone(tz).date()
    rows = session.scalars(
        select(DataRequest)
        .where(DataRequest.ended_at.is_(None))
        .order_by(DataRequest.due_on, DataRequest.id)
    )
    return [
        CaseRow(
            case_id=row.id,
            about=row.about,
            opened_at=row.opened_at,
            opened_by=row.opened_by.name if row.opened_by else None,
            due_on=row.due_on,
            is_overdue=row.due_on < today,
            is_erasure_asked=row.asked_at is not None,
            asked_by_id=row.asked_by_id,
        )
        for row in rows
    ]


def count_open(session: Session) -> int:
    """How many cases and complaints wait for staff."""
    cases, complaints = (
        select(func.count()).where(kind.ended_at.is_(None)).scalar_subquery()
        for kind in (DataRequest, Complaint)
    )
    return session.scalar(select(cases + complaints)) or 0


def is_open(session: Session, case_id: int) -> bool:
    """Whether there is such a case, and it has not ended."""
    row = session.get(DataRequest, case_id)
    return row is not None and row.ended_at is None


@allowed(Action.SEE_DATA_REQUESTS)
def answered(session: Session, case_id: int, *, actor_id: int, now: datetime) -> None:
    """Close a case: whoever asked has their answer."""
    case = locked_case(session, case_id)
    if case.asked_at is not None:
        raise Refused("An erasure is asked for: confirm it, or take it back first.")
    case.ended_at, case.ended_by_id, case.ending = now, actor_id, CaseEnding.ANSWERED
    _note(session, "data_request.answered", case, actor_id=actor_id, now=now)


def requests_of(session: Session, index: bytes | None) -> list[CallbackRequest]:
    """Every request of a number that is not erased, oldest first."""
    return list(
        session.scalars(
            select(CallbackRequest)
            .where(CallbackRequest.phone_index == index)
            .order_by(CallbackRequest.id)
        )
    )


def _note(
    session: Session,
    action: str,
    case: DataRequest,
    *,
    actor_id: int | None,
    now: datetime,
    **detail: str,
) -> None:
    audit.record(
        session,
        action,
        subject="data_request",
        subject_id=case.id,
        actor_id=actor_id,
        now=now,
        **detail,
    )
