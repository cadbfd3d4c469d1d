"""Which records are decoys and who opened one, for those who see to it."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from callback_service.clock import utc_now
from callback_service.domain.policy import Action
from callback_service.extensions import current_settings, reading, transaction
from callback_service.services import decoys
from callback_service.web.access import current_staff, requires
from callback_service.web.audit_words import DEEDS

bp = Blueprint("decoys", __name__, url_prefix="/decoys")

OPENINGS_AT_MOST: Final = 100


@bp.get("")
@requires(Action.SEE_DECOYS)
def page() -> str:
    """The decoys, and the looks at them."""
    with reading() as session:
        rows = decoys.list_decoys(session)
        openings = decoys.openings(session, limit=OPENINGS_AT_MOST)
    return render_template(
        "manager/decoys.html",
        rows=rows,
        openings=openings,
        me=current_staff(),
        DEEDS=DEEDS,
        now=utc_now(),
        tz=current_settings().service_time_zone,
    )


@bp.post("/openings/<int:opening_id>/seen")
@requires(Action.SEE_DECOYS)
def see_to(opening_id: int) -> ResponseReturnValue:
    """Note that somebody has seen to a look."""
    with transaction() as session:
        decoys.see_to(session, opening_id, actor_id=current_staff().id, now=utc_now())
    flash("Noted that you have seen to it.", "success")
    return redirect(url_for("decoys.page"), code=303)
