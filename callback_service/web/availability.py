"""Pages on which staff say when they cannot work."""

from __future__ import annotations

from datetime import time
from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import BooleanField

from callback_service import clock
from callback_service.domain import policy
from callback_service.domain.availability import CannotWork
from callback_service.domain.policy import Action
from callback_service.errors import BadInput, Refused
from callback_service.extensions import reading, transaction
from callback_service.services import availability as service
from callback_service.web.access import current_staff, requires
from callback_service.web.weekly import Day, WallTime, Weekdays, blame, given, zone

bp = Blueprint("availability", __name__, url_prefix="/rota/availability")

MIDNIGHT = time(0)


class MaybeTime(WallTime):
    """A time of the 24-hour clock, where one is needed."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """The typed time; None where nothing was typed."""
        super().process_formdata([value for value in valuelist if value.strip()])

    def pre_validate(self, form: object) -> None:
        """Whether it is needed is for the form to say."""


class CannotWorkForm(FlaskForm):
    """When somebody cannot work."""

    weekdays = Weekdays("Days")
    all_day = BooleanField("All day")
    start = MaybeTime("From, time")
    end = MaybeTime("Until, time")
    from_on = Day("First day")
    until_on = Day("Last day (optional)", is_needed=False)

    def line(self) -> CannotWork:
        """What was typed; raises BadInput where times are missing."""
        start, end = self.start.data, self.end.data
        if self.all_day.data:
            start = end = MIDNIGHT
        elif start is None or end is None:
            sentence = "Enter both times, or choose all day."
            raise BadInput(sentence, {"start" if start is None else "end": sentence})
        elif start == end:
            raise BadInput("", {"end": "Enter another time, or choose all day."})
        return CannotWork(
            current_staff().id,
            frozenset(self.weekdays.data or []),
            given(start),
            given(end),
            given(self.from_on.data),
            self.until_on.data,
            clock.utc_now().astimezone(zone()).date(),
        )


@bp.get("")
@requires(Action.WORK_OWN_SHIFTS)
def own() -> ResponseReturnValue:
    """When I cannot work, and for managers when anybody cannot."""
    form = CannotWorkForm(formdata=None)
    form.from_on.data = clock.utc_now().astimezone(zone()).date()
    return _page(form)


@bp.post("")
@requires(Action.WORK_OWN_SHIFTS)
def state() -> ResponseReturnValue:
    """Record when I cannot work; tell which shifts I have then all the same."""
    form, now = CannotWorkForm(), clock.utc_now()
    if not form.validate_on_submit():
        return _page(form), BadInput.status
    try:
        with transaction() as session:
            row = service.state_cannot_work(
                session, form.line(), actor_id=current_staff().id, now=now
            )
            lines = service.list_stated(session, now=now, tz=zone(), staff_id=row.staff_id)
            kept = next((len(line.shifts) for line in lines if line.id == row.id), 0)
    except (BadInput, Refused) as refusal:
        blame(form, refusal, otherwise="weekdays")
        return _page(form), refusal.status
    flash("It is on record. Whoever plans a shift then is warned.", "success")
    if kept:
        flash(
            "You have shifts in that time. They stay yours: offer a swap, or ask for leave.",
            "note",
        )
    return redirect(url_for("availability.own"), code=303)


@bp.post("/<int:stated_id>/take-back")
@requires(Action.WORK_OWN_SHIFTS)
def take_back(stated_id: int) -> ResponseReturnValue:
    """Take back what I stated."""
    with transaction() as session:
        service.take_back(session, stated_id, actor_id=current_staff().id, now=clock.utc_now())
    flash("It is taken back.", "success")
    return redirect(url_for("availability.own"), code=303)


def _page(form: CannotWorkForm) -> str:
    me, now = current_staff(), clock.utc_now()
    with reading() as session:
        mine = service.list_stated(session, now=now, tz=zone(), staff_id=me.id)
        others = []
        if policy.may(me.role, Action.EDIT_ROTA):
            every = service.list_stated(session, now=now, tz=zone())
            others = [line for line in every if line.staff_id != me.id]
    return render_template(
        "rota/availability.html",
        form=form,
        mine=mine,
        others=others,
        is_manager=policy.may(me.role, Action.EDIT_ROTA),
    )
