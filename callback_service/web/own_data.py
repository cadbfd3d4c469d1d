"""What callers read and do about their own data: the privacy page, and erasing by their link."""

from __future__ import annotations

from datetime import date
from typing import Final

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from callback_service.clock import utc_now
from callback_service.domain.retention import Kept, spoken_length
from callback_service.errors import Refused
from callback_service.extensions import current_settings, reading, transaction
from callback_service.models.outbox import TextKind
from callback_service.services import erasures, intake, text_wording
from callback_service.web.access import public

bp = Blueprint("own_data", __name__)

#: What each text to a caller is for; the words are the template's own.
TEXTS: Final = (
    (TextKind.CONFIRMATION, "When you ask for a call", "by 9:40pm tonight"),
    (TextKind.CHANGE, "If the time changes", "tomorrow between 9am and 11am"),
    (TextKind.REMINDER, "If you ask for a reminder", "tonight between 9pm and 11pm"),
    (TextKind.MISSED, "If we rang and could not reach you", "by 10:40pm tonight"),
    (TextKind.CLOSING, "If we could not reach you at all", None),
    (TextKind.AUTO_REPLY, "If you text us", None),
)


@bp.get("/privacy")
@public
def privacy() -> str:
    """What is kept, for how long, who sees it, what we text, and how to complain."""
    settings = current_settings()
    texts = [
        (why, text_wording.wording(kind, **({"when": when} if when else {})))
        for kind, why, when in TEXTS
    ]
    return render_template(
        "public/privacy.html",
        kept={kind.value: spoken_length(settings.keeping.lasts(kind)) for kind in Kept},
        texts=texts,
        complaints_contact=settings.complaints_contact,
    )


@bp.get("/manage/<token>/erase")
@public
def ask(token: str) -> ResponseReturnValue:
    """What would be erased, and the button that does it."""
    with reading() as session:
        submission = intake.submission_by_key(session, token)
        if submission is None or submission.request.phone is None:
            return _unknown()
        due = erasures.erasure_due_on(session, submission.request)
        ending = submission.request.phone[-3:]
        is_open = submission.withdrawn_at is None and submission.request.closed_at is None
    return render_template(
        "public/erase.html",
        token=token,
        number_ending=ending,
        is_open=is_open,
        due=_spoken_day(due) if due else None,
    )


@bp.post("/manage/<token>/erase")
@public
def erase(token: str) -> ResponseReturnValue:
    """Erase what was told with this link, or have a manager decide where it is not theirs alone."""
    settings = current_settings()
    try:
        with transaction() as session:
            submission = intake.submission_by_key(session, token)
            if submission is None:
                return _unknown()
            due = erasures.erase_own(
                session,
                submission,
                settings.keeping,
                now=utc_now(),
                tz=settings.service_time_zone,
            )
    except Refused as refusal:
        page = render_template("public/erase.html", token=token, trouble=refusal.message)
        return page, refusal.status
    if due is None:
        return redirect(url_for("own_data.erased"), code=303)
    return redirect(url_for("own_data.ask", token=token), code=303)


@bp.get("/erased")
@public
def erased() -> str:
    """It is gone."""
    return render_template("public/erased.html")


def _spoken_day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _unknown() -> ResponseReturnValue:
    return render_template("public/unknown.html"), 404
