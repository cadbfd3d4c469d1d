"""Telling the managers that somebody went off shift at once, and what they left behind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import HELD, RequestState
from callback_service.domain.policy import Action
from callback_service.domain.rota import Duty, Shift, clip
from callback_service.domain.rota_changes import Change, Leave
from callback_service.domain.staff import Role
from callback_service.errors import NotFound
from callback_service.models.callback import CallbackRequest
from callback_service.models.outbox import TextKind
from callback_service.models.rota_change import RotaChange
from callback_service.models.rota_notice import RotaNotice
from callback_service.models.staff import Staff
from callback_service.services import audit, texts
from callback_service.services.permission import allowed
from callback_service.services.rota import resolve, zulu
from callback_service.services.rota_change_rows import span_in_words

#: A text that could not be sent within this time says nothing new any more.
TEXT_LASTS: Final = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Found:
    """What somebody had before they went: their shifts, and the request they held."""

    staff_id: int
    shifts: list[Shift]
    request_id: int | None


def before_absence(session: Session, leave: Change, *, now: datetime, tz: tzinfo) -> Found | None:
    """What somebody still has who is about to be away at once; None for any other change."""
    if not isinstance(leave, Leave) or leave.start > now:
        return None
    shifts, _ = resolve(session, now, leave.end, tz=tz)
    held = session.scalar(
        select(CallbackRequest.id).where(
            CallbackRequest.assigned_to_id == leave.staff_id, CallbackRequest.state.in_(HELD)
        )
    )
    own = [shift for shift in shifts if shift.staff_id == leave.staff_id]
    return Found(leave.staff_id, own, held)


def tell_of_absence(
    session: Session, row: RotaChange, found: Found, *, actor_id: int | None, now: datetime
) -> None:
    """Note who is away since when, which shifts nobody has, and the call that went back.

    One text to each manager who gave a number, but for who is away and who entered it. It names
    nobody and says no reason.
    """
    lost = clip(found.shifts, now, row.ends_at)
    if not lost and found.request_id is None:
        return
    notice = RotaNotice(
        change_id=row.id,
        since=row.starts_at,
        until=row.ends_at,
        shifts=[
            {"duty": shift.duty.value, "start": zulu(shift.start), "end": zulu(shift.end)}
            for shift in lost
        ],
        request_id=_given_back(session, found),
        told_at=now,
    )
    session.add(notice)
    session.flush()
    _record(session, "rota_notice.told", notice, actor_id=None, now=now)
    for manager in session.scalars(_managers()):
        if manager.id not in {found.staff_id, actor_id}:
            texts.text_staff(
                session, manager, TextKind.ABSENCE, once_key=f"absence:{row.id}:{manager.id}",
                expires_at=now + TEXT_LASTS, now=now,
            )  # fmt: skip


def _managers() -> Select[Staff]:
    return select(Staff).where(Staff.role == Role.MANAGER, Staff.is_active).order_by(Staff.id)


def _given_back(session: Session, found: Found) -> int | None:
    """The request they held, unless they are still calling."""
    return session.scalar(
        select(CallbackRequest.id).where(
            CallbackRequest.id == found.request_id, CallbackRequest.state == RequestState.WAITING
        )
    )


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """A sudden absence, for the page. ``call``: reference and due time of what went back."""

    id: int
    name: str
    since: datetime
    until: datetime
    shifts: tuple[tuple[Duty, str], ...]
    call: tuple[str, datetime] | None


def unseen(session: Session, *, tz: tzinfo) -> list[NoticeLine]:
    """The absences no manager has seen to, newest first."""
    rows = session.scalars(
        select(RotaNotice).where(RotaNotice.seen_at.is_(None)).order_by(RotaNotice.id.desc())
    )
    return [_line(row, tz) for row in rows]


def count_unseen(session: Session) -> int:
    """How many absences no manager has seen to."""
    return session.scalar(select(func.count()).where(RotaNotice.seen_at.is_(None))) or 0


def _line(row: RotaNotice, tz: tzinfo) -> NoticeLine:
    return NoticeLine(
        id=row.id,
        name=row.change.staff.name if row.change.staff else "",
        since=row.since,
        until=row.until,
        shifts=tuple(
            (
                Duty(one["duty"]),
                span_in_words(
                    datetime.fromisoformat(one["start"]), datetime.fromisoformat(one["end"]), tz=tz
                ),
            )
            for one in row.shifts
        ),
        call=(row.request.reference, row.request.due_at) if row.request else None,
    )


@allowed(Action.EDIT_ROTA)
def see_to(session: Session, notice_id: int, *, actor_id: int, now: datetime) -> None:
    """Record that a manager has seen to an absence. Once is enough."""
    row = session.get(RotaNotice, notice_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound("There is no such notice.")
    if row.seen_at is None:
        row.seen_at, row.seen_by_id = now, actor_id
        session.flush()
        _record(session, "rota_notice.seen", row, actor_id=actor_id, now=now)


def _record(
    session: Session, action: str, row: RotaNotice, *, actor_id: int | None, now: datetime
) -> None:
    audit.record(
        session, action, subject=RotaNotice.__tablename__, subject_id=row.id, actor_id=actor_id,
        now=now, change_id=row.change_id, request_id=row.request_id, shifts=len(row.shifts),
    )  # fmt: skip
