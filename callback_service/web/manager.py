"""Managers' pages about texts."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import StringField

from callback_service.clock import utc_now
from callback_service.domain.policy import Action
from callback_service.errors import BadInput, Refused
from callback_service.extensions import current_settings, reading, transaction
from callback_service.gateways.base import SmsUnclearError, TextGateway
from callback_service.models.number import SaidBy
from callback_service.models.outbox import OutboxState, TextKind
from callback_service.services import (
    inbound_texts,
    silent_staff,
    suppression,
    text_checks,
    text_limits,
)
from callback_service.services import messages as message_log
from callback_service.web.access import current_staff, requires
from callback_service.web.addresses import row_id
from callback_service.web.numbers import known

bp = Blueprint("manager", __name__)

PAGE_LENGTH = 50
WEEK = 7  # days, today among them
UNCLEAR = "unclear"  # chosen among the states: what may or may not have gone


class NumberForm(FlaskForm):
    """A number, typed in full, that is to get no texts or to get them again."""

    phone = StringField("The full number")


@bp.get("/messages")
@requires(Action.SEE_TEXTS)
def messages() -> str:
    """Every text: what it says, where it stands, and why one did not arrive."""
    return _page(NumberForm(formdata=None))


def _page(form: NumberForm) -> str:
    settings, now = current_settings(), utc_now()
    tz, chosen = settings.service_time_zone, _chosen(request.args)
    before_id = request.args.get("before", type=row_id)
    with reading() as session:
        rows = message_log.latest(
            session, chosen, viewer_id=current_staff().id, limit=PAGE_LENGTH, before_id=before_id
        )
        figures = _figures(session, now=now, tz=tz)
    return render_template(
        "manager/messages.html",
        rows=rows,
        chosen=chosen,
        filters=_filters(chosen),
        before_id=before_id,
        next_before=rows[-1].id if len(rows) == PAGE_LENGTH else None,
        texts_go_out=settings.texts_go_out,
        form=form,
        now=now,
        tz=tz,
        **figures,
    )


def _figures(session: Any, *, now: datetime, tz: tzinfo) -> dict[str, Any]:
    """What is counted above the list."""
    local = now.astimezone(tz)
    week = message_log.start_of_day(local, days_ago=WEEK - 1)
    to_closed, for_colleagues = inbound_texts.to_closed_requests(
        session, since=week, viewer_id=current_staff().id
    )
    return {
        "counts": message_log.counts(session),
        "segments_of_week": message_log.segments_since(session, week),
        "failures": message_log.failures_since(session, week),
        "unclear": message_log.unclear(session),
        "came_in": inbound_texts.count_since(session, week),
        "to_closed": to_closed,
        "to_closed_for_colleagues": for_colleagues,
        "stopped": suppression.count(session),
        "silent": silent_staff.silent(session),
        "limits": text_limits.state(session, now=now, tz=tz),
    }


def _chosen(given: MultiDict[str, str]) -> message_log.Chosen:
    """The filters of a list; a word that is none of ours filters nothing."""
    state, kind = given.get("state", ""), given.get("kind", "")
    return message_log.Chosen(
        OutboxState(state) if state in list(OutboxState) else None,
        TextKind(kind) if kind in list(TextKind) else None,
        is_unclear=state == UNCLEAR,
    )


def _filters(chosen: message_log.Chosen) -> dict[str, str]:
    """The filters as an address carries them: they say nothing of anybody."""
    named = {"state": UNCLEAR if chosen.is_unclear else chosen.state, "kind": chosen.kind}
    return {name: str(value) for name, value in named.items() if value is not None}


@bp.post("/messages/<int:message_id>/ask")
@requires(Action.CONTROL_TEXTS)
def ask_gateway(message_id: int) -> ResponseReturnValue:
    """Ask Twilio after one text. No transaction is open while it answers."""
    gateway: TextGateway = current_app.extensions["text_gateway"]
    try:
        with reading() as session:
            question = text_checks.question(session, message_id, actor_id=current_staff().id)
        found = text_checks.ask(gateway, question)
        with transaction() as session:
            said = text_checks.take_answer(
                session, question, found, actor_id=current_staff().id, now=utc_now()
            )
    except (Refused, SmsUnclearError) as trouble:
        flash(trouble.message, "error")
    else:
        flash(said, "success")
    back: dict[str, Any] = {**_filters(_chosen(request.form))}
    back["before"] = request.form.get("before", type=row_id)
    return redirect(url_for("manager.messages", **back), code=303)


@bp.post("/messages/numbers")
@requires(Action.CONTROL_TEXTS)
def number() -> ResponseReturnValue:
    """Stop texts to a number, or allow them again."""
    form = NumberForm()
    is_stop = request.form.get("do") == "stop"
    try:
        phone = known(form.phone.data or "")
    except BadInput as bad:
        form.phone.errors = [*form.phone.errors, bad.message]
        return _page(form), bad.status
    actor_id, now = current_staff().id, utc_now()
    with transaction() as session:
        if is_stop:
            changed = suppression.suppress(
                session, phone.e164, said_by=SaidBy.MANAGER, actor_id=actor_id, now=now
            )
        else:
            changed = message_log.allow_again(session, phone.e164, actor_id=actor_id, now=now)
    flash(_said(phone.ending, is_stop=is_stop, changed=changed), "success")
    return redirect(url_for("manager.messages"), code=303)


def _said(ending: str, *, is_stop: bool, changed: bool) -> str:
    if is_stop:
        return f"The number that ends in {ending} gets no more texts."
    if changed:
        return f"The number that ends in {ending} may be texted again, where its caller allows it."
    return f"Nothing stood against texts to the number that ends in {ending}."
