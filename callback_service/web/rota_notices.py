"""The page of sudden absences, until a manager has seen to each."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from callback_service import clock
from callback_service.domain.policy import Action
from callback_service.extensions import reading, transaction
from callback_service.services import rota_notices as service
from callback_service.services.rota_change_rows import span_in_words
from callback_service.web.access import current_staff, requires
from callback_service.web.rota import DUTY_WORDS
from callback_service.web.weekly import zone

bp = Blueprint("rota_notices", __name__, url_prefix="/rota/absences")


@bp.get("")
@requires(Action.EDIT_ROTA)
def notices() -> ResponseReturnValue:
    """Who went off shift at once, since when, and what they left behind."""
    with reading() as session:
        lines = [
            (line, span_in_words(line.since, line.until, tz=zone()))
            for line in service.unseen(session, tz=zone())
        ]
    return render_template("rota/absences.html", lines=lines, duties=DUTY_WORDS, tz=zone())


@bp.post("/<int:notice_id>/seen")
@requires(Action.EDIT_ROTA)
def seen(notice_id: int) -> ResponseReturnValue:
    """Record that an absence was seen to."""
    with transaction() as session:
        service.see_to(session, notice_id, actor_id=current_staff().id, now=clock.utc_now())
    flash("Seen to.", "success")
    return redirect(url_for("rota_notices.notices"), code=303)
