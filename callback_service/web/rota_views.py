"""The rota as everybody sees it: a week and four weeks by person, by hour, and to print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from callback_service import clock
from callback_service.domain import policy
from callback_service.domain.cover_week import week_grid
from callback_service.domain.policy import Action
from callback_service.domain.rota import MAY_HOLD, Duty
from callback_service.domain.wall_time import ONE_DAY, WEEK, day_in_words, monday_of
from callback_service.errors import BadInput
from callback_service.extensions import reading
from callback_service.services import rota_preview, shift_patterns
from callback_service.services.roster import Board, boards
from callback_service.services.rota import Person
from callback_service.web import rota, rota_grid, rota_hours
from callback_service.web.access import current_staff, requires
from callback_service.web.rota import DUTY_WORDS
from callback_service.web.rota_grid import Links, View
from callback_service.web.rota_links import next_shift, rota_links
from callback_service.web.weekly import FURTHEST_WEEK, chosen_monday, zone

bp = rota.bp  # the rooms of the rota share one address

ME = "me"
FOUR_WEEKS = 4 * WEEK
#: (label, endpoint) of the ways to look at the rota.
WAYS = (
    ("Week", "rota.week"),
    ("Four weeks", "rota.four_weeks"),
    ("By hour, day", "rota.hours"),
    ("By hour, week", "rota.hours_of_week"),
)
#: What the address calls the date of those that show a day; the others show weeks.
DAY_NAMES = {"rota.hours": "day"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for: duties and perhaps one person. ``args`` say the same in links."""

    duties: tuple[Duty, ...]
    person_id: int | None
    args: dict[str, Any]


@bp.get("")
@requires(Action.SEE_ROTA)
def week() -> ResponseReturnValue:
    """The week by person, and who is on now and next."""
    now, wanted = clock.utc_now(), _wanted()
    monday = chosen_monday(now)
    with reading() as session:
        found = boards(
            session, monday, 7, tz=zone(), duties=wanted.duties, person_id=wanted.person_id
        )
        people = shift_patterns.people_for_rota(session)
        open_shifts = rota_preview.open_shifts(session, now=now, tz=zone())
        links = rota_links(session, current_staff(), now=now)
        shift = next_shift(session, current_staff().id, now=now, tz=zone())
    view = _view(monday, 7, now, "rota.week", wanted)
    return render_template(
        "rota/week.html",
        groups=list(_groups(found, view, wanted)),
        open_count=len(open_shifts),
        rota_links=links,
        next_shift=shift,
        is_one=wanted.person_id is not None,
        **_frame("rota.week", monday, WEEK, now, wanted, people),
    )


@bp.get("/print")
@requires(Action.SEE_ROTA)
def print_week() -> ResponseReturnValue:
    """The week by person as a sheet to print."""
    now, wanted = clock.utc_now(), _wanted()
    monday = chosen_monday(now)
    with reading() as session:
        found = boards(
            session, monday, 7, tz=zone(), duties=wanted.duties, person_id=wanted.person_id
        )
    view = replace(_view(monday, 7, now, "rota.week", wanted), links=Links(), me=0)
    groups = [
        (
            DUTY_WORDS[board.duty],
            [(row.name, row.columns(7)) for row in rota_grid.rows(board, view)],
            rota_hours.shortfalls(board.cover, tz=zone()),
        )
        for board in found
        if board.lines
    ]
    return render_template(
        "rota/print.html",
        groups=groups,
        days=[monday + ONE_DAY * ahead for ahead in range(7)],
        range_words=f"{_date(monday)} to {_date(monday + WEEK - ONE_DAY)}",
        printed_at=f"{_date(now.astimezone(zone()).date())}, {now.astimezone(zone()):%H:%M}",
        back=url_for("rota.week", week=monday, **wanted.args),
    )


@bp.get("/four-weeks")
@requires(Action.SEE_ROTA)
def four_weeks() -> ResponseReturnValue:
    """Four weeks by person, in short, with hours in all."""
    now, wanted = clock.utc_now(), _wanted()
    monday = chosen_monday(now)
    with reading() as session:
        found = boards(
            session, monday, 28, tz=zone(), duties=wanted.duties, person_id=wanted.person_id
        )
        people = shift_patterns.people_for_rota(session)
    view = _view(monday, 28, now, "rota.four_weeks", wanted)
    groups = [
        (
            DUTY_WORDS[board.duty],
            rota_grid.heads(board, view, _day_link(board.duty)),
            rota_grid.short_rows(board, view),
        )
        for board in found
        if board.lines
    ]
    return render_template(
        "rota/four_weeks.html",
        groups=groups,
        **_frame("rota.four_weeks", monday, FOUR_WEEKS, now, wanted, people),
    )


@bp.get("/hours")
@requires(Action.SEE_ROTA)
def hours() -> ResponseReturnValue:
    """Who is on in each hour of a day, and whether they are enough."""
    now, wanted = clock.utc_now(), _one_duty()
    day = _chosen_day(now)
    monday = monday_of(day)
    [board] = _whole_week(monday, wanted)
    grid = week_grid(board.cover, monday, tz=zone())
    shown = rota_hours.day_of(grid, day)
    return render_template(
        "rota/hours.html",
        duty=DUTY_WORDS[board.duty],
        rows=rota_hours.day_rows(board, shown, now=now, tz=zone()),
        short=rota_hours.shortfalls(shown.stretches, tz=zone()),
        note=rota_hours.clock_change(shown),
        **_frame("rota.hours", day, ONE_DAY, now, wanted, []),
    )


