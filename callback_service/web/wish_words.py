"""What pages say of wishes: to the caller who made them, and to the staff who plan and ring."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo

from callback_service.domain import wording
from callback_service.domain.languages import language_name
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.wishes import WishKind, widened_at
from callback_service.models.callback import CallbackRequest, Submission


def wishes_to_callers(submission: Submission, *, now: datetime, tz: tzinfo) -> list[str]:
    """What becomes of each wish of this submission alone; nothing once the request is closed."""
    request = submission.request
    if request.state is RequestState.CLOSED:
        return []
    return [_to_caller(kind, own, request, now=now, tz=tz) for kind, own in _wishes_of(submission)]


def _wishes_of(submission: Submission) -> Iterator[tuple[WishKind, str]]:
    if submission.wishes_same_counsellor:
        yield WishKind.COUNSELLOR, "the person you spoke with before"
    if submission.wish_gender is not None:
        yield WishKind.GENDER, f"a {submission.wish_gender}"
    if submission.wish_language is not None:
        yield WishKind.LANGUAGE, f"somebody who speaks {language_name(submission.wish_language)}"


def _to_caller(
    kind: WishKind, whom: str, request: CallbackRequest, *, now: datetime, tz: tzinfo
) -> str:
    until = widened_at(kind, ring_from=request.ring_from, due_at=request.due_at)
    if now >= until:
        return f"We could not find {whom} in time, so somebody else may ring."
    spoken = wording.time_spoken(until, now=now, tz=tz)
    return f"You asked for {whom}. If that cannot be by {spoken}, somebody else will ring."
