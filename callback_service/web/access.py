"""The gate: who may open which route. Whatever is not marked is closed to everybody.

Flask-Login is thin glue here: it asks ``_visit_of`` once a request, and keeps nothing in its own
cookies. Who is signed in stands in the ``sign_in`` table alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Request, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect
from werkzeug.wrappers import Response

from callback_service import clock
from callback_service.domain.signing_in import LIMITS, WARNED_BEFORE, Stage
from callback_service.domain.staff import Role, StaffMember
from callback_service.errors import CallbackServiceError, Forbidden
from callback_service.extensions import current_settings, login, reading, transaction
from callback_service.services import api_tokens, held_forms, sign_in
from callback_service.services.sign_in import Ended, Visit

logger = logging.getLogger(__name__)

View = TypeVar("View", bound=Callable[..., Any])

#: What the sign-in page says to somebody who did not come on their own account.
WHY_SIGNED_OUT: Final[Mapping[str, str]] = {
    Ended.IDLE: "You were signed out after a time without use.",
    Ended.AGE: "You were signed in for as long as can be. Sign in again to go on.",
    Ended.HALF_WAY: "Signing in took too long. Begin again.",
    "by-hand": "You are signed out.",
}
#: Where each role begins.
HOME: Final[Mapping[Role, str]] = {
    Role.COUNSELLOR: "desk.queue",
    Role.MANAGER: "cover.week",
    Role.ADMINISTRATOR: "admin.staff",
}
_MARK = "access_mark"
_FRESH = "access_fresh"
#: How long a browser keeps that an account signed in with it. Chromium keeps nothing for longer.
_DEVICE_COOKIE_LIFETIME: Final = 400 * 24 * 3600  # seconds


class TokenRefused(CallbackServiceError):  # noqa: N818 - reads as what it is at every raise
    """The route is for programs that bring a token, and this one brought none that opens it."""

    status: ClassVar[int] = 401
    title: ClassVar[str] = "A token is needed"


class NotSignedIn(CallbackServiceError):  # noqa: N818 - reads as what it is at every raise
    """The route is for signed-in staff."""

    status: ClassVar[int] = 401
    title: ClassVar[str] = "Sign in first"

    def __init__(self, message: str, *, leads_to: str | None = None) -> None:
        super().__init__(message)
        self.leads_to = leads_to  # after signing in


class NotFresh(CallbackServiceError):  # noqa: N818 - reads as what it is at every raise
    """The route is for whoever gave a second factor in the last minutes."""

    status: ClassVar[int] = 403
    title: ClassVar[str] = "Confirm that it is you"


@dataclass(frozen=True, slots=True)
class Mark:
    """Who may open a route: everybody, or staff of these roles; by a token, or by signing in.

    With ``stages``, only those who have come so far in signing in and no further.
    """

    is_public: bool
    roles: frozenset[Role] = frozenset()
    by_token: bool = False
    stages: frozenset[Stage] = frozenset()

    def admits(self, staff: StaffMember | None) -> bool:
        """Whether ``staff``, or somebody who is not signed in, may pass."""
        return self.is_public or (staff is not None and staff.role in self.roles)


def public(view: View) -> View:
    """Mark a view as open to everybody."""
    setattr(view, _MARK, Mark(is_public=True))
    return view


def requires(*roles: Role) -> Callable[[View], View]:
    """Mark a view as open to signed-in staff of ``roles``, and to nobody else."""

    def mark(view: View) -> View:
        setattr(view, _MARK, Mark(is_public=False, roles=frozenset(roles)))
        return view

    return mark


def during(*stages: Stage) -> Callable[[View], View]:
    """Mark a view as a step of signing in, open to who has come to one of ``stages`` only."""

    def mark(view: View) -> View:
        setattr(view, _MARK, Mark(is_public=False, stages=frozenset(stages)))
        return view

    return mark


def fresh(view: View) -> View:
    """Mark a view as a sensitive act: a second factor must have been given just now."""
    setattr(view, _FRESH, True)
    return view


def token(*roles: Role) -> Callable[[View], View]:
    """Mark a view as open to programs that bring a token of staff of ``roles``; to no browser."""

    def mark(view: View) -> View:
        setattr(view, _MARK, Mark(is_public=False, roles=frozenset(roles), by_token=True))
        return view

    return mark


def needs_fresh(app: Flask) -> frozenset[str]:
    """The endpoints of sensitive acts."""
    return frozenset(name for name, view in app.view_functions.items() if hasattr(view, _FRESH))


def marks(app: Flask) -> dict[str, Mark | None]:
    """The mark of every endpoint with a route; None where it was forgotten, so nobody enters."""
    return {rule.endpoint: _mark_of(app, rule.endpoint) for rule in app.url_map.iter_rules()}


def init_app(app: Flask) -> None:
    """Close ``app`` to all who may not enter."""
    app.config["REMEMBER_COOKIE_NAME"] = None  # a cookie of that name would hide ours
    login.session_protection = None
    login.anonymous_user = Visit
    login.request_loader(_visit_of)
    login.init_app(app, add_context_processor=False)
    if "static" in app.view_functions:
        public(app.view_functions["static"])
    app.before_request(_gate)
    app.context_processor(_signed_in_context)


def signed_in() -> StaffMember | None:
    """The signed-in person, or None on a public page that a stranger opens."""
    return _visit().staff


def assume_signed_out() -> None:
    """Ask nobody who this is until the request ends: for pages shown when the database fails."""
    g._login_user = Visit()


def current_staff() -> StaffMember:
    """The signed-in person of a view that ``requires`` one."""
    staff = signed_in()
    if staff is None:
        raise NotSignedIn("Sign in first.")
    return staff


def entering() -> StaffMember | None:
    """Who is half-way through signing in, in this browser."""
    return _visit().entering


def current_sign_in_id() -> int:
    """The sign-in of this browser, finished or not."""
    sign_in_id = _visit().sign_in_id
    if sign_in_id is None:
        raise NotSignedIn("Sign in first.")
    return sign_in_id


def safe_next(url: str | None) -> str | None:
    """``url`` if it is a path of this service; None if a browser may take it for a host."""
    if not url or not url.startswith("/") or url.startswith("//"):
        return None
    if "\\" in url or any(ord(c) <= 0x20 or ord(c) == 0x7F for c in url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return None if parts.scheme or parts.netloc else url


def landing(staff: StaffMember, wanted: str | None) -> str:
    """Where to go after signing in: the page that was wanted if ``staff`` may see it, or home."""
    path = safe_next(wanted)
    if path is not None and _may_open(staff, path):
        return path
    return url_for(HOME[staff.role])


def token_of(request: Request) -> str | None:
    """The token in the cookie of ``request``."""
    return request.cookies.get(_cookie_name()) or None


def give_cookie(response: Response, token: str) -> None:
    """Sign the browser in that gets ``response``. The cookie ends with the browser's session."""
    response.set_cookie(
        _cookie_name(),
        token,
        secure=current_settings().is_https,
        httponly=True,
        samesite="Lax",
        path="/",
    )


