"""The auditor's own view of what is wrong: one query for each kind of finding.

None of them shares a line with the planner, the offers or the escalation, whose faults they find.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Final

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session

from callback_service.domain import auditing
from callback_service.domain.auditing import FindingKind
from callback_service.domain.escalation import EXPIRES_AFTER
from callback_service.domain.lifecycle import HELD, RequestState
from callback_service.domain.ticks import TICK_NAMES, TickName
from callback_service.models.callback import CallbackRequest, ContactWindow, Escalation, Offer
from callback_service.models.heartbeat import Heartbeat
from callback_service.models.plan import PlanEntry
from callback_service.models.staff import Staff
from callback_service.services.rota import on_now

_WAITS: Final = CallbackRequest.state == RequestState.WAITING


def look(
    session: Session, *, now: datetime, tz: tzinfo
) -> dict[tuple[FindingKind, int | None], str]:
    """All that is wrong at ``now``, by kind and request, with the detail of each."""
    seen: dict[tuple[FindingKind, int | None], str] = {
        (kind, request_id): ""
        for kind, query in _LOOKS.items()
        for request_id in session.scalars(query(now))
    }
    if _somebody_works(session, now=now, tz=tz):
        unplanned = session.scalars(_unplanned(now))
        seen |= {(FindingKind.UNPLANNED, request_id): "" for request_id in unplanned}
    if silent := _silent_ticks(session, now):
        seen[FindingKind.TICK_STOPPED, None] = ", ".join(silent)
    return seen


def _requests(*conditions: ColumnElement[bool]) -> Select[int]:
    return select(CallbackRequest.id).where(*conditions)


def _was_told() -> ColumnElement[bool]:
    """Whether anybody was told of the present wait."""
    return (
        select(Escalation.id)
        .where(
            Escalation.request_id == CallbackRequest.id, Escalation.round == CallbackRequest.round
        )
        .exists()
    )


def _untold(now: datetime) -> Select[int]:
    return _requests(_WAITS, CallbackRequest.due_at <= now - auditing.UNTOLD_AFTER, ~_was_told())


def _unowned(now: datetime) -> Select[int]:
    return _requests(_WAITS, CallbackRequest.due_at <= now - auditing.UNOWNED_AFTER)


def _overheld(now: datetime) -> Select[int]:
    return _requests(
        CallbackRequest.state == RequestState.ASSIGNED,
        CallbackRequest.hold_until <= now - auditing.OVERHELD_AFTER,
    )


def _call_stuck(now: datetime) -> Select[int]:
    return _requests(
        CallbackRequest.state == RequestState.CALLING,
        CallbackRequest.hold_until <= now - auditing.CALLING_AFTER,
    )


def _offer_open(now: datetime) -> Select[int]:
    return select(Offer.request_id).where(
        Offer.ended_at.is_(None), Offer.lapses_at <= now - auditing.OFFER_AFTER
    )


def _holder_gone(_now: datetime) -> Select[int]:
    disabled = select(Staff.id).where(~Staff.is_active)
    return _requests(CallbackRequest.state.in_(HELD), CallbackRequest.assigned_to_id.in_(disabled))


def _closed_holds(_now: datetime) -> Select[int]:
    return _requests(
        CallbackRequest.state == RequestState.CLOSED,
        or_(
            CallbackRequest.id.in_(select(PlanEntry.request_id)),
            CallbackRequest.id.in_(select(Offer.request_id).where(Offer.ended_at.is_(None))),
            CallbackRequest.id.in_(
                select(ContactWindow.request_id).where(ContactWindow.ended_at.is_(None))
            ),
        ),
    )


def _windows_ended(_now: datetime) -> Select[int]:
    windows = select(ContactWindow.id).where(ContactWindow.request_id == CallbackRequest.id)
    standing = windows.where(ContactWindow.ended_at.is_(None))
    return _requests(_WAITS, windows.exists(), ~standing.exists())


def _not_expired(now: datetime) -> Select[int]:
    limit = now - EXPIRES_AFTER - auditing.EXPIRED_AFTER
    return _requests(_WAITS, CallbackRequest.due_at <= limit)


def _unplanned(now: datetime) -> Select[int]:
    planned = select(PlanEntry.request_id)
    offered = select(Offer.request_id).where(Offer.ended_at.is_(None))
    return _requests(
        _WAITS,
        CallbackRequest.ring_from <= now - auditing.UNPLANNED_AFTER,
        CallbackRequest.id.not_in(planned),
        CallbackRequest.id.not_in(offered),
        ~_was_told(),
    )


def _somebody_works(session: Session, *, now: datetime, tz: tzinfo) -> bool:
    """Whether anybody is on shift for long enough to take a call."""
    shifts = on_now(session, now=now, tz=tz)
    return any(shift.end >= now + auditing.STAFF_FOR for shift in shifts)


def _silent_ticks(session: Session, now: datetime) -> list[str]:
    """The ticks but the auditor's own that have not succeeded of late, in order of name.

    Before the first heartbeat of all nothing can be said.
    """
    beats = {row.tick: row.succeeded_at for row in session.scalars(select(Heartbeat))}
    if not beats:
        return []
    limit = now - auditing.TICK_SILENT_AFTER
    fresh = {tick for tick, succeeded_at in beats.items() if succeeded_at > limit}
    return sorted(set(TICK_NAMES) - {TickName.AUDIT} - fresh)


_LOOKS: Final[Mapping[FindingKind, Callable[[datetime], Select[int]]]] = {
    FindingKind.UNTOLD: _untold,
    FindingKind.UNOWNED: _unowned,
    FindingKind.OVERHELD: _overheld,
    FindingKind.CALL_STUCK: _call_stuck,
    FindingKind.OFFER_OPEN: _offer_open,
    FindingKind.HOLDER_GONE: _holder_gone,
    FindingKind.CLOSED_HOLDS: _closed_holds,
    FindingKind.WINDOWS_ENDED: _windows_ended,
    FindingKind.NOT_EXPIRED: _not_expired,
}
