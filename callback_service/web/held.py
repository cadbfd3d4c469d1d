"""What somebody sent after their sign-in had run out: shown to them, and sent on if they like."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue

from callback_service import clock
from callback_service.domain.policy import Action
from callback_service.extensions import reading, transaction
from callback_service.services import held_forms
from callback_service.services.held_forms import Held
from callback_service.web import access
from callback_service.web.access import current_staff, requires
from callback_service.web.account import local_time

bp = Blueprint("held", __name__)


@bp.get("/account/held")
@requires(Action.SEE_OWN_ACCOUNT)
def page() -> ResponseReturnValue:
    """The form that waits, with what was typed."""
    held = _held()
    if held is None:
        return redirect(access.landing(current_staff(), None), code=303)
    typed = [value for _, value in held.fields if " " in value.strip() or "\n" in value]
    return render_template("account/held.html", held=held, typed=typed, at=local_time(held.at))


@bp.post("/account/held")
@requires(Action.SEE_OWN_ACCOUNT)
def send() -> ResponseReturnValue:
    """Send it on where it was going; 307 has the browser send the same fields there."""
    with transaction() as session:
        held = held_forms.take(session, current_staff().id, now=clock.utc_now())
    if held is None:
        return redirect(access.landing(current_staff(), None), code=303)
    return redirect(held.path, code=307)


@bp.post("/account/held/drop")
@requires(Action.SEE_OWN_ACCOUNT)
def drop() -> ResponseReturnValue:
    """Throw it away."""
    with transaction() as session:
        held_forms.drop(session, current_staff().id)
    flash("It is thrown away.", "success")
    return redirect(access.landing(current_staff(), None), code=303)


def _held() -> Held | None:
    with reading() as session:
        return held_forms.held_of(session, current_staff().id, now=clock.utc_now())