def device_of(request: Request) -> str | None:
    """The token by which an account knows the browser of ``request`` again."""
    return request.cookies.get(_device_cookie_name()) or None


def give_device_cookie(response: Response, token: str) -> None:
    """Have the browser keep, beyond its session, that an account signed in with it."""
    response.set_cookie(
        _device_cookie_name(),
        token,
        max_age=_DEVICE_COOKIE_LIFETIME,
        secure=current_settings().is_https,
        httponly=True,
        samesite="Lax",
        path="/",
    )


def take_cookie(response: Response) -> None:
    """Have the browser forget its token."""
    response.delete_cookie(
        _cookie_name(), secure=current_settings().is_https, httponly=True, samesite="Lax", path="/"
    )


def _gate() -> ResponseReturnValue | None:
    g.pop("_login_user", None)  # each request proves itself, also within a longer app context
    if request.endpoint is None:
        return None  # nothing is there; 404 or 405 follows
    mark = _mark_of(current_app, request.endpoint)
    if mark is not None and mark.is_public:
        return None
    if mark is not None and mark.by_token:
        _check_token(mark)
        return None
    visit = _visit()
    if mark is not None and mark.stages:
        return _check_stage(visit, mark)
    if visit.staff is None:
        return _send_to_sign_in(visit)
    if mark is None or not mark.admits(visit.staff):
        logger.warning("staff %d was refused %s", visit.staff.id, request.endpoint)
        raise Forbidden("Your account does not open this page.")
    _note_use(visit)
    if not visit.is_fresh and getattr(current_app.view_functions[request.endpoint], _FRESH, False):
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
        raise Forbidden("The account of this token may not see this.")
    if holder.is_use_due:
        with transaction() as session:
            api_tokens.note_use(session, holder.token_id, now=now)


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


def _visit_of(request: Request) -> Visit:
    token = token_of(request)
    if token is None:
        return Visit()
    with reading() as session:
        return sign_in.visit_by_token(session, token, now=clock.utc_now())


def _visit() -> Visit:
    visit: Visit = current_user._get_current_object()
    return visit


def _mark_of(app: Flask, endpoint: str) -> Mark | None:
    mark: Mark | None = getattr(app.view_functions.get(endpoint), _MARK, None)
    return mark


def _may_open(staff: StaffMember, path: str) -> bool:
    adapter = current_app.create_url_adapter(request)
    try:
        endpoint = adapter.match(urlsplit(path).path, method="GET")[0] if adapter else ""
    except (HTTPException, RequestRedirect):
        return False
    mark = _mark_of(current_app, endpoint)
    return mark is not None and not mark.by_token and not mark.stages and mark.admits(staff)


def _signed_in_context() -> dict[str, object]:
    staff = signed_in()
    if staff is None:
        return {"signed_in_name": None}
    warned_after = LIMITS[staff.role].idle - WARNED_BEFORE
    return {"signed_in_name": staff.name, "warned_after_s": int(warned_after.total_seconds())}


def _device_cookie_name() -> str:
    return "__Host-device" if current_settings().is_https else "device"


def _cookie_name() -> str:
    return "__Host-sid" if current_settings().is_https else "sid"
