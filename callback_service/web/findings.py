"""The managers' page of what the auditor found."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, render_template, request

from callback_service.clock import utc_now
from callback_service.domain.auditing import FindingKind
from callback_service.domain.policy import Action
from callback_service.extensions import current_settings, reading
from callback_service.services import findings, form_posts
from callback_service.web.access import current_staff, requires
from callback_service.web.addresses import row_id

bp = Blueprint("findings", __name__)

PAGE_LENGTH = 50

KINDS: Final = {
    FindingKind.UNTOLD: "Late, and nobody had been told",
    FindingKind.UNOWNED: "Late by half an hour or more, and nobody has taken it",
    FindingKind.UNPLANNED: "Planned for nobody although counsellors are on shift",
    FindingKind.OVERHELD: "Taken, not rung, and not put back in the queue",
    FindingKind.CALL_STUCK: "A call that has not been closed for hours",
    FindingKind.OFFER_OPEN: "An offer that did not end in time",
    FindingKind.HOLDER_GONE: "Held by an account that is disabled",
    FindingKind.CLOSED_HOLDS: "Closed, but it still held a place, an offer or a plan",
    FindingKind.WINDOWS_ENDED: "Waiting although everybody who asked has withdrawn",
    FindingKind.NOT_EXPIRED: "Days past its time and not closed",
    FindingKind.TICK_STOPPED: "A part of the scheduler has stopped",
}


@bp.get("/findings")
@requires(Action.SEE_FINDINGS)
def page() -> str:
    """What was found wrong, when, and whether it was mended."""
    now = utc_now()
    with reading() as session:
        rows = findings.latest(
            session,
            viewer_id=current_staff().id,
            limit=PAGE_LENGTH,
            now=now,
            before_id=request.args.get("before", type=row_id),
        )
        counts = findings.counts(session, now=now)
        waits_outside = form_posts.is_any_waiting(session)
    return render_template(
        "manager/findings.html",
        rows=rows,
        counts=counts,
        waits_outside=waits_outside,
        next_before=rows[-1].id if len(rows) == PAGE_LENGTH else None,
        now=now,
        tz=current_settings().service_time_zone,
        KINDS=KINDS,
    )
