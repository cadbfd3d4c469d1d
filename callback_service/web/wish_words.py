"""What pages say to callers of the wishes they made."""

from __future__ import annotations

from datetime import datetime, tzinfo

from sqlalchemy.orm import Session

from callback_service.domain import wording
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.wishes import WishKind, widened_at
from callback_service.models.callback import Submission
from callback_service.services.wish_lines import WishLine, own_wish_lines


def wishes_to_callers(
    session: Session, submission: Submission, *, now: datetime, tz: tzinfo
) -> list[str]:
    """What becomes of each wish of this submission alone; nothing once the request is closed."""
    if submission.request.state is RequestState.CLOSED:
        return []
    lines = own_wish_lines(session, submission, now=now, tz=tz)
    found = [_to_caller(line, now=now, tz=tz) for line in lines]
    if submission.wishes_same_counsellor:
        return [_same_again(submission, now=now, tz=tz), *found]
    return found


def _to_caller(line: WishLine, *, now: datetime, tz: tzinfo) -> str:
    if line.until is not None:
        spoken = wording.time_spoken(line.until, now=now, tz=tz)
        return (
            f"You asked for {line.words}. If that cannot be by {spoken}, somebody else will ring."
        )
    if line.is_in_vain:
        return (
            f"You asked for {line.words}. We are sorry, that is not possible in time, so somebody "
            "else will ring. If you would rather wait, tell them, and they will find another time "
            "with you."
        )
    return f"We could not find {line.words} in time, so somebody else may ring."


def _same_again(submission: Submission, *, now: datetime, tz: tzinfo) -> str:
    """Of the same counsellor it says the same whether they work now, and whether we know them.

    Otherwise anybody with this number could find out whether it has rung us before.
    """
    request = submission.request
    until = widened_at(WishKind.COUNSELLOR, ring_from=request.ring_from, due_at=request.due_at)
    whom = "the person you spoke with before"
    if now >= until:
        return f"We could not find {whom} in time, so somebody else may ring."
    spoken = wording.time_spoken(until, now=now, tz=tz)
    return (
        f"You asked for {whom}. We try that until {spoken} at the latest, then somebody else rings."
    )
