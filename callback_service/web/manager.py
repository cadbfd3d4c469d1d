"""Managers' pages about texts."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from callback_service.clock import utc_now
from callback_service.domain.staff import Role
from callback_service.extensions import current_settings, reading
from callback_service.services import messages as message_log
from callback_service.web.access import requires
from callback_service.web.addresses import row_id

bp = Blueprint("manager", __name__)

PAGE_LENGTH = 50


@bp.get("/messages")
@requires(Role.MANAGER)
def messages() -> str:
    """Every text: what it says, where it stands, and why one did not arrive."""
    settings = current_settings()
    with reading() as session:
        rows = message_log.latest(
            session, limit=PAGE_LENGTH, before_id=request.args.get("before", type=row_id)
        )
        counts = message_log.counts(session)
    return render_template(
        "manager/messages.html",
        rows=rows,
        counts=counts,
        next_before=rows[-1].id if len(rows) == PAGE_LENGTH else None,
        now=utc_now(),
        tz=settings.service_time_zone,
    )
