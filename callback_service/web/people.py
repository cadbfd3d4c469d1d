"""The rota by person: hours, unsocial hours, how evenly they are shared, and rest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import HiddenField

from callback_service import clock
from callback_service.domain.fairness import BALANCE_IN_WORDS
from callback_service.domain.policy import Action
from callback_service.domain.rest import RULE_WORDS, Rule, breach_in_words
from callback_service.domain.wall_time import ONE_DAY, WEEK, day_in_words, monday_of
from callback_service.errors import BadInput, Refused
from callback_service.extensions import reading, transaction
from callback_service.services import rest as rest_service
from callback_service.services import rest_checks, shift_patterns
from callback_service.services.rest import BreachLine, PeopleReport, PersonShare
from callback_service.services.rota import Person
from callback_service.web.access import current_staff, requires
from callback_service.web.addresses import a_day
from callback_service.web.weekly import Day, OneOf, Reason, blame, choice, given, zone

bp = Blueprint("people", __name__, url_prefix="/rota/people")

SHOWN = 4 * WEEK
LONGEST = timedelta(days=366)
FURTHEST = timedelta(days=5 * 366)


class AllowForm(FlaskForm):
    """Why a breach is allowed."""

    staff_id = HiddenField()
    rule = HiddenField()
    start = HiddenField()
    end = HiddenField()
    reason = Reason("Allowed, because")


class OptOutForm(FlaskForm):
    """A written agreement to work more than 48 hours a week."""

    staff_id = OneOf("Who", sentence="Choose who has agreed.")
    agreed_on = Day("Date on the agreement")

    def offer(self, people: list[Person]) -> None:
        """Let one of ``people`` be chosen."""
        chosen = [choice(str(person.id), person.name) for person in people]
        self.staff_id.choices = [choice("", "Choose somebody"), *chosen]


@dataclass(frozen=True, slots=True)
class ShareRow:
    """What one person works, as the table shows it."""

    name: str
    figures: list[str]
    has_opted_out: bool


@dataclass(frozen=True, slots=True)
class BreachRow:
    """One broken rule in words, with what the form beside it sends back."""

    name: str
    rule: str
    words: str
    allowed_reason: str | None
    fields: dict[str, str]


@bp.get("")
@requires(Action.SEE_PEOPLE)
def report() -> ResponseReturnValue:
    """Hours, nights, weekends and bank holidays of each person, the balance, and broken rules."""
    return _page(OptOutForm(formdata=None))


@bp.post("/allow")
@requires(Action.EDIT_PEOPLE)
def allow() -> ResponseReturnValue:
    """Record that a breach is allowed, and why."""
    form = AllowForm()
    if not form.validate_on_submit():
        reasons = form.reason.errors or ["Choose a breach of the list."]
        raise BadInput(str(reasons[0]))
    rule, staff_id, start, end = _breach_of(form)
    with transaction() as session:
        rest_checks.allow_breach(
            session,
            staff_id,
            rule,
            start,
            end,
            reason=form.reason.data or "",
            actor_id=current_staff().id,
            now=clock.utc_now(),
        )
    flash("The breach is allowed, with your reason.", "success")
    return redirect(_address(), code=303)


@bp.post("/opt-outs")
@requires(Action.EDIT_PEOPLE)
def add_opt_out() -> ResponseReturnValue:
    """Record an agreement to work more than 48 hours a week."""
    form = OptOutForm()
    with reading() as session:
        form.offer(shift_patterns.people_for_rota(session))
    if not form.validate_on_submit():
        return _page(form), BadInput.status
    try:
        with transaction() as session:
            rest_service.record_opt_out(
                session,
                int(form.staff_id.data),
                agreed_on=given(form.agreed_on.data),
                actor_id=current_staff().id,
                now=clock.utc_now(),
                tz=zone(),
            )
    except (BadInput, Refused) as refusal:
        blame(form, refusal, otherwise="staff_id")
        return _page(form), refusal.status
    flash("The agreement is on record.", "success")
    return redirect(url_for("people.report"), code=303)


@bp.post("/opt-outs/<int:opt_out_id>/end")
@requires(Action.EDIT_PEOPLE)
def end_opt_out(opt_out_id: int) -> ResponseReturnValue:
    """End an agreement with seven days' notice."""
    with transaction() as session:
        last = rest_service.end_opt_out(
            session, opt_out_id, actor_id=current_staff().id, now=clock.utc_now(), tz=zone()
        )
    flash(f"The agreement ends on {day_in_words(last)}.", "success")
    return redirect(url_for("people.report"), code=303)


