"""Lost phones: one manager or administrator asks for a reset, an administrator confirms it."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import RadioField, TextAreaField
from wtforms.validators import InputRequired, Length

from callback_service import clock
from callback_service.domain.policy import Action
from callback_service.domain.resets import MAY_CONFIRM, LossReason
from callback_service.errors import BadInput, Refused
from callback_service.extensions import current_settings, reading, transaction
from callback_service.services import account_changes, accounts, second_step_resets
from callback_service.services.second_step_resets import PROOF_MAX_CHARS, WaitingReset
from callback_service.web.access import current_staff, fresh, may, requires
from callback_service.web.account import local_time
from callback_service.web.choices import SelectChoice
from callback_service.web.one_time_link import link_page
from callback_service.web.weekly import OneOf, blame, choice

bp = Blueprint("lost_phones", __name__, url_prefix="/lost-phones")

REASONS = {
    LossReason.LOST: "Lost",
    LossReason.STOLEN: "Stolen",
    LossReason.BROKEN: "Broken",
    LossReason.REPLACED: "A new phone, without the app of the old one",
}


class AskForm(FlaskForm):
    """Whose second step is to be reset, and how sure it is that they ask for it themselves."""

    staff_id = OneOf("Who", sentence="Choose whose phone it is.")
    reason = RadioField(
        "What became of the phone",
        choices=[SelectChoice(reason.value, words) for reason, words in REASONS.items()],
        validators=[InputRequired("Choose what became of the phone.")],
    )
    proof = TextAreaField(
        "How they showed you who they are",
        validators=[
            InputRequired("Say how they showed you who they are."),
            Length(max=PROOF_MAX_CHARS, message=f"Use at most {PROOF_MAX_CHARS} characters."),
        ],
    )


@dataclass(frozen=True, slots=True)
class Line:
    """One reset that waits, as the list shows it."""

    id: int
    name: str
    reason: str
    proof: str
    asked_by: str
    until: str
    may_confirm: bool
    why_not: str


@bp.get("")
@requires(Action.SEE_RESETS)
def page() -> ResponseReturnValue:
    """The resets that wait for a second person, and the form to ask for one."""
    return _page(AskForm(formdata=None, staff_id=request.args.get("who", "")))


@bp.post("")
@requires(Action.ASK_FOR_RESET)
@fresh
def ask() -> ResponseReturnValue:
    """Ask for a reset as its first person."""
    form = AskForm()
    _offer(form)
    if not form.validate_on_submit():
        return _page(form), BadInput.status
    try:
        with transaction() as session:
            second_step_resets.ask(
                session,
                int(form.staff_id.data),
                reason=LossReason(form.reason.data),
                proof=form.proof.data or "",
                actor_id=current_staff().id,
                now=clock.utc_now(),
            )
    except (BadInput, Refused) as refusal:
        blame(form, refusal, otherwise="staff_id")
        return _page(form), refusal.status
    flash("The reset is asked for. It now needs an administrator to confirm it.", "success")
    return redirect(url_for("lost_phones.page"), code=303)


@bp.post("/<int:reset_id>/confirm")
@requires(Action.CONFIRM_RESET)
@fresh
def confirm(reset_id: int) -> ResponseReturnValue:
    """Confirm it as the second person; the one-time link is shown this once."""
    with transaction() as session:
        token = second_step_resets.confirm(
            session,
            reset_id,
            secret_key=current_settings().secret_key,
            actor_id=current_staff().id,
            now=clock.utc_now(),
        )
    return link_page(token, "The second step is reset", "an hour")


@bp.post("/<int:reset_id>/call-off")
@requires(Action.CALL_OFF_RESET)
def call_off(reset_id: int) -> ResponseReturnValue:
    """Call it off: whoever may ask for one, and whose account it is."""
    with transaction() as session:
        second_step_resets.call_off(
            session, reset_id, actor_id=current_staff().id, now=clock.utc_now()
        )
    flash("The reset is called off. Nothing was changed.", "success")
    may_see = may(Action.SEE_RESETS)
    return redirect(url_for("lost_phones.page" if may_see else "account.own"), code=303)


def _offer(form: AskForm) -> None:
    """Let anybody else be chosen who has joined."""
    with reading() as session:
        people = [
            choice(str(row.id), row.name)
            for row in accounts.list_staff(session)
            if row.is_active and row.password_hash is not None and row.id != current_staff().id
        ]
    form.staff_id.choices = [choice("", "Choose somebody"), *people]


def _page(form: AskForm) -> str:
    _offer(form)
    with reading() as session:
        waiting = second_step_resets.waiting(session, now=clock.utc_now())
        administrators = account_changes.count_administrators(session)
    return render_template(
        "manager/lost_phones.html",
        form=form,
        lines=[_line(row) for row in waiting],
        only_one=administrators < 2,
        runs_accounts=may(Action.MANAGE_ACCOUNTS),
    )


def _line(row: WaitingReset) -> Line:
    why_not = _why_not(row)
    return Line(
        id=row.id,
        name=row.name,
        reason=REASONS[row.reason],
        proof=row.proof,
        asked_by=row.asked_by,
        until=local_time(row.until),
        may_confirm=not why_not,
        why_not=why_not,
    )


def _why_not(row: WaitingReset) -> str:
    """Why the person who looks cannot confirm it; empty where they can."""
    staff = current_staff()
    if staff.id == row.staff_id:
        return "It is your own. Call it off if you did not ask for it."
    if staff.role not in MAY_CONFIRM:
        return "An administrator has to confirm it."
    if staff.id == row.asked_by_id:
        return "You asked for it: another administrator has to confirm it."
    return ""
