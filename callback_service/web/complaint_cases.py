"""Managers' pages of complaints: read, acknowledge, answer and erase them, or write one down."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from callback_service.clock import utc_now
from callback_service.domain.complaints import AnswerBy
from callback_service.domain.contact import national
from callback_service.domain.policy import Action
from callback_service.errors import BadInput, Refused
from callback_service.extensions import current_settings, transaction
from callback_service.services import complaint_cases, complaints
from callback_service.web.access import current_staff, fresh, requires
from callback_service.web.complaint_forms import (
    ANSWERS,
    HOW,
    AcknowledgedForm,
    WrittenDownForm,
)

bp = Blueprint("complaint_cases", __name__, url_prefix="/personal-data/complaints")


@bp.get("/new")
@requires(Action.HANDLE_COMPLAINTS)
@fresh
def new() -> str:
    """The form for what came by phone, by post or in person."""
    form = WrittenDownForm(formdata=None)
    form.came_on.data = utc_now().astimezone(current_settings().service_time_zone).date()
    return _new(form)


def _new(form: WrittenDownForm) -> str:
    return render_template("manager/complaint_new.html", form=form)


@bp.post("/new")
@requires(Action.HANDLE_COMPLAINTS)
@fresh
def write_down() -> ResponseReturnValue:
    """Keep it, with its clock from the day it came."""
    form = WrittenDownForm()
    if not form.validate_on_submit():
        return _new(form), BadInput.status
    try:
        with transaction() as session:
            complaint_id = complaints.write_down(
                session,
                form.told(),
                came_on=form.came_on.data,
                actor_id=current_staff().id,
                now=utc_now(),
                tz=current_settings().service_time_zone,
            )
    except BadInput as bad:
        form.blame(bad)
        return _new(form), bad.status
    flash("The complaint is written down.", "success")
    return _to(complaint_id)


@bp.get("/<int:complaint_id>")
@requires(Action.HANDLE_COMPLAINTS)
@fresh
def case(complaint_id: int) -> str:
    """What they complain of, and what can be done. The look is written down."""
    return _case(complaint_id, AcknowledgedForm(formdata=None))


def _case(complaint_id: int, form: AcknowledgedForm) -> str:
    now, tz = utc_now(), current_settings().service_time_zone
    with transaction() as session:
        found = complaint_cases.look(
            session, complaint_id, actor_id=current_staff().id, now=now, tz=tz
        )
    told = found.told
    form.offer(told.answer_by)
    if not form.is_submitted():
        form.on.data = now.astimezone(tz).date()
    by_phone = told.answer_by is AnswerBy.PHONE
    return render_template(
        "manager/complaint.html",
        complaint=found,
        answer_to=national(told.answer_to) if by_phone and told.answer_to else told.answer_to,
        number=national(told.phone) if told.phone else None,
        form=form,
        me=current_staff(),
        ANSWERS=ANSWERS,
        HOW=HOW,
    )


@bp.post("/<int:complaint_id>/acknowledged")
@requires(Action.HANDLE_COMPLAINTS)
@fresh
def acknowledged(complaint_id: int) -> ResponseReturnValue:
    """They were told that we have it: how, and on which day."""
    form = AcknowledgedForm()
    try:
        with transaction() as session:
            complaint_cases.acknowledge(
                session,
                complaint_id,
                how=form.chosen(),
                on=form.on.data,
                actor_id=current_staff().id,
                now=utc_now(),
                tz=current_settings().service_time_zone,
            )
    except BadInput as bad:
        form.blame(bad)
        return _case(complaint_id, form), bad.status
    except Refused as refusal:
        return _refused(refusal, complaint_id)
    flash("It is noted that they know we have it.", "success")
    return _to(complaint_id)


@bp.post("/<int:complaint_id>/answered")
@requires(Action.HANDLE_COMPLAINTS)
@fresh
def answered(complaint_id: int) -> ResponseReturnValue:
    """It was looked into, and they know what came of it."""
    try:
        with transaction() as session:
            complaint_cases.answered(
                session, complaint_id, actor_id=current_staff().id, now=utc_now()
            )
    except Refused as refusal:
        return _refused(refusal, complaint_id)
    flash("The complaint is closed.", "success")
    return redirect(url_for("personal_data.overview"), code=303)


@bp.post("/<int:complaint_id>/erasure")
@requires(Action.HANDLE_COMPLAINTS)
@fresh
def ask_for_erasure(complaint_id: int) -> ResponseReturnValue:
    """Ask for it to be erased; another person confirms it."""
    try:
        with transaction() as session:
            complaint_cases.ask_for_erasure(
                session, complaint_id, actor_id=current_staff().id, now=utc_now()
            )
    except Refused as refusal:
        return _refused(refusal, complaint_id)
    flash("The erasure is asked for. Another person must confirm it.", "success")
    return _to(complaint_id)


@bp.post("/<int:complaint_id>/erasure/take-back")
@requires(Action.HANDLE_COMPLAINTS)
@fresh
def take_back(complaint_id: int) -> ResponseReturnValue:
    """Do not erase it, for now."""
    try:
        with transaction() as session:
            complaint_cases.take_back(
                session, complaint_id, actor_id=current_staff().id, now=utc_now()
            )
    except Refused as refusal:
        return _refused(refusal, complaint_id)
    flash("It will not be erased. The complaint stays open.", "success")
    return _to(complaint_id)


@bp.post("/<int:complaint_id>/erasure/confirm")
@requires(Action.HANDLE_COMPLAINTS)
@fresh
def confirm_erasure(complaint_id: int) -> ResponseReturnValue:
    """Erase it, on a colleague's word."""
    try:
        with transaction() as session:
            complaint_cases.erase(session, complaint_id, actor_id=current_staff().id, now=utc_now())
    except Refused as refusal:
        return _refused(refusal, complaint_id)
    flash("The complaint is erased.", "success")
    return redirect(url_for("personal_data.overview"), code=303)


def _refused(refusal: Refused, complaint_id: int) -> ResponseReturnValue:
    flash(refusal.message, "error")
    return _to(complaint_id)


def _to(complaint_id: int) -> ResponseReturnValue:
    return redirect(url_for("complaint_cases.case", complaint_id=complaint_id), code=303)
