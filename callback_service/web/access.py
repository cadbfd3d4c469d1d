"""The gate: who may open which route. Whatever is not marked is closed to everybody.

This is the one door for views: what they take from ``marks``, ``visitor``, ``sign_in_cookies`` and
``landing`` they take from here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import ClassVar, Final

from flask import Flask, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from callback_service import clock
from callback_service.domain.signing_in import LIMITS, WARNED_BEFORE
from callback_service.domain.staff import StaffMember
from callback_service.errors import CallbackServiceError, Forbidden
from callback_service.extensions import reading, transaction
from callback_service.services import api_tokens, held_forms, sign_in
from callback_service.services.sign_in import Ended, Visit
from callback_service.web import refusals, visitor
from callback_service.web.landing import HOME, landing, safe_next
from callback_service.web.marks import (
    Mark,
    during,
    fresh,
    is_sensitive,
    mark_of,
    marks,
    needs_fresh,
    public,
    requires,
    token,
)
from callback_service.web.sign_in_cookies import (
    device_of,
    give_cookie,
    give_device_cookie,
    take_cookie,
    token_of,
)
from callback_service.web.visitor import (
    NotSignedIn,
    assume_signed_out,
    current_sign_in_id,
    current_staff,
    entering,
    may,
    signed_in,
)

__all__ = [
    "HOME", "WHY_SIGNED_OUT", "Mark", "NotFresh", "NotSignedIn", "TokenRefused",
    "assume_signed_out", "current_sign_in_id", "current_staff", "device_of", "during", "entering",
    "fresh", "give_cookie", "give_device_cookie", "init_app", "landing", "marks", "may",
    "needs_fresh", "public", "requires", "safe_next", "signed_in", "take_cookie", "token",
    "token_of", "token_owner",
]  # fmt: skip

logger = logging.getLogger(__name__)

#: What the sign-in page says to somebody who did not come on their own account.
WHY_SIGNED_OUT: Final[Mapping[str, str]] = {
    Ended.IDLE: "You were signed out after a time without use.",
    Ended.AGE: "You were signed in for as long as can be. Sign in again to go on.",
    Ended.HALF_WAY: "Signing in took too long. Begin again.",
    "by-hand": "You are signed out.",
}


class TokenRefused(CallbackServiceError):  # noqa: N818 - reads as what it is at every raise
    """The route is for programs that bring a token, and this one brought none that opens it."""

    status: ClassVar[int] = 401
    title: ClassVar[str] = "A token is needed"


class NotFresh(CallbackServiceError):  # noqa: N818 - reads as what it is at every raise
    """The route is for whoever gave a second factor in the last minutes."""

    status: ClassVar[int] = 403
    title: ClassVar[str] = "Confirm that it is you"


def init_app(app: Flask) -> None:
    """Close ``app`` to all who may not enter."""
    visitor.init_app(app)
    if "static" in app.view_functions:
        public(app.view_functions["static"])
    app.before_request(_gate)
    app.context_processor(_signed_in_context)
    app.jinja_env.globals["may"] = may  # macros see no context


def _gate() -> ResponseReturnValue | None:
    visitor.forget()
    if request.endpoint is None:
        return None  # nothing is there; 404 or 405 follows
    mark = mark_of(current_app, request.endpoint)
    if mark is not None and mark.is_public:
        return None
    if mark is not None and mark.by_token:
        _check_token(mark)
        return None
    visit = visitor.visit()
    if mark is not None and mark.stages:
        return _check_stage(visit, mark)
    if visit.staff is None:
        return _send_to_sign_in(visit)
    if mark is None or not mark.admits(visit.staff):
        logger.warning("staff %d was refused %s", visit.staff.id, request.endpoint)
        raise Forbidden("Your account does not open this page.")
    _note_use(visit)
    if not visit.is_fresh and is_sensitive(current_app, request.endpoint):
        raise NotFresh("Confirm that it is you to go on.")
    return None


def _check_stage(visit: Visit, mark: Mark) -> ResponseReturnValue | None:
    if visit.stage in mark.stages:
        return None
    if visit.staff is not None:
        return redirect(landing(visit.staff, request.args.get("next")), code=303)
    return _send_to_sign_in(visit)


def _check_token(mark: Mark) -> None:
    """Let a program pass that brings a token of the right role. Cookies count for nothing here."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    now = clock.utc_now()
    with reading() as session:
        is_bearer = scheme.lower() == "bearer"
        holder = api_tokens.holder_of(session, given.strip(), now=now) if is_bearer else None
    if holder is None:
        raise TokenRefused("Send a token that is in use, as Authorization: Bearer and the token.")
    if not mark.admits(holder.staff):
        logger.warning("token %d was refused %s", holder.token_id, request.endpoint)
        refusals.note(holder.staff.id, Forbidden.status)
        raise Forbidden("The account of this token may not see this.")
    g.token_owner = holder.staff
    if holder.is_use_due:
        with transaction() as session:
            api_tokens.note_use(session, holder.token_id, now=now)


