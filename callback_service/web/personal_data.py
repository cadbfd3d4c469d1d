"""Managers' pages about callers' data: who asks about it, what we hold, erasing it by two people.

A number is typed in full and sent in a form, never in an address. Nothing lists names or numbers.
"""

from __future__ import annotations

import json
from datetime import date, datetime, tzinfo
from typing import Final

from flask import (
    Blueprint,
    Response,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from callback_service.clock import utc_now
from callback_service.domain.contact import national
from callback_service.domain.figures import Measure
from callback_service.domain.lifecycle import Disposition
from callback_service.domain.policy import Action
from callback_service.errors import BadInput, Refused, TooMany
from callback_service.extensions import current_settings, reading, transaction
from callback_service.services import (
    complaint_cases,
    corrections,
    data_requests,
    erasure_runs,
    erasures,
    figures,
    gateway_records,
    legal_holds,
    subject_access,
    suppression,
)
from callback_service.services.complaint_cases import ComplaintRow
from callback_service.services.data_requests import CaseRow
from callback_service.services.subject_access import Holding
from callback_service.web.access import current_staff, fresh, requires
from callback_service.web.desk import OUTCOMES
from callback_service.web.personal_data_forms import (
    ABOUT,
    CorrectionForm,
    ErasureForm,
    FindForm,
)

bp = Blueprint("personal_data", __name__, url_prefix="/personal-data")

#: Why a request closed, as its subject is told and as figures say it.
ENDINGS: Final = {
    Disposition.HELPED: "talked it through",
    Disposition.REFERRED: "passed on to another service",
    Disposition.WITHDRAWN: "no longer wanted",
    Disposition.UNREACHABLE: "not reached",
    Disposition.WRONG_NUMBER: "wrong number",
    Disposition.DUPLICATE: "asked for twice",
    Disposition.EXPIRED: "not rung in time",
}
#: Whoever is given the file sees its name: it gives nothing away.
JSON_NAME: Final = "what-we-hold.json"
PAGE_NAME: Final = "what-we-hold.html"


@bp.get("")
@requires(Action.SEE_DATA_REQUESTS)
def overview() -> str:
    """Who asks, what is on hold, how erasing stands; and the form to find a number."""
    return _overview(FindForm(formdata=None))


def _overview(form: FindForm) -> str:
    settings, now = current_settings(), utc_now()
    tz = settings.service_time_zone
    with reading() as session:
        return render_template(
            "manager/personal_data.html",
            form=form,
            cases=_cases(session, now=now, tz=tz),
            holds=legal_holds.open_holds(session, now=now, tz=tz),
            last_run=erasure_runs.last_run(session),
            in_log_since=erasure_runs.uncleared_since(session, now=now),
            debt=gateway_records.debt(session, now=now),
            silent=suppression.count_never_rung(session),
            me=current_staff(),
            now=now,
            tz=tz,
            ABOUT=ABOUT,
        )


def _cases(session: Session, *, now: datetime, tz: tzinfo) -> list[CaseRow | ComplaintRow]:
    """Data requests and complaints in one list, the first due on top."""
    me = current_staff().id
    rows: list[CaseRow | ComplaintRow] = [
        *data_requests.open_cases(session, now=now, tz=tz),
        *complaint_cases.open_complaints(session, viewer_id=me, now=now, tz=tz),
    ]
    return sorted(rows, key=_due_on)


def _due_on(row: CaseRow | ComplaintRow) -> date:
    return row.due_on


@bp.post("")
@requires(Action.HANDLE_DATA_REQUESTS)
@fresh
def find() -> ResponseReturnValue:
    """Open the case of a number. The answer is the same whether or not we know it."""
    form = FindForm()
    try:
        phone, about = form.read()
        with transaction() as session:
            case_id = data_requests.open_case(
                session,
                phone,
                about=about,
                words=form.words.data or "",
                actor_id=current_staff().id,
                now=utc_now(),
                tz=current_settings().service_time_zone,
            )
    except (BadInput, TooMany) as bad:
        form.blame(bad if isinstance(bad, BadInput) else BadInput(bad.message))
        return _overview(form), bad.status
    return redirect(url_for("personal_data.case", case_id=case_id), code=303)


@bp.get("/<int:case_id>")
@requires(Action.HANDLE_DATA_REQUESTS)
@fresh
def case(case_id: int) -> str:
    """What we hold, in plain words, and what can be done. The look is written down."""
    return _case(case_id, ErasureForm(formdata=None))


def _case(case_id: int, form: ErasureForm) -> str:
    settings, now = current_settings(), utc_now()
    with transaction() as session:
        found = subject_access.look(
            session, case_id, settings.keeping, actor_id=current_staff().id, now=now
        )
    return render_template(
        "manager/data_case.html",
        case=found,
        number=national(found.holding.number),
        form=form,
        me=current_staff(),
        now=now,
        tz=settings.service_time_zone,
        ABOUT=ABOUT,
        OUTCOMES=OUTCOMES,
        ENDINGS=ENDINGS,
    )


@bp.post("/<int:case_id>/export")
@requires(Action.HANDLE_DATA_REQUESTS)
@fresh
def export(case_id: int) -> Response:
    """A file to hand over: for reading and printing, or for another program."""
    settings, now = current_settings(), utc_now()
    with transaction() as session:
        holding = subject_access.export(
            session, case_id, settings.keeping, actor_id=current_staff().id, now=now
        )
    if request.form.get("as") == "json":
        content = json.dumps(subject_access.as_json(holding), ensure_ascii=False, indent=2)
        return _file(content, JSON_NAME, "application/json")
    return _file(_printed(holding), PAGE_NAME, "text/html; charset=utf-8")


def _printed(holding: Holding) -> str:
    settings = current_settings()
    return render_template(
        "manager/data_export.html",
        holding=holding,
        number=national(holding.number),
        now=utc_now(),
        tz=settings.service_time_zone,
        complaints_contact=settings.complaints_contact,
        OUTCOMES=OUTCOMES,
        ENDINGS=ENDINGS,
    )


def _file(content: str, name: str, kind: str) -> Response:
    response = make_response(content)
    response.headers["Content-Type"] = kind
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@bp.post("/<int:case_id>/answered")
@requires(Action.SEE_DATA_REQUESTS)
def answered(case_id: int) -> ResponseReturnValue:
    """Whoever asked has their answer: the case is closed."""
    try:
        with transaction() as session:
            data_requests.answered(session, case_id, actor_id=current_staff().id, now=utc_now())
    except Refused as refusal:
        return _refused(refusal, case_id)
    flash("The case is closed.", "success")
    return redirect(url_for("personal_data.overview"), code=303)


@bp.post("/<int:case_id>/erasure")
@requires(Action.HANDLE_DATA_REQUESTS)
@fresh
def ask_for_erasure(case_id: int) -> ResponseReturnValue:
    """Ask for everything under this number to be erased; another person confirms it."""
    form = ErasureForm()
    try:
        with transaction() as session:
            erasures.ask(
                session,
                case_id,
                stop_texts=bool(form.stop_texts.data),
                stop_calls=bool(form.stop_calls.data),
                actor_id=current_staff().id,
                now=utc_now(),
            )
    except Refused as refusal:
        return _refused(refusal, case_id)
    flash("The erasure is asked for. Another person must confirm it.", "success")
    return redirect(url_for("personal_data.case", case_id=case_id), code=303)


@bp.post("/<int:case_id>/erasure/take-back")
@requires(Action.SEE_DATA_REQUESTS)
def take_back(case_id: int) -> ResponseReturnValue:
    """Do not erase, for now."""
    try:
        with transaction() as session:
            erasures.take_back(session, case_id, actor_id=current_staff().id, now=utc_now())
    except Refused as refusal:
        return _refused(refusal, case_id)
    flash("Nothing will be erased. The case stays open.", "success")
    return redirect(url_for("personal_data.case", case_id=case_id), code=303)


@bp.post("/<int:case_id>/erasure/confirm")
@requires(Action.HANDLE_DATA_REQUESTS)
@fresh
def confirm_erasure(case_id: int) -> ResponseReturnValue:
    """Erase everything under this number, on a colleague's or the caller's word."""
    try:
        with transaction() as session:
            erasures.confirm(
                session,
                case_id,
                current_settings().keeping,
                actor_id=current_staff().id,
                now=utc_now(),
            )
    except Refused as refusal:
        return _refused(refusal, case_id)
    flash("Everything under this number is erased.", "success")
    return redirect(url_for("personal_data.overview"), code=303)


def _refused(refusal: Refused, case_id: int) -> ResponseReturnValue:
    flash(refusal.message, "error")
    with reading() as session:
        is_open = data_requests.is_open(session, case_id)
    to = url_for("personal_data.case", case_id=case_id)
    return redirect(to if is_open else url_for("personal_data.overview"), code=303)


@bp.get("/<int:case_id>/requests/<int:request_id>/correct")
@requires(Action.HANDLE_DATA_REQUESTS)
@fresh
def correction(case_id: int, request_id: int) -> str:
    """The form to put a number or a name right."""
    return _correction(CorrectionForm(formdata=None), case_id, request_id)


def _correction(form: CorrectionForm, case_id: int, request_id: int) -> str:
    return render_template(
        "manager/data_correct.html", form=form, case_id=case_id, request_id=request_id
    )


@bp.post("/<int:case_id>/requests/<int:request_id>/correct")
@requires(Action.HANDLE_DATA_REQUESTS)
@fresh
def correct(case_id: int, request_id: int) -> ResponseReturnValue:
    """Put a number or a name right."""
    form = CorrectionForm()
    try:
        phone, name = form.read()
        with transaction() as session:
            corrections.correct(
                session,
                case_id,
                request_id,
                phone=phone,
                name=name,
                actor_id=current_staff().id,
                now=utc_now(),
            )
    except BadInput as bad:
        form.blame(bad)
        return _correction(form, case_id, request_id), bad.status
    except Refused as refusal:
        return _refused(refusal, case_id)
    moved = " It belongs to another number now: find that one to see it." if phone else ""
    flash(f"It is put right.{moved}", "success")
    return redirect(url_for("personal_data.case", case_id=case_id), code=303)


@bp.get("/figures")
@requires(Action.SEE_DATA_REQUESTS)
def counts() -> str:
    """What is counted of erased requests, without small counts."""
    keeping = current_settings().keeping
    since = figures.a_year_before(utc_now(), keeping)
    with reading() as session:
        return render_template(
            "manager/data_figures.html",
            ended=figures.by_month(session, Measure.ENDED, since=since, keeping=keeping),
            waited=figures.by_month(session, Measure.WAITED, since=since, keeping=keeping),
            hours=figures.by_hour(session, since=since, keeping=keeping),
            days=figures.by_day(session, since=since, keeping=keeping),
            small=keeping.small_cell,
            ENDINGS=ENDINGS,
        )
