"""One way to show every refusal and every fault."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Final

from flask import Flask, current_app, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from callback_service.errors import BadInput, Busy, CallbackServiceError
from callback_service.extensions import db, is_busy
from callback_service.web import access, complaints, public, refusals
from callback_service.web.problems import problem, wants_problem

logger = logging.getLogger(__name__)

_SENTENCES = {
    400: (
        "That did not work",
        "The page had been open for a long time, or something was missing. Try again.",
    ),
    403: ("You cannot do this", "You may not open this page."),
    404: ("Page not found", "Check the address. The page may have gone."),
    405: ("That did not work", "This page cannot be used in that way."),
    413: ("That was too much", "What was sent is too large. Shorten it and try again."),
    414: ("That was too much", "The address is too long."),
    429: ("Too many tries", "Wait a few minutes, then try again."),
}
_AWAY = "We could not save this. It is still here: send it again in some minutes, or ring us"
_BUSY = "We are busy just now, so this was not saved"
#: Forms that come back with what was typed where it could not be kept: sentence in, page out.
_AGAIN: Final[Mapping[str, Callable[..., ResponseReturnValue]]] = {
    "public.send": public.form_again,
    "complaints.send": complaints.form_again,
}
_FAULT = ("Something went wrong", "This is our fault. Try again in a few minutes.")


def init_app(app: Flask) -> None:
    """Have ``app`` answer every error with a page."""
    app.register_error_handler(CSRFError, _token_refused)
    app.register_error_handler(CallbackServiceError, _refused)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(OperationalError, _database_failed)
    app.register_error_handler(Exception, _fault)


def _token_refused(error: CSRFError) -> ResponseReturnValue:
    again = _AGAIN.get(request.endpoint or "")
    if again is not None:
        return again("The page had been open for a long time. Check it, then send it again")
    return _http_error(error)


def _refused(error: CallbackServiceError) -> ResponseReturnValue:
    if error.status >= 500 and not isinstance(error, Busy):
        logger.error("refused with a fault: %s", error.message)
    _note_refusal(error)
    if wants_problem():
        fields = error.fields if isinstance(error, BadInput) else None
        return problem(error.status, error.message, fields=fields)
    return _page(error.status, error.title, error.message), error.status


def _note_refusal(error: CallbackServiceError) -> None:
    """Pages that are open to everybody refuse nobody: a wrong link there tells nothing of staff."""
    mark = access.marks(current_app).get(request.endpoint or "")
    if mark is None or mark.is_public or isinstance(error, access.NotFresh):
        return
    staff = access.signed_in()
    if staff is not None:
        refusals.note(staff.id, error.status)


def _database_failed(error: OperationalError) -> ResponseReturnValue:
    """Busy is no fault: what was typed is shown again where the form can, for one more press."""
    if not is_busy(error):
        return _database_away(error)
    logger.warning("the database was busy at %s", request.endpoint)
    db.session.rollback()
    again = _AGAIN.get(request.endpoint or "")
    if again is not None:
        answer = make_response(again(f"{_BUSY}. Send it again", status=Busy.status))
    else:
        answer = make_response(_refused(Busy(f"{_BUSY}. Wait a moment, then try again.")))
    answer.headers["Retry-After"] = str(Busy.retry_after)
    return answer


def _database_away(error: OperationalError) -> ResponseReturnValue:
    """A form that is shown without asking the database anything comes back as it was typed."""
    if request.endpoint != "complaints.send":
        return _fault(error)
    logger.error("the database failed at %s", request.endpoint, exc_info=error)
    access.assume_signed_out()
    return complaints.form_again(_AWAY, status=Busy.status)


def _http_error(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if status < 400:
        return error.get_response()
    response = error.get_response()
    if wants_problem():
        answer = problem(status, _SENTENCES.get(status, _FAULT)[1])
        answer.headers.extend(
            {name: value for name, value in response.headers if name in {"Allow", "Retry-After"}}
        )
        return answer
    response.data = _page(
        status, *_SENTENCES.get(status, _FAULT if status >= 500 else _SENTENCES[400])
    )
    response.content_type = "text/html; charset=utf-8"
    return response


def _fault(error: Exception) -> ResponseReturnValue:
    """Something nobody foresaw: a page with a code that the log has too, and nothing else."""
    access.assume_signed_out()  # the database may be what failed: ask it nothing more
    error_id = secrets.token_hex(4)
    logger.error("unexpected fault %s at %s", error_id, request.endpoint, exc_info=error)
    if wants_problem():
        return problem(500, _FAULT[1], error_id=error_id)
    return _page(500, *_FAULT, error_id=error_id), 500


def _page(status: int, title: str, message: str, *, error_id: str | None = None) -> str:
    return render_template(
        "errors/staff_error.html" if _is_staff_page() else "errors/error.html",
        title=title,
        message=message,
        error_id=error_id,
        nothing_booked=request.endpoint in {"public.send", "public.send_again"},
    )


def _is_staff_page() -> bool:
    return (
        request.blueprint not in {"public", "twilio", "health"} and access.signed_in() is not None
    )
