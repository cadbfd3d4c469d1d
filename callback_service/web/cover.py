"""The cover page: each hour of a week, who is short when, and what is needed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from sqlalchemy.orm import Session
from wtforms import IntegerField, SelectField
from wtforms.validators import NumberRange, ValidationError

from callback_service import clock
from callback_service.domain.cover import (
    AppliesOn,
    Hour,
    Requirement,
    Stretch,
    Week,
    gap_in_words,
    gaps,
    requirement_in_words,
)
from callback_service.domain.cover import Day as CoverDay
from callback_service.domain.rota import Duty
from callback_service.domain.staff import Role
from callback_service.domain.wall_time import (
    ONE_DAY,
    WEEK,
    day_in_words,
    start_of_day,
    weekdays_in_words,
)
from callback_service.errors import BadInput, Refused
from callback_service.extensions import reading, transaction
from callback_service.gateways.bank_holidays import bank_holidays
from callback_service.services import cover as cover_service
from callback_service.services import cover_warnings
from callback_service.web.access import current_staff, requires
from callback_service.web.gaps import gap_rows
from callback_service.web.weekly import (
    Day,
    WallTime,
    Weekdays,
    blame,
    choice,
    chosen_monday,
    given,
    week_links,
    zone,
)

bp = Blueprint("cover", __name__, url_prefix="/cover")

WEEKS_AHEAD = 4
ORDINARY_DAY = timedelta(hours=24)


APPLIES_WORDS = {
    AppliesOn.WEEKDAYS: "The weekdays ticked below",
    AppliesOn.BANK_HOLIDAYS: "Bank holidays",
    AppliesOn.DATES: "Every day from the first to the last day given",
}


class NeededPeople(IntegerField):
    """A number of people."""

    SENTENCE = f"Enter a number from 1 to {cover_service.MOST_NEEDED}."

    def __init__(self, label: str, **more: Any) -> None:
        in_range = NumberRange(1, cover_service.MOST_NEEDED, message=self.SENTENCE)
        super().__init__(label, validators=[in_range], **more)

    def process_formdata(self, valuelist: list[Any]) -> None:
        """The typed number; says what a number looks like when it is none."""
        try:
            super().process_formdata(valuelist)
        except ValueError as error:
            raise ValueError(self.SENTENCE) from error


class RequirementForm(FlaskForm):
    """How many people are needed, when."""

    applies_on = SelectField(
        "Which days",
        choices=[choice(kind.value, words) for kind, words in APPLIES_WORDS.items()],
        default=AppliesOn.WEEKDAYS,
        coerce=AppliesOn,
    )
    weekdays = Weekdays("Days", is_needed=False)
    start = WallTime("From")
    end = WallTime("To")
    needed = NeededPeople("People needed")
    from_on = Day("First day")
    until_on = Day("Last day (optional)", is_needed=False)

    def validate_weekdays(self, field: Weekdays) -> None:
        """A weekly requirement needs its days."""
        if self.applies_on.data is AppliesOn.WEEKDAYS and not field.data:
            raise ValidationError("Choose at least one day.")

    def requirement(self) -> Requirement:
        """The requirement as it was typed; only of a form that is valid."""
        return Requirement(
            id=None,
            weekdays=frozenset(self.weekdays.data or []),
            start=given(self.start.data),
            end=given(self.end.data),
            needed=given(self.needed.data),
            from_on=given(self.from_on.data),
            until_on=self.until_on.data,
            applies_on=self.applies_on.data,
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """One hour of one day. ``kind`` names its shade; the mark says the same without colour."""

    text: str
    kind: str
    mark: str
    spoken: str
    is_now: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One stretch of a day in words, for narrow screens."""

    times: str
    people: str
    kind: str


@dataclass(frozen=True, slots=True)
class DayRow:
    """One day of the table, and the same day as a card. ``note`` tells of a clock change."""

    short_name: str
    name: str
    cells: list[Cell | None]
    lines: list[Line]
    note: str


@bp.get("")
@requires(Role.MANAGER)
def week() -> ResponseReturnValue:
    """A week of cover by hour, its gaps in words, and what is needed."""
    form = RequirementForm(formdata=None)
    form.from_on.data = clock.utc_now().astimezone(zone()).date()
    return _page(form)


@bp.post("/requirements")
@requires(Role.MANAGER)
def add_requirement() -> ResponseReturnValue:
    """State how many are needed."""
    form = RequirementForm()
    if not form.validate_on_submit():
        return _page(form), BadInput.status
    requirement = form.requirement()
    try:
        with transaction() as session:
            row = cover_service.add_requirement(
                session, requirement, actor_id=current_staff().id, now=clock.utc_now()
            )
            words = requirement_in_words(cover_service.requirement_of(row))
    except (BadInput, Refused) as refusal:
        blame(form, refusal, otherwise="start")
        return _page(form), refusal.status
    flash(f"{requirement.needed} needed: {words}.", "success")
    return redirect(url_for("cover.week"), code=303)


