"""The patterns of the rota, for managers. What everybody looks at is in ``web.rota_views``."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import BooleanField

from callback_service import clock
from callback_service.domain.rest import Breach, breach_in_words
from callback_service.domain.rota import Duty, Pattern
from callback_service.domain.staff import Role
from callback_service.domain.wall_time import weekly_in_words
from callback_service.errors import BadInput
from callback_service.extensions import reading, transaction
from callback_service.services import rest as rest_service
from callback_service.services import shift_patterns
from callback_service.services.rota import Person
from callback_service.services.shift_patterns import PatternLine
from callback_service.web.access import current_staff, requires
from callback_service.web.weekly import (
    Day,
    OneOf,
    Reason,
    WallTime,
    Weekdays,
    blame,
    choice,
    given,
    zone,
)

bp = Blueprint("rota", __name__, url_prefix="/rota")

DUTY_WORDS = {Duty.COUNSELLING: "Counselling", Duty.DUTY_LEAD: "Duty lead"}


class PatternForm(FlaskForm):
    """One new line of the rota."""

    staff_id = OneOf("Who", sentence="Choose who works this shift.")
    duty = OneOf(
        "Duty",
        sentence="Choose a duty.",
        choices=[choice(duty.value, DUTY_WORDS[duty]) for duty in Duty],
        coerce=Duty,
    )
    weekdays = Weekdays("Days the shift starts on")
    start = WallTime("Starts at")
    end = WallTime("Ends at")
    from_on = Day("First day")
    until_on = Day("Last day (optional)", is_needed=False)
    save_anyway = BooleanField("Save all the same")
    rest_reason = Reason("Why this is allowed", is_needed=False)

    def offer(self, people: list[Person]) -> None:
        """Let one of ``people`` be chosen."""
        nobody = choice("", "Choose somebody")
        self.staff_id.choices = [
            nobody,
            *(choice(str(person.id), person.name) for person in people),
        ]

    def pattern(self) -> Pattern:
        """The line as it was typed; only of a form that is valid."""
        return Pattern(
            id=None,
            staff_id=int(self.staff_id.data),
            duty=self.duty.data,
            weekdays=frozenset(self.weekdays.data or []),
            start=given(self.start.data),
            end=given(self.end.data),
            from_on=given(self.from_on.data),
            until_on=self.until_on.data,
        )


class EndForm(FlaskForm):
    """When a pattern ends."""

    last_on = Day("Last day a shift starts on")


@bp.get("/patterns")
@requires(Role.MANAGER)
def patterns() -> ResponseReturnValue:
    """The lines of the rota, and a form for a new one."""
    form = PatternForm(formdata=None)
    form.from_on.data = clock.utc_now().astimezone(zone()).date()
    return _patterns_page(form)


@bp.post("/patterns")
@requires(Role.MANAGER)
def add_pattern() -> ResponseReturnValue:
    """Put a new line on the rota."""
    form = PatternForm()
    with reading() as session:
        form.offer(shift_patterns.people_for_rota(session))
    if not form.validate_on_submit():
        return _patterns_page(form), BadInput.status
    pattern = form.pattern()
    try:
        with transaction() as session:
            rest_service.add_pattern(
                session,
                pattern,
                reason=_reason_to_break(form),
                actor_id=current_staff().id,
                now=clock.utc_now(),
                tz=zone(),
            )
    except rest_service.RestBroken as broken:
        return _patterns_page(form, broken.breaches), broken.status
    except BadInput as refusal:
        blame(form, refusal, otherwise="start")
        return _patterns_page(form), refusal.status
    flash(f"Added: {weekly_in_words(pattern)}.", "success")
    return redirect(url_for("rota.patterns"), code=303)


def _reason_to_break(form: PatternForm) -> str | None:
    """Why the rules of rest may be broken; None unless that is ticked and a reason given."""
    if not form.save_anyway.data:
        return None
    reason = (form.rest_reason.data or "").strip()
    if not reason:
        form.rest_reason.errors = ["Give a reason."]
    return reason or None


@bp.get("/patterns/<int:pattern_id>/end")
@requires(Role.MANAGER)
def end_form(pattern_id: int) -> ResponseReturnValue:
    """Ask when a pattern ends."""
    form = EndForm(formdata=None)
    form.last_on.data = clock.utc_now().astimezone(zone()).date()
    return _end_page(pattern_id, form)


@bp.post("/patterns/<int:pattern_id>/end")
@requires(Role.MANAGER)
def end_pattern(pattern_id: int) -> ResponseReturnValue:
    """Let a pattern end."""
    form = EndForm()
    if not form.validate_on_submit():
        return _end_page(pattern_id, form), BadInput.status
    try:
        with transaction() as session:
            shift_patterns.end_pattern(
                session,
                pattern_id,
                last_on=given(form.last_on.data),
                actor_id=current_staff().id,
                now=clock.utc_now(),
                tz=zone(),
            )
    except BadInput as refusal:
        blame(form, refusal, otherwise="last_on")
        return _end_page(pattern_id, form), refusal.status
    flash("The pattern ends as you said. Look at the cover page for what that leaves.", "success")
    return redirect(url_for("rota.patterns"), code=303)


def _patterns_page(form: PatternForm, broken: Sequence[Breach] = ()) -> str:
    today = clock.utc_now().astimezone(zone()).date()
    with reading() as session:
        form.offer(shift_patterns.people_for_rota(session))
        lines = shift_patterns.list_patterns(session, today=today)
    return render_template(
        "rota/patterns.html",
        form=form,
        groups=_by_duty(lines),
        broken=[breach_in_words(breach, tz=zone()) for breach in broken],
    )


def _by_duty(lines: list[PatternLine]) -> list[tuple[str, list[PatternLine]]]:
    return [
        (words, [line for line in lines if line.duty is duty]) for duty, words in DUTY_WORDS.items()
    ]


def _end_page(pattern_id: int, form: EndForm) -> str:
    with reading() as session:
        line = shift_patterns.pattern_line(session, pattern_id)
    return render_template("rota/end.html", form=form, line=line)