@bp.get("/hours/week")
@requires(Action.SEE_ROTA)
def hours_of_week() -> ResponseReturnValue:
    """How many are on in each hour of a week, and whether they are enough."""
    now, wanted = clock.utc_now(), _one_duty()
    monday = chosen_monday(now)
    [board] = _whole_week(monday, wanted)
    grid = week_grid(board.cover, monday, tz=zone())
    view = _view(monday, 7, now, "rota.hours_of_week", wanted)
    return render_template(
        "rota/hours_of_week.html",
        duty=DUTY_WORDS[board.duty],
        heads=rota_grid.heads(board, view, _day_link(board.duty)),
        rows=rota_hours.week_rows(grid, now=now),
        short=rota_hours.shortfalls(board.cover, tz=zone()),
        notes=[note for day in grid.days if (note := rota_hours.clock_change(day))],
        **_frame("rota.hours_of_week", monday, WEEK, now, wanted, []),
    )


def _whole_week(monday: date, wanted: Wanted) -> list[Board]:
    with reading() as session:
        return boards(session, monday, 7, tz=zone(), duties=wanted.duties)


def _groups(
    found: list[Board], view: View, wanted: Wanted
) -> Iterator[tuple[str, list[rota_grid.Head], list[rota_grid.Row]]]:
    """Each duty with its days and its rows; without the duties that nobody has."""
    role = current_staff().role
    for board in found:
        if not board.lines:
            continue
        may_take = role in MAY_HOLD[board.duty]
        links = replace(view.links, take=view.links.take if may_take else "")
        rows = rota_grid.rows(board, replace(view, links=links))
        yield DUTY_WORDS[board.duty], rota_grid.heads(board, view, _day_link(board.duty)), rows


def _view(first: date, days: int, now: datetime, endpoint: str, wanted: Wanted) -> View:
    is_manager = policy.may(current_staff().role, Action.EDIT_ROTA)
    person = ""
    if wanted.person_id is None:
        # The last part of the address is empty, so that an id may follow.
        person = url_for(endpoint, **wanted.args, week=first.isoformat(), who="")
    links = Links(
        person=person,
        change=url_for("rota_changes.changes") if is_manager else "",
        take=url_for("rota_changes.open_shifts"),
    )
    return View(first, days, now, zone(), current_staff().id, links)


def _day_link(duty: Duty) -> str:
    """The page of one day's hours; a date may follow."""
    return url_for("rota.hours", duty=duty.value, day="")


def _wanted() -> Wanted:
    """The filters of the address. Raises BadInput for what no link or form here makes."""
    duty, who = request.args.get("duty", ""), request.args.get("who", "")
    args = {name: value for name, value in (("duty", duty), ("who", who)) if value}
    person_id = None
    if who == ME:
        person_id = current_staff().id
    elif who:
        if not who.isdecimal() or len(who) > 9:
            raise BadInput("Choose somebody from the list.")
        person_id = int(who)
    return Wanted((_duty(duty),) if duty else tuple(Duty), person_id, args)


def _duty(value: str) -> Duty:
    try:
        return Duty(value)
    except ValueError as error:
        raise BadInput("Choose a duty from the list.") from error


def _one_duty() -> Wanted:
    """One duty, counselling unless the address says so, and everybody."""
    duty = _duty(request.args.get("duty") or Duty.COUNSELLING.value)
    return Wanted((duty,), None, {} if duty is Duty.COUNSELLING else {"duty": duty.value})


def _chosen_day(now: datetime) -> date:
    """The day in the address, or today. Raises BadInput."""
    today = now.astimezone(zone()).date()
    wanted = request.args.get("day") or request.args.get("week")
    if not wanted:
        return today
    try:
        day = date.fromisoformat(wanted)
    except ValueError as error:
        raise BadInput("The day must be a date, like 2026-11-23.") from error
    if abs(day - today) > FURTHEST_WEEK:
        raise BadInput("Choose a day within five years of today.")
    return day


def _frame(
    endpoint: str,
    first: date,
    length: timedelta,
    now: datetime,
    wanted: Wanted,
    people: list[Person],
) -> dict[str, object]:
    """What every way to look at the rota has around it: links, filters and its range in words."""
    staff = current_staff()
    return {
        "range_words": _date(first),
        "until_words": _date(first + length - ONE_DAY),
        **_dates(endpoint, first, length, now, wanted),
        "address": url_for(endpoint),
        "at": (DAY_NAMES.get(endpoint, "week"), first.isoformat()),
        "duties": [
            (duty.value, words, wanted.duties == (duty,)) for duty, words in DUTY_WORDS.items()
        ],
        "people": [(str(one.id), one.name, one.id == wanted.person_id) for one in people],
        "is_me": wanted.person_id == staff.id,
        "is_manager": policy.may(staff.role, Action.EDIT_ROTA),
        "works_shifts": policy.may(staff.role, Action.WORK_OWN_SHIFTS),
    }


def _dates(
    endpoint: str, first: date, length: timedelta, now: datetime, wanted: Wanted
) -> dict[str, object]:
    """The links from one view to the others, and to the dates before and after."""
    today = now.astimezone(zone()).date()
    is_now = first <= today < first + length

    def link(to: str, day: date | None) -> str:
        at: dict[str, Any] = {DAY_NAMES.get(to, "week"): day.isoformat()} if day else {}
        return url_for(to, **at, **wanted.args)

    def way(to: str) -> str:
        return link(to, today if is_now and to in DAY_NAMES else first)

    return {
        "ways": [(label, way(to), to == endpoint) for label, to in WAYS],
        "previous": link(endpoint, first - length),
        "next": link(endpoint, first + length),
        "current": "" if is_now else link(endpoint, None),
        "print_link": link("rota.print_week", first),
    }


def _date(day: date) -> str:
    return f"{day_in_words(day)} {day.year}"
