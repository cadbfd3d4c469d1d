"""Giving back an open shift that was taken."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from callback_service import clock
from callback_service.domain.policy import Action
from callback_service.errors import NotFound
from callback_service.extensions import reading, transaction
from callback_service.services import rota_changes as service
from callback_service.services import rota_preview
from callback_service.web.access import current_staff, requires
from callback_service.web.breakage import breakage_in_words
from callback_service.web.weekly import zone

bp = Blueprint("open_shifts", __name__, url_prefix="/rota/open-shifts")


@bp.get("/<int:change_id>/give-back")
@requires(Action.WORK_OWN_SHIFTS)
def give_back_form(change_id: int) -> ResponseReturnValue:
    """Show what giving a shift back would break, and ask."""
    now = clock.utc_now()
    with reading() as session:
        mine = rota_preview.open_shifts(session, now=now, tz=zone(), taken_by=current_staff().id)
        line = next((one for one in mine if one.change_id == change_id and one.start > now), None)
        if line is None:
            raise NotFound("There is no such shift of yours.")
        undoing = rota_preview.change_line(session, change_id, now=now, tz=zone()).undoing()
        changes = [undoing] if undoing else []
        breakage = rota_preview.what_would_break(session, *changes, now=now, tz=zone())
    return render_template(
        "rota/open_shift_give_back.html", line=line, **breakage_in_words(breakage)
    )


@bp.post("/<int:change_id>/give-back")
@requires(Action.WORK_OWN_SHIFTS)
def give_back(change_id: int) -> ResponseReturnValue:
    """Have a shift be open again."""
    me, now = current_staff().id, clock.utc_now()
    with transaction() as session:
        service.give_back_open_shift(session, change_id, staff_id=me, now=now)
    flash("The shift is open again.", "success")
    return redirect(url_for("rota_changes.open_shifts"), code=303)
