"""What callers read and do about their own data: the privacy page, and erasing by their link."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from callback_service.clock import utc_now
from callback_service.domain.languages import ENGLISH
from callback_service.domain.retention import Kept, spoken_length
from callback_service.extensions import current_settings, reading, transaction
from callback_service.models.callback import Submission
from callback_service.services import intake, own_erasures
from callback_service.web import text_examples
from callback_service.web.access import public

bp = Blueprint("own_data", __name__)


@bp.get("/privacy")
@public
def privacy() -> str:
    """What is kept, for how long, who sees it, what we text, and how to complain."""
    settings = current_settings()
    return render_template(
        "public/privacy.html",
        kept={kind.value: spoken_length(settings.keeping.lasts(kind)) for kind in Kept},
        texts=text_examples.in_language(ENGLISH),
        complaints_contact=settings.complaints_contact,
    )


@bp.get("/manage/<token>/erase")
@public
def ask(token: str) -> ResponseReturnValue:
    """What would be erased, and the button that does it: in the same words for every number."""
    with reading() as session:
        submission = _by_link(session, token)
        if submission is None:
            return _unknown()
        ending = (submission.request.phone or "")[-3:]
    return render_template("public/erase.html", token=token, number_ending=ending)


@bp.post("/manage/<token>/erase")
@public
def erase(token: str) -> ResponseReturnValue:
    """Take back what was sent with this link, end it, and have what was told erased."""
    with transaction() as session:
        submission = _by_link(session, token)
        if submission is None:
            return _unknown()
        tz = current_settings().service_time_zone
        own_erasures.ask(session, submission, now=utc_now(), tz=tz)
    return redirect(url_for("own_data.erased"), code=303)


def _by_link(session: Session, token: str) -> Submission | None:
    submission = intake.submission_by_key(session, token)
    return submission if submission is not None and submission.request.phone else None


@bp.get("/erased")
@public
def erased() -> str:
    """What happens now."""
    return render_template("public/erased.html")


def _unknown() -> ResponseReturnValue:
    return render_template("public/unknown.html"), 404
