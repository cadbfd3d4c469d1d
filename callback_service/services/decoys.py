"""Decoys: which requests nobody made, who looked at one, and telling those who may know.

A look at a decoy goes on like any other, on the page and in the log of the request. That it was one
is written down beside it, and told by a tick: whoever looked waits no longer for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.domain import policy
from callback_service.domain.escalation import Step
from callback_service.domain.policy import Action
from callback_service.errors import NotFound
from callback_service.models.callback import CallbackRequest
from callback_service.models.decoy import Decoy, DecoyOpening
from callback_service.models.outbox import TextKind
from callback_service.models.staff import Staff
from callback_service.services import audit, texts
from callback_service.services.duty_leads import whom_to_tell
from callback_service.services.permission import allowed

#: Texts of an opening begin their once-key with this, so that the page of texts leaves them out.
ONCE_KEY: Final = "decoy:"
#: A text that could not be sent within this time is on the page anyway.
TEXT_LASTS: Final = timedelta(hours=12)
NEWS_FOR_DUTY_LEAD: Final = "ask the safeguarding lead or an administrator"
NEWS_FOR_OTHERS: Final = "somebody opened what nobody has cause to open"


@dataclass(frozen=True, slots=True)
class DecoyRow:
    """One decoy, for those who may know. ``reference`` is None once it has ended."""

    id: int
    reference: str | None
    request_id: int | None
    planted_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpeningRow:
    """One look at a decoy: who, when, and which deed of the audit log it was."""

    id: int
    decoy_id: int
    staff_id: int
    who: str
    action: str
    at: datetime
    seen_at: datetime | None
    seen_by: str | None


def record_look(
    session: Session, action: str, request_id: int, *, actor_id: int, now: datetime, **detail: Any
) -> None:
    """Write down that somebody of staff looked at a request; of a decoy people are told.

    Every look at what callers told us is written down here: ``audit.LOOKS`` and no other way.
    """
    audit.record(
        session, action, subject="callback_request", subject_id=request_id, actor_id=actor_id,
        now=now, **detail,
    )  # fmt: skip
    decoy = _decoy_of(session, request_id)
    if decoy is None:
        return
    opening = DecoyOpening(decoy_id=decoy.id, staff_id=actor_id, action=action, at=now)
    session.add(opening)
    audit.record(
        session, "decoy.opened", subject="decoy", subject_id=decoy.id, actor_id=actor_id, now=now,
        way=action,
    )  # fmt: skip


def _decoy_of(session: Session, request_id: int) -> Decoy | None:
    """They are few, and only their seals say which they are, so each is opened."""
    return next((one for one in _live(session) if one.request == str(request_id)), None)


def _live(session: Session) -> list[Decoy]:
    return list(
        session.scalars(select(Decoy).where(Decoy.request_sealed.is_not(None)).order_by(Decoy.id))
    )


def end_if_decoy(session: Session, request_id: int, *, now: datetime) -> bool:
    """Let a decoy end with its request, which is about to be emptied; whether it was one."""
    decoy = _decoy_of(session, request_id)
    if decoy is None:
        return False
    decoy.request, decoy.ended_at = None, now
    return True


def is_telling_due(session: Session) -> bool:
    """Whether somebody looked at a decoy and nobody was told yet; a cheap look."""
    untold = select(DecoyOpening.id).where(DecoyOpening.told_at.is_(None))
    return session.scalar(untold.limit(1)) is not None


def tell(session: Session, *, now: datetime, tz: tzinfo) -> int:
    """Text the duty lead and everybody who may know of decoys, but for who looked; how many looks.

    The duty lead is not told what it is about: a manager may not know which records are decoys.
    Who tells waits for whoever tells just now: many looks of one person are one text.
    """
    untold = session.scalars(
        select(DecoyOpening)
        .where(DecoyOpening.told_at.is_(None))
        .order_by(DecoyOpening.id)
        .with_for_update()
    ).all()
    for opening in untold:
        _tell_of(session, opening, now=now, tz=tz)
        opening.told_at = now
    return len(untold)


def _tell_of(session: Session, opening: DecoyOpening, *, now: datetime, tz: tzinfo) -> None:
    news = [(one, NEWS_FOR_OTHERS) for one in _who_may_know(session)]
    leads = whom_to_tell(session, now=now, tz=tz)[Step.DUTY_LEAD]
    news += [(one, NEWS_FOR_DUTY_LEAD) for one in leads]
    day = opening.at.astimezone(tz).date().isoformat()
    for person, reason in news:
        if person.id != opening.staff_id:
            texts.text_staff(
                session, person, TextKind.AUDIT,
                once_key=f"{ONCE_KEY}{opening.decoy_id}:{opening.staff_id}:{day}:{person.id}",
                expires_at=now + TEXT_LASTS, now=now, reason=reason, reference="",
            )  # fmt: skip


def _who_may_know(session: Session) -> list[Staff]:
    roles = policy.roles_of(Action.SEE_DECOYS)
    return list(
        session.scalars(
            select(Staff).where(Staff.role.in_(roles), Staff.is_active).order_by(Staff.id)
        )
    )


def list_decoys(session: Session) -> list[DecoyRow]:
    """All decoys there are and were, the newest first."""
    rows = session.scalars(select(Decoy).order_by(Decoy.id.desc())).all()
    ids = {row.id: int(row.request) for row in rows if row.request is not None}
    references = dict(
        session.execute(
            select(CallbackRequest.id, CallbackRequest.reference).where(
                CallbackRequest.id.in_(ids.values())
            )
        ).all()
    )
    return [
        DecoyRow(
            row.id, references.get(ids.get(row.id, 0)), ids.get(row.id), row.planted_at,
            row.ended_at,
        )
        for row in rows
    ]  # fmt: skip


def openings(session: Session, *, limit: int) -> list[OpeningRow]:
    """Who looked at a decoy, the newest first."""
    rows = session.execute(
        select(DecoyOpening, Staff.name)
        .outerjoin(Staff, Staff.id == DecoyOpening.seen_by_id)
        .order_by(DecoyOpening.id.desc())
        .limit(limit)
    )
    return [
        OpeningRow(
            one.id, one.decoy_id, one.staff_id, one.staff.name, one.action, one.at, one.seen_at,
            seen_by,
        )
        for one, seen_by in rows
    ]  # fmt: skip


def count_unseen(session: Session) -> int:
    """How many looks at decoys nobody has seen to."""
    unseen = select(func.count()).where(DecoyOpening.seen_at.is_(None))
    return session.scalar(unseen) or 0


@allowed(Action.SEE_DECOYS)
def see_to(session: Session, opening_id: int, *, actor_id: int, now: datetime) -> None:
    """Note that somebody who may know has seen to a look. Once is enough; never who looked."""
    row = session.get(DecoyOpening, opening_id, with_for_update=True, populate_existing=True)
    if row is None or row.staff_id == actor_id:
        raise NotFound("There is nothing here for you to see to.")
    if row.seen_at is None:
        row.seen_at, row.seen_by_id = now, actor_id
        audit.record(
            session, "decoy.seen_to", subject="decoy", subject_id=row.decoy_id,
            actor_id=actor_id, now=now,
        )  # fmt: skip
