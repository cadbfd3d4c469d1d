"""Whether the service lives and is ready. No personal data, for anybody to ask."""

from __future__ import annotations

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from callback_service.domain.ticks import TICK_NAMES
from callback_service.extensions import database_now, reading
from callback_service.services import heartbeat
from callback_service.web.access import public

bp = Blueprint("health", __name__, url_prefix="/health")


@bp.get("/live")
@public
def live() -> ResponseReturnValue:
    """This process answers."""
    return {"status": "ok"}


@bp.get("/ready")
@public
def ready() -> ResponseReturnValue:
    """The database answers and every tick of the scheduler has succeeded of late; 503 if not.

    One of them is the auditor's, which succeeds only when it has looked at everything.
    """
    try:
        with reading() as session:
            stopped = heartbeat.stopped_ticks(session, TICK_NAMES, now=database_now(session))
    except SQLAlchemyError:
        return {"status": "failing", "database": "failing"}, 503
    if stopped:
        return {"status": "failing", "database": "ok", "stopped_ticks": stopped}, 503
    return {"status": "ok", "database": "ok"}
