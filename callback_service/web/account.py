"""Signing in and out, one-time links, and everybody's own account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask import session as browser_session
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response
from wtforms import EmailField, Field, HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired, Length

from callback_service import clock
from callback_service.domain import passwords
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, TooMany
from callback_service.extensions import client_network, current_settings, reading, transaction
from callback_service.models.api_token import ApiToken
from callback_service.services import accounts, api_tokens, staff_skills
from callback_service.services import sign_in as sign_ins
from callback_service.services.sign_in import Opened, ProvenPassword
from callback_service.web import access
from callback_service.web.access import NotSignedIn, current_staff, public, requires

bp = Blueprint("account", __name__)

_NOT_THE_SAME = "The two passwords are not the same."
_BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("FxiOS", "Firefox"),
    ("SamsungBrowser", "Samsung Internet"), ("Chrome/", "Chrome"), ("CriOS", "Chrome"),
    ("Safari/", "Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"),
    ("Mac OS X", "Mac"), ("CrOS", "Chromebook"), ("Linux", "Linux"),
)  # fmt: skip


class SignInForm(FlaskForm):
    """E-mail address and password."""

    email = EmailField(
        "E-mail address",
        validators=[InputRequired("Enter your e-mail address."), Length(max=254)],
    )
    password = PasswordField("Password", validators=[InputRequired("Enter your password.")])
    next = HiddenField()


class NewPasswordForm(FlaskForm):
    """A password to be, twice, for there is no other way to notice a slip."""

    password = PasswordField("New password", validators=[InputRequired("Enter a new password.")])
    again = PasswordField(
        "The new password again", validators=[InputRequired("Enter the new password again.")]
    )

    def is_usable(self) -> bool:
        """Whether both were given and are the same."""
        if not self.validate_on_submit():
            return False
        if self.password.data != self.again.data:
            _blame(self.again, _NOT_THE_SAME)
            return False
        return True


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


@bp.app_context_processor
def _wording() -> dict[str, object]:
    return {"password_min_chars": passwords.MIN_CHARS}


@bp.get("/sign-in")
@public
def sign_in() -> ResponseReturnValue:
    """The sign-in page, or onwards for who is signed in."""
    staff = access.signed_in()
    wanted = access.safe_next(request.args.get("next"))
    if staff is not None:
        return redirect(access.landing(staff, wanted), code=303)
    note = access.WHY_SIGNED_OUT.get(request.args.get("ended", ""))
    return _sign_in_page(SignInForm(formdata=None, next=wanted), note=note)


@bp.post("/sign-in")
@public
def try_to_sign_in() -> ResponseReturnValue:
    """Sign in with e-mail address and password."""
    form = SignInForm()
    if not form.validate_on_submit():
        return _sign_in_page(form), BadInput.status
    try:
        proven = _prove(form.email.data or "", form.password.data or "")
        with transaction() as session:
            _end_this_sign_in(session)
            opened = sign_ins.open_sign_in(
                session,
                proven,
                network=client_network(),
                device=_device(),
                now=clock.utc_now(),
            )
    except (BadInput, TooMany) as refusal:
        _blame(form.email, refusal.message)
        return _sign_in_page(form), refusal.status
    return _enter(opened, wanted=form.next.data)


@bp.post("/sign-out")
@public
def sign_out() -> ResponseReturnValue:
    """End the sign-in of this browser on the server, and have the browser forget everything."""
    with transaction() as session:
        _end_this_sign_in(session)
    response = redirect(url_for("account.sign_in", ended="by-hand"), code=303)
    access.take_cookie(response)
    response.headers["Clear-Site-Data"] = '"cookies"'
    return response


@bp.app_errorhandler(NotSignedIn)
def ask_to_sign_in(error: NotSignedIn) -> ResponseReturnValue:
    """The sign-in page in the place of what was asked for, leading back to the page before."""
    came_from = (request.referrer or "").removeprefix(request.host_url.rstrip("/"))
    form = SignInForm(formdata=None, next=access.safe_next(came_from))
    return _sign_in_page(form, note=error.message), error.status


@bp.get("/invitation/<token>")
@public
def invitation(token: str) -> ResponseReturnValue:
    """The page behind a one-time link, which asks for a password."""
    return _invitation_page(token, NewPasswordForm(formdata=None))


@bp.post("/invitation/<token>")
@public
def accept_invitation(token: str) -> ResponseReturnValue:
    """Set the password, which uses up the link, and sign in."""
    form = NewPasswordForm()
    if not form.is_usable():
        return _invitation_page(token, form), BadInput.status
    try:
        with transaction() as session:
            _end_this_sign_in(session)
            opened = accounts.accept_invitation(
                session,
                token,
                form.password.data or "",
                secret_key=current_settings().secret_key,
                about=(current_settings().service_name,),
                device=_device(),
                now=clock.utc_now(),
            )
    except BadInput as refusal:
        _blame(form.password, refusal.message)
        return _invitation_page(token, form), refusal.status
    return _enter(opened, wanted=None)


@bp.get("/account")
@requires(*Role)
def own() -> ResponseReturnValue:
    """One's own particulars, open sign-ins and password."""
    return _own_page()


