"""Calendar links: the page to make and end them, and the feeds behind them."""

from __future__ import annotations

from dataclasses import dataclass

from flask import (
    Blueprint,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from callback_service import clock
from callback_service.domain.policy import Action
from callback_service.errors import BadInput
from callback_service.extensions import current_settings, reading, transaction
from callback_service.models.calendar import FeedScope
from callback_service.services import feeds
from callback_service.services.feeds import FeedLine
from callback_service.services.rota_calendar import host_of
from callback_service.web.access import current_staff, fresh, public, requires
from callback_service.web.account import local_time
from callback_service.web.weekly import zone

bp = Blueprint("calendar", __name__)

_WORDS = {FeedScope.OWN: "Your shifts", FeedScope.WHOLE_ROTA: "The whole rota"}


@dataclass(frozen=True, slots=True)
class Link:
    """A live link as the page lists it."""

    id: int
    what: str
    whose: str
    since: str


@bp.get("/rota/calendar")
@requires(Action.WORK_OWN_SHIFTS)
def links() -> ResponseReturnValue:
    """The calendar links one may make and end."""
    return _page()


@bp.post("/rota/calendar/links")
@requires(Action.MAKE_CALENDAR_LINK)
@fresh
def make_link() -> ResponseReturnValue:
    """Make a link and show it, this once."""
    scope = _scope(request.form.get("scope", ""))
    with transaction() as session:
        token = feeds.make_link(session, current_staff(), scope, now=clock.utc_now())
    path = url_for("calendar.feed", token=token)
    return _page(made=_WORDS[scope], link=f"{current_settings().public_base_url}{path}")


@bp.post("/rota/calendar/links/<int:feed_id>/end")
@requires(Action.WORK_OWN_SHIFTS)
def end_link(feed_id: int) -> ResponseReturnValue:
    """End a link at once."""
    with transaction() as session:
        feeds.end_link(session, feed_id, actor=current_staff(), now=clock.utc_now())
    flash("The link has ended. Calendars that use it get nothing more.", "success")
    return redirect(url_for("calendar.links"), code=303)


@bp.get("/calendar/<token>.ics")
@public
def feed(token: str) -> ResponseReturnValue:
    """The shifts behind a private link; one 404 for a wrong and an ended one."""
    now, tz = clock.utc_now(), zone()
    with reading() as session:
        found = feeds.feed_by_token(session, token)
        has_news = feeds.has_news(session, found, now=now, tz=tz)
    if has_news:
        with transaction() as session:
            feeds.remember(session, found, now=now, tz=tz)
    with reading() as session:
        version = feeds.feed_version(session, found, now=now, tz=tz)
        if request.if_none_match.contains(version):
            return _answer(b"", version)
        content = feeds.feed_as_ical(
            session,
            found,
            service_name=current_settings().service_name,
            host=host_of(current_settings().public_base_url),
            now=now,
            tz=tz,
        )
    return _answer(content, version)


def _answer(content: bytes, version: str) -> Response:
    response = make_response(content)
    response.content_type = "text/calendar; charset=utf-8"
    response.headers["Content-Disposition"] = 'inline; filename="shifts.ics"'
    response.set_etag(version)
    return response.make_conditional(request)


def _page(**more: str) -> str:
    staff = current_staff()
    with reading() as session:
        lines = [_link(line) for line in feeds.live_links(session, staff)]
    may_make = [
        (scope.value, _WORDS[scope]) for scope in FeedScope if staff.role in feeds.MAY_HAVE[scope]
    ]
    return render_template("rota/calendar.html", links=lines, may_make=may_make, **more)


def _link(line: FeedLine) -> Link:
    is_own = line.owner_id == current_staff().id
    whose = "you" if is_own else line.owner_name
    return Link(line.id, _WORDS[line.scope], whose, local_time(line.created_at))


def _scope(text: str) -> FeedScope:
    try:
        return FeedScope(text)
    except ValueError:
        sentence = "Choose what the calendar shows."
        raise BadInput(sentence, {"scope": sentence}) from None
