"""One look before a request is written, for all that the rows of it need to know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, literal, select, true
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import RequestState
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import CallbackRequest, Submission
from callback_service.services import plain_rows, text_limits
from callback_service.services.new_rows import next_id
from callback_service.services.server import is_server
from callback_service.services.text_reasons import Number, number_in_question


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found. The ids are those of new rows; whoever needs none of them lets them go."""

    open_id: int | None  # the open request of the number, locked
    number: Number
    request_id: int
    submission_id: int
    entry_id: int


def look(
    session: Session, number: bytes, *, network: str | None, may_text: bool, now: datetime
) -> Looked:
    """Look at the ``number`` with this index, and hold it for a text if there may be one."""
    held = {}
    if may_text and is_server(session):
        held = text_limits.to_hold(number, text_limits.network_index(network))
    statement = _look(tuple(held), on_server=is_server(session))
    found = plain_rows.row(session, statement, {"number": number, "now": now, **held})
    is_stopped, line, open_id, *ids = found[:6]
    return Looked(open_id, Number(is_stopped, line), *ids)


@cache
def _look(held: tuple[str, ...], *, on_server: bool) -> Select[*tuple[Any, ...]]:
    """What is selected is worked out for the rows of FROM: the request is locked first.

    Everybody who texts takes the two in this order, so that none waits for another in a ring.
    """
    one, is_open = select(literal(1)).subquery("one"), _open_request().subquery("open")
    ids = (
        next_id(model, on_server=on_server) for model in (CallbackRequest, Submission, AuditEntry)
    )
    return (
        number_in_question()
        .add_columns(is_open.c.id, *ids, *text_limits.locks(*held))
        .select_from(one.outerjoin(is_open, true()))
    )


def _open_request() -> Select[int]:
    return (
        select(CallbackRequest.id)
        .where(
            CallbackRequest.phone_index == bindparam("number"),
            CallbackRequest.state != RequestState.CLOSED,
        )
        .with_for_update()
    )
