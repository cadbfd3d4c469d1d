"""Pages of the patterns and rotations: the list, and adding, changing and ending them.

Every edit is looked at before it is saved: six weeks of it, and what it breaks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from sqlalchemy.orm import Session

from callback_service import clock
from callback_service.domain.policy import Action
from callback_service.domain.rotation_words import Line
from callback_service.domain.rotations import Rotation
from callback_service.domain.wall_time import ONE_DAY, WEEK, monday_of
from callback_service.errors import BadInput, Refused
from callback_service.extensions import reading, transaction
from callback_service.services import pattern_edits as service
from callback_service.services import shift_patterns
from callback_service.services.pattern_edits import PatternEdit
from callback_service.services.rest_checks import RestBroken
from callback_service.services.rota import Ending
from callback_service.services.rota_meanwhile import (
    ChangedMeanwhile,
    concerns_of,
    concerns_of_line,
)
from callback_service.services.shift_patterns import PatternLine
from callback_service.web.access import current_staff, requires
from callback_service.web.addresses import row_id
from callback_service.web.breakage import breakage_in_words, listed
from callback_service.web.meanwhile import FIELD, again, look_at_rota, refuse_if_changed
from callback_service.web.pattern_forms import (
    EndForm,
    FromForm,
    PatternForm,
    ReasonForm,
    RotationForm,
)
from callback_service.web.pattern_words import (
    breaches_in_words,
    done_in_words,
    facts_of,
    weeks_in_words,
)
from callback_service.web.rota import DUTY_WORDS
from callback_service.web.turns import MOST_TURNS
from callback_service.web.weekly import blame, choice, given, zone

bp = Blueprint("shift_patterns", __name__, url_prefix="/rota/patterns")

#: The list can be cut down to one person where it is longer than this.
SHORT_LIST = 10
#: Where a form shows what a service says of another field.
FIELDS = {"last_on": "from_on", "staff_id": "turns"}


@dataclass(frozen=True, slots=True)
class Desk:
    """One page that edits the patterns: its form, what comes of it, and what is said when done."""

    form: FlaskForm
    title: str
    edit: Callable[[], PatternEdit]
    page: Callable[[], str]
    instead_of: PatternLine | None = None


@bp.get("")
@requires(Action.EDIT_ROTA)
def patterns() -> ResponseReturnValue:
    """The patterns and rotations that run or are to come; of one person, if one is chosen."""
    today = _today()
    who = request.args.get("who", type=row_id)
    with reading() as session:
        people = shift_patterns.people_for_rota(session)
        lines = shift_patterns.list_patterns(session, today=today, staff_id=who)
    chosen = [choice(str(person.id), person.name) for person in people]
    return render_template(
        "rota/patterns.html",
        groups=[
            (DUTY_WORDS[duty], [one for one in lines if one.duty is duty]) for duty in DUTY_WORDS
        ],
        people=chosen if who is not None or len(lines) > SHORT_LIST else [],
        who=str(who or ""),
    )


@bp.route("/add", methods=["GET", "POST"])
@requires(Action.EDIT_ROTA)
def add() -> ResponseReturnValue:
    """Add a pattern of one person."""
    return _add(PatternForm(), "Add a pattern")


@bp.route("/add-rotation", methods=["GET", "POST"])
@requires(Action.EDIT_ROTA)
def add_rotation() -> ResponseReturnValue:
    """Add a rotation: people or teams who take turns."""
    return _add(RotationForm(), "Add a rotation")


def _add(form: PatternForm | RotationForm, title: str) -> ResponseReturnValue:
    _offer(form)
    page = _line_page(form, title)
    if request.method == "GET":
        is_rotation = isinstance(form, RotationForm)  # most hand over on a Monday
        form.from_on.data = monday_of(_today() + WEEK) if is_rotation else _today()
        return page()
    return _answer(Desk(form, title, lambda: PatternEdit(form.line()), page))


@bp.route("/<int:pattern_id>/change", methods=["GET", "POST"])
@requires(Action.EDIT_ROTA)
def change(pattern_id: int) -> ResponseReturnValue:
    """Put a new line in the place of one, from a day on: first ask from which day."""
    with reading() as session:
        look_at_rota(session)
        line = shift_patterns.pattern_line(session, pattern_id, today=_today())
        stored = shift_patterns.line_of(shift_patterns.stored_line(session, pattern_id))
    form = RotationForm() if isinstance(stored, Rotation) else PatternForm()
    _offer(form)
    title = f"Change a {'rotation' if isinstance(stored, Rotation) else 'pattern'}"
    page = _line_page(form, title, instead_of=line)
    if request.method == "POST":

        def edit() -> PatternEdit:
            return service.instead(form.line(), pattern_id)

        return _answer(Desk(form, title, edit, page, line))
    asked = FromForm(request.args, meta={"csrf": False})
    if "day" in request.args and asked.validate():
        form.fill(stored, from_on=given(asked.day.data))
        return page()
    if "day" not in request.args:
        asked.day.data = _next_handover(stored)
    return render_template("rota/pattern_from.html", form=asked, line=line, title=title)


@bp.route("/<int:pattern_id>/end", methods=["GET", "POST"])
@requires(Action.EDIT_ROTA)
def end(pattern_id: int) -> ResponseReturnValue:
    """Let a pattern or rotation end."""
    form = EndForm()
    with reading() as session:
        look_at_rota(session)
        line = shift_patterns.pattern_line(session, pattern_id, today=_today())
    title = "End a rotation" if line.turns else "End a pattern"

    def page() -> str:
        return render_template("rota/end.html", form=form, line=line, title=title)

    if request.method == "GET":
        form.last_on.data = _today()
        return page()

    def edit() -> PatternEdit:
        return PatternEdit(ended=Ending(pattern_id, given(form.last_on.data)))

    return _answer(Desk(form, title, edit, page, line))


def _answer(desk: Desk) -> ResponseReturnValue:
    """Show what an edit would do; make it once that was confirmed; or go on with the form."""
    step, form = request.form.get("step", "preview"), desk.form
    if step not in {"preview", "save"}:
        if isinstance(form, RotationForm):
            form.turns.rearrange(step)
        return desk.page()
    if not form.validate_on_submit():
        return desk.page(), BadInput.status
    try:
        edit = desk.edit()
        return _save(desk, edit) if step == "save" else _confirm_page(desk, edit)
    except (BadInput, Refused) as refusal:
        _blame(form, refusal)
        return desk.page(), refusal.status


def _save(desk: Desk, edit: PatternEdit) -> ResponseReturnValue:
    reason = ReasonForm()
    is_reason = reason.validate()
    try:
        with transaction() as session:
            refuse_if_changed(session, _concerns(session, edit))
            service.save(
                session,
                edit,
                reason=(reason.rest_reason.data or "").strip() or None if is_reason else None,
                actor_id=current_staff().id,
                now=clock.utc_now(),
                tz=zone(),
            )
    except ChangedMeanwhile as refusal:
        return again(refusal, lambda: _confirm_page(desk, edit))
    except RestBroken as broken:
        return _confirm_page(desk, edit, is_asked=True), broken.status
    flash(done_in_words(edit), "success")
    return redirect(url_for("shift_patterns.patterns"), code=303)


def _concerns(session: Session, edit: PatternEdit) -> set[str]:
    """What somebody has to have seen who saves this edit."""
    concerns = concerns_of(edit.added) if edit.added else set()
    if edit.ended:
        concerns |= concerns_of_line(session, edit.ended.pattern_id)
    return concerns


def _confirm_page(desk: Desk, edit: PatternEdit, *, is_asked: bool = False) -> str:
    now, reason = clock.utc_now(), ReasonForm()
    with reading() as session:
        look_at_rota(session)
        service.check(session, edit, now=now, tz=zone())
        found = service.preview(session, edit, now=now, tz=zone())
        names = {person.id: person.name for person in shift_patterns.people_for_rota(session)}
    if is_asked and reason.validate() and not (reason.rest_reason.data or "").strip():
        reason.rest_reason.errors = ["Give a reason."]
    broken = listed("Rules of rest", breaches_in_words(found.breaches), most=5)
    conflicts = listed("What speaks against it for its people", found.conflicts, most=10)
    return render_template(
        "rota/pattern_confirm.html",
        title=desk.title,
        form=reason,
        facts_of=facts_of(edit, desk.instead_of, names),
        weeks=weeks_in_words(found.weeks),
        broken=broken,
        conflicts=conflicts,
        typed=_typed(),
        **breakage_in_words(found.breakage),
    )


def _typed() -> list[tuple[str, str]]:
    """What was sent, for the hidden fields of the page that confirms it."""
    own = {"csrf_token", "step", "rest_reason", FIELD}
    return [pair for pair in request.form.items(multi=True) if pair[0] not in own]


def _blame(form: FlaskForm, refusal: BadInput | Refused) -> None:
    reasons = refusal.fields if isinstance(refusal, BadInput) else {}
    named = {
        name if name in form else FIELDS.get(name, name): reason for name, reason in reasons.items()
    }
    otherwise = "last_on" if "last_on" in form else "start"
    blame(form, BadInput(refusal.message, named), otherwise=otherwise)


def _line_page(
    form: PatternForm | RotationForm, title: str, *, instead_of: PatternLine | None = None
) -> Callable[[], str]:
    is_rotation = isinstance(form, RotationForm)
    template = "rota/rotation_form.html" if is_rotation else "rota/pattern_form.html"

    def page() -> str:
        return render_template(
            template,
            form=form,
            title=title,
            instead_of=instead_of,
            action=request.path,
            people=list(form.people.items()),
            most_turns=MOST_TURNS,
        )

    return page


def _offer(form: PatternForm | RotationForm) -> None:
    with reading() as session:
        look_at_rota(session)
        form.offer(shift_patterns.people_for_rota(session))


def _next_handover(line: Line) -> date:
    """The day a change most likely begins on: of a rotation the next turn's, else tomorrow."""
    today = _today()
    if isinstance(line, Rotation):
        _, begins_on = line.turn_after(max(today, line.from_on - ONE_DAY))
        return begins_on
    return max(today + ONE_DAY, line.from_on)


def _today() -> date:
    return clock.utc_now().astimezone(zone()).date()
