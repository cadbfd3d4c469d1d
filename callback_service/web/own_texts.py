"""The texts that a member of staff gets, and the number they go to."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import BooleanField, StringField

from callback_service.clock import utc_now
from callback_service.domain.contact import LineKind, Phone, national
from callback_service.domain.policy import Action
from callback_service.errors import BadInput
from callback_service.extensions import current_settings, reading, transaction
from callback_service.services import accounts
from callback_service.services.accounts import OwnTexts
from callback_service.web.access import current_staff, fresh, requires
from callback_service.web.account import local_time
from callback_service.web.numbers import ringable

bp = Blueprint("own_texts", __name__)


class TextsForm(FlaskForm):
    """A mobile number, and whether each offer is texted to it."""

    phone = StringField("Your mobile number")
    texts_offers = BooleanField("Text me when a call is offered to me")

    def number(self) -> Phone | None:
        """The mobile number that was typed, if any; raises BadInput for what gets no texts."""
        typed = (self.phone.data or "").strip()
        if not typed:
            return None
        phone = ringable(typed)
        if phone.kind is not LineKind.MOBILE:
            raise BadInput("Enter a mobile number. Landlines get no texts")
        return phone


@bp.get("/account/texts")
@requires(Action.SEE_OWN_TEXTS)
def choose() -> str:
    """The number, and which texts go to it."""
    chosen = _chosen()
    form = TextsForm(
        formdata=None,
        phone=national(chosen.phone) if chosen.phone else "",
        texts_offers=chosen.texts_offers,
    )
    return _page(form)


def _chosen() -> OwnTexts:
    with reading() as session:
        return accounts.texts_of(session, current_staff().id)


@bp.post("/account/texts")
@requires(Action.CHOOSE_OWN_TEXTS)
@fresh
def save() -> ResponseReturnValue:
    """Keep the number and the choice."""
    form = TextsForm()
    try:
        with transaction() as session:
            accounts.choose_texts(
                session,
                current_staff().id,
                phone=form.number(),
                texts_offers=bool(form.texts_offers.data),
                now=utc_now(),
            )
    except BadInput as bad:
        form.phone.errors = [*form.phone.errors, bad.message]
        return _page(form), bad.status
    flash("Saved.", "success")
    return redirect(url_for("account.own"), code=303)


def _page(form: TextsForm) -> str:
    stopped_at = _chosen().stopped_at
    return render_template(
        "account/texts.html",
        form=form,
        silent_since=local_time(stopped_at) if stopped_at else None,
        role=current_staff().role,
        rings=current_settings().rings_for_counsellors,
    )
