"""Rows to start a test from. Every builder flushes, so that ids are there, and commits nothing."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from functools import cache

from argon2 import PasswordHasher
from sqlalchemy.orm import Session

from callback_service.domain.staff import Role
from callback_service.models.staff import Staff, new_uid

#: A winter Wednesday, 20:00 in London as in UTC.
NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
PASSWORD = "kettle-marble-orbit-canoe"
#: The key in everybody's app, in base32.
APP_KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def make_staff(
    session: Session,
    *,
    role: Role = Role.COUNSELLOR,
    email: str | None = None,
    name: str = "Alex Marsh",
    app_key: str | None = APP_KEY,
) -> Staff:
    """An active member of staff whose password is PASSWORD, and whose app holds ``app_key``."""
    email = email or f"{role}-{secrets.token_hex(4)}@example.org"
    staff = Staff(
        uid=new_uid(),
        email=email,
        name=name,
        role=role,
        is_active=True,
        password_hash=_password_hash(),
        created_at=NOW,
    )
    staff.totp_secret = app_key
    session.add(staff)
    session.flush()
    return staff


@cache
def _password_hash() -> str:
    return PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash(PASSWORD)
