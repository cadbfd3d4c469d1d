"""Texts to the people of a swap or of time off: that there is news, and no more.

They name nobody and no shift: a text may be read by others, and the page says it all.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from callback_service.domain.swaps import SwapState
from callback_service.models.availability import LeaveRequest
from callback_service.models.outbox import TextKind
from callback_service.models.rota_change import ChangeKind, RotaChange
from callback_service.models.staff import Staff
from callback_service.models.swap import Swap
from callback_service.services.texts import text_staff

#: A text that could not be sent within this time says nothing new any more.
TEXT_LASTS: Final = timedelta(hours=12)


def tell_of_swap(session: Session, row: Swap, *, actor_id: int | None, now: datetime) -> None:
    """Text those whom the present state of a swap is news to; never who brought it about."""
    kind, people = _news(row, actor_id)
    expires_at = min(row.begins_at, now + TEXT_LASTS)
    for staff in people:
        if staff is not None and staff.id != actor_id and expires_at > now:
            text_staff(
                session, staff, kind,
                once_key=f"swap:{row.id}:{row.state}:{staff.id}:{int(now.timestamp())}",
                expires_at=expires_at, now=now,
            )  # fmt: skip


def _news(row: Swap, actor_id: int | None) -> tuple[TextKind, list[Staff | None]]:
    match row.state:
        case SwapState.OFFERED:
            return TextKind.SWAP_OFFERED, [row.to]
        case SwapState.TAKEN:
            return TextKind.SWAP_TAKEN, [row.offered_by]
        case SwapState.APPROVED if actor_id == row.taken_by_id:
            return TextKind.SWAP_DECIDED, []  # nobody had to decide: that it was taken says it
        case SwapState.APPROVED | SwapState.DECLINED | SwapState.UNDONE:
            return TextKind.SWAP_DECIDED, [row.offered_by, row.taken_by]
    return TextKind.SWAP_DECIDED, []


def tell_of_refusal(session: Session, row: LeaveRequest, *, actor_id: int, now: datetime) -> None:
    """Text whoever asked for leave that it was declined. Granted leave is told of as a change."""
    if row.staff_id != actor_id:
        text_staff(
            session, row.staff, TextKind.LEAVE_DECIDED, once_key=f"leave:{row.id}:{row.state}",
            expires_at=now + TEXT_LASTS, now=now,
        )  # fmt: skip


def tell_of_time_off(
    session: Session, row: RotaChange, *, actor_id: int | None, now: datetime
) -> None:
    """Text whom somebody else has put on leave or called ill, or taken that back for.

    Nobody is behind what is read from a calendar: that is told by whoever reads it.
    """
    staff = row.staff if row.kind is ChangeKind.LEAVE else None
    if staff is not None and staff.is_active and actor_id not in {None, staff.id}:
        deed = "off" if row.cancelled_at is None and row.ends_at > now else "back"
        text_staff(
            session, staff, TextKind.LEAVE_DECIDED,
            once_key=f"time-off:{row.id}:{deed}:{int(now.timestamp())}",
            expires_at=now + TEXT_LASTS, now=now,
        )  # fmt: skip
