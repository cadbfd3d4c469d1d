"""Keeping a request from being erased, and ending that."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from callback_service.clock import utc_now
from callback_service.domain.policy import Action
from callback_service.errors import BadInput, Refused
from callback_service.extensions import current_settings, reading, transaction
from callback_service.services import legal_holds
from callback_service.web.access import current_staff, fresh, may, requires
from callback_service.web.personal_data_forms import HoldForm

bp = Blueprint("holds", __name__, url_prefix="/personal-data/holds")


@bp.get("/<int:request_id>")
@requires(Action.HOLD_REQUEST)
@fresh
def form(request_id: int) -> str:
    """The form to keep a request from being erased."""
    return _render(HoldForm(formdata=None), request_id)


def _render(form: HoldForm, request_id: int) -> str:
    with reading() as session:
        reference = legal_holds.reference_to_hold(session, request_id, actor_id=current_staff().id)
    return render_template(
        "manager/data_hold.html", form=form, request_id=request_id, reference=reference
    )


@bp.post("/<int:request_id>")
@requires(Action.HOLD_REQUEST)
@fresh
def place(request_id: int) -> ResponseReturnValue:
    """Keep a request from being erased."""
    form = HoldForm()
    try:
        with transaction() as session:
            legal_holds.place(
                session,
                request_id,
                reason=form.reason.data or "",
                review_on=form.review_on.data,
                actor_id=current_staff().id,
                now=utc_now(),
                tz=current_settings().service_time_zone,
            )
    except BadInput as bad:
        form.blame(bad)
        return _render(form, request_id), bad.status
    except Refused as refusal:
        flash(refusal.message, "error")
    else:
        flash("It is on hold: no clock and nobody's wish erases it.", "success")
    return _back_from_hold(request_id)


def _back_from_hold(request_id: int | None) -> ResponseReturnValue:
    """Managers see all holds in one list; a safeguarding lead the record that theirs is on."""
    if may(Action.SEE_DATA_REQUESTS):
        to = url_for("personal_data.overview", _anchor="holds")
    elif request_id is not None:
        to = url_for("records.page", request_id=request_id)
    else:
        to = url_for("records.flagged")
    return redirect(to, code=303)


@bp.post("/<int:hold_id>/end")
@requires(Action.HOLD_REQUEST)
@fresh
def end(hold_id: int) -> ResponseReturnValue:
    """Let the clocks run again."""
    request_id = None
    try:
        with transaction() as session:
            request_id = legal_holds.end(
                session, hold_id, actor_id=current_staff().id, now=utc_now()
            )
    except Refused as refusal:
        flash(refusal.message, "error")
    else:
        flash("The hold has ended. What is due is erased within a minute.", "success")
    return _back_from_hold(request_id)
