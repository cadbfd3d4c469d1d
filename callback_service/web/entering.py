"""What the pages of signing in share: counting tries, changing cookies, naming a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import flash, redirect, request
from flask import session as browser_session
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response
from wtforms import Field

from callback_service import clock
from callback_service.domain.signing_in import Proof
from callback_service.errors import BadInput
from callback_service.extensions import client_network, transaction
from callback_service.services import account_events, tries
from callback_service.services import sign_in as sign_ins
from callback_service.services.sign_in import Opened
from callback_service.services.tries import Caller
from callback_service.web import access

_BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("FxiOS", "Firefox"),
    ("SamsungBrowser", "Samsung Internet"), ("Chrome/", "Chrome"), ("CriOS", "Chrome"),
    ("Safari/", "Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"),
    ("Mac OS X", "Mac"), ("CrOS", "Chromebook"), ("Linux", "Linux"),
)  # fmt: skip


@contextmanager
def counted(account: str, proof: Proof) -> Iterator[Caller]:
    """Count a try at ``account`` before it is looked at, and write down if it is refused.

    Each in a transaction of its own. Raises TooMany before anything is looked at.
    """
    caller, now = Caller(client_network(), access.device_of(request)), clock.utc_now()
    with transaction() as session:
        tries.note_try(session, account=account, caller=caller, proof=proof, now=now)
    try:
        yield caller
    except BadInput:
        with transaction() as session:
            tries.record_try(
                session,
                "staff.sign_in_refused",
                account=account,
                caller=caller,
                proof=proof,
                now=now,
            )
        raise


def enter(opened: Opened, *, wanted: str | None) -> Response:
    """Into the house, with new cookies and nothing carried over from before."""
    response = redirect(access.landing(opened.staff, wanted), code=303)
    settle(response, opened)
    return response


def settle(response: Response, opened: Opened) -> None:
    """Give the cookies of who has just signed in to the browser that gets ``response``."""
    with transaction() as session:
        device = tries.know_device(
            session, opened.staff.id, access.device_of(request), now=clock.utc_now()
        )
        news = account_events.news(session, opened.staff.id)
    browser_session.clear()
    if news:
        flash(f"Since you last signed in: {'. '.join(news)}. Look at “Your account”.")
    access.give_cookie(response, opened.token)
    access.give_device_cookie(response, device)


def end_this_sign_in(session: Session) -> None:
    """End the sign-in of this browser, if it has one."""
    token = access.token_of(request)
    if token is not None:
        sign_ins.sign_out(session, token, now=clock.utc_now())


def device_name(user_agent: str) -> str:
    """A browser in words its owner knows, such as "Firefox on Windows", and no more detail."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "A browser")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "an unknown device")
    return f"{browser} on {system}"


def device() -> str:
    """The browser of this request, in words."""
    return device_name(request.user_agent.string)


def blame(field: Field, message: str) -> None:
    """Put ``message`` at ``field``."""
    field.errors = [*field.errors, message]
