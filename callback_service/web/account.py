"""Everybody's own account: particulars, open sign-ins, second step, tokens and password."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired, Length

from callback_service import clock
from callback_service.domain.policy import Action
from callback_service.domain.signing_in import FEW_CODES
from callback_service.errors import BadInput, TooMany
from callback_service.extensions import current_settings, reading, transaction
from callback_service.models.api_token import ApiToken
from callback_service.models.staff import SignIn
from callback_service.services import (
    account_events,
    accounts,
    api_tokens,
    second_step,
    second_step_resets,
    staff_skills,
)
from callback_service.services import sign_in as sign_ins
from callback_service.services.account_events import Event
from callback_service.services.sign_in import ProvenPassword
from callback_service.services.tries import Caller
from callback_service.web import access
from callback_service.web.access import current_staff, fresh, requires
from callback_service.web.entering import blame
from callback_service.web.sign_in import NewPasswordForm, prove

bp = Blueprint("account", __name__)


class ChangePasswordForm(NewPasswordForm):
    """The same, with the password that holds now."""

    current = PasswordField(
        "Your password now", validators=[InputRequired("Enter your password now.")]
    )


class TokenForm(FlaskForm):
    """What a new token is for, in its owner's words."""

    name = StringField(
        "What the token is for",
        validators=[
            InputRequired("Enter what the token is for."),
            Length(max=api_tokens.NAME_MAX_CHARS, message="Enter 60 characters or fewer."),
        ],
    )


@dataclass(frozen=True, slots=True)
class OwnToken:
    """One token of somebody's own list."""

    id: int
    name: str
    made: str
    used: str


@dataclass(frozen=True, slots=True)
class OpenSignIn:
    """One line of somebody's own list."""

    device: str
    began: str
    used: str
    is_this: bool


@dataclass(frozen=True, slots=True)
class EventLine:
    """One thing that happened to an account, in words."""

    at: str
    what: str
    by: str


@bp.get("/account")
@requires(Action.SEE_OWN_ACCOUNT)
def own() -> ResponseReturnValue:
    """One's own particulars, open sign-ins and password."""
    return _own_page()


@bp.post("/account/tokens")
@requires(Action.SECURE_OWN_ACCOUNT)
@fresh
def make_token() -> ResponseReturnValue:
    """Make a token for a program of one's own, and show it, this once."""
    form = TokenForm()
    if not form.validate_on_submit():
        return _own_page(token_form=form), BadInput.status
    try:
        with transaction() as session:
            token = api_tokens.make_token(
                session, current_staff().id, form.name.data or "", now=clock.utc_now()
            )
    except BadInput as refusal:
        blame(form.name, refusal.message)
        return _own_page(token_form=form), refusal.status
    return _own_page(new_token=token)


@bp.post("/account/tokens/<int:token_id>/end")
@requires(Action.SEE_OWN_ACCOUNT)
def end_token(token_id: int) -> ResponseReturnValue:
    """End one of one's own tokens."""
    with transaction() as session:
        api_tokens.end_token(session, token_id, staff_id=current_staff().id, now=clock.utc_now())
    flash("The token has ended. Programs that use it get nothing more.", "success")
    return redirect(url_for("account.own"), code=303)


@bp.post("/account/stay")
@requires(Action.SEE_OWN_ACCOUNT)
def stay() -> ResponseReturnValue:
    """Start the idle time anew, which the gate has done; nothing to show."""
    return "", 204


@bp.post("/account/sign-ins/end-others")
@requires(Action.SECURE_OWN_ACCOUNT)
@fresh
def end_others() -> ResponseReturnValue:
    """Sign out every other browser of this person."""
    keep = access.current_sign_in_id()
    with transaction() as session:
        sign_ins.end_others(session, current_staff().id, keep=keep, now=clock.utc_now())
    flash("Your other sign-ins are ended.", "success")
    return redirect(url_for("account.own"), code=303)


@bp.post("/account/password")
@requires(Action.SECURE_OWN_ACCOUNT)
@fresh
def change_password() -> ResponseReturnValue:
    """A new password for who knows the old one. Other browsers are signed out."""
    form = ChangePasswordForm()
    if not form.is_usable():
        return _own_page(form), BadInput.status
    try:
        proven, caller = prove(current_staff().email, form.current.data or "")
    except BadInput as refusal:
        blame(form.current, "This is not your password.")
        return _own_page(form), refusal.status
    except TooMany as refusal:
        blame(form.current, refusal.message)
        return _own_page(form), refusal.status
    return _change_password(form, proven, caller)


def _change_password(
    form: ChangePasswordForm, proven: ProvenPassword, caller: Caller
) -> ResponseReturnValue:
    try:
        with transaction() as session:
            opened = accounts.change_password(
                session,
                proven,
                form.password.data or "",
                about=(current_settings().service_name,),
                sign_in_id=access.current_sign_in_id(),
                caller=caller,
                now=clock.utc_now(),
            )
    except BadInput as refusal:
        blame(form.password, refusal.message)
        return _own_page(form), refusal.status
    response = redirect(url_for("account.own"), code=303)
    access.give_cookie(response, opened.token)
    flash("Your password is changed. Your other sign-ins are ended.", "success")
    return response


def _own_page(
    form: ChangePasswordForm | None = None,
    *,
    token_form: TokenForm | None = None,
    new_token: str | None = None,
) -> str:
    staff, now = current_staff(), clock.utc_now()
    with reading() as session:
        rows = [_open_sign_in(row) for row in sign_ins.still_open(session, staff.id, now=now)]
        tokens = [_own_token(row) for row in api_tokens.live_tokens(session, staff.id)]
        skills = staff_skills.skills_of(session, staff.id)
        codes_left = second_step.recovery_codes_left(session, staff.id)
        events = event_lines(account_events.recent(session, staff.id))
        reset = second_step_resets.waiting_for(session, staff.id, now=now)
        silent_since = accounts.texts_of(session, staff.id).stopped_at
    return render_template(
        "account/own.html",
        skills=staff_skills.skills_in_words(skills),
        form=form or token_form or ChangePasswordForm(formdata=None),
        password_form=form or ChangePasswordForm(formdata=None),
        token_form=token_form or TokenForm(formdata=None),
        new_token=new_token,
        staff=staff,
        sign_ins=rows,
        tokens=tokens,
        codes_left=codes_left,
        few_codes=codes_left <= FEW_CODES,
        events=events,
        reset=reset,
        silent_since=local_time(silent_since) if silent_since else None,
    )


def _open_sign_in(row: SignIn) -> OpenSignIn:
    return OpenSignIn(
        row.device or "Unknown browser",
        local_time(row.created_at),
        local_time(row.seen_at),
        row.id == access.current_sign_in_id(),
    )


def event_lines(events: Sequence[Event]) -> list[EventLine]:
    """``events`` for staff to read."""
    return [EventLine(local_time(one.at), one.what, one.by or "") for one in events]


def _own_token(row: ApiToken) -> OwnToken:
    used = local_time(row.last_used_at) if row.last_used_at else "never"
    return OwnToken(row.id, row.name, local_time(row.created_at), used)


def local_time(at: datetime) -> str:
    """``at`` for staff to read, in the service's zone: "25 November 2026, 20:00"."""
    there = at.astimezone(current_settings().service_time_zone)
    return f"{there.day} {there:%B %Y, %H:%M}"
