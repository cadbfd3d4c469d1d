"""What a page saw of the rota, and saying what somebody else has changed since.

A page that changes the rota calls ``look_at_rota`` before it reads its facts, and its forms carry
what that noted (the macro ``seen_revision``). What saves them calls ``refuse_if_changed`` first in
its transaction, and answers ChangedMeanwhile with ``again``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from flask import g, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from callback_service import clock
from callback_service.errors import NotFound
from callback_service.services import rota_meanwhile
from callback_service.services.rota_edits import latest_revision
from callback_service.services.rota_meanwhile import ChangedMeanwhile
from callback_service.web.access import current_staff
from callback_service.web.weekly import zone

FIELD = "seen_revision"
_LONGEST_ID = 9  # digits


def look_at_rota(session: Session) -> None:
    """Note the newest edit; a form that comes back keeps what its first page saw."""
    if FIELD not in g:
        sent = _sent()
        g.seen_revision = latest_revision(session) if sent is None else sent


def refuse_if_changed(session: Session, concerns: Collection[str]) -> None:
    """Raise ChangedMeanwhile if somebody else changed what the form that was sent is about.

    A form that does not say what it saw is refused too: nothing is saved unchecked.
    """
    rota_meanwhile.refuse_if_changed(
        session,
        _sent(),
        concerns,
        actor_id=current_staff().id,
        now=clock.utc_now(),
        tz=zone(),
    )


def again(refusal: ChangedMeanwhile, page: Callable[[], str]) -> ResponseReturnValue:
    """The page once more with what was typed and what was changed; then it can be saved anyway.

    Where what it is about is gone, the refusal stands alone.
    """
    g.seen_revision, g.meanwhile = refusal.latest, refusal
    try:
        return page(), refusal.status
    except NotFound:
        raise refusal from None


def _sent() -> int | None:
    sent = request.form.get(FIELD, "")
    return int(sent) if sent.isdecimal() and len(sent) <= _LONGEST_ID else None
