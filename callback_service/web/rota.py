"""The rota's pages: who is on now and next, the week by person, and its patterns for managers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import BooleanField

from callback_service import clock
from callback_service.domain.rest import Breach, breach_in_words
from callback_service.domain.rota import Duty, Pattern, Source
from callback_service.domain.staff import Role
from callback_service.domain.wall_time import (
    ONE_DAY,
    WEEKDAY_NAMES,
    day_in_words,
    weekly_in_words,
)
from callback_service.errors import BadInput
from callback_service.extensions import reading, transaction
from callback_service.services import rest_checks, rota_preview, shift_patterns
from callback_service.services import rota as rota_service
from callback_service.services.rota import Person, RosterRow, RotaShift
from callback_service.services.rota_meanwhile import (
    ChangedMeanwhile,
    concerns_of,
    concerns_of_line,
)
from callback_service.services.shift_patterns import PatternLine
from callback_service.web.access import current_staff, requires
from callback_service.web.meanwhile import again, look_at_rota, refuse_if_changed
from callback_service.web.weekly import (
    Day,
    OneOf,
    Reason,
    WallTime,
    Weekdays,
    blame,
    choice,
    chosen_monday,
    given,
    week_links,
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


@dataclass(frozen=True, slots=True)
class Entry:
    """One shift in the week: the column it stands in, its day and its times."""

    column: int
    day: str
    times: str
    note: str
    is_now: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One person's week."""

    name: str
    is_me: bool
    entries: list[Entry]


@bp.get("")
@requires(*Role)
def week() -> ResponseReturnValue:
    """Who is on now, who is next, and the week by person."""
    now = clock.utc_now()
    monday = chosen_monday(now)
    with reading() as session:
        groups = [
            (DUTY_WORDS[duty], [_row(row, monday, now) for row in rows])
            for duty in Duty
            if (rows := rota_service.week_by_person(session, monday, tz=zone(), duty=duty))
        ]
        running = {
            duty: rota_service.on_now(session, now=now, tz=zone(), duty=duty) for duty in Duty
        }
        coming = {
            duty: rota_service.next_on(session, now=now, tz=zone(), duty=duty) for duty in Duty
        }
        open_shifts = rota_preview.open_shifts(session, now=now, tz=zone())
    return render_template(
        "rota/week.html",
        is_manager=current_staff().role is Role.MANAGER,
        works_shifts=current_staff().role is not Role.ADMINISTRATOR,
        open_count=len(open_shifts),
        has_calendar=current_staff().role is not Role.ADMINISTRATOR,
        now_words=_clock(now),
        on_now=[(_name(shift), _until(shift, now)) for shift in running[Duty.COUNSELLING]],
        lead_now=[(_name(shift), _until(shift, now)) for shift in running[Duty.DUTY_LEAD]],
        next_on=[(_name(shift), _from(shift, now)) for shift in coming[Duty.COUNSELLING]],
        lead_next=[(_name(shift), _from(shift, now)) for shift in coming[Duty.DUTY_LEAD]],
        groups=groups,
        days=[monday + ONE_DAY * ahead for ahead in range(7)],
        today=now.astimezone(zone()).date(),
        links=week_links(monday, now),
    )


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
            refuse_if_changed(session, concerns_of(pattern))
            rest_checks.add_pattern(
                session,
                pattern,
                reason=_reason_to_break(form),
                actor_id=current_staff().id,
                now=clock.utc_now(),
                tz=zone(),
            )
    except ChangedMeanwhile as refusal:
        return again(refusal, lambda: _patterns_page(form))
    except rest_checks.RestBroken as broken:
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
            refuse_if_changed(session, concerns_of_line(session, pattern_id))
            shift_patterns.end_pattern(
                session,
                pattern_id,
                last_on=given(form.last_on.data),
                actor_id=current_staff().id,
                now=clock.utc_now(),
                tz=zone(),
            )
    except ChangedMeanwhile as refusal:
        return again(refusal, lambda: _end_page(pattern_id, form))
    except BadInput as refusal:
        blame(form, refusal, otherwise="last_on")
        return _end_page(pattern_id, form), refusal.status
    flash("The pattern ends as you said. Look at the cover page for what that leaves.", "success")
    return redirect(url_for("rota.patterns"), code=303)


def _patterns_page(form: PatternForm, broken: Sequence[Breach] = ()) -> str:
    today = clock.utc_now().astimezone(zone()).date()
    with reading() as session:
        look_at_rota(session)
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
        look_at_rota(session)
        line = shift_patterns.pattern_line(session, pattern_id)
    return render_template("rota/end.html", form=form, line=line)


def _row(row: RosterRow, monday: date, now: datetime) -> Row:
    entries = [
        _entry(shift, day, monday, now) for day, shifts in row.by_day.items() for shift in shifts
    ]
    return Row(row.person.name, row.person.id == current_staff().id, entries)


def _entry(shift: RotaShift, day: date, monday: date, now: datetime) -> Entry:
    ends = shift.end.astimezone(zone())
    day_name = f"{WEEKDAY_NAMES[day.weekday()][:3]} {day.day}"
    if day < monday:
        times, note = f"to {ends:%H:%M}", f"from {WEEKDAY_NAMES[day.weekday()]}"
    else:
        times = f"{_clock(shift.start)} to {ends:%H:%M}"
        note = "next day" if ends.date() > day else ""
    if shift.source is not Source.PATTERN:
        note = f"{note}, by a change" if note else "by a change"
    return Entry(max(0, (day - monday).days), day_name, times, note, shift.start <= now < shift.end)


def _name(shift: RotaShift) -> str:
    return shift.person.name if shift.person else "nobody yet"


def _clock(instant: datetime) -> str:
    return f"{instant.astimezone(zone()):%H:%M}"


def _until(shift: RotaShift, now: datetime) -> str:
    return f"until {_near(shift.end, now)}"


def _from(shift: RotaShift, now: datetime) -> str:
    return f"from {_near(shift.start, now)}"


def _near(instant: datetime, now: datetime) -> str:
    """A time for people; with its day where that is not today."""
    day = instant.astimezone(zone()).date()
    if day == now.astimezone(zone()).date():
        return _clock(instant)
    return f"{_clock(instant)} on {day_in_words(day)}"
