"""The JSON API for programs of staff: the rota, its cover and the queue, to read."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from callback_service.domain.lifecycle import RequestState
from callback_service.domain.moments import EXAMPLE, parse_moment, range_of
from callback_service.domain.policy import Action
from callback_service.domain.rota import Duty
from callback_service.errors import BadInput
from callback_service.extensions import reading
from callback_service.services import cover as cover_service
from callback_service.services import queue_report
from callback_service.services import rota as rota_service
from callback_service.web.access import public, token, token_owner
from callback_service.web.api_description import describe
from callback_service.web.weekly import zone

bp = Blueprint("api", __name__, url_prefix="/api/v1")

Value = TypeVar("Value")
Word = TypeVar("Word", bound=StrEnum)

LONGEST_STEP_MIN = 7 * 24 * 60
MOST_STEPS = 100_000  # rows of cover in one answer


@bp.get("/openapi.json")
@public
def description() -> ResponseReturnValue:
    """What this API offers, as OpenAPI has it."""
    return jsonify(describe())


@bp.get("/rota/shifts")
@token(Action.SEE_ROTA)
def shifts() -> ResponseReturnValue:
    """Every shift that meets the range, whole, in order."""
    first, stop = _range()
    duty = _value("duty", lambda text: _word(Duty, text), Duty.COUNSELLING)
    with reading() as session:
        found = rota_service.shifts_between(session, first, stop, tz=zone(), duty=duty)
    return jsonify(rota_service.shifts_as_json(found))


@bp.get("/rota/cover")
@token(Action.SEE_ROTA)
def cover() -> ResponseReturnValue:
    """Cover and requirement: a row per stretch in which nothing changes, or per step."""
    first, stop = _range()
    minutes = _value("step", lambda text: _number(text, LONGEST_STEP_MIN), None)
    step = timedelta(minutes=minutes) if minutes else None
    if step is not None and (stop - first) / step > MOST_STEPS:
        raise _bad("step", "The range has too many steps. Ask for a longer step.")
    with reading() as session:
        rows = cover_service.cover_rows(session, first, stop, tz=zone(), step=step)
    return jsonify(cover_service.cover_as_json(rows))


@bp.get("/callback-requests")
@token(Action.LIST_REQUESTS)
def callback_requests() -> ResponseReturnValue:
    """The queue without personal data, a page at a time, in the order requests came in."""
    state = _value("state", lambda text: _word(RequestState, text), None)
    limit = _value("limit", lambda text: _number(text, queue_report.MOST_ROWS), 50)
    after = _value("cursor", _from_cursor, 0)
    with reading() as session:
        page = queue_report.requests_page(
            session, viewer_id=token_owner().id, state=state, limit=limit, after=after
        )
    cursor = _cursor(page.next_after) if page.next_after is not None else None
    return jsonify({"items": page.items, "next_cursor": cursor})


def _range() -> tuple[datetime, datetime]:
    return range_of(_moment("from"), _moment("to"), tz=zone())


def _moment(name: str) -> date:
    # A plus sign that was not encoded arrives as a space, and no moment has a space there.
    text = request.args.get(name, "").replace(" ", "+")
    try:
        return parse_moment(text)
    except ValueError:
        raise _bad(name, f"Give {EXAMPLE}.") from None


@bp.before_request
def refuse_doubles() -> None:
    """A parameter given twice is refused: whoever checked the one may not have meant the other."""
    for name, given in request.args.lists():
        if len(given) > 1:
            raise _bad(name[:60], "Give it once.")


def _value(name: str, read: Callable[[str], Value], otherwise: Value) -> Value:
    text = request.args.get(name)
    if text is None:
        return otherwise
    try:
        return read(text)
    except ValueError as error:
        raise _bad(name, str(error)) from error


def _bad(name: str, reason: str) -> BadInput:
    return BadInput(f"{name}: {reason}", {name: reason})


def _word(words: type[Word], text: str) -> Word:
    try:
        return words(text)
    except ValueError:
        raise ValueError(f"Give one of {', '.join(word.value for word in words)}.") from None


def _number(text: str, most: int) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= 9
    if not is_number or not 1 <= int(text) <= most:
        raise ValueError(f"Give a whole number from 1 to {most}.")
    return int(text)


def _cursor(after: int) -> str:
    return base64.urlsafe_b64encode(f"after:{after}".encode()).decode().rstrip("=")


def _from_cursor(text: str) -> int:
    """Where a page begins, from ``next_cursor`` of the page before."""
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return _number(plain.decode("ascii").removeprefix("after:"), 2**31 - 1)
    except (ValueError, binascii.Error):
        raise ValueError("Give next_cursor of the page before, as it is.") from None
