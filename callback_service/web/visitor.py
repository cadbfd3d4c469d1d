"""Who is here: what the sign-in of this browser says, asked once a request.

Flask-Login is thin glue: it asks ``_visit_of``, and keeps nothing in its own cookies. Who is signed
in stands in the ``sign_in`` table alone.
"""

from __future__ import annotations

from typing import ClassVar

from flask import Flask, Request, g
from flask_login import current_user

from callback_service import clock
from callback_service.domain import policy
from callback_service.domain.policy import Action
from callback_service.domain.staff import StaffMember
from callback_service.errors import CallbackServiceError
from callback_service.extensions import login, reading
from callback_service.services import sign_in
from callback_service.services.sign_in import Visit
from callback_service.web.sign_in_cookies import token_of


class NotSignedIn(CallbackServiceError):  # noqa: N818 - reads as what it is at every raise
    """The route is for signed-in staff."""

    status: ClassVar[int] = 401
    title: ClassVar[str] = "Sign in first"

    def __init__(self, message: str, *, leads_to: str | None = None) -> None:
        super().__init__(message)
        self.leads_to = leads_to  # after signing in


def init_app(app: Flask) -> None:
    """Have each request of ``app`` find out who sent it."""
    app.config["REMEMBER_COOKIE_NAME"] = None  # a cookie of that name would hide ours
    login.session_protection = None
    login.anonymous_user = Visit
    login.request_loader(_visit_of)
    login.init_app(app, add_context_processor=False)


def forget() -> None:
    """Find out anew: each request proves itself, also within a longer app context."""
    g.pop("_login_user", None)


def visit() -> Visit:
    """How far this browser has come in signing in, and as whom."""
    found: Visit = current_user._get_current_object()
    return found


def signed_in() -> StaffMember | None:
    """The signed-in person, or None on a public page that a stranger opens."""
    return visit().staff


def assume_signed_out() -> None:
    """Ask nobody who this is until the request ends: for pages shown when the database fails."""
    g._login_user = Visit()


def current_staff() -> StaffMember:
    """The signed-in person of a view that ``requires`` one."""
    staff = signed_in()
    if staff is None:
        raise NotSignedIn("Sign in first.")
    return staff


def may(action: Action | str) -> bool:
    """Whether whoever is signed in may do ``action`` at all: what pages offer goes by this."""
    staff = signed_in()
    return staff is not None and policy.may(staff.role, Action(action))


def entering() -> StaffMember | None:
    """Who is half-way through signing in, in this browser."""
    return visit().entering


def current_sign_in_id() -> int:
    """The sign-in of this browser, finished or not."""
    sign_in_id = visit().sign_in_id
    if sign_in_id is None:
        raise NotSignedIn("Sign in first.")
    return sign_in_id


def _visit_of(request: Request) -> Visit:
    token = token_of(request)
    if token is None:
        return Visit()
    with reading() as session:
        return sign_in.visit_by_token(session, token, now=clock.utc_now())
