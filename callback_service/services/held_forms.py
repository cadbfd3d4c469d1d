"""Forms that came after their sender's sign-in had run out: kept, sealed, until they sign in again.

One of each person, the newest; for half a day at the most.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from callback_service.domain.retention import BY_KIND, Kept
from callback_service.models.staff import HeldForm, Staff, new_uid

KEPT_FOR: Final = BY_KIND[Kept.HELD_FORMS].usual
PATH_MAX_CHARS: Final = 500
#: Fields that stand in no page and in no row: tokens of one page, and passwords.
NEVER_HELD: Final = frozenset({"csrf_token", "password", "again", "current", "code", "answer"})

Fields = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Held:
    """A form that waits: where it was going, its fields, and when it came."""

    path: str
    fields: Fields = field(repr=False)
    at: datetime


def holdable(fields: Iterable[tuple[str, str]]) -> Fields:
    """Those of ``fields`` that may be kept."""
    return [(name, value) for name, value in fields if name not in NEVER_HELD]


def hold(session: Session, staff_id: int, form: Held) -> None:
    """Keep ``form`` for its sender, in the place of an older one."""
    session.get(Staff, staff_id, with_for_update=True)  # two forms of one person, one after another
    drop(session, staff_id)
    row = HeldForm(uid=new_uid(), staff_id=staff_id, path=form.path, held_at=form.at)
    row.fields = json.dumps(form.fields)
    session.add(row)
    session.flush()


def held_of(session: Session, staff_id: int, *, now: datetime) -> Held | None:
    """The form that waits for somebody, if one does."""
    row = session.scalar(_waiting(staff_id, now))
    return _opened(row) if row is not None else None


def take(session: Session, staff_id: int, *, now: datetime) -> Held | None:
    """The form that waits for somebody, which is then kept no more: of two takers one has it."""
    row = session.scalar(_waiting(staff_id, now).with_for_update())
    if row is None:
        return None
    held = _opened(row)
    session.delete(row)
    return held


def _waiting(staff_id: int, now: datetime) -> Select[HeldForm]:
    return select(HeldForm).where(HeldForm.staff_id == staff_id, HeldForm.held_at > now - KEPT_FOR)


def _opened(row: HeldForm) -> Held:
    fields = [(name, value) for name, value in json.loads(row.fields or "[]")]
    return Held(row.path, fields, row.held_at)


def drop(session: Session, staff_id: int) -> None:
    """Keep nothing for somebody any more."""
    session.execute(delete(HeldForm).where(HeldForm.staff_id == staff_id))