@bp.post("/account/tokens")
@requires(*Role)
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
        _blame(form.name, refusal.message)
        return _own_page(token_form=form), refusal.status
    return _own_page(new_token=token)


@bp.post("/account/tokens/<int:token_id>/end")
@requires(*Role)
def end_token(token_id: int) -> ResponseReturnValue:
    """End one of one's own tokens."""
    with transaction() as session:
        api_tokens.end_token(session, token_id, staff_id=current_staff().id, now=clock.utc_now())
    flash("The token has ended. Programs that use it get nothing more.", "success")
    return redirect(url_for("account.own"), code=303)


@bp.post("/account/sign-ins/end-others")
@requires(*Role)
def end_others() -> ResponseReturnValue:
    """Sign out every other browser of this person."""
    keep = access.current_sign_in_id()
    with transaction() as session:
        sign_ins.end_others(session, current_staff().id, keep=keep, now=clock.utc_now())
    flash("Your other sign-ins are ended.", "success")
    return redirect(url_for("account.own"), code=303)


@bp.post("/account/password")
@requires(*Role)
def change_password() -> ResponseReturnValue:
    """A new password for who knows the old one. Other browsers are signed out."""
    form = ChangePasswordForm()
    if not form.is_usable():
        return _own_page(form), BadInput.status
    try:
        proven = _prove(current_staff().email, form.current.data or "")
    except BadInput as refusal:
        _blame(form.current, "This is not your password.")
        return _own_page(form), refusal.status
    except TooMany as refusal:
        _blame(form.current, refusal.message)
        return _own_page(form), refusal.status
    return _change_password(form, proven)


def _change_password(form: ChangePasswordForm, proven: ProvenPassword) -> ResponseReturnValue:
    try:
        with transaction() as session:
            opened = accounts.change_password(
                session,
                proven,
                form.password.data or "",
                about=(current_settings().service_name,),
                network=client_network(),
                device=_device(),
                now=clock.utc_now(),
            )
    except BadInput as refusal:
        _blame(form.password, refusal.message)
        return _own_page(form), refusal.status
    response = _enter(opened, wanted=url_for("account.own"))
    flash("Your password is changed. Your other sign-ins are ended.", "success")
    return response


def _prove(email: str, password: str) -> ProvenPassword:
    """Count the try, then look at the password. Each step is committed on its own."""
    network, now = client_network(), clock.utc_now()
    with transaction() as session:
        sign_ins.note_try(session, email=email, network=network, now=now)
    try:
        with reading() as session:
            return sign_ins.check_password(session, email=email, password=password)
    except BadInput:
        with transaction() as session:
            sign_ins.record_refusal(session, email=email, network=network, now=now)
        raise


def _enter(opened: Opened, *, wanted: str | None) -> Response:
    """Into the house, with a new cookie and nothing carried over from before."""
    browser_session.clear()
    response = redirect(access.landing(opened.staff, wanted), code=303)
    access.give_cookie(response, opened.token)
    return response


def _end_this_sign_in(session: Session) -> None:
    token = access.token_of(request)
    if token is not None:
        sign_ins.sign_out(session, token, now=clock.utc_now())


def _sign_in_page(form: SignInForm, *, note: str | None = None) -> str:
    return render_template("account/sign_in.html", form=form, note=note)


def _invitation_page(token: str, form: NewPasswordForm) -> str:
    with reading() as session:
        staff = accounts.staff_by_link(
            session, token, secret_key=current_settings().secret_key, now=clock.utc_now()
        )
        name, email = staff.name, staff.email
    return render_template(
        "account/invitation.html", form=form, token=token, name=name, email=email
    )


def _own_page(
    form: ChangePasswordForm | None = None,
    *,
    token_form: TokenForm | None = None,
    new_token: str | None = None,
) -> str:
    staff, this, now = current_staff(), access.current_sign_in_id(), clock.utc_now()
    with reading() as session:
        rows = [
            OpenSignIn(
                row.device or "Unknown browser",
                local_time(row.created_at),
                local_time(row.seen_at),
                row.id == this,
            )
            for row in sign_ins.still_open(session, staff.id, now=now)
        ]
        tokens = [_own_token(row) for row in api_tokens.live_tokens(session, staff.id)]
        skills = staff_skills.skills_of(session, staff.id)
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
    )


def _own_token(row: ApiToken) -> OwnToken:
    used = local_time(row.last_used_at) if row.last_used_at else "never"
    return OwnToken(row.id, row.name, local_time(row.created_at), used)


def local_time(at: datetime) -> str:
    """``at`` for staff to read, in the service's zone: "25 November 2026, 20:00"."""
    there = at.astimezone(current_settings().service_time_zone)
    return f"{there.day} {there:%B %Y, %H:%M}"


def device_name(user_agent: str) -> str:
    """A browser in words its owner knows, such as "Firefox on Windows", and no more detail."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "A browser")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "an unknown device")
    return f"{browser} on {system}"


def _device() -> str:
    return device_name(request.user_agent.string)


def _blame(field: Field, message: str) -> None:
    field.errors = [*field.errors, message]
