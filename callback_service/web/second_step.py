"""The second step of signing in: codes of an app, recovery codes, and setting the app up."""

from __future__ import annotations

import segno
from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from markupsafe import Markup
from wtforms import HiddenField, StringField
from wtforms.validators import InputRequired, Length

from callback_service import clock
from callback_service.domain.policy import Action
from callback_service.domain.signing_in import FEW_CODES, Proof, Stage
from callback_service.domain.staff import StaffMember
from callback_service.errors import BadInput, TooMany
from callback_service.extensions import current_settings, reading, transaction
from callback_service.services import second_step
from callback_service.services.second_step import SetUp
from callback_service.web import access
from callback_service.web.access import current_staff, during, fresh, requires
from callback_service.web.entering import blame, counted, enter, settle

bp = Blueprint("second_step", __name__)

_QR_SCALE = 5  # pixels to a dot
_KEY_GROUP = 4  # letters between two spaces, as people type it off


class CodeForm(FlaskForm):
    """A code, of the app or kept for the loss of the phone, and where to go with it."""

    code = StringField(validators=[InputRequired("Enter the code."), Length(max=40)])
    next = HiddenField()


@bp.get("/sign-in/code")
@during(Stage.PASSWORD)
def code() -> ResponseReturnValue:
    """Where the code is typed; the set-up, for who has no second step yet."""
    wanted = access.safe_next(request.args.get("next"))
    with reading() as session:
        has_app = second_step.has_app(session, _entering().id)
    if not has_app:
        return redirect(url_for("second_step.set_up", next=wanted), code=303)
    return _code_page(CodeForm(formdata=None, next=wanted))


@bp.post("/sign-in/code")
@during(Stage.PASSWORD)
def give_code() -> ResponseReturnValue:
    """Sign in with the code of the app."""
    form = CodeForm()
    if not form.validate_on_submit():
        return _code_page(form), BadInput.status
    try:
        with counted(_entering().email, Proof.CODE) as caller, transaction() as session:
            opened = second_step.give_code(
                session,
                access.current_sign_in_id(),
                form.code.data or "",
                caller=caller,
                now=clock.utc_now(),
            )
    except (BadInput, TooMany) as refusal:
        blame(form.code, refusal.message)
        return _code_page(form), refusal.status
    return enter(opened, wanted=form.next.data)


@bp.get("/sign-in/recovery-code")
@during(Stage.PASSWORD)
def recovery() -> ResponseReturnValue:
    """Where a recovery code is typed."""
    wanted = access.safe_next(request.args.get("next"))
    return _recovery_page(CodeForm(formdata=None, next=wanted))


@bp.post("/sign-in/recovery-code")
@during(Stage.PASSWORD)
def give_recovery_code() -> ResponseReturnValue:
    """Sign in with a recovery code, and say how many are left."""
    form = CodeForm()
    if not form.validate_on_submit():
        return _recovery_page(form), BadInput.status
    try:
        with counted(_entering().email, Proof.RECOVERY_CODE) as caller, transaction() as session:
            opened = second_step.give_recovery_code(
                session,
                access.current_sign_in_id(),
                form.code.data or "",
                caller=caller,
                now=clock.utc_now(),
            )
            left = second_step.recovery_codes_left(session, opened.staff.id)
    except (BadInput, TooMany) as refusal:
        blame(form.code, refusal.message)
        return _recovery_page(form), refusal.status
    response = enter(opened, wanted=url_for("account.own") if left <= FEW_CODES else form.next.data)
    flash(_codes_left(left))
    return response


@bp.get("/sign-in/set-up")
@during(Stage.PASSWORD)
def set_up() -> ResponseReturnValue:
    """The key to put into an app, for who has no second step yet."""
    wanted = access.safe_next(request.args.get("next"))
    return _set_up_page(CodeForm(formdata=None, next=wanted))


@bp.post("/sign-in/set-up")
@during(Stage.PASSWORD)
def finish_set_up() -> ResponseReturnValue:
    """Take over the key, sign in, and show the recovery codes, this once."""
    return _finish_set_up(_entering())


@bp.get("/account/app")
@requires(Action.SECURE_OWN_ACCOUNT)
@fresh
def replace() -> ResponseReturnValue:
    """The key to put into another app, for who is signed in."""
    return _set_up_page(CodeForm(formdata=None))


@bp.post("/account/app")
@requires(Action.SECURE_OWN_ACCOUNT)
@fresh
def finish_replacing() -> ResponseReturnValue:
    """Take over the key of another app. Other browsers are signed out."""
    return _finish_set_up(current_staff())


@bp.post("/account/recovery-codes")
@requires(Action.SECURE_OWN_ACCOUNT)
@fresh
def renew_codes() -> ResponseReturnValue:
    """New recovery codes, shown this once: the old ones and the other sign-ins end."""
    with transaction() as session:
        codes = second_step.renew_recovery_codes(
            session,
            current_staff().id,
            keep=access.current_sign_in_id(),
            now=clock.utc_now(),
        )
    return _codes_page(codes, onwards=url_for("account.own"))


def _entering() -> StaffMember:
    """Who has given the password, as the gate made sure of."""
    staff = access.entering()
    if staff is None:
        raise access.NotSignedIn("Sign in first.")
    return staff


def _finish_set_up(staff: StaffMember) -> ResponseReturnValue:
    form = CodeForm()
    if not form.validate_on_submit():
        return _set_up_page(form), BadInput.status
    try:
        with counted(staff.email, Proof.CODE) as caller, transaction() as session:
            done = second_step.finish_set_up(
                session,
                access.current_sign_in_id(),
                form.code.data or "",
                caller=caller,
                now=clock.utc_now(),
            )
    except (BadInput, TooMany) as refusal:
        blame(form.code, refusal.message)
        return _set_up_page(form), refusal.status
    return _after_set_up(done, form.next.data)


def _after_set_up(done: SetUp, wanted: str | None) -> ResponseReturnValue:
    page = _codes_page(done.codes, onwards=access.landing(done.opened.staff, wanted))
    response = make_response(page)
    settle(response, done.opened)
    return response


def _code_page(form: CodeForm) -> str:
    return render_template("account/code.html", form=form)


def _recovery_page(form: CodeForm) -> str:
    return render_template("account/recovery_code.html", form=form)


def _codes_page(codes: tuple[str, ...], *, onwards: str) -> str:
    return render_template("account/recovery_codes.html", codes=codes, onwards=onwards)


def _set_up_page(form: CodeForm) -> str:
    with transaction() as session:
        key = second_step.begin_set_up(
            session,
            access.current_sign_in_id(),
            issuer=current_settings().service_name,
            now=clock.utc_now(),
        )
    groups = range(0, len(key.secret), _KEY_GROUP)
    return render_template(
        "account/set_up.html",
        form=form,
        key=" ".join(key.secret[start : start + _KEY_GROUP] for start in groups),
        qr=_qr_code(key.uri),
        is_replacing=access.signed_in() is not None,
    )


def _qr_code(text: str) -> Markup:
    """``text`` as an SVG element without styles or scripts, as our policy wants it."""
    drawn = segno.make(text, error="m").svg_inline(scale=_QR_SCALE, light="#fff", svgclass=None)
    return Markup(drawn)  # nosec B704  # noqa: S704 - drawn by the library: squares only, no text of anybody's


def _codes_left(left: int) -> str:
    words = {0: "no recovery codes", 1: "one recovery code"}.get(left, f"{left} recovery codes")
    more = " Make new ones below." if left <= FEW_CODES else ""
    return f"That code is used up. You have {words} left.{more}"
