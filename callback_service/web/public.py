"""The pages of people who ask for a call."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from flask import Blueprint, make_response, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import IntegrityError

from callback_service.clock import utc_now
from callback_service.domain import wording
from callback_service.domain.newcomers import Quote
from callback_service.domain.texting import REMINDER_NEEDS
from callback_service.errors import NotFound, TooMany, WindowGone
from callback_service.extensions import (
    caller_address,
    caller_network,
    current_settings,
    reading,
    transaction,
)
from callback_service.models.outbox import TextKind
from callback_service.services import (
    form_posts,
    intake,
    promises,
    quoting,
    requests,
    staff_skills,
    text_wording,
)
from callback_service.web import form_times
from callback_service.web.access import public
from callback_service.web.public_form import (
    CONSENT_VERSION,
    CONSENT_WORDING,
    AgainForm,
    AskForm,
)
from callback_service.web.shown import UNREACHED, Shown, shown_by

bp = Blueprint("public", __name__)

#: A wait longer than this is said to be long, beside the times that can be chosen instead.
LONG_WAIT: Final = timedelta(hours=1)
OneForm = TypeVar("OneForm", bound=AskForm)


@bp.get("/")
@public
def ask() -> ResponseReturnValue:
    """The form."""
    now = utc_now()
    form = _form(AskForm)
    form.submission_key.data = intake.new_key()
    form.given.data = form_times.stamp(form.submission_key.data)
    return _render(form, _offer(form, now=now), now=now)


@bp.post("/")
@public
def send() -> ResponseReturnValue:
    """Keep a request for a call, or show the form again with what was typed and what to mend."""
    now = utc_now()
    form = _form(AskForm)
    if not form.validate_on_submit():
        return _render(form, _offer(form, now=now), now=now), 422
    try:
        key = _kept(form, now=now)
    except WindowGone as gone:
        return _form_without_window(gone, now=now)
    except TooMany as full:
        return form_again(full.message, status=full.status)
    return redirect(url_for("public.done", token=key), code=303)


def _kept(form: AskForm, *, now: datetime) -> str:
    """Keep what was sent; the key that opens its pages.

    Two seldom collide, so the first try does without the savepoint that would hold them apart.
    """
    try:
        return _take(form, is_alone=True, now=now)
    except IntegrityError:
        return _take(form, is_alone=False, now=now)


def _take(form: AskForm, *, is_alone: bool, now: datetime) -> str:
    settings = current_settings()
    with transaction() as db_session:
        return form_posts.take(
            db_session,
            form.ask(network=caller_network()),
            address=caller_address(),
            limits=settings.form_limits,
            is_by_program=form_times.is_by_program(form, now=now),
            is_alone=is_alone,
            now=now,
            tz=settings.service_time_zone,
        )


def form_again(sentence: str, *, status: int = 400) -> ResponseReturnValue:
    """The form with all that was typed, where it could not be kept; one more press sends it."""
    now = utc_now()
    form = _form(AskForm)
    form.form_errors.append(sentence)
    return _render(form, _offer(form, now=now), now=now), status


def _form_without_window(gone: WindowGone, *, now: datetime) -> ResponseReturnValue:
    form = _form(AskForm)
    quote = _offer(form, now=now)
    _without_window(form, gone, now=now)
    return _render(form, quote, now=now), gone.status


def _without_window(form: AskForm, gone: WindowGone, *, now: datetime) -> None:
    sentence = gone.message
    if form.windows:
        tz = current_settings().service_time_zone
        sentence += f". The next is {wording.window_spoken(form.windows[0], now=now, tz=tz)}"
    form.when.errors = [sentence]
    form.when.data = None
    form.later.data = ""


def _form(kind: type[OneForm]) -> OneForm:
    """The form as it was sent, or empty. What is sent needs nothing to choose from but a wish."""
    settings = current_settings()
    form = kind(
        remind_before=settings.texts.remind_before,
    )
    if form.names_a_wish:
        with reading() as db_session:
            form.offer_wishes(staff_skills.wishes_to_offer(db_session))
    return form


def _offer(form: AskForm, *, now: datetime) -> Quote:
    """Put in the times and wishes to choose from; what "as soon as you can" comes to."""
    settings, wished = current_settings(), form.wishes
    tz = settings.service_time_zone
    with reading() as db_session:
        windows = promises.windows_with_room(db_session, wished=wished, now=now, tz=tz)
        quote = quoting.quote_as_soon_as_possible(db_session, wished=wished, now=now, tz=tz)
        form.offer_wishes(staff_skills.wishes_to_offer(db_session))
        form.is_flooded = form_posts.is_flooded(db_session, limits=settings.form_limits, now=now)
    form.offer_windows(windows, now=now, tz=tz)
    return quote


def _render(form: AskForm, quote: Quote, *, now: datetime) -> str:
    expected = _expected(quote, now=now)
    return render_template(
        "public/form.html",
        **_around(form, quote, now=now),
        text_example=text_wording.wording(TextKind.CONFIRMATION, when=f"by {expected}"),
        reminder_hint=_reminder_hint(form, now=now),
    )


def _reminder_hint(form: AskForm, *, now: datetime) -> str | None:
    """When a reminder comes and what it says; with the first time there is as the example."""
    settings = current_settings()
    lead, tz = settings.texts.remind_before, settings.service_time_zone
    if lead is None or not form.windows:
        return None
    window = form.windows[0]
    when = wording.window_spoken(window, now=window.start - lead, tz=tz)
    says = text_wording.wording(TextKind.REMINDER, when=when)
    minutes = int(lead.total_seconds()) // 60
    ahead = "an hour" if minutes == 60 else f"{minutes} minutes"
    asked = int(REMINDER_NEEDS.total_seconds()) // 3600
    return f"It comes {ahead} before, if that time is {asked} hours away or more: “{says}”"


def _around(form: AskForm, quote: Quote, *, now: datetime) -> dict[str, Any]:
    """What both forms are shown with."""
    return {
        "form": form,
        "asap_hint": _asap_hint(quote, now=now),
        "nobody_free": not quote.is_staffed,
        "render_nonce": secrets.token_hex(8),
        "consent_wording": CONSENT_WORDING,
    }


def _asap_hint(quote: Quote, *, now: datetime) -> str | None:
    expected = _expected(quote, now=now)
    if not quote.is_staffed:
        return None
    if quote.due_at - now <= LONG_WAIT:
        return f"We expect to ring by {expected}."
    return f"It is busy: we expect to ring by {expected}. A time below may suit you better."


def _expected(quote: Quote, *, now: datetime) -> str:
    return wording.time_spoken(quote.due_at, now=now, tz=current_settings().service_time_zone)


@bp.get("/done/<token>")
@public
def done(token: str) -> ResponseReturnValue:
    """What happens next, after the form was sent."""
    shown = shown_by(token)
    if shown is None:
        return _kept_or_unknown(token)
    return render_template("public/done.html", **_page(shown, token))


@bp.get("/manage/<token>")
@public
def manage(token: str) -> ResponseReturnValue:
    """What was asked, and a button to take it back."""
    shown = shown_by(token)
    if shown is None:
        return _kept_or_unknown(token)
    return render_template("public/manage.html", **_page(shown, token))


@bp.post("/manage/<token>/withdraw")
@public
def withdraw(token: str) -> ResponseReturnValue:
    """Take the call back."""
    with transaction() as db_session:
        submission, now = intake.submission_by_key(db_session, token), utc_now()
        if submission is not None:
            tz = current_settings().service_time_zone
            requests.withdraw(db_session, submission, now=now, tz=tz)
        elif form_posts.withdraw(db_session, token, now=now):
            return render_template("public/kept.html", withdrawn=True)
    return redirect(url_for("public.manage", token=token), code=303)


@bp.get("/manage/<token>/again")
@public
def again(token: str) -> ResponseReturnValue:
    """Ask again with what was told before: only when is asked."""
    shown, now = shown_by(token), utc_now()
    if shown is None:
        return _unknown()
    if shown.state != UNREACHED:
        return redirect(url_for("public.manage", token=token), code=303)
    form = _form(AgainForm)
    form.submission_key.data = intake.new_key()
    return _render_again(form, _offer(form, now=now), shown, token, now=now)


@bp.post("/manage/<token>/again")
@public
def send_again(token: str) -> ResponseReturnValue:
    """Keep the new request, or show the times again with what to mend."""
    shown, now = shown_by(token), utc_now()
    if shown is None:
        return _unknown()
    form = _form(AgainForm)
    if not form.validate_on_submit():
        return _render_again(form, _offer(form, now=now), shown, token, now=now), 422
    try:
        key = _ask_again(token, form, now=now)
    except WindowGone as gone:
        quote = _offer(form, now=now)
        _without_window(form, gone, now=now)
        return _render_again(form, quote, shown, token, now=now), gone.status
    return redirect(url_for("public.done", token=key), code=303)


def _ask_again(token: str, form: AgainForm, *, now: datetime) -> str:
    with transaction() as db_session:
        submission = intake.submission_by_key(db_session, token)
        if submission is None:
            raise NotFound("This link does not work.")
        return intake.ask_again(
            db_session,
            submission,
            key=form.key,
            window=form.window,
            consent_version=CONSENT_VERSION,
            network=caller_network(),
            now=now,
            tz=current_settings().service_time_zone,
        )


def _render_again(form: AgainForm, quote: Quote, shown: Shown, token: str, *, now: datetime) -> str:
    return render_template(
        "public/again.html",
        **_around(form, quote, now=now),
        token=token,
        number_ending=shown.number_ending,
    )


def _page(shown: Shown, token: str) -> dict[str, Any]:
    return {
        "promise_text": shown.promise_text,
        "number_ending": shown.number_ending,
        "reference": shown.reference,
        "messages_text": shown.messages_text,
        "wishes": shown.wishes,
        "may_text": shown.may_text,
        "withdrawn": shown.withdrawn,
        "state": shown.state,
        "token": token,
        "manage_url": url_for("public.manage", token=token),
    }


def _kept_or_unknown(token: str) -> ResponseReturnValue:
    """The page of a post that waits to be let in, whose time nobody can promise yet."""
    with reading() as db_session:
        is_waiting = form_posts.is_waiting(db_session, token)
    if not is_waiting:
        return _unknown()
    return render_template("public/kept.html", token=token, withdrawn=False)


def _unknown() -> ResponseReturnValue:
    return render_template("public/unknown.html"), 404


@bp.get("/exit")
@public
def exit_page() -> ResponseReturnValue:
    """Away from here, quickly: forget the session and go somewhere harmless."""
    session.clear()
    response = make_response(redirect(current_settings().exit_url, code=303))
    response.headers["Clear-Site-Data"] = '"cookies"'
    return response


@bp.get("/safety")
@public
def safety() -> str:
    """How to browse in private."""
    return render_template("public/safety.html")


@bp.get("/cookies")
@public
def cookies() -> str:
    """The one cookie."""
    return render_template("public/cookies.html")


@bp.get("/accessibility")
@public
def accessibility() -> str:
    """How the pages can be used, and whom to tell where they cannot."""
    return render_template("public/accessibility.html")
