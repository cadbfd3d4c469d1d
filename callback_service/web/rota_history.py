"""The history of the rota for managers: who changed what, and undoing it."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm

from callback_service import clock
from callback_service.domain.policy import Action
from callback_service.errors import BadInput, Refused
from callback_service.extensions import reading, transaction
from callback_service.services import rota_history as service
from callback_service.services.rest_checks import RestBroken
from callback_service.services.rota_undo import preview_undo, undo
from callback_service.web.access import current_staff, requires
from callback_service.web.weekly import Reason, zone

bp = Blueprint("rota_history", __name__, url_prefix="/rota/history")

_LONGEST_ID = 9  # digits


class UndoForm(FlaskForm):
    """Why an undo that breaks a rule of rest is allowed."""

    rest_reason = Reason("Why this is allowed", is_needed=False)


@bp.get("")
@requires(Action.EDIT_ROTA)
def history() -> ResponseReturnValue:
    """The newest edits of the rota, or those before one; of everybody's rota or of one person's."""
    person, before = _id_in_address("person"), _id_in_address("before")
    with reading() as session:
        found = service.list_revisions(
            session, staff_id=person, older_than=before, now=clock.utc_now(), tz=zone()
        )
        people = service.people_of_history(session)
    return render_template(
        "rota/history.html",
        lines=found.lines,
        older_than=found.older_than,
        is_newest=before is None,
        person=person,
        people=people,
        tz=zone(),
    )


def _id_in_address(name: str) -> int | None:
    typed = request.args.get(name, "")
    if typed and not (typed.isdecimal() and len(typed) <= _LONGEST_ID):
        raise BadInput("Choose somebody from the list on the page of the history.")
    return int(typed) if typed else None


@bp.get("/<int:revision_id>/undo")
@requires(Action.EDIT_ROTA)
def undo_form(revision_id: int) -> ResponseReturnValue:
    """Show what undoing an edit would change, and ask."""
    try:
        return _undo_page(revision_id, UndoForm(formdata=None))
    except Refused as refusal:
        return _refused(refusal)


@bp.post("/<int:revision_id>/undo")
@requires(Action.EDIT_ROTA)
def undo_edit(revision_id: int) -> ResponseReturnValue:
    """Put back what an edit changed; where that breaks a rule of rest, with a reason."""
    form = UndoForm()
    try:
        if not form.validate_on_submit():
            return _undo_page(revision_id, form), BadInput.status
        _undo(revision_id, (form.rest_reason.data or "").strip() or None)
    except RestBroken as broken:
        form.rest_reason.errors = ["Give a reason."]
        return _undo_page(revision_id, form), broken.status
    except Refused as refusal:
        return _refused(refusal)
    flash("Undone. Everything promised is planned again now.", "success")
    return redirect(url_for("rota_history.history"), code=303)


def _undo(revision_id: int, reason: str | None) -> None:
    actor_id, now = current_staff().id, clock.utc_now()
    with transaction() as session:
        undo(session, revision_id, reason=reason, actor_id=actor_id, now=now, tz=zone())


def _undo_page(revision_id: int, form: UndoForm) -> str:
    actor_id, now = current_staff().id, clock.utc_now()
    with transaction() as session:  # it is tried, and taken back
        line = service.revision_line(session, revision_id, now=now, tz=zone())
        preview = preview_undo(session, revision_id, actor_id=actor_id, now=now, tz=zone())
    return render_template("rota/undo.html", form=form, line=line, preview=preview, tz=zone())


def _refused(refusal: Refused) -> ResponseReturnValue:
    flash(refusal.message, "error")
    return redirect(url_for("rota_history.history"), code=303)
