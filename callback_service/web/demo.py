"""The codes to sign in with in a demonstration, which has no phones. Elsewhere nothing is here."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from callback_service import clock
from callback_service.config_values import is_loopback
from callback_service.errors import NotFound
from callback_service.extensions import current_settings, reading
from callback_service.services import demo
from callback_service.web.access import public

bp = Blueprint("demo", __name__)


@bp.get("/demo")
@public
def codes() -> ResponseReturnValue:
    """Whom to sign in as and the code of each now; not found unless DEMO=1, on this machine."""
    settings = current_settings()
    if not (settings.demo and settings.is_on_loopback and _was_asked_for_here()):
        raise NotFound("There is no such page.")
    with reading() as session:
        people = demo.codes_now(session, now=clock.utc_now())
    return render_template("account/demo.html", people=people)


def _was_asked_for_here() -> bool:
    """Whether the browser knows us by a name of this machine, and not by one that was made to lead
    here, under which another site's script could read the page.
    """
    return is_loopback(urlsplit(request.host_url).hostname or "")
