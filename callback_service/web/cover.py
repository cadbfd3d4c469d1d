"""The cover page: each hour of a week, who is short when, and what is needed."""

from __future__ import annotations

from datetime import date
from operator import itemgetter

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from callback_service import clock
from callback_service.domain.cover import gaps
from callback_service.domain.cover_words import gap_in_words, requirement_in_words
from callback_service.domain.policy import Action
from callback_service.domain.rota import Duty
from callback_service.domain.wall_time import ONE_DAY, WEEK, day_in_words, start_of_day
from callback_service.errors import BadInput, Refused
from callback_service.extensions import current_settings, reading, transaction
from callback_service.gateways.bank_holidays import bank_holidays
from callback_service.services import cover as cover_service
from callback_service.services import cover_requirements, cover_warnings, staff_skills
from callback_service.services.cover import Cover
from callback_service.services.rota_meanwhile import (
    CONCERNS_OF_REQUIREMENTS,
    ChangedMeanwhile,
    concerns_of_requirement,
)
from callback_service.web.access import current_staff, requires
from callback_service.web.cover_grid import day_row, hour_name
from callback_service.web.gaps import gap_rows
from callback_service.web.meanwhile import again, look_at_rota, refuse_if_changed
from callback_service.web.requirement_form import RequirementForm, days_in_words, needed_in_words
from callback_service.web.weekly import blame, chosen_monday, week_links, zone

bp = Blueprint("cover", __name__, url_prefix="/cover")

WEEKS_AHEAD = 4


@bp.get("")
@requires(Action.SEE_COVER)
def week() -> ResponseReturnValue:
    """A week of cover by hour, its gaps in words, and what is needed."""
    return _page(_new_form())


def _new_form() -> RequirementForm:
    form = RequirementForm(formdata=None)
    form.from_on.data = clock.utc_now().astimezone(zone()).date()
    return form


@bp.post("/requirements")
@requires(Action.EDIT_COVER)
def add_requirement() -> ResponseReturnValue:
    """State how many are needed."""
    form = RequirementForm()
    with reading() as session:
        form.offer(staff_skills.known_skills(session, *current_settings().offered_skills))
    if not form.validate_on_submit():
        return _page(form), BadInput.status
    requirement = form.requirement()
    try:
        with transaction() as session:
            refuse_if_changed(session, CONCERNS_OF_REQUIREMENTS)
            row = cover_requirements.add_requirement(
                session, requirement, actor_id=current_staff().id, now=clock.utc_now()
            )
            words = requirement_in_words(cover_requirements.requirement_of(row))
    except ChangedMeanwhile as refusal:
        return again(refusal, lambda: _page(form))
    except (BadInput, Refused) as refusal:
        blame(form, refusal, otherwise="start")
        return _page(form), refusal.status
    flash(f"{needed_in_words(requirement)} needed: {words}.", "success")
    return redirect(url_for("cover.week"), code=303)


@bp.post("/requirements/<int:requirement_id>/remove")
@requires(Action.EDIT_COVER)
def remove_requirement(requirement_id: int) -> ResponseReturnValue:
    """Let a requirement hold no longer from today on."""
    try:
        with transaction() as session:
            refuse_if_changed(session, concerns_of_requirement(requirement_id))
            cover_requirements.remove_requirement(
                session, requirement_id, actor_id=current_staff().id, now=clock.utc_now(), tz=zone()
            )
    except ChangedMeanwhile as refusal:
        return again(refusal, lambda: _page(_new_form()))
    flash("The requirement no longer holds from today on.", "success")
    return redirect(url_for("cover.week"), code=303)


def _page(form: RequirementForm) -> str:
    now = clock.utc_now()
    monday = chosen_monday(now)
    start, end = start_of_day(monday, tz=zone()), start_of_day(monday + WEEK, tz=zone())
    with reading() as session:
        look_at_rota(session)
        grid, found = cover_service.week_of_cover(session, monday, tz=zone())
        lead_gaps = cover_service.gaps_in_words(session, start, end, tz=zone(), duty=Duty.DUTY_LEAD)
        needs = cover_requirements.load_requirements(
            session, from_day=now.astimezone(zone()).date()
        )
        ahead = _weeks_ahead(session, monday)
        form.offer(staff_skills.known_skills(session, *current_settings().offered_skills))
        known = cover_warnings.known_gaps(session, now=now)
    return render_template(
        "manager/cover.html",
        form=form,
        links=week_links(monday, now),
        week=monday.isoformat(),
        hours=[hour_name(hour) for hour in grid.hours],
        days=[day_row(day, grid, found.by_skill, now) for day in grid.days],
        gaps=_week_gaps(found),
        has_skills=bool(found.by_skill),
        lead_gaps=lead_gaps,
        requirements=[(need, days_in_words(need), needed_in_words(need)) for need in needs],
        holidays=[
            (day_in_words(day), name)
            for day, name in bank_holidays(monday, monday + WEEK - ONE_DAY).items()
        ],
        known=gap_rows(known, now),
        ahead=ahead,
    )


def _week_gaps(found: Cover) -> list[tuple[str, int]]:
    """Each gap of the week in words, and how many are missing; of people and of skills, in order.

    One over midnight is one gap.
    """
    every = [
        (gap.start, gap_in_words(gap, tz=zone(), skill=skill), gap.short)
        for skill, stretches in found.of_each()
        for gap in gaps(stretches)
    ]
    return [(words, short) for _, words, short in sorted(every, key=itemgetter(0))]


def _weeks_ahead(session: Session, monday: date) -> list[tuple[str, str, int]]:
    """The weeks after the one that is shown: address, words, number of gaps."""
    weeks = []
    for number in range(1, WEEKS_AHEAD + 1):
        first = monday + WEEK * number
        start, end = start_of_day(first, tz=zone()), start_of_day(first + WEEK, tz=zone())
        found = cover_service.gaps_in_words(session, start, end, tz=zone())
        weeks.append((first.isoformat(), day_in_words(first), len(found)))
    return weeks
