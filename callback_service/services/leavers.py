"""Erasing who somebody was that no longer works here. Shifts and deeds stay, without a name."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from callback_service.models.api_token import ApiToken
from callback_service.models.calendar import CalendarFeed
from callback_service.models.staff import (
    HeldForm,
    KnownDevice,
    Passkey,
    RecoveryCode,
    SignIn,
    Staff,
)
from callback_service.models.staff_skill import StaffSkill
from callback_service.services import audit

#: Ends the address of who is erased: no mail can go there (source: RFC 2606).
NOBODYS: Final = "@left.invalid"
_THEIRS: Final = (
    ApiToken.staff_id, CalendarFeed.owner_id, HeldForm.staff_id, KnownDevice.staff_id,
    Passkey.staff_id, RecoveryCode.staff_id, SignIn.staff_id, StaffSkill.staff_id,
)  # fmt: skip


def left_by(until: datetime) -> Select[int]:
    """Whose account was disabled by then and is not erased yet."""
    return select(Staff.id).where(
        ~Staff.is_active, Staff.disabled_at <= until, ~Staff.email.endswith(NOBODYS)
    )


def empty(session: Session, staff_id: int, *, now: datetime) -> bool:
    """Erase name, address, number and all ways in; False if the account was enabled meanwhile."""
    staff = session.get(Staff, staff_id, with_for_update=True, populate_existing=True)
    if staff is None or staff.is_active:
        return False
    staff.name, staff.email = f"Former colleague {staff.id}", f"{staff.id}{NOBODYS}"
    staff.phone = staff.totp_secret = staff.password_hash = staff.totp_last_step = None
    for column in _THEIRS:
        session.execute(delete(column.class_).where(column == staff.id))
    audit.record(session, "staff.erased", subject="staff", subject_id=staff.id, now=now)
    return True
