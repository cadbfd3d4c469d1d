"""What the pages behind a caller's link say about one submission."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from callback_service.clock import utc_now
from callback_service.domain.contact import SafeContact, Window
from callback_service.domain.lifecycle import RequestState
from callback_service.extensions import current_settings, reading
from callback_service.models.callback import Submission
from callback_service.services import intake
from callback_service.web.wish_words import wishes_to_callers

#: The state of a request that was closed without a word with the caller: they may ask again.
UNREACHED: Final = "unreached"


@dataclass(frozen=True, slots=True)
class Shown:
    """What the pages behind a link may say about one submission, to whoever holds the link."""

    promise_text: str
    number_ending: str
    reference: str
    messages_text: str
    wishes: list[str]
    may_text: bool
    withdrawn: bool
    state: str


def shown_by(token: str) -> Shown | None:
    """What the holder of a link may see; None if it opens nothing, or all was erased."""
    with reading() as db_session:
        submission = intake.submission_by_key(db_session, token)
        if submission is None or submission.request.phone is None:
            return None
        return _describe(db_session, submission, now=utc_now())


def _describe(db_session: Session, submission: Submission, *, now: datetime) -> Shown:
    """Only what this submission itself said: another person may stand behind the same request."""
    request_, window = submission.request, submission.window
    tz, asked_at = current_settings().service_time_zone, submission.created_at
    promised = Window(window.starts_at, window.due_at)
    spoken = intake.spoken_promise(promised, is_window=window.is_window, now=asked_at, tz=tz)
    return Shown(
        promise_text=spoken[0].upper() + spoken[1:],
        number_ending=(request_.phone or "")[-3:],
        reference=request_.reference,
        messages_text=_messages_text(
            SafeContact(submission.may_text, submission.may_leave_voicemail)
        ),
        wishes=wishes_to_callers(db_session, submission, now=now, tz=tz),
        may_text=submission.may_text and request_.phone_kind == "mobile",
        withdrawn=submission.withdrawn_at is not None,
        state=_state(submission),
    )


def _state(submission: Submission) -> str:
    if submission.withdrawn_at is not None:
        return "withdrawn"
    if submission.request.state is RequestState.CLOSED:
        return UNREACHED if intake.may_ask_again(submission) else "closed"
    return "calling" if _is_being_rung(submission) else "open"


def _is_being_rung(submission: Submission) -> bool:
    """Whether we ring whoever sent this. Not if they sent it while we were at it.

    Otherwise anybody with a number could find out that we are speaking with its owner.
    """
    request = submission.request
    began = [one.started_at for one in request.attempts if one.ended_at is None]
    is_theirs = all(submission.created_at <= at for at in began)
    return request.state is RequestState.CALLING and is_theirs


def _messages_text(allowed: SafeContact) -> str:
    again = "If you do not answer, we will try again a little later"
    if allowed.may_text and allowed.may_leave_voicemail:
        return f"{again}, and leave a text or a voicemail that does not say who we are."
    if allowed.may_text:
        return f"{again}, and send a text that does not say who we are."
    if allowed.may_leave_voicemail:
        return f"{again}, and leave a voicemail that does not say who we are."
    return f"{again}. We will not leave any message."
