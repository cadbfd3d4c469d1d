"""Pages that change the rota for given dates: overrides, leave, sickness and open shifts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import SelectField
from wtforms.validators import Optional

from callback_service import clock
from callback_service.domain import policy
from callback_service.domain.policy import Action
from callback_service.domain.rota import Duty, clip
from callback_service.domain.rota_changes import (
    Change,
    Leave,
    LeaveReason,
    OpenShift,
    Override,
    OverrideKind,
)
from callback_service.domain.wall_time import ONE_DAY, first_instant, last_instant, start_of_day
from callback_service.errors import BadInput, Refused
from callback_service.extensions import reading, transaction
from callback_service.services import availability, rest_checks, rota_preview, shift_patterns
from callback_service.services import rota as rota_service
from callback_service.services import rota_changes as service
from callback_service.services.rota import Person
from callback_service.services.rota_change_rows import span_in_words
from callback_service.services.rota_meanwhile import (
    ChangedMeanwhile,
    concerns_of,
    concerns_of_change,
)
from callback_service.web.access import current_staff, requires
from callback_service.web.breakage import breakage_in_words
from callback_service.web.meanwhile import again, look_at_rota, refuse_if_changed
from callback_service.web.rota import DUTY_WORDS
from callback_service.web.weekly import Day, OneOf, Reason, WallTime, blame, choice, given, zone

bp = Blueprint("rota_changes", __name__, url_prefix="/rota")

OPEN = "open"
WHAT = {
    OverrideKind.REPLACE.value: "Somebody else works instead",
    OverrideKind.REMOVE.value: "Does not work",
    OverrideKind.ADD.value: "Works an extra shift",
    LeaveReason.ANNUAL.value: "Is away: annual leave",
    LeaveReason.SICK.value: "Is away: ill",
    LeaveReason.TRAINING.value: "Is away: training",
    LeaveReason.OTHER.value: "Is away: another reason",
    OPEN: "Open shift: nobody yet, anybody able may take it",
}
REASONS = frozenset(reason.value for reason in LeaveReason)

#: Where the form shows what a service says of a field.
FIELDS = {"start": "from_on", "end": "until_on"}


class Whoever(SelectField):
    """One of the staff, or nobody."""

    def __init__(self, label: str, **more: Any) -> None:
        super().__init__(label, validators=[Optional()], validate_choice=False, **more)


class ChangeForm(FlaskForm):
    """One change for given dates."""

    what = OneOf(
        "What",
        sentence="Choose what changes.",
        choices=[choice(value, words) for value, words in WHAT.items()],
    )
    staff_id = Whoever("Who")
    by_id = Whoever("Who works instead")
    duty = OneOf(
        "Duty",
        sentence="Choose a duty.",
        choices=[choice(duty.value, DUTY_WORDS[duty]) for duty in Duty],
        coerce=Duty,
    )
    from_on = Day("From")
    from_at = WallTime("From, time")
    until_on = Day("Until")
    until_at = WallTime("Until, time")
    rest_reason = Reason("Why this is allowed", is_needed=False)

    def offer(self, people: list[Person]) -> None:
        """Let ``people`` be chosen."""
        self.names = {str(person.id): person.name for person in people}
        listed = [choice(key, name) for key, name in self.names.items()]
        for field in (self.staff_id, self.by_id):
            field.choices = [choice("", "Nobody"), *listed]

    def change(self) -> Change:
        """What was typed; raises BadInput for what does not go together."""
        tz = zone()
        start = first_instant(given(self.from_on.data), given(self.from_at.data), tz=tz)
        end = last_instant(given(self.until_on.data), given(self.until_at.data), tz=tz)
        if end <= start:
            raise BadInput("", {"end": "The end must be after the start."})
        what, duty = self.what.data, self.duty.data
        if what == OPEN:
            return OpenShift(start, end, duty)
        staff_id = self._chosen(self.staff_id, "Choose whose rota changes.")
        if what in REASONS:
            return Leave(staff_id, start, end, LeaveReason(what))
        by_id = None
        if what == OverrideKind.REPLACE:
            by_id = self._chosen(self.by_id, "Choose who works instead.")
        if by_id == staff_id:
            raise BadInput("", {"by_id": "Choose somebody else to work instead."})
        return Override(OverrideKind(what), staff_id, start, end, duty, by_id)

    def _chosen(self, field: Whoever, sentence: str) -> int:
        if field.data not in self.names:
            raise BadInput(sentence, {str(field.name): sentence})
        return int(field.data)


class IllForm(FlaskForm):
    """How long somebody expects to be ill."""

    back_on = Day("First day you expect to be back")


@bp.get("/changes")
@requires(Action.EDIT_ROTA)
def changes() -> ResponseReturnValue:
    """The changes to come, and a form for a new one; links from the rota fill some of it in."""
    form = ChangeForm(formdata=request.args)
    tomorrow = clock.utc_now().astimezone(zone()).date() + ONE_DAY
    for field in (form.from_on, form.until_on):
        field.data = field.data or tomorrow
    return _changes_page(form)


@bp.post("/changes")
@requires(Action.EDIT_ROTA)
def make_change() -> ResponseReturnValue:
    """Show what a change would break; make it once that was confirmed."""
    form, now = ChangeForm(), clock.utc_now()
    with reading() as session:
        form.offer(shift_patterns.people_for_rota(session))
    if not form.validate_on_submit():
        return _changes_page(form), BadInput.status
    step = request.form.get("step")
    if step == "edit":
        return _changes_page(form)
    try:
        change = form.change()
        if step != "save":
            return _confirm_page(form, change, now)
        if not _save(form, change, now):
            return _confirm_page(form, change, now), Refused.status
    except ChangedMeanwhile as refusal:
        return again(refusal, lambda: _changes_page(form))
    except (BadInput, Refused) as refusal:
        _blame(form, refusal)
        return _changes_page(form), refusal.status
    flash("The rota is changed. Everything promised is planned again now.", "success")
    return redirect(url_for("rota_changes.changes"), code=303)


def _save(form: ChangeForm, change: Change, now: datetime) -> bool:
    """Make the change; False where it breaks a rule of rest and no reason was given."""
    reason = (form.rest_reason.data or "").strip() or None
    actor_id = current_staff().id
    try:
        with transaction() as session:
            refuse_if_changed(session, concerns_of(change))
            rest_checks.make_change(
                session, change, reason=reason, actor_id=actor_id, now=now, tz=zone()
            )
    except rest_checks.RestBroken:
        form.rest_reason.errors = ["Give a reason."]
        return False
    return True


def _blame(form: ChangeForm, refusal: BadInput | Refused) -> None:
    reasons = refusal.fields if isinstance(refusal, BadInput) else {}
    named = {FIELDS.get(name, name): reason for name, reason in reasons.items()}
    blame(form, BadInput(refusal.message, named), otherwise="from_on")


def _changes_page(form: ChangeForm) -> str:
    with reading() as session:
        look_at_rota(session)
        form.offer(shift_patterns.people_for_rota(session))
        coming = rota_preview.coming_changes(session, now=clock.utc_now(), tz=zone())
    return render_template("rota/changes.html", form=form, coming=coming, tz=zone())


def _confirm_page(form: ChangeForm, change: Change, now: datetime) -> str:
    with reading() as session:
        look_at_rota(session)
        service.check_change(session, change, now=now, tz=zone())
        breakage = rota_preview.what_would_break(session, change, now=now, tz=zone())
        broken = rest_checks.breaches_of_change(session, change, now=now, tz=zone())
        broken_words = rest_checks.in_words(session, broken, tz=zone())
    facts = [("What", WHAT[form.what.data])]
    if not isinstance(change, OpenShift):
        facts.append(("Who", form.names[str(change.staff_id)]))
    if isinstance(change, Override) and change.by_id is not None:
        facts.append(("Who works instead", form.names[str(change.by_id)]))
    if not isinstance(change, Leave):
        facts.append(("Duty", DUTY_WORDS[change.duty]))
    facts.append(("When", span_in_words(change.start, change.end, tz=zone())))
    unseen = set(form.data) - {"csrf_token", "rest_reason"}
    return render_template(
        "rota/change_confirm.html",
        form=form,
        facts_of=facts,
        typed={name: request.form.get(name, "") for name in form.data if name in unseen},
        broken=broken_words,
        **breakage_in_words(breakage),
    )


@bp.get("/changes/<int:change_id>/cancel")
@requires(Action.EDIT_ROTA)
def cancel_form(change_id: int) -> ResponseReturnValue:
    """Show what cancelling a change would break, and ask."""
    return _cancel_page(change_id)


def _cancel_page(change_id: int) -> str:
    now = clock.utc_now()
    with reading() as session:
        look_at_rota(session)
        line = rota_preview.change_line(session, change_id, now=now, tz=zone())
        undoing = line.undoing()
        breakage = rota_preview.Breakage([], [], [], 0)
        if undoing is not None:
            breakage = rota_preview.what_would_break(session, undoing, now=now, tz=zone())
    return render_template("rota/change_cancel.html", line=line, **breakage_in_words(breakage))


@bp.post("/changes/<int:change_id>/cancel")
@requires(Action.EDIT_ROTA)
def cancel_change(change_id: int) -> ResponseReturnValue:
    """Let a change hold no longer."""
    now = clock.utc_now()
    try:
        with transaction() as session:
            refuse_if_changed(session, concerns_of_change(session, change_id))
            service.cancel_change(session, change_id, actor_id=current_staff().id, now=now)
    except ChangedMeanwhile as refusal:
        return again(refusal, lambda: _cancel_page(change_id))
    flash("The change is cancelled. What has been worked stays on record.", "success")
    return redirect(url_for("rota_changes.changes"), code=303)


@bp.get("/open-shifts")
@requires(Action.WORK_OWN_SHIFTS)
def open_shifts() -> ResponseReturnValue:
    """The shifts that nobody holds yet, to take."""
    me, now = current_staff(), clock.utc_now()
    with reading() as session:
        lines = [
            (line, DUTY_WORDS[line.duty])
            for line in rota_preview.open_shifts(session, now=now, tz=zone())
            if line.duty is Duty.COUNSELLING or policy.may(me.role, Action.EDIT_ROTA)
        ]
        mine = [
            (line, DUTY_WORDS[line.duty])
            for line in rota_preview.open_shifts(session, now=now, tz=zone(), taken_by=me.id)
        ]
    return render_template("rota/open_shifts.html", lines=lines, mine=mine, now=now)


@bp.post("/open-shifts/<int:change_id>/take")
@requires(Action.WORK_OWN_SHIFTS)
def take_open_shift(change_id: int) -> ResponseReturnValue:
    """Take a shift that nobody holds; ask first where one stated that one cannot work then."""
    me = current_staff().id
    with reading() as session:
        against = availability.conflicts_of_open_shift(session, change_id, me, tz=zone())
    if against and "confirmed" not in request.form:
        return render_template("rota/open_shift_confirm.html", change_id=change_id, against=against)
    try:
        with transaction() as session:
            row = rest_checks.take_open_shift(
                session, change_id, staff_id=me, now=clock.utc_now(), tz=zone()
            )
            words = span_in_words(row.starts_at, row.ends_at, tz=zone())
    except (BadInput, Refused) as refusal:
        flash(refusal.message, "error")
    else:
        flash(f"The shift is yours: {words}.", "success")
    return redirect(url_for("rota_changes.open_shifts"), code=303)


@bp.get("/ill")
@requires(Action.WORK_OWN_SHIFTS)
def ill_form() -> ResponseReturnValue:
    """Ask somebody who is ill whether they mean it, and until when."""
    form = IllForm(formdata=None)
    form.back_on.data = clock.utc_now().astimezone(zone()).date() + ONE_DAY
    return _ill_page(form)


@bp.post("/ill")
@requires(Action.WORK_OWN_SHIFTS)
def be_ill() -> ResponseReturnValue:
    """Take whoever is signed in off the rota from now on."""
    form, now, me = IllForm(), clock.utc_now(), current_staff().id
    if not form.validate_on_submit():
        return _ill_page(form), BadInput.status
    until = start_of_day(given(form.back_on.data), tz=zone())
    try:
        with transaction() as session:
            row = service.sick_from_now(session, me, until=until, actor_id=me, now=now, tz=zone())
            words = span_in_words(row.starts_at, row.ends_at, tz=zone())
    except (BadInput, Refused) as refusal:
        blame(form, BadInput(refusal.message), otherwise="back_on")
        return _ill_page(form), refusal.status
    flash(f"You are off the rota, {words}. Get well soon.", "success")
    return redirect(url_for("rota.week"), code=303)


def _ill_page(form: IllForm) -> str:
    now, me = clock.utc_now(), current_staff().id
    with reading() as session:
        shifts, _ = rota_service.resolve(session, now, now + timedelta(days=7), tz=zone())
    mine = [shift for shift in shifts if shift.staff_id == me]
    week = clip(mine, now, max([now, *(shift.end for shift in mine)]))
    lines = [span_in_words(shift.start, shift.end, tz=zone()) for shift in week]
    return render_template("rota/ill.html", form=form, lines=lines)
