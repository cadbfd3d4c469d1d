"""Passkeys: signing in with one, and one's own list of them."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import HiddenField, StringField
from wtforms.validators import InputRequired, Length

from callback_service import clock
from callback_service.domain.policy import Action
from callback_service.domain.signing_in import Proof, Stage
from callback_service.errors import BadInput, NotFound, TooMany
from callback_service.extensions import client_network, current_settings, reading, transaction
from callback_service.services import passkeys, tries
from callback_service.services.passkeys import Site
from callback_service.services.tries import Caller
from callback_service.web import access
from callback_service.web.access import current_staff, during, fresh, public, requires
from callback_service.web.account import local_time
from callback_service.web.entering import blame, counted, device, end_this_sign_in, enter

bp = Blueprint("passkeys", __name__)


class AnswerForm(FlaskForm):
    """What the browser's passkey answered, and where to go then."""

    answer = HiddenField(validators=[InputRequired(), Length(max=8000)])
    next = HiddenField()


class AddForm(FlaskForm):
    """A new passkey, and what its owner calls it."""

    name = StringField(
        "What you call it",
        validators=[
            InputRequired("Enter what you call it."),
            Length(max=passkeys.NAME_MAX_CHARS, message="Enter 60 characters or fewer."),
        ],
    )
    answer = HiddenField(validators=[Length(max=16000)])


@dataclass(frozen=True, slots=True)
class OwnPasskey:
    """One line of somebody's own list."""

    id: int
    name: str
    added: str
    used: str


@bp.app_context_processor
def _availability() -> dict[str, object]:
    return {"has_passkeys_here": is_possible()}


def is_possible() -> bool:
    """Whether passkeys can hold here: browsers want a host's name, and no bare IP address."""
    try:
        ipaddress.ip_address(urlsplit(current_settings().public_base_url).hostname or "")
    except ValueError:
        return True
    return False


def site() -> Site:
    """Where passkeys hold, by our settings, whatever Host a request names."""
    settings = current_settings()
    if not is_possible():
        raise NotFound("Passkeys need an address with a name.")
    parts = urlsplit(settings.public_base_url)
    origin = f"{parts.scheme}://{parts.netloc}"
    return Site(parts.hostname or "", origin, settings.service_name)


@bp.post("/sign-in/passkey")
@public
def begin() -> ResponseReturnValue:
    """Ask the browser for a passkey, of whomever."""
    here, caller, now = site(), Caller(client_network()), clock.utc_now()
    form = AnswerForm(formdata=None, next=access.safe_next(request.form.get("next")))
    with transaction() as session:  # only the limit of the network counts here
        nobody = secrets.token_hex(8)
        tries.note_try(session, account=nobody, caller=caller, proof=Proof.PASSKEY, now=now)
    with transaction() as session:
        end_this_sign_in(session)
        token, question = passkeys.begin_sign_in(session, device=device(), site=here, now=now)
    response = make_response(_ask_page(form, question))
    access.give_cookie(response, token)
    return response


@bp.post("/sign-in/passkey/answer")
@during(Stage.START)
def answer() -> ResponseReturnValue:
    """Sign in whose passkey answered. Whatever comes of it, the question is spent."""
    form = AnswerForm()
    given, sign_in_id, now = form.answer.data or "", access.current_sign_in_id(), clock.utc_now()
    try:
        with counted(f"passkey {passkeys.credential_of(given)}", Proof.PASSKEY) as caller:
            with transaction() as session:
                challenge = passkeys.spend_challenge(session, sign_in_id, now=now)
            with transaction() as session:
                opened = passkeys.enter(session, sign_in_id, challenge, given, site=site(), now=now)
                account = f"passkey {passkeys.credential_of(given)}"
                tries.forget_tries(session, account=account, caller=caller, proof=Proof.PASSKEY)
    except (BadInput, TooMany) as refusal:
        blame(form.answer, refusal.message)
        return _ask_page(form, None), refusal.status
    return enter(opened, wanted=form.next.data)


@bp.get("/account/passkeys")
@requires(Action.SECURE_OWN_ACCOUNT)
@fresh
def own() -> ResponseReturnValue:
    """One's own passkeys, and adding one."""
    return _own_page(AddForm(formdata=None))


@bp.post("/account/passkeys")
@requires(Action.SECURE_OWN_ACCOUNT)
@fresh
def add() -> ResponseReturnValue:
    """Keep the passkey that the browser made."""
    form = AddForm()
    if not form.validate_on_submit():
        return _own_page(form), BadInput.status
    sign_in_id, now = access.current_sign_in_id(), clock.utc_now()
    try:
        with transaction() as session:
            challenge = passkeys.spend_challenge(session, sign_in_id, now=now)
        with transaction() as session:
            passkeys.add(
                session,
                sign_in_id,
                challenge,
                form.answer.data or "",
                name=form.name.data or "",
                site=site(),
                now=now,
            )
    except BadInput as refusal:
        blame(form.name, refusal.message)
        return _own_page(form), refusal.status
    flash(
        "The passkey is added. You can sign in with it from now on; your other sign-ins are ended.",
        "success",
    )
    return redirect(url_for("passkeys.own"), code=303)


@bp.post("/account/passkeys/<int:passkey_id>/remove")
@requires(Action.SECURE_OWN_ACCOUNT)
@fresh
def remove(passkey_id: int) -> ResponseReturnValue:
    """Take one of one's own passkeys away."""
    with transaction() as session:
        passkeys.remove(
            session,
            current_staff().id,
            passkey_id,
            keep=access.current_sign_in_id(),
            now=clock.utc_now(),
        )
    flash("The passkey is removed. Your other sign-ins are ended.", "success")
    return redirect(url_for("passkeys.own"), code=303)


def _ask_page(form: AnswerForm, question: str | None) -> str:
    return render_template("account/passkey.html", form=form, question=question)


def _own_page(form: AddForm) -> str:
    here, now = site(), clock.utc_now()
    with transaction() as session:
        options = passkeys.begin_adding(session, access.current_sign_in_id(), site=here, now=now)
    with reading() as session:
        rows = [
            OwnPasskey(
                row.id,
                row.name,
                local_time(row.created_at),
                local_time(row.last_used_at) if row.last_used_at else "never",
            )
            for row in passkeys.passkeys_of(session, current_staff().id)
        ]
    return render_template(
        "account/passkeys.html",
        form=form,
        options=options,
        rows=rows,
        most=passkeys.MOST_PASSKEYS,
    )