@bp.post("/requirements/<int:requirement_id>/remove")
@requires(Role.MANAGER)
def remove_requirement(requirement_id: int) -> ResponseReturnValue:
    """Let a requirement hold no longer from today on."""
    with transaction() as session:
        cover_service.remove_requirement(
            session, requirement_id, actor_id=current_staff().id, now=clock.utc_now(), tz=zone()
        )
    flash("The requirement no longer holds from today on.", "success")
    return redirect(url_for("cover.week"), code=303)


def _page(form: RequirementForm) -> str:
    now = clock.utc_now()
    monday = chosen_monday(now)
    start, end = start_of_day(monday, tz=zone()), start_of_day(monday + WEEK, tz=zone())
    with reading() as session:
        grid = cover_service.week_of_cover(session, monday, tz=zone())
        lead_gaps = cover_service.gaps_in_words(session, start, end, tz=zone(), duty=Duty.DUTY_LEAD)
        needs = cover_service.load_requirements(session, from_day=now.astimezone(zone()).date())
        ahead = _weeks_ahead(session, monday)
        known = cover_warnings.known_gaps(session, now=now)
    return render_template(
        "manager/cover.html",
        form=form,
        links=week_links(monday, now),
        week=monday.isoformat(),
        hours=[_hour_name(hour) for hour in grid.hours],
        days=[_day_row(day, grid, now) for day in grid.days],
        gaps=_week_gaps(grid),
        lead_gaps=lead_gaps,
        requirements=[(need, _days_in_words(need)) for need in needs],
        holidays=[
            (day_in_words(day), name)
            for day, name in bank_holidays(monday, monday + WEEK - ONE_DAY).items()
        ],
        known=gap_rows(known, now),
        ahead=ahead,
    )


def _days_in_words(need: Requirement) -> str:
    return {
        AppliesOn.WEEKDAYS: weekdays_in_words(need.weekdays),
        AppliesOn.BANK_HOLIDAYS: "bank holidays",
        AppliesOn.DATES: "every day between the dates",
    }[need.applies_on]


def _week_gaps(grid: Week) -> list[tuple[str, int]]:
    """Each gap of the week in words, and how many are missing; one over midnight is one gap."""
    joined: list[Stretch] = []
    for gap in gaps(stretch for day in grid.days for stretch in day.stretches):
        if joined and joined[-1].end == gap.start and joined[-1][2:] == gap[2:]:
            joined[-1] = joined[-1]._replace(end=gap.end)
        else:
            joined.append(gap)
    return [(gap_in_words(gap, tz=zone()), gap.short) for gap in joined]


def _weeks_ahead(session: Session, monday: date) -> list[tuple[str, str, int]]:
    """The weeks after the one that is shown: address, words, number of gaps."""
    weeks = []
    for number in range(1, WEEKS_AHEAD + 1):
        first = monday + WEEK * number
        start, end = start_of_day(first, tz=zone()), start_of_day(first + WEEK, tz=zone())
        found = cover_service.gaps_in_words(session, start, end, tz=zone())
        weeks.append((first.isoformat(), day_in_words(first), len(found)))
    return weeks


def _hour_name(hour: Hour) -> str:
    return f"{hour.hour:02} (2nd)" if hour.is_second else f"{hour.hour:02}"


def _day_row(day: CoverDay, grid: Week, now: datetime) -> DayRow:
    name = day_in_words(day.day)
    return DayRow(
        short_name=f"{day.day:%a} {day.day.day} {day.day:%b}",
        name=name,
        cells=[
            _cell(day.by_hour[hour], now) if hour in day.by_hour else None for hour in grid.hours
        ],
        lines=[_line(stretch) for stretch in day.stretches],
        note=_clock_change(day, name),
    )


def _clock_change(day: CoverDay, name: str) -> str:
    if day.length == ORDINARY_DAY:
        return ""
    hours = f"{day.length / timedelta(hours=1):g}"
    moved = "back" if day.length > ORDINARY_DAY else "forward"
    return f"{name} has {hours} hours: the clocks go {moved}."


def _cell(row: Stretch, now: datetime) -> Cell:
    return Cell(
        text=f"{row.on_shift}/{row.required}",
        kind=_kind(row),
        mark="▼" * min(row.short, 2),
        spoken=f"{row.short} short" if row.short else "",
        is_now=row.start <= now < row.end,
    )


def _kind(row: Stretch) -> str:
    if row.short:
        return "short1" if row.short == 1 else "short2"
    return "ok" if row.on_shift == row.required else "over"


def _line(row: Stretch) -> Line:
    start, end = row.start.astimezone(zone()), row.end.astimezone(zone())
    people = f"{row.on_shift} on, {row.required} needed"
    if row.short:
        people += f": {row.short} short {'▼' * min(row.short, 2)}"
    return Line(f"{start:%H:%M} to {end:%H:%M}", people, _kind(row))
