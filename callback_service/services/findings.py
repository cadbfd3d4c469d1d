"""What the auditor found, for managers: what is open, what was mended, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from callback_service.domain.auditing import CONFIRM_AFTER, FindingKind
from callback_service.domain.lifecycle import RequestState
from callback_service.models.callback import CallbackRequest
from callback_service.models.finding import Finding
from callback_service.services.conflicts import hidden_from


class Standing(StrEnum):
    """What became of a finding."""

    OPEN = "open"
    MENDED = "mended"
    OVER = "over"  # somebody else saw to it, or it passed


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding. ``request_state`` says where its request can be seen."""

    id: int
    kind: FindingKind
    detail: str
    request_id: int | None
    reference: str | None
    request_state: RequestState | None
    found_at: datetime
    repaired_at: datetime | None
    told_at: datetime | None
    gone_at: datetime | None

    @property
    def standing(self) -> Standing:
        """Whether it was mended, is over, or is still there."""
        if self.repaired_at is not None:
            return Standing.MENDED
        return Standing.OPEN if self.gone_at is None else Standing.OVER


def latest(
    session: Session, *, viewer_id: int, limit: int, now: datetime, before_id: int | None = None
) -> list[FindingRow]:
    """The newest findings first; ``before_id`` goes on from the last of an earlier page.

    Whoever is barred from a caller finds those of open requests alone, which must not be lost.
    """
    query = (
        select(Finding, CallbackRequest.reference, CallbackRequest.state)
        .outerjoin(CallbackRequest, CallbackRequest.id == Finding.request_id)
        .where(_is_acted_on(now), *([Finding.id < before_id] if before_id is not None else []))
        .order_by(Finding.id.desc())
        .limit(limit)
    )
    if hidden := hidden_from(session, viewer_id):
        query = query.where(or_(Finding.request_id.is_(None), Finding.request_id.not_in(hidden)))
    return [_row(*found) for found in session.execute(query)]


def counts(session: Session, *, now: datetime) -> dict[Standing, int]:
    """How many findings there are of each standing."""
    is_open = Finding.gone_at.is_(None)
    tallies = session.execute(
        select(Finding.repaired_at.is_not(None), is_open, func.count())
        .where(_is_acted_on(now))
        .group_by(Finding.repaired_at.is_not(None), is_open)
    )
    found = dict.fromkeys(Standing, 0)
    for is_mended, still_open, count in tallies:
        left = Standing.OPEN if still_open else Standing.OVER
        found[Standing.MENDED if is_mended else left] += count
    return found


def _is_acted_on(now: datetime) -> ColumnElement[bool]:
    """Not one that was seen once and may pass before the next look."""
    return or_(Finding.told_at.is_not(None), Finding.found_at <= now - CONFIRM_AFTER)


def _row(finding: Finding, reference: str | None, state: RequestState | None) -> FindingRow:
    return FindingRow(
        id=finding.id,
        kind=finding.kind,
        detail=finding.detail,
        request_id=finding.request_id,
        reference=reference,
        request_state=state,
        found_at=finding.found_at,
        repaired_at=finding.repaired_at,
        told_at=finding.told_at,
        gone_at=finding.gone_at,
    )
