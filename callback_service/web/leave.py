"""Pages for asking for leave, and for granting or declining it."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm

from callback_service import clock
from callback_service.domain import policy
from callback_service.domain.leave_requests import MAY_BE_ASKED, LeaveState
from callback_service.domain.policy import Action
from callback_service.domain.rota_changes import LeaveReason
from callback_service.errors import BadInput, Refused
from callback_service.extensions import reading, transaction
from callback_service.services import leave_requests as service
from callback_service.services import rota_preview
from callback_service.services.rota_change_rows import REASON_WORDS
from callback_service.web.access import current_staff, requires
from callback_service.web.breakage import breakage_in_words
from callback_service.web.weekly import Day, OneOf, Reason, blame, choice, given, zone

bp = Blueprint("leave", __name__, url_prefix="/rota/leave")

STATE_WORDS = {
    LeaveState.ASKED: ("Waiting", "yellow"),
    LeaveState.GRANTED: ("Granted", "green"),
    LeaveState.DECLINED: ("Declined", "red"),
    LeaveState.WITHDRAWN: ("Taken back", "grey"),
}


class LeaveForm(FlaskForm):
    """Leave of whole days."""

    kind = OneOf(
        "What for",
        sentence="Choose what the leave is for.",
        choices=[choice(kind.value, REASON_WORDS[kind].capitalize()) for kind in MAY_BE_ASKED],
        coerce=LeaveReason,
    )
    from_on = Day("First day away")
    until_on = Day("Last day away")


class DeclineForm(FlaskForm):
    """Why leave is declined."""

    reason = Reason("Why it is declined")


@bp.get("")
@requires(Action.WORK_OWN_SHIFTS)
def requests() -> ResponseReturnValue:
    """The leave I asked for, and for managers what waits for them."""
    return _page(LeaveForm(formdata=None))


@bp.post("")
@requires(Action.WORK_OWN_SHIFTS)
def ask() -> ResponseReturnValue:
    """Ask for leave."""
    form = LeaveForm()
    if not form.validate_on_submit():
        return _page(form), BadInput.status
    try:
        with transaction() as session:
            service.ask_for_leave(
                session,
                current_staff().id,
                kind=form.kind.data,
                from_on=given(form.from_on.data),
                until_on=given(form.until_on.data),
                now=clock.utc_now(),
                tz=zone(),
            )
    except (BadInput, Refused) as refusal:
        blame(form, refusal, otherwise="from_on")
        return _page(form), refusal.status
    flash("A manager will decide. Your shifts stay yours until then.", "success")
    return redirect(url_for("leave.requests"), code=303)


@bp.post("/<int:request_id>/withdraw")
@requires(Action.WORK_OWN_SHIFTS)
def withdraw(request_id: int) -> ResponseReturnValue:
    """Take back what I asked for."""
    with transaction() as session:
        service.withdraw(session, request_id, staff_id=current_staff().id, now=clock.utc_now())
    flash("You no longer ask for this leave.", "success")
    return redirect(url_for("leave.requests"), code=303)


@bp.get("/<int:request_id>")
@requires(Action.EDIT_ROTA)
def decide_form(request_id: int) -> ResponseReturnValue:
    """Show a manager what leave would break, to grant or decline it."""
    return _decide_page(request_id, DeclineForm(formdata=None))


@bp.post("/<int:request_id>/grant")
@requires(Action.EDIT_ROTA)
def grant(request_id: int) -> ResponseReturnValue:
    """Grant leave."""
    try:
        with transaction() as session:
            service.grant(
                session, request_id, actor_id=current_staff().id, now=clock.utc_now(), tz=zone()
            )
    except (BadInput, Refused) as refusal:
        flash(refusal.message, "error")
    else:
        flash("The leave is granted, and the rota is changed.", "success")
    return redirect(url_for("leave.requests"), code=303)


@bp.post("/<int:request_id>/decline")
@requires(Action.EDIT_ROTA)
def decline(request_id: int) -> ResponseReturnValue:
    """Decline leave, with a reason."""
    form, me = DeclineForm(), current_staff().id
    if not form.validate_on_submit():
        return _decide_page(request_id, form), BadInput.status
    with transaction() as session:
        service.decline(
            session, request_id, reason=form.reason.data or "", actor_id=me, now=clock.utc_now()
        )
    flash("The leave is declined.", "success")
    return redirect(url_for("leave.requests"), code=303)


def _page(form: LeaveForm) -> str:
    me, today = current_staff(), clock.utc_now().astimezone(zone()).date()
    is_manager = policy.may(me.role, Action.EDIT_ROTA)
    with reading() as session:
        mine = service.list_own(session, me.id, today=today)
        asked = service.list_asked(session) if is_manager else []
    return render_template(
        "rota/leave.html",
        form=form,
        mine=mine,
        asked=asked,
        is_manager=is_manager,
        states=STATE_WORDS,
    )


def _decide_page(request_id: int, form: DeclineForm) -> str:
    now = clock.utc_now()
    with reading() as session:
        line, leave = service.one_request(session, request_id, tz=zone())
        if line.state is not LeaveState.ASKED:
            raise Refused("This leave does not wait for a manager.")
        breakage = rota_preview.what_would_break(session, leave, now=now, tz=zone())
    return render_template(
        "rota/leave_decide.html", line=line, form=form, **breakage_in_words(breakage)
    )