def token_owner() -> StaffMember:
    """Whom the token of this request stands for. On routes for programs only."""
    owner: StaffMember = g.token_owner
    return owner


def _send_to_sign_in(visit: Visit) -> ResponseReturnValue:
    if not _is_page_visit():
        reason = WHY_SIGNED_OUT[visit.ended] if visit.ended else "You are not signed in."
        if _hold_form(visit):
            raise NotSignedIn(
                f"{reason} What you sent is kept: sign in to send it.",
                leads_to=url_for("held.page"),
            )
        raise NotSignedIn(f"{reason} Nothing was changed.")
    if visit.ended is not None and visit.sign_in_id is not None:
        with transaction() as session:
            sign_in.end_expired(session, visit.sign_in_id, why=visit.ended, now=clock.utc_now())
    wanted = request.full_path.rstrip("?")
    if visit.entering is not None:
        return redirect(url_for("second_step.code", next=safe_next(wanted)), code=303)
    to = url_for("sign_in.page", next=safe_next(wanted), ended=visit.ended)
    response = redirect(to, code=303)
    take_cookie(response)
    return response


def _hold_form(visit: Visit) -> bool:
    """Keep the form of somebody whose sign-in has just run out; whether there was one to keep."""
    is_form = request.method == "POST" and "HX-Request" not in request.headers
    fields = held_forms.holdable(request.form.items(multi=True)) if is_form else []
    is_over = visit.ended in {Ended.IDLE, Ended.AGE}
    is_short = len(request.path) <= held_forms.PATH_MAX_CHARS
    if visit.ended_of is None or not (is_over and is_short and fields):
        return False
    form = held_forms.Held(request.path, fields, clock.utc_now())
    with transaction() as session:
        held_forms.hold(session, visit.ended_of, form)
    return True


def _note_use(visit: Visit) -> None:
    """Start the idle time anew, except for a page that only refreshes itself."""
    is_poll = request.method == "GET" and "HX-Request" in request.headers
    if visit.is_use_due and visit.sign_in_id is not None and not is_poll:
        with transaction() as session:
            sign_in.note_use(session, visit.sign_in_id, now=clock.utc_now())


def _is_page_visit() -> bool:
    """Whether a person asked for a page, and not a script or a form for an answer."""
    wants_html = request.accept_mimetypes.accept_html or not request.accept_mimetypes
    return request.method in {"GET", "HEAD"} and wants_html and "HX-Request" not in request.headers


def _signed_in_context() -> dict[str, object]:
    staff = signed_in()
    if staff is None:
        return {"signed_in_name": None}
    warned_after = LIMITS[staff.role].idle - WARNED_BEFORE
    return {"signed_in_name": staff.name, "warned_after_s": int(warned_after.total_seconds())}
