"""Tokens for the JSON API: made and ended by their owner, and opening what the owner's role may."""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from callback_service.domain.staff import StaffMember
from callback_service.errors import BadInput, NotFound
from callback_service.models.api_token import ApiToken
from callback_service.models.staff import Staff
from callback_service.services import audit

NAME_MAX_CHARS = 60
MOST_TOKENS = 10  # live ones of one account
NOTE_USE_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a token stands for now."""

    staff: StaffMember
    token_id: int
    is_use_due: bool  # whether ``note_use`` has something to write


def make_token(session: Session, staff_id: int, name: str, *, now: datetime) -> str:
    """A new token of an account, which is kept nowhere else; raises BadInput at ``name``."""
    tidy = " ".join(name.split())
    if not 1 <= len(tidy) <= NAME_MAX_CHARS or not _is_printable(tidy):
        raise _name_fault(f"Enter a name of up to {NAME_MAX_CHARS} characters.")
    session.get(Staff, staff_id, with_for_update=True)  # tokens made at once are all counted
    live = select(func.count()).where(ApiToken.staff_id == staff_id, ApiToken.revoked_at.is_(None))
    if (session.scalar(live) or 0) >= MOST_TOKENS:
        raise _name_fault(f"You have {MOST_TOKENS} tokens already. End one first.")
    token = secrets.token_urlsafe(32)
    row = ApiToken(staff_id=staff_id, name=tidy, token_digest=_digest(token), created_at=now)
    session.add(row)
    session.flush()
    _record(session, "api_token.made", row.id, actor_id=staff_id, now=now)
    return token


def _is_printable(text: str) -> bool:
    return all(unicodedata.category(character)[0] != "C" for character in text)


def _name_fault(sentence: str) -> BadInput:
    return BadInput(sentence, {"name": sentence})


def live_tokens(session: Session, staff_id: int) -> Sequence[ApiToken]:
    """The tokens of an account that still open something, the oldest first."""
    return session.scalars(
        select(ApiToken)
        .where(ApiToken.staff_id == staff_id, ApiToken.revoked_at.is_(None))
        .order_by(ApiToken.created_at, ApiToken.id)
    ).all()


def end_token(session: Session, token_id: int, *, staff_id: int, now: datetime) -> None:
    """End one of somebody's own tokens at once."""
    ended = session.scalar(
        update(ApiToken)
        .where(
            ApiToken.id == token_id,
            ApiToken.staff_id == staff_id,
            ApiToken.revoked_at.is_(None),
        )
        .values(revoked_at=now)
        .returning(ApiToken.id)
    )
    if ended is None:
        raise NotFound("That token has ended already.")
    _record(session, "api_token.ended", token_id, actor_id=staff_id, now=now)


def end_all(session: Session, staff_id: int, *, now: datetime) -> None:
    """End every token of somebody whose account is switched off."""
    session.execute(
        update(ApiToken)
        .where(ApiToken.staff_id == staff_id, ApiToken.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def holder_of(session: Session, token: str, *, now: datetime) -> Holder | None:
    """Whom ``token`` stands for, with the role they have now; None for nobody. Reads only."""
    row = session.scalar(
        select(ApiToken).where(
            ApiToken.token_digest == _digest(token), ApiToken.revoked_at.is_(None)
        )
    )
    if row is None or not row.staff.is_active:
        return None
    staff = StaffMember(row.staff.id, row.staff.name, row.staff.email, row.staff.role)
    is_due = row.last_used_at is None or now - row.last_used_at >= NOTE_USE_EVERY
    return Holder(staff, row.id, is_due)


def note_use(session: Session, token_id: int, *, now: datetime) -> None:
    """Write down that a token was used, to the hour."""
    session.execute(update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=now))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _record(session: Session, action: str, token_id: int, *, actor_id: int, now: datetime) -> None:
    audit.record(
        session,
        action,
        subject=ApiToken.__tablename__,
        subject_id=token_id,
        actor_id=actor_id,
        now=now,
    )
