"""The rota's pages: who is on now and next, and the week by person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from callback_service import clock
from callback_service.domain.rota import Duty, Source
from callback_service.domain.staff import Role
from callback_service.domain.wall_time import (
    ONE_DAY,
    WEEKDAY_NAMES,
    day_in_words,
)
from callback_service.extensions import reading
from callback_service.services import rota as rota_service
from callback_service.services import rota_preview
from callback_service.services.rota import RosterRow, RotaShift
from callback_service.web.access import current_staff, requires
from callback_service.web.rota_links import rota_links
from callback_service.web.weekly import (
    chosen_monday,
    week_links,
    zone,
)

bp = Blueprint("rota", __name__, url_prefix="/rota")

DUTY_WORDS = {Duty.COUNSELLING: "Counselling", Duty.DUTY_LEAD: "Duty lead"}


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
        links_of_own = rota_links(session, current_staff(), now=now)
    return render_template(
        "rota/week.html",
        is_manager=current_staff().role is Role.MANAGER,
        works_shifts=current_staff().role is not Role.ADMINISTRATOR,
        open_count=len(open_shifts),
        rota_links=links_of_own,
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
