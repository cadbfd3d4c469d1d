"""Before a sensitive act: confirm with the second factor, then go on where one was.

The act that was asked for is held in the page that asks, so that it is not lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import HiddenField, StringField
from wtforms.validators import Length

from callback_service import clock
from callback_service.domain.policy import Action
from callback_service.domain.signing_in import Proof
from callback_service.errors import BadInput, TooMany
from callback_service.extensions import transaction
from callback_service.services import held_forms, passkeys, second_step
from callback_service.services.sign_in import Opened
from callback_service.services.tries import forget_tries
from callback_service.web import access
from callback_service.web.access import NotFresh, current_staff, requires
from callback_service.web.entering import blame, counted
from callback_service.web.passkeys import is_possible, site

bp = Blueprint("step_up", __name__)

#: Fields of this page's own, which do not go on with the form that is held.
_OWN: Final = frozenset({"confirm_code", "confirm_passkey", "confirm_to", "confirm_sends"})


class ConfirmForm(FlaskForm):
    """A code, and the act it is for."""

    confirm_code = StringField("Code from your app", validators=[Length(max=40)])
    confirm_passkey = HiddenField(validators=[Length(max=8000)])  # in the place of the code
    confirm_to = HiddenField()
    confirm_sends = HiddenField()  # "1" where a form is held, and sent on


@bp.app_errorhandler(NotFresh)
def ask_to_confirm(error: NotFresh) -> ResponseReturnValue:
    """The page that asks for a code, in the place of the act, which it holds."""
    if request.method in {"GET", "HEAD"}:
        wanted = access.safe_next(request.full_path.rstrip("?"))
        return redirect(url_for("step_up.page", next=wanted), code=303)
    form = ConfirmForm(formdata=None, confirm_to=request.path, confirm_sends="1")
    return _page(form), error.status


@bp.get("/confirm")
@requires(Action.SEE_OWN_ACCOUNT)
def page() -> ResponseReturnValue:
    """The page that asks for a code before another is shown."""
    wanted = access.safe_next(request.args.get("next"))
    return _page(ConfirmForm(formdata=None, confirm_to=wanted))


@bp.post("/confirm")
@requires(Action.SEE_OWN_ACCOUNT)
def confirm() -> ResponseReturnValue:
    """Take the code and go on: to a page, or with the form that was held."""
    form = ConfirmForm()
    if not form.validate_on_submit():
        return _page(form), BadInput.status
    try:
        opened = _by_passkey(form) if form.confirm_passkey.data else _by_code(form)
    except (BadInput, TooMany) as refusal:
        blame(form.confirm_code, refusal.message)
        return _page(form), refusal.status
    wanted = access.safe_next(form.confirm_to.data) or url_for("account.own")
    # 307 has the browser send the same form again, there.
    response = redirect(wanted, code=307 if form.confirm_sends.data == "1" else 303)
    access.give_cookie(response, opened.token)
    return response


def _by_code(form: ConfirmForm) -> Opened:
    if not form.confirm_code.data:
        raise BadInput("Enter the code from your app.")
    with counted(current_staff().email, Proof.CODE) as caller, transaction() as session:
        return second_step.confirm(
            session,
            access.current_sign_in_id(),
            form.confirm_code.data,
            caller=caller,
            now=clock.utc_now(),
        )


def _by_passkey(form: ConfirmForm) -> Opened:
    sign_in_id, now = access.current_sign_in_id(), clock.utc_now()
    with counted(current_staff().email, Proof.PASSKEY) as caller:
        with transaction() as session:
            challenge = passkeys.spend_challenge(session, sign_in_id, now=now)
        with transaction() as session:
            answer = form.confirm_passkey.data or ""
            opened = passkeys.confirm(session, sign_in_id, challenge, answer, site=site(), now=now)
            forget_tries(session, account=current_staff().email, caller=caller, proof=Proof.PASSKEY)
            return opened


def _question() -> str | None:
    """What to ask a passkey, for who has one."""
    if not is_possible():
        return None
    with transaction() as session:
        if not passkeys.passkeys_of(session, current_staff().id):
            return None
        return passkeys.begin_confirming(
            session, access.current_sign_in_id(), site=site(), now=clock.utc_now()
        )


def _page(form: ConfirmForm) -> str:
    return render_template("account/confirm.html", form=form, held=_held(), question=_question())


def _held() -> Sequence[tuple[str, str]]:
    """The fields of the form that waits."""
    fields = held_forms.holdable(request.form.items(multi=True))
    return [(name, value) for name, value in fields if name not in _OWN]
