"""The first step of signing in, one-time links, and signing out."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask import session as browser_session
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import EmailField, HiddenField, PasswordField
from wtforms.validators import InputRequired, Length

from callback_service import clock
from callback_service.domain import passwords
from callback_service.domain.signing_in import Proof
from callback_service.errors import BadInput, TooMany
from callback_service.extensions import current_settings, reading, transaction
from callback_service.services import accounts
from callback_service.services import sign_in as sign_ins
from callback_service.services.sign_in import Opened, ProvenPassword
from callback_service.services.tries import Caller
from callback_service.web import access
from callback_service.web.access import NotSignedIn, public
from callback_service.web.entering import blame, counted, device, end_this_sign_in

bp = Blueprint("sign_in", __name__)

_NOT_THE_SAME = "The two passwords are not the same."


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
            blame(self.again, _NOT_THE_SAME)
            return False
        return True


@bp.app_context_processor
def _wording() -> dict[str, object]:
    return {"password_min_chars": passwords.MIN_CHARS}


@bp.get("/sign-in")
@public
def page() -> ResponseReturnValue:
    """The sign-in page, or onwards for who is signed in."""
    staff = access.signed_in()
    wanted = access.safe_next(request.args.get("next"))
    if staff is not None:
        return redirect(access.landing(staff, wanted), code=303)
    note = access.WHY_SIGNED_OUT.get(request.args.get("ended", ""))
    return _sign_in_page(SignInForm(formdata=None, next=wanted), note=note)


@bp.post("/sign-in")
@public
def enter_password() -> ResponseReturnValue:
    """Take the first step, with e-mail address and password."""
    form = SignInForm()
    if not form.validate_on_submit():
        return _sign_in_page(form), BadInput.status
    try:
        proven, caller = prove(form.email.data or "", form.password.data or "")
        with transaction() as session:
            end_this_sign_in(session)
            opened = sign_ins.open_sign_in(
                session,
                proven,
                caller=caller,
                device=device(),
                now=clock.utc_now(),
            )
    except (BadInput, TooMany) as refusal:
        blame(form.email, refusal.message)
        return _sign_in_page(form), refusal.status
    return _to_second_step(opened, wanted=form.next.data)


@bp.post("/sign-out")
@public
def sign_out() -> ResponseReturnValue:
    """End the sign-in of this browser on the server, and have the browser forget it.

    One cookie stays: that accounts know this browser again keeps their owners in under attack.
    """
    with transaction() as session:
        end_this_sign_in(session)
    browser_session.clear()
    response = redirect(url_for("sign_in.page", ended="by-hand"), code=303)
    access.take_cookie(response)
    response.headers["Clear-Site-Data"] = '"storage"'
    return response


@bp.app_errorhandler(NotSignedIn)
def ask_to_sign_in(error: NotSignedIn) -> ResponseReturnValue:
    """The sign-in page in the place of what was asked for, leading back to where that was."""
    form = SignInForm(formdata=None, next=error.leads_to or access.safe_next(_page_before()))
    return _sign_in_page(form, note=error.message), error.status


def _page_before() -> str:
    """The page that asked, as its script says; a form's own address otherwise."""
    page = request.headers.get("HX-Current-URL", "").removeprefix(request.host_url.rstrip("/"))
    return page or request.path


@bp.get("/invitation/<token>")
@public
def invitation(token: str) -> ResponseReturnValue:
    """The page behind a one-time link, which asks for a password."""
    return _invitation_page(token, NewPasswordForm(formdata=None))


@bp.post("/invitation/<token>")
@public
def accept_invitation(token: str) -> ResponseReturnValue:
    """Set the password, which uses up the link. The second step follows."""
    form = NewPasswordForm()
    if not form.is_usable():
        return _invitation_page(token, form), BadInput.status
    try:
        with counted(token, Proof.LINK), transaction() as session:
            end_this_sign_in(session)
            opened = accounts.accept_invitation(
                session,
                token,
                form.password.data or "",
                secret_key=current_settings().signing_keys,
                about=(current_settings().service_name,),
                device=device(),
                now=clock.utc_now(),
            )
    except (BadInput, TooMany) as refusal:
        blame(form.password, refusal.message)
        return _invitation_page(token, form), refusal.status
    return _to_second_step(opened, wanted=None)


def prove(email: str, password: str) -> tuple[ProvenPassword, Caller]:
    """Count the try, then look at the password. Each step is committed on its own."""
    with counted(email, Proof.PASSWORD) as caller, reading() as session:
        return sign_ins.check_password(session, email=email, password=password), caller


def _to_second_step(opened: Opened, *, wanted: str | None) -> Response:
    """On to the second step, with a new cookie and nothing carried over from before."""
    browser_session.clear()
    to = url_for("second_step.code", next=access.safe_next(wanted))
    response = redirect(to, code=303)
    access.give_cookie(response, opened.token)
    return response


def _sign_in_page(form: SignInForm, *, note: str | None = None) -> str:
    return render_template("account/sign_in.html", form=form, note=note)


def _invitation_page(token: str, form: NewPasswordForm) -> str:
    with reading() as session:
        staff = accounts.staff_by_link(
            session, token, secret_key=current_settings().signing_keys, now=clock.utc_now()
        )
        name, email = staff.name, staff.email
    return render_template(
        "account/invitation.html", form=form, token=token, name=name, email=email
    )
