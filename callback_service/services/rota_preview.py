"""What a change of the rota would break, for whoever is about to save it; and lists of changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.planning import Planned
from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import Change, Leave, Override, OverrideKind
from callback_service.errors import NotFound
from callback_service.models.callback import CallbackRequest
from callback_service.models.rota_change import ChangeKind, RotaChange
from callback_service.services.availability import conflicts
from callback_service.services.cover import new_gaps_in_words, whole_cover
from callback_service.services.planning import current_plan
from callback_service.services.promises import Oversold, oversold_by
from callback_service.services.rota import Proposal
from callback_service.services.rota_change_rows import change_of, in_words, span_in_words


@dataclass(frozen=True, slots=True)
class Lost:
    """A promise that the plan keeps today and could not keep after the change."""

    reference: str
    ring_from: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Breakage:
    """What a change costs. ``moved`` counts requests that change hands.

    ``gaps`` are those that open, in words with the figures after the change; ``closed`` those that
    close or get smaller, with the figures before it. ``conflicts`` say who would be on duty at a
    time they stated they cannot work.
    """

    gaps: list[str]
    oversold: list[Oversold]
    lost: list[Lost]
    moved: int
    closed: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)

    @property
    def is_costly(self) -> bool:
        """Whether cover or a promise is lost."""
        return bool(self.gaps or self.oversold or self.lost)

    @property
    def is_harmless(self) -> bool:
        """Whether nothing speaks against it; requests may still move to somebody else."""
        return not (self.is_costly or self.conflicts)


def what_would_break(session: Session, *changes: Change, now: datetime, tz: tzinfo) -> Breakage:
    """The gaps that ``changes`` would open and the promises inside them that lose their place.

    Facts as they are now, with all of them counted as if they were saved; nothing is written.
    """
    if not changes:
        return Breakage([], [], [], 0)
    duties = [
        duty
        for duty in Duty
        if any(isinstance(change, Leave) or change.duty is duty for change in changes)
    ]
    start = max(min(change.start for change in changes), now)
    end = max(change.end for change in changes)
    breakage = what_proposal_breaks(session, changes, start, end, duties=duties, now=now, tz=tz)
    broken = [one.words for one in conflicts(session, *changes, tz=tz)]
    return replace(breakage, conflicts=broken)


def what_proposal_breaks(
    session: Session, proposed: Collection[Proposal], start: datetime, end: datetime, *,
    duties: Iterable[Duty], now: datetime, tz: tzinfo,
) -> Breakage:  # fmt: skip
    """What a proposal breaks that differs from what is stored in ``[start, end)`` alone."""
    lost, moved = _promises(session, proposed, now=now, tz=tz)
    opened: list[str] = []
    closed: list[str] = []
    for duty in duties:
        lead = "Duty lead: " if duty is Duty.DUTY_LEAD else ""
        before = whole_cover(session, start, end, tz=tz, duty=duty)
        after = whole_cover(session, start, end, tz=tz, duty=duty, proposed=proposed)
        opened += [f"{lead}{words}" for words in new_gaps_in_words(before, after, tz=tz)]
        closed += [f"{lead}{words}" for words in new_gaps_in_words(after, before, tz=tz)]
    oversold = oversold_by(session, proposed, start, end, tz=tz)
    return Breakage(gaps=opened, oversold=oversold, lost=lost, moved=moved, closed=closed)


def _promises(
    session: Session, proposed: Collection[Proposal], *, now: datetime, tz: tzinfo
) -> tuple[list[Lost], int]:
    """The promises that two plans, without and with the proposal, tell apart; how many move."""
    before = _by_request(current_plan(session, now=now, tz=tz))
    after = _by_request(current_plan(session, now=now, tz=tz, proposed=proposed))
    requests = session.execute(
        select(
            CallbackRequest.id,
            CallbackRequest.reference,
            CallbackRequest.ring_from,
            CallbackRequest.due_at,
        )
        .where(CallbackRequest.id.in_(before))
        .order_by(CallbackRequest.due_at, CallbackRequest.id)
    ).all()
    lost = [
        Lost(reference, ring_from, due_at)
        for request_id, reference, ring_from, due_at in requests
        if before[request_id].start <= due_at
        and (request_id not in after or after[request_id].start > due_at)
    ]
    moved = [
        entry
        for entry in before.values()
        if entry.request_id in after
        and after[entry.request_id].counsellor_id != entry.counsellor_id
    ]
    return lost, len(moved)


def _by_request(entries: list[Planned]) -> dict[int, Planned]:
    return {entry.request_id: entry for entry in entries}


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """A change for a list or a page, with who made it. ``is_idle``: one of its people is gone."""

    id: int
    words: str
    made_by: str | None
    made_at: datetime
    change: Change
    is_running: bool
    is_idle: bool

    def undoing(self) -> Change | None:
        """What cancelling it amounts to for who is on duty; None where nobody goes off."""
        change = self.change
        if isinstance(change, Override) and change.kind is OverrideKind.ADD:
            return Override(
                OverrideKind.REMOVE, change.staff_id, change.start, change.end, change.duty
            )
        return None


def coming_changes(session: Session, *, now: datetime, tz: tzinfo) -> list[ChangeLine]:
    """The changes that hold now or later, soonest first."""
    rows = session.scalars(
        select(RotaChange)
        .where(RotaChange.cancelled_at.is_(None), RotaChange.ends_at > now)
        .order_by(RotaChange.starts_at, RotaChange.id)
    )
    return [_line(row, now=now, tz=tz) for row in rows]


def change_line(session: Session, change_id: int, *, now: datetime, tz: tzinfo) -> ChangeLine:
    """One change that holds now or later; raises NotFound."""
    row = session.get(RotaChange, change_id)
    if row is None or row.cancelled_at is not None or row.ends_at <= now:
        raise NotFound("That change is over or was cancelled.")
    return _line(row, now=now, tz=tz)


def _line(row: RotaChange, *, now: datetime, tz: tzinfo) -> ChangeLine:
    return ChangeLine(
        id=row.id,
        words=in_words(row, tz=tz),
        made_by=row.created_by.name if row.created_by else None,
        made_at=row.created_at,
        change=change_of(row),
        is_running=row.starts_at <= now,
        is_idle=any(staff is not None and not staff.is_active for staff in (row.staff, row.by)),
    )


@dataclass(frozen=True, slots=True)
class OpenLine:
    """A shift that waits for somebody."""

    change_id: int
    duty: Duty
    start: datetime
    words: str


def open_shifts(
    session: Session, *, now: datetime, tz: tzinfo, taken_by: int | None = None
) -> list[OpenLine]:
    """The shifts that nobody holds yet, soonest first; or those ``taken_by`` somebody.

    One that was taken and has changed hands by a swap is no longer anybody's to give back.
    """
    rows = session.scalars(
        select(RotaChange)
        .where(
            RotaChange.kind == ChangeKind.OPEN,
            RotaChange.staff_id == taken_by,
            RotaChange.swap_id.is_(None),
            RotaChange.cancelled_at.is_(None),
            RotaChange.ends_at > now,
        )
        .order_by(RotaChange.starts_at, RotaChange.id)
    )
    return [
        OpenLine(
            row.id,
            row.duty or Duty.COUNSELLING,
            row.starts_at,
            span_in_words(row.starts_at, row.ends_at, tz=tz),
        )
        for row in rows
    ]
