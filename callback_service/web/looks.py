"""The managers' page of who looked at which record and why, and of allowing more."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from callback_service.clock import utc_now
from callback_service.domain.looks import LOOK_REASONS, MORE_LOOKS
from callback_service.domain.policy import Action
from callback_service.errors import BadInput
from callback_service.extensions import current_settings, reading, transaction
from callback_service.services import look_lists
from callback_service.services import looks as service
from callback_service.web.access import current_staff, fresh, requires
from callback_service.web.addresses import row_id

bp = Blueprint("looks", __name__, url_prefix="/looks")

PAGE_LENGTH: Final = 50


@bp.get("")
@requires(Action.SEE_LOOKS)
def page() -> str:
    """Looks, the newest first, and how many each person has left today."""
    now, settings, me = utc_now(), current_settings(), current_staff()
    tz, before_id = settings.service_time_zone, request.args.get("before", type=row_id)
    with reading() as session:
        rows = look_lists.latest(session, staff=me, limit=PAGE_LENGTH, before_id=before_id)
        today = look_lists.of_today(session, staff=me, a_day=settings.looks_a_day, now=now, tz=tz)
    return render_template(
        "manager/looks.html",
        rows=rows,
        today=today,
        me=me,
        next_before=rows[-1].id if len(rows) == PAGE_LENGTH else None,
        LOOK_REASONS=LOOK_REASONS,
        more=MORE_LOOKS,
        now=now,
        tz=tz,
    )


@bp.post("/more")
@requires(Action.ALLOW_LOOKS)
@fresh
def allow_more() -> ResponseReturnValue:
    """Allow a colleague more looks today."""
    staff_id = request.form.get("staff_id", type=row_id)
    if staff_id is None:
        raise BadInput("Choose whom you allow more.")
    with transaction() as session:
        name = service.allow_more(
            session,
            staff_id,
            staff=current_staff(),
            now=utc_now(),
            tz=current_settings().service_time_zone,
        )
    flash(f"{name} may open {MORE_LOOKS} more records today.", "success")
    return redirect(url_for("looks.page"), code=303)
