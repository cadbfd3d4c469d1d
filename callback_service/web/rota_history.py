"""The history of the rota for managers: who changed what, and undoing it."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from callback_service import clock
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, Refused
from callback_service.extensions import reading, transaction
from callback_service.services import rota_history as service
from callback_service.services.rota_undo import preview_undo, undo
from callback_service.web.access import current_staff, requires
from callback_service.web.weekly import zone

bp = Blueprint("rota_history", __name__, url_prefix="/rota/history")

_LONGEST_ID = 9  # digits


@bp.get("")
@requires(Role.MANAGER)
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
@requires(Role.MANAGER)
def undo_form(revision_id: int) -> ResponseReturnValue:
    """Show what undoing an edit would change, and ask."""
    now = clock.utc_now()
    try:
        with transaction() as session:  # it is tried, and taken back
            line = service.revision_line(session, revision_id, now=now, tz=zone())
            preview = preview_undo(
                session, revision_id, actor_id=current_staff().id, now=now, tz=zone()
            )
    except Refused as refusal:
        return _refused(refusal)
    return render_template("rota/undo.html", line=line, preview=preview, tz=zone())


@bp.post("/<int:revision_id>/undo")
@requires(Role.MANAGER)
def undo_edit(revision_id: int) -> ResponseReturnValue:
    """Put back what an edit changed."""
    try:
        with transaction() as session:
            undo(
                session,
                revision_id,
                actor_id=current_staff().id,
                now=clock.utc_now(),
                tz=zone(),
            )
    except Refused as refusal:
        return _refused(refusal)
    flash("Undone. Everything promised is planned again now.", "success")
    return redirect(url_for("rota_history.history"), code=303)


def _refused(refusal: Refused) -> ResponseReturnValue:
    flash(refusal.message, "error")
    return redirect(url_for("rota_history.history"), code=303)
