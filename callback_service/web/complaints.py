"""The form to complain with about how we use what people tell us; it works for everybody.

Neither showing it nor mending it asks the database anything: with that away, what was typed stays.
"""

from __future__ import annotations

import secrets

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from callback_service.clock import utc_now
from callback_service.errors import TooMany
from callback_service.extensions import caller_address, current_settings, reading, transaction
from callback_service.services import complaints
from callback_service.services.complaints import WORDS_MAX_CHARS
from callback_service.services.intake import new_key
from callback_service.web import form_times
from callback_service.web.access import public
from callback_service.web.complaint_forms import ComplaintForm

bp = Blueprint("complaints", __name__, url_prefix="/complaint")


@bp.get("")
@public
def ask() -> str:
    """The form."""
    form = ComplaintForm(formdata=None)
    form.submission_key.data = new_key()
    form.given.data = form_times.stamp(form.submission_key.data)
    return _render(form)


@bp.post("")
@public
def send() -> ResponseReturnValue:
    """Keep a complaint, or show the form again with what was typed and what to mend."""
    form, now = ComplaintForm(), utc_now()
    if not form.validate_on_submit():
        return _render(form), 422
    settings = current_settings()
    try:
        with transaction() as session:
            key = complaints.take(
                session,
                form.told(),
                key=form.key,
                address=caller_address(),
                limits=settings.form_limits,
                is_by_program=form_times.is_by_program(form, now=now),
                now=now,
                tz=settings.service_time_zone,
            )
    except TooMany as full:
        return form_again(full.message, status=full.status)
    return redirect(url_for("complaints.sent", key=key), code=303)


def form_again(sentence: str, *, status: int = 400) -> ResponseReturnValue:
    """The form with all that was typed, where it could not be kept; one more press sends it."""
    form = ComplaintForm()
    form.form_errors.append(sentence)
    return _render(form), status


def _render(form: ComplaintForm) -> str:
    return render_template(
        "public/complaint.html",
        form=form,
        render_nonce=secrets.token_hex(8),
        officer=current_settings().data_protection_officer,
        words_most=WORDS_MAX_CHARS,
    )


@bp.get("/sent/<key>")
@public
def sent(key: str) -> ResponseReturnValue:
    """What happens next, and the reference. Nothing of what was written."""
    with reading() as session:
        receipt = complaints.receipt(session, key)
    if receipt is None:
        return render_template("public/unknown.html"), 404
    return render_template("public/complaint_sent.html", receipt=receipt)