def _page(form: OptOutForm) -> str:
    now = clock.utc_now()
    first, last = _chosen_range(now)
    with reading() as session:
        found = rest_service.report_on_people(session, first, last, now=now, tz=zone())
        form.offer(shift_patterns.people_for_rota(session))
        opt_outs = rest_service.list_opt_outs(session, today=now.astimezone(zone()).date())
    return render_template(
        "rota/people.html",
        form=form,
        first=first,
        last=last,
        range_words=f"{day_in_words(first)} {first.year} to {day_in_words(last)} {last.year}",
        rows=[_row(row) for row in found.people],
        balance=f"{found.balance:.2f}",
        formula=BALANCE_IN_WORDS,
        holidays=[(day_in_words(day), name) for day, name in found.bank_holidays.items()],
        opt_outs=opt_outs,
        address=_range_in_address(),
        **_breaches(found),
    )


def _breaches(found: PeopleReport) -> dict[str, object]:
    rows = [_breach_row(line) for line in found.breaches]
    return {
        "breaches": rows,
        "allowed": sum(row.allowed_reason is not None for row in rows),
        "not_allowed": sum(row.allowed_reason is None for row in rows),
    }


def _row(row: PersonShare) -> ShareRow:
    share = row.share
    lengths = share.hours, share.nights, share.weekends, share.bank_holidays
    return ShareRow(row.person.name, [_hours(length) for length in lengths], row.has_opted_out)


def _hours(length: timedelta) -> str:
    return f"{round(length / timedelta(hours=1), 2):g}"


def _breach_row(line: BreachLine) -> BreachRow:
    breach = line.breach
    fields = {
        "staff_id": str(breach.staff_id),
        "rule": breach.rule.value,
        "start": breach.start.isoformat(),
        "end": breach.end.isoformat(),
    }
    words = breach_in_words(breach, tz=zone())
    return BreachRow(line.name, RULE_WORDS[breach.rule], words, line.allowed_reason, fields)


def _breach_of(form: AllowForm) -> tuple[Rule, int, datetime, datetime]:
    """The breach that the hidden fields name; raises BadInput for what no page of ours sent."""
    try:
        start = datetime.fromisoformat(form.start.data or "")
        end = datetime.fromisoformat(form.end.data or "")
        rule, staff_id = Rule(form.rule.data or ""), int(form.staff_id.data or "")
    except ValueError as error:
        raise BadInput("Choose a breach of the list.") from error
    if start.tzinfo is None or end.tzinfo is None or not 0 < staff_id < 2**31:
        raise BadInput("Choose a breach of the list.")
    return rule, staff_id, start, end


def _chosen_range(now: datetime) -> tuple[date, date]:
    """The first and last day in the address; the four weeks from this Monday. Raises BadInput."""
    today = now.astimezone(zone()).date()
    first = _day_in_address("from") or monday_of(today)
    last = _day_in_address("to") or first + SHOWN - ONE_DAY
    if not timedelta(0) <= last - first <= LONGEST or abs(first - today) > FURTHEST:
        raise BadInput("Choose a first and a last day, at most a year apart.")
    return first, last


def _day_in_address(name: str) -> date | None:
    typed = request.args.get(name)
    if not typed:
        return None
    try:
        return a_day(typed)
    except ValueError as error:
        raise BadInput("A day must be a date, like 2026-11-23.") from error


def _address() -> str:
    """This page with the range that is shown."""
    query = urlencode(_range_in_address())
    return url_for("people.report") + (f"?{query}" if query else "")


def _range_in_address() -> dict[str, str]:
    return {name: request.args[name] for name in ("from", "to") if request.args.get(name)}
