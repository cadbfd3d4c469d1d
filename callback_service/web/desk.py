"""The counsellors' desk: what is offered, what waits, and the call in hand."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import BooleanField, RadioField, StringField, TextAreaField
from wtforms.validators import Length

from callback_service.clock import utc_now
from callback_service.domain import policy
from callback_service.domain.contact import national
from callback_service.domain.lifecycle import AFTER_SPEAKING, Disposition, Outcome, RequestState
from callback_service.domain.policy import Action
from callback_service.errors import BadInput, Refused
from callback_service.extensions import current_settings, reading, transaction
from callback_service.models.callback import CallbackRequest
from callback_service.services import (
    attempts,
    bridge_view,
    desk,
    presence,
    wishes_at_desk,
)
from callback_service.services.desk import NumberShown
from callback_service.services.rota import on_now
from callback_service.web.access import current_staff, requires
from callback_service.web.choices import SelectChoice
from callback_service.web.let_go import LetGoForm

bp = Blueprint("desk", __name__, url_prefix="/desk")

OUTCOMES = {
    Outcome.ANSWERED: "We spoke",
    Outcome.NO_ANSWER: "No answer",
    Outcome.ENGAGED: "Engaged",
    Outcome.VOICEMAIL: "Voicemail",
    Outcome.NOT_SAFE_NOW: "Not safe to talk now",
    Outcome.WRONG_NUMBER: "Wrong number",
    Outcome.FAILED: "The call did not connect",
}
ENDINGS = {
    Disposition.HELPED: "Talked it through",
    Disposition.REFERRED: "Passed on to another service",
    Disposition.WITHDRAWN: "They no longer wanted the call",
}


class OutcomeForm(FlaskForm):
    """How the attempt went."""

    outcome = RadioField(
        "How did it go?",
        choices=[SelectChoice(outcome, label) for outcome, label in OUTCOMES.items()],
        validate_choice=False,
    )
    disposition = RadioField(
        "How did the call end?",
        choices=[SelectChoice(ending, ENDINGS[ending]) for ending in AFTER_SPEAKING],
        validate_choice=False,
    )
    again_at = StringField("When should we ring again? (if they said)")
    follow_up_at = StringField("Did you agree on another call? (optional)")
    follow_up_with_me = BooleanField("With me, if I am on shift then")
    note = TextAreaField("Note for colleagues (optional)", validators=[Length(max=2000)])
    is_urgent = BooleanField("I am worried about them: ring again before all others")


@bp.get("")
@requires(Action.SEE_QUEUE)
def queue() -> str:
    """What is offered to me, what waits, and what is in hand. Asked for again every ten seconds."""
    now, me = utc_now(), current_staff()
    tz = current_settings().service_time_zone
    with reading() as session:
        board = desk.board(session, staff=me, now=now, tz=tz)
        at_desks = presence.at_desks(session, now=now, tz=tz)
        for_others = wishes_at_desk.for_others(session, me, now=now, tz=tz)
        my_shift = next(
            (s for s in on_now(session, now=now, tz=tz) if s.person and s.person.id == me.id), None
        )
    return render_template(
        "desk/_queue.html" if "HX-Request" in request.headers else "desk/queue.html",
        me=me,
        now=now,
        tz=tz,
        rows=board.rows,
        held=board.held,
        handover=board.handover,
        mine=next((row for row in board.held if row.counsellor_id == me.id), None),
        my_shift=my_shift,
        may_take=my_shift is not None or policy.permits(me.role, Action.TAKE_REQUEST, ()),
        at_desks=at_desks,
        my_desk=next((one for one in at_desks if one.staff_id == me.id), None),
        known=board.known,
        for_others=for_others,
        late=sum(row.is_late for row in board.rows),
        OUTCOMES=OUTCOMES,
    )


@bp.post("/requests/<int:request_id>/accept")
@requires(Action.TAKE_REQUEST)
def accept(request_id: int) -> ResponseReturnValue:
    """Take a request. If a colleague was quicker, the queue says who."""
    try:
        with transaction() as session:
            desk.accept(
                session,
                request_id,
                staff=current_staff(),
                now=utc_now(),
                tz=current_settings().service_time_zone,
            )
    except Refused as refusal:
        flash(refusal.message, "error")
        return redirect(url_for("desk.queue"), code=303)
    return redirect(url_for("desk.call", request_id=request_id), code=303)


@bp.get("/requests/<int:request_id>")
@requires(Action.OPEN_CALL)
def call(request_id: int) -> str:
    """The call in hand: number, name and what is safe, for the one who holds it."""
    return call_page(request_id, OutcomeForm(formdata=None))


@bp.post("/requests/<int:request_id>/release")
@requires(Action.GIVE_BACK)
def release(request_id: int) -> ResponseReturnValue:
    """Give the request back before ringing."""
    form = LetGoForm()
    try:
        with transaction() as session:
            attempts.release(
                session, request_id, staff=current_staff(), why=form.why(), now=utc_now()
            )
    except BadInput as bad:
        form.blame(bad)
        return call_page(request_id, OutcomeForm(formdata=None), let_go=form), bad.status
    except Refused as refusal:
        flash(refusal.message, "error")
    else:
        flash("The request is back in the queue.", "success")
    return redirect(url_for("desk.queue"), code=303)


@bp.post("/requests/<int:request_id>/urgent")
@requires(Action.MARK_URGENT)
def urgent(request_id: int) -> ResponseReturnValue:
    """Put a request before all others, or back among them."""
    is_urgent = request.form.get("is_urgent") == "yes"
    try:
        with transaction() as session:
            desk.mark_urgent(
                session, request_id, is_urgent=is_urgent, staff=current_staff(), now=utc_now()
            )
    except Refused as refusal:
        flash(refusal.message, "error")
    else:
        flash("It goes before all others." if is_urgent else "It has its usual place.", "success")
    return redirect(url_for("desk.queue"), code=303)


@bp.post("/requests/<int:request_id>/outcome")
@requires(Action.RECORD_OUTCOME)
def outcome(request_id: int) -> ResponseReturnValue:
    """Write down how it went."""
    form = OutcomeForm()
    try:
        record = _record(form)
        with transaction() as session:
            kept = attempts.record_outcome(
                session,
                request_id,
                record,
                staff=current_staff(),
                now=utc_now(),
                tz=current_settings().service_time_zone,
                rests=current_settings().rests,
            )
            said = _said(kept, record)
    except BadInput as bad:
        for name, reason in bad.fields.items():
            form[name].errors = [*form[name].errors, reason]
        return call_page(request_id, form), bad.status
    except Refused as refusal:
        flash(refusal.message, "error")
        return redirect(url_for("desk.queue"), code=303)
    flash(said, "success")
    return redirect(url_for("desk.queue"), code=303)


def call_page(
    request_id: int,
    form: OutcomeForm,
    let_go: LetGoForm | None = None,
    *,
    asks_for_number: bool = False,
) -> str:
    """The page of the call in hand. Where the service rings, it shows the number only on asking."""
    now, tz, me = utc_now(), current_settings().service_time_zone, current_staff()
    rings = current_settings().rings_for_counsellors
    with transaction() as session:  # a look at a caller's details is written down
        usually = NumberShown.NEVER if rings else NumberShown.ALWAYS
        shown = NumberShown.ON_ASKING if asks_for_number else usually
        sheet = desk.call_sheet(session, request_id, staff=me, number=shown, now=now)
        desk_call = bridge_view.desk_call(session, request_id, staff=me, now=now) if rings else None
    if desk_call and desk_call.bridge and not form.is_submitted():
        form.outcome.data = desk_call.bridge.suggests
    return render_template(
        "desk/call.html",
        sheet=sheet,
        desk_call=desk_call,
        form=let_go or form,
        outcome_form=form,
        let_go=let_go or LetGoForm(formdata=None),
        now=now,
        tz=tz,
        phone=national(sheet.phone) if sheet.phone else "",
        is_calling=sheet.state is RequestState.CALLING,
        OUTCOMES=OUTCOMES,
    )


def _record(form: OutcomeForm) -> attempts.Record:
    if not form.validate():
        raise BadInput("There is a problem")
    if form.outcome.data not in list(Outcome):
        raise BadInput("There is a problem", {"outcome": "Choose how it went"})
    chosen = Outcome(form.outcome.data)
    ending = form.disposition.data if form.disposition.data in list(Disposition) else None
    return attempts.Record(
        outcome=chosen,
        disposition=Disposition(ending) if ending and chosen is Outcome.ANSWERED else None,
        note=(form.note.data or "").strip() or None,
        again_at=_time_typed(form, "again_at") if chosen is Outcome.NOT_SAFE_NOW else None,
        is_urgent=bool(form.is_urgent.data),
        follow_up_at=_time_typed(form, "follow_up_at") if chosen is Outcome.ANSWERED else None,
        follow_up_with_me=bool(form.follow_up_with_me.data),
    )


def _time_typed(form: OutcomeForm, field: str) -> datetime | None:
    """A wall time in the service's zone, from a ``datetime-local`` field; empty is None."""
    typed = (form[field].data or "").strip()
    if not typed:
        return None
    try:
        local = datetime.fromisoformat(typed).replace(tzinfo=current_settings().service_time_zone)
    except ValueError as error:
        raise BadInput("There is a problem", {field: "Enter a day and time"}) from error
    return local.astimezone(UTC)


def _said(request_: CallbackRequest, record: attempts.Record) -> str:
    closed, tz = request_.state is RequestState.CLOSED, current_settings().service_time_zone
    if closed and record.follow_up_at is not None:
        local = record.follow_up_at.astimezone(tz)
        return (
            f"Request {request_.reference} is closed. "
            f"A further call is kept for {local:%H:%M on %A %-d %B}."
        )
    if closed:
        return f"Request {request_.reference} is closed."
    local = request_.ring_from.astimezone(tz)
    return f"Request {request_.reference} is to be rung again from {local:%H:%M on %A}."
