"""Whether a text that waits may still go, and why not: the sender asks before each send."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final

from sqlalchemy import LargeBinary, Select, bindparam, func, select
from sqlalchemy.orm import Session

from callback_service.domain.contact import LineKind
from callback_service.domain.lifecycle import RequestState
from callback_service.models.callback import CallbackRequest, ContactWindow, Offer
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.services import lines, plain_rows, suppression

#: Texts that tell when we ring; the newest of a request is the one that holds.
TELL_THE_TIME: Final = (TextKind.CONFIRMATION, TextKind.CHANGE)
#: Texts that are wrong once the request they tell of is closed.
_ONLY_WHILE_OPEN: Final = frozenset(
    {*TELL_THE_TIME, TextKind.REMINDER, TextKind.MISSED, TextKind.ESCALATION}
)

NOT_ALLOWED: Final = "The caller no longer allows texts."
STOPPED: Final = "This number takes no texts."
LANDLINE: Final = "The number is a landline: it gets no texts."


@dataclass(frozen=True, slots=True)
class Waiting:
    """What must be known of a text that waits, and of the number it goes to."""

    message_id: int
    kind: TextKind
    is_stopped: bool  # the number takes no texts
    line: LineKind | None  # as the gateway knows it
    request: CallbackRequest | None
    offer: Offer | None
    expires_at: datetime


def why_not_among(session: Session, waiting: Sequence[Waiting], *, now: datetime) -> dict[int, str]:
    """The texts that may not go now, by id, each with a sentence for managers; in two looks."""
    untrue = _untrue(session, waiting)
    found = {}
    for one in waiting:
        reason = _why_not(one, now=now) or untrue.get(one.message_id)
        if reason is not None:
            found[one.message_id] = reason
    return found


def _why_not(one: Waiting, *, now: datetime) -> str | None:
    if one.expires_at <= now:
        return "Its moment had passed."
    if one.offer is not None and one.offer.ended_at is not None:
        return "The offer had ended."
    if one.is_stopped:
        return STOPPED
    request = one.request
    if request is None:
        return None
    if not request.may_text:
        return NOT_ALLOWED
    if (one.line or request.phone_kind) is not LineKind.MOBILE:
        return LANDLINE
    if request.state is RequestState.CLOSED and one.kind in _ONLY_WHILE_OPEN:
        return "The request was closed."
    return None


@dataclass(frozen=True, slots=True)
class Number:
    """What is known of a caller's number before a text to it is written."""

    is_stopped: bool  # it takes no texts
    line: LineKind | None  # as the gateway knows it

    def may_be_texted(self, request: CallbackRequest) -> bool:
        """Whether that text may be written. Never to a landline: it is read aloud there."""
        is_mobile = (self.line or request.phone_kind) is LineKind.MOBILE
        return request.may_text and is_mobile and not self.is_stopped


#: Stands for one that nobody needs to look at.
_NOT_TEXTED: Final = Number(is_stopped=True, line=None)


def number_of(session: Session, request: CallbackRequest, *, now: datetime) -> Number:
    """What is known of the number of a caller; nothing goes to one that may not be texted."""
    index = request.phone_index
    if not request.may_text or index is None:
        return _NOT_TEXTED
    given = {"number": index, "now": now}
    return Number(*plain_rows.row(session, number_in_question(), given))


@cache
def number_in_question() -> Select[bool, LineKind | None]:
    """What ``Number`` says of the ``number`` with this index, at ``now``."""
    number = bindparam("number", type_=LargeBinary())
    line = lines.line_of(number, now=bindparam("now"))
    return select(suppression.takes_no_texts(number), line)


def _untrue(session: Session, waiting: Iterable[Waiting]) -> dict[int, str]:
    """Those that were true when they were written, and are no longer."""
    told = [one for one in waiting if one.kind in TELL_THE_TIME and one.request]
    reminders = [one for one in waiting if one.kind is TextKind.REMINDER and one.request]
    newest = _newest_change(session, {one.request.id for one in told if one.request})
    standing = _standing_windows(session, {one.request.id for one in reminders if one.request})
    found = {
        one.message_id: "A newer text tells the time."
        for one in told
        if one.request and newest.get(one.request.id, 0) > one.message_id
    }
    for one in reminders:
        request = one.request
        stands = request is not None and (request.id, one.expires_at) in standing
        if request is None or request.first_attempt_at is not None or not stands:
            found[one.message_id] = "There was nothing to remind of any more."
    return found


def _newest_change(session: Session, request_ids: Collection[int]) -> dict[int, int]:
    if not request_ids:
        return {}
    rows = session.execute(
        select(OutboxMessage.request_id, func.max(OutboxMessage.id))
        .where(OutboxMessage.request_id.in_(request_ids), OutboxMessage.kind == TextKind.CHANGE)
        .group_by(OutboxMessage.request_id)
    )
    return {request_id: newest for request_id, newest in rows if request_id is not None}


def _standing_windows(session: Session, request_ids: Collection[int]) -> set[tuple[int, datetime]]:
    """The starts of windows that still stand; a reminder expires at that of its own."""
    if not request_ids:
        return set()
    rows = session.execute(
        select(ContactWindow.request_id, ContactWindow.starts_at).where(
            ContactWindow.request_id.in_(request_ids), ContactWindow.ended_at.is_(None)
        )
    )
    return {(request_id, starts_at) for request_id, starts_at in rows}
