"""The page of the audit log: who did what to which record, and who looked at one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import SelectField, StringField

from callback_service.domain.policy import Action
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, NotFound
from callback_service.extensions import current_settings, reading
from callback_service.services import audit_export, audit_trail
from callback_service.services.audit_trail import Chosen
from callback_service.web import audit_words
from callback_service.web.access import current_staff, may, requires
from callback_service.web.addresses import a_day, row_id

bp = Blueprint("audit", __name__, url_prefix="/audit")

PAGE_LENGTH = 50
#: So many entries may wait for the log outside before the page says so.
MANY_WAITING: Final = 1000


class TrailForm(FlaskForm):
    """What to list. Sent as a form, so that no reference ever stands in an address."""

    who = SelectField("Who", validate_choice=False)
    what = SelectField("What", validate_choice=False)
    reference = StringField("Request")
    first_day = StringField("From")
    last_day = StringField("To")


@dataclass(frozen=True, slots=True)
class Filters:
    """What to list, as the address carries it: ids, words of ours and days."""

    who: int | None = None
    what: str | None = None
    record: int | None = None
    first_day: date | None = None
    last_day: date | None = None

    def in_address(self) -> dict[str, Any]:
        """Names and values for an address; what is not set is left out."""
        named = {
            "who": self.who, "what": self.what, "record": self.record,
            "from": self.first_day, "to": self.last_day,
        }  # fmt: skip
        return {name: str(value) for name, value in named.items() if value is not None}

    def chosen(self, tz: tzinfo, *, with_decoys: bool) -> Chosen:
        """The same for the service. Days are whole ones, of the wall clock in ``tz``."""
        after = self.last_day + timedelta(days=1) if self.last_day else None
        return Chosen(
            actor_id=self.who,
            actions=audit_words.GROUPS[self.what][1] if self.what else (),
            request_id=self.record,
            since=_midnight(self.first_day, tz),
            until=_midnight(after, tz),
            with_decoys=with_decoys,
        )


def _midnight(day: date | None, tz: tzinfo) -> datetime | None:
    return datetime.combine(day, time(), tzinfo=tz).astimezone(UTC) if day else None


@bp.get("")
@requires(Action.SEE_AUDIT)
def page() -> str:
    """The entries, the newest first."""
    return _page(_filters(), TrailForm(formdata=None))


@bp.post("")
@requires(Action.SEE_AUDIT)
def choose() -> ResponseReturnValue:
    """Lead to the list that was asked for."""
    form = TrailForm()
    try:
        filters = _asked_for(form)
    except BadInput as bad:
        for name, reason in bad.fields.items():
            form[name].errors = [*form[name].errors, reason]
        return _page(_filters(), form), bad.status
    return redirect(url_for("audit.page", **filters.in_address()), code=303)


def _asked_for(form: TrailForm) -> Filters:
    who, what = form.who.data or "", form.what.data or ""
    first, last = _day(form, "first_day"), _day(form, "last_day")
    if first and last and last < first:
        raise BadInput("There is a problem", {"last_day": "The last day is before the first"})
    return Filters(
        who=_person(who),
        what=what if what in audit_words.GROUPS else None,
        record=_request_id(form),
        first_day=first,
        last_day=last,
    )


def _day(form: TrailForm, field: str) -> date | None:
    typed = (form[field].data or "").strip()
    try:
        return a_day(typed) if typed else None
    except ValueError as error:
        raise BadInput("There is a problem", {field: "Enter a day, like 2026-11-25"}) from error


def _person(typed: str) -> int | None:
    try:
        return row_id(typed)
    except ValueError:
        return None


def _request_id(form: TrailForm) -> int | None:
    typed = (form.reference.data or "").strip()
    if not typed:
        return None
    try:
        with reading() as session:
            return audit_trail.request_of(session, typed, viewer_id=current_staff().id)
    except NotFound as gone:
        raise BadInput("There is a problem", {"reference": gone.message}) from gone


def _filters() -> Filters:
    """What the address asks for; what cannot be meant filters nothing."""
    given = request.args
    what = given.get("what", "")
    return Filters(
        who=given.get("who", type=row_id),
        what=what if what in audit_words.GROUPS else None,
        record=given.get("record", type=row_id),
        first_day=given.get("from", type=a_day),
        last_day=given.get("to", type=a_day),
    )


def _page(filters: Filters, form: TrailForm) -> str:
    tz = current_settings().service_time_zone
    before_id = request.args.get("before", type=row_id)
    chosen = filters.chosen(tz, with_decoys=may(Action.SEE_DECOYS))
    viewer_id, record = current_staff().id, filters.record
    with reading() as session:
        rows = audit_trail.latest(
            session, chosen, viewer_id=viewer_id, limit=PAGE_LENGTH, before_id=before_id
        )
        people = audit_trail.people(session)
        reference = (
            audit_trail.reference_of(session, record, viewer_id=viewer_id) if record else None
        )
        waiting = audit_export.waiting(session) if current_settings().audit_log else 0
    _fill(form, filters, people, reference)
    return render_template(
        "manager/audit.html",
        rows=rows,
        filters=filters,
        form=form,
        reference=reference,
        next_before=rows[-1].id if len(rows) == PAGE_LENGTH else None,
        waiting=waiting if waiting > MANY_WAITING else 0,
        opens_histories=current_staff().role is Role.MANAGER,
        words=audit_words,
        tz=tz,
    )


def _fill(
    form: TrailForm, filters: Filters, people: list[tuple[int, str]], reference: str | None
) -> None:
    """Give the lists their choices, and the fields what the page shows unless they were sent."""
    form.who.choices = [("", "Everybody"), *((str(one), name) for one, name in people)]
    labels = ((name, label) for name, (label, _) in audit_words.GROUPS.items())
    form.what.choices = [("", "Everything"), *labels]
    if form.is_submitted():
        return
    form.who.data, form.what.data = str(filters.who or ""), filters.what or ""
    form.reference.data = reference or ""
    form.first_day.data, form.last_day.data = (
        day.isoformat() if day else "" for day in (filters.first_day, filters.last_day)
    )
