"""What the gateway reports of a call's two legs. Reports repeat and come out of order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.calls import (
    BEFORE_DIALLING,
    CallState,
    Leg,
    after_caller_report,
    after_own_report,
)
from callback_service.models.call import BridgedCall, CallReport
from callback_service.services.calls import lock_call, stand, take_sid


@dataclass(frozen=True, slots=True)
class Report:
    """One leg's status, in the gateway's own word; ``seconds`` once somebody has answered it."""

    leg: Leg
    sid: str
    status: str
    seconds: int | None = None


def take_report(session: Session, uid: str, report: Report, *, now: datetime) -> bool:
    """Record one report; False when it is unknown or tells nothing new."""
    call = lock_call(session, uid)
    if call is None or not report.status or not _is_of(call, report):
        return False
    if not _keep(session, call, report, now=now):
        return False
    apply(session, call, report, now=now)
    return True


def apply(session: Session, call: BridgedCall, report: Report, *, now: datetime) -> None:
    """Let the call, locked, stand as the report says, however it was learned."""
    if report.leg is Leg.OWN:
        stand(session, call, after_own_report(call.standing, report.status), now=now)
        return
    standing = after_caller_report(call.standing, report.status)
    if standing.state is CallState.ENDED and report.seconds:
        call.seconds = call.seconds or report.seconds
    stand(session, call, standing, now=now)


def _is_of(call: BridgedCall, report: Report) -> bool:
    """Whether the report is of this call's own leg, or of the one leg that it dialled."""
    if report.leg is Leg.OWN:
        return take_sid(call, report.sid)
    if not report.sid or call.state in BEFORE_DIALLING or call.dialled_at is None:
        return False
    call.caller_sid = call.caller_sid or report.sid
    return call.caller_sid == report.sid


def _keep(session: Session, call: BridgedCall, report: Report, *, now: datetime) -> bool:
    row = CallReport(
        call_id=call.id, leg=report.leg, sid=report.sid, status=report.status, received_at=now
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False
    return True
