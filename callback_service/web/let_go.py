"""Declining an offer or giving a request back, with a reason; and the history that shows it."""

from __future__ import annotations

from datetime import tzinfo
from typing import Final

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import RadioField, StringField

from callback_service.clock import utc_now
from callback_service.domain.lifecycle import LetGo
from callback_service.domain.policy import Action
from callback_service.errors import BadInput, Refused
from callback_service.extensions import current_settings, reading, transaction
from callback_service.services import desk, offers, request_history
from callback_service.services.request_history import Event
from callback_service.services.requests import Why
from callback_service.web.access import current_staff, requires
from callback_service.web.choices import SelectChoice

bp = Blueprint("let_go", __name__, url_prefix="/desk")

WORDS_LIMIT: Final = 200  # characters
REASONS: Final = {
    LetGo.NOT_NOW: "Not able just now",
    LetGo.KNOWS_CALLER: "I know this person",
    LetGo.NEEDS_SKILL: "Needs another skill",
    LetGo.OTHER: "Another reason",
}
#: What happened, as the history of a request says it; others are shown by their own name.
EVENTS: Final = {
    "taken": "Asked for",
    "joined": "Asked for again from the same number",
    "offered": "Offered to",
    "offer_lapsed": "Offer not answered by",
    "offer_declined": "Offer declined by",
    "accepted": "Taken by",
    "calling": "Rung by",
    "given_back": "Given back by",
    "ring_again": "To be rung again, said",
    "escalated": "Escalated",
    "window_withdrawn": "A time was withdrawn",
    "closed": "Closed by",
    "erased": "Emptied of what the caller told us",
    "corrected": "Put right by",
    "barred": "A manager keeps away",
    "bar_lifted": "A manager no longer keeps away",
    "offer_superseded": "The offer ended of",
}


class LetGoForm(FlaskForm):
    """Why a request is declined or given back."""

    reason = RadioField(
        "Why?",
        choices=[SelectChoice(reason, label) for reason, label in REASONS.items()],
        default=LetGo.NOT_NOW,
        validate_choice=False,
    )
    words = StringField("The reason, in a few words")

    def why(self) -> Why:
        """The reason that was given; raises BadInput where something is missing."""
        chosen = self.reason.data or LetGo.NOT_NOW
        words = (self.words.data or "").replace("\x00", "").strip()
        if chosen not in list(LetGo):
            raise BadInput("There is a problem", {"reason": "Choose one of the reasons"})
        if chosen != LetGo.OTHER:
            return Why(LetGo(chosen))
        if not words:
            raise BadInput("There is a problem", {"words": "Say the reason in a few words"})
        if len(words) > WORDS_LIMIT:
            raise BadInput(
                "There is a problem", {"words": f"Use {WORDS_LIMIT} characters or fewer"}
            )
        return Why(LetGo.OTHER, words)

    def blame(self, bad: BadInput) -> None:
        """Show at each field what is wrong with it."""
        for name, reason in bad.fields.items():
            self[name].errors = [*self[name].errors, reason]


@bp.get("/requests/<int:request_id>/decline")
@requires(Action.DECLINE_OFFER)
def ask_why(request_id: int) -> ResponseReturnValue:
    """Why an offer is declined."""
    return _decline_page(request_id, LetGoForm(formdata=None))


@bp.post("/requests/<int:request_id>/decline")
@requires(Action.DECLINE_OFFER)
def decline(request_id: int) -> ResponseReturnValue:
    """Decline what is offered to me."""
    form = LetGoForm()
    try:
        with transaction() as session:
            offers.decline(
                session, request_id, staff=current_staff(), why=form.why(), now=utc_now()
            )
    except BadInput as bad:
        form.blame(bad)
        return _decline_page(request_id, form)
    except Refused as refusal:
        flash(refusal.message, "error")
    else:
        flash("You declined it. It goes to a colleague.", "success")
    return redirect(url_for("desk.queue"), code=303)


def _decline_page(request_id: int, form: LetGoForm) -> ResponseReturnValue:
    now, me = utc_now(), current_staff()
    with reading() as session:
        rows = desk.board(session, staff=me, now=now, tz=_tz()).rows
    row = next((one for one in rows if one.request_id == request_id), None)
    if row is None or row.offered_to_id != me.id:
        flash("That request is not on offer to you.", "note")
        return redirect(url_for("desk.queue"), code=303)
    page = render_template("desk/decline.html", row=row, form=form, tz=_tz(), now=now)
    return (page, BadInput.status) if form.errors else (page, 200)


@bp.get("/requests/<int:request_id>/history")
@requires(Action.SEE_HISTORY)
def history(request_id: int) -> str:
    """What happened to a request; what the caller texted to us, after a look only."""
    now = utc_now()
    with transaction() as session:  # a look at reasons in people's own words is written down
        seen = request_history.history(session, request_id, staff=current_staff(), now=now)
    lines = [(event.at, what(event), why(event)) for event in seen.events]
    return render_template("desk/history.html", seen=seen, lines=lines, tz=_tz(), now=now)


def what(event: Event) -> str:
    """What happened, and who did it or was asked."""
    label = EVENTS.get(event.action, event.action.replace("_", " ").capitalize())
    return f"{label} {event.who}" if event.who else label.removesuffix(" by")


def why(event: Event) -> str:
    """The reason, in the words of whoever gave it or in ours."""
    if event.words:
        return event.words
    if event.let_go:
        return REASONS[event.let_go]
    return ", ".join(event.details).replace("_", " ").capitalize()


def _tz() -> tzinfo:
    return current_settings().service_time_zone
