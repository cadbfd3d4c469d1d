"""Erasing by the link of a form. Anybody who types a number gets a link, so the link tells and
does the same for every number: it ends at once, and what comes of the wish is seen by staff only.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import Outcome, RequestState
from callback_service.domain.retention import Keeping
from callback_service.models.callback import Attempt, CallbackRequest, Submission
from callback_service.services import audit, data_requests, emptying, erasure_runs, requests
from callback_service.services.erasures import close_and_empty
from callback_service.services.legal_holds import held_among
from callback_service.services.requests import lock_request

#: Wishes carried out in one run of the tick, so that others have their turn.
AT_ONCE: Final = 50


def ask(session: Session, submission: Submission, *, now: datetime, tz: tzinfo) -> None:
    """Take back what was sent with a form, end its link, and note that it is to be erased.

    Nothing is erased yet: how long that takes would tell who else stands behind the number.
    """
    requests.withdraw(session, submission, now=now, tz=tz)
    emptying.end_link(submission)
    submission.erasure_asked_at = now
    audit.record(
        session, "request.erasure_asked",
        subject="callback_request", subject_id=submission.request_id, now=now,
    )  # fmt: skip
    session.flush()


def waiting(session: Session) -> Sequence[int]:
    """The postings that are to be erased, the first asked for on top; up to so many of them."""
    asked = select(Submission.id).where(Submission.erasure_asked_at.is_not(None))
    return session.scalars(
        asked.order_by(Submission.erasure_asked_at, Submission.id).limit(AT_ONCE)
    ).all()


def carry_out(
    session: Session, submission_id: int, keeping: Keeping, *, now: datetime, tz: tzinfo
) -> bool:
    """Erase a request on the wish of who held its link; whether it is gone.

    Where somebody spoke with us, others asked under the same request or it is on hold, the wish
    is not enough: it becomes a case for two people. What is on its way just now is waited for.
    """
    submission = session.get_one(Submission, submission_id, populate_existing=True)
    asked_at, request = submission.erasure_asked_at, submission.request
    if asked_at is None:
        return False
    if request.phone is None:  # of a backup from before it was erased
        submission.erasure_asked_at = None
        return False
    if _is_theirs_alone(session, request):
        return _erase(session, request, keeping, now=now)
    data_requests.note_wish(session, request.phone, asked_at=asked_at, now=now, tz=tz)
    submission.erasure_asked_at = None
    return False


def _is_theirs_alone(session: Session, request: CallbackRequest) -> bool:
    spoken = select(Attempt.id).where(
        Attempt.request_id == request.id, Attempt.outcome == Outcome.ANSWERED
    )
    posts = session.scalars(select(Submission.id).where(Submission.request_id == request.id)).all()
    is_held = bool(held_among(session, [request.id]))
    return len(posts) == 1 and not is_held and session.scalar(spoken.limit(1)) is None


def _erase(session: Session, request: CallbackRequest, keeping: Keeping, *, now: datetime) -> bool:
    """Empty it, unless that changed while its lock was waited for; the next run looks again."""
    locked = lock_request(session, request.id)
    is_on_its_way = locked.state is RequestState.CALLING or emptying.is_in_the_air(
        session, locked.id
    )
    if locked.phone is None or is_on_its_way or not _is_theirs_alone(session, locked):
        return False
    close_and_empty(session, locked, keeping, actor_id=None, now=now)
    erasure_runs.note(session, 1, now=now)
    return True
