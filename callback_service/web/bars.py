"""Keeping a colleague away from a caller, and ending that."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import SelectField

from callback_service.clock import utc_now
from callback_service.domain.policy import Action
from callback_service.errors import BadInput, Refused
from callback_service.extensions import current_settings, reading, transaction
from callback_service.services import bars
from callback_service.web.access import current_staff, requires
from callback_service.web.choices import SelectChoice

bp = Blueprint("bars", __name__, url_prefix="/desk")


class BarForm(FlaskForm):
    """Who is to be kept away."""

    staff_id = SelectField("Who?", validate_choice=False)

    def chosen(self) -> int | None:
        """The id that was chosen, if it can be one."""
        typed = self.staff_id.data or ""
        return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 10 else None


@bp.get("/requests/<int:request_id>/keep-away")
@requires(Action.BAR_COLLEAGUE)
def page(request_id: int) -> str:
    """Who is kept away from the caller of a request, and a form to keep somebody away."""
    return _page(BarForm(formdata=None), request_id)


def _page(form: BarForm, request_id: int) -> str:
    with reading() as session:
        at = bars.bars_at(session, request_id, actor_id=current_staff().id)
    form.staff_id.choices = [
        SelectChoice("", "Choose a colleague"),
        *(SelectChoice(str(staff_id), name) for staff_id, name in at.others),
    ]
    return render_template(
        "desk/keep_away.html",
        form=form,
        at=at,
        request_id=request_id,
        now=utc_now(),
        tz=current_settings().service_time_zone,
    )


@bp.post("/requests/<int:request_id>/keep-away")
@requires(Action.BAR_COLLEAGUE)
def keep_away(request_id: int) -> ResponseReturnValue:
    """Close all of a caller to a colleague."""
    form = BarForm()
    try:
        with transaction() as session:
            bars.bar(
                session,
                request_id,
                colleague_id=form.chosen(),
                actor_id=current_staff().id,
                now=utc_now(),
            )
    except BadInput as bad:
        form.staff_id.errors = [*form.staff_id.errors, bad.message]
        return _page(form, request_id), bad.status
    except Refused as refusal:
        flash(refusal.message, "error")
    else:
        flash("They are kept away from this caller from now on.", "success")
    return redirect(url_for("bars.page", request_id=request_id), code=303)


@bp.post("/bars/<int:bar_id>/lift")
@requires(Action.BAR_COLLEAGUE)
def lift(bar_id: int) -> ResponseReturnValue:
    """Let a colleague ring this caller again."""
    with transaction() as session:
        request_id = bars.lift(session, bar_id, actor_id=current_staff().id, now=utc_now())
    flash("They are not kept away any more.", "success")
    return redirect(url_for("bars.page", request_id=request_id), code=303)
