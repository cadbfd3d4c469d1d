"""Taking a request for a call: one open request per number, and never a lost one."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from hashlib import sha256
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain import wording
from callback_service.domain.contact import Phone, SafeContact, Window
from callback_service.domain.lifecycle import RequestState
from callback_service.errors import CallbackServiceError
from callback_service.models.base import keyring
from callback_service.models.callback import CallbackRequest, ContactWindow, Submission
from callback_service.models.outbox import TextKind
from callback_service.services import audit, promises, texts
from callback_service.services.plan_trigger import ask_for_plan

#: Spoken letters and digits that are not mistaken for each other.
REFERENCE_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
REFERENCE_LENGTH: Final = 5
#: Two posts that collide settle at the second try; more means the database is not well.
COLLISION_TRIES: Final = 5
NOTE_LIMIT: Final = 1000  # characters of all notes together


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody sent. ``window`` None is "as soon as you can". ``key`` came with their form."""

    key: str
    phone: Phone
    name: str | None
    window: Window | None
    safe_contact: SafeContact
    note: str | None
    consent_version: str

    @property
    def fingerprint(self) -> bytes:
        """Tells the same post sent again from another one with the same key."""
        parts = (self.phone.e164, self.name, self.window, self.safe_contact, self.note)
        return keyring().blind_index("submission", repr(parts))


def new_key() -> str:
    """A key for one form: 256 random bits that open the pages about what it sends."""
    return secrets.token_urlsafe(32)


def is_key(text: str) -> bool:
    """Whether ``text`` has the shape of a key of ours: a short one could be guessed."""
    return re.fullmatch(r"[A-Za-z0-9_-]{43}", text) is not None


def submission_by_key(session: Session, key: str) -> Submission | None:
    """What was sent with the form that had this key."""
    digest = sha256(key.encode()).digest()
    return session.scalar(select(Submission).where(Submission.key_digest == digest))


def take_request(session: Session, ask: Ask, *, now: datetime, tz: tzinfo) -> str:
    """Keep what was asked; the key that opens its pages.

    The same post sent again changes nothing. A number with an open request joins it. Raises
    WindowGone, with nothing kept, if the window has passed or is full.
    """
    for _ in range(COLLISION_TRIES):
        earlier = submission_by_key(session, ask.key)
        if earlier is not None and earlier.fingerprint == ask.fingerprint:
            return ask.key
        if earlier is not None:  # an old form sent again with other answers
            ask = replace(ask, key=new_key())
        try:
            with session.begin_nested():
                _take(session, ask, now=now, tz=tz)
        except IntegrityError:
            continue  # somebody with the same number, key or reference was a moment earlier
        return ask.key
    raise CallbackServiceError("We could not keep your request just now. Try again, or ring us.")


def _take(session: Session, ask: Ask, *, now: datetime, tz: tzinfo) -> None:
    promised, quote = _promise(session, ask, now=now, tz=tz)
    request = _open_request(session, ask.phone)
    joined = request is not None
    if request is None:
        request = _new_request(session, ask, promised, now=now)
    else:
        _join(request, ask, promised)
    submission = _submission(session, ask, request, now=now)
    _keep_window(session, ask, promised, quote, submission, tz=tz)
    if not joined:
        _confirm(session, ask, request, promised, now=now, tz=tz)
    action = "request.joined" if joined else "request.taken"
    audit.record(session, action, subject="callback_request", subject_id=request.id, now=now)
    ask_for_plan(session, reason="request", now=now)


def _promise(
    session: Session, ask: Ask, *, now: datetime, tz: tzinfo
) -> tuple[Window, promises.Quote | None]:
    """The span to ring in: the window that was asked for, or from now until the time we quote."""
    if ask.window is not None:
        promises.check_window(ask.window, now=now, tz=tz)
        return ask.window, None
    quote = promises.quote_as_soon_as_possible(session, now=now, tz=tz)
    return Window(now, quote.due_at), quote


def _open_request(session: Session, phone: Phone) -> CallbackRequest | None:
    return session.scalar(
        select(CallbackRequest)
        .where(
            CallbackRequest.phone_index == keyring().blind_index("phone", phone.e164),
            CallbackRequest.state != RequestState.CLOSED,
        )
        .with_for_update()
    )


def _new_request(session: Session, ask: Ask, promised: Window, *, now: datetime) -> CallbackRequest:
    request = CallbackRequest(
        reference="".join(secrets.choice(REFERENCE_ALPHABET) for _ in range(REFERENCE_LENGTH)),
        phone_index=keyring().blind_index("phone", ask.phone.e164),
        phone_kind=ask.phone.kind,
        may_text=ask.safe_contact.may_text,
        may_leave_voicemail=ask.safe_contact.may_leave_voicemail,
        created_at=now,
        ring_from=promised.start,
        due_at=promised.end,
        is_window=ask.window is not None,
    )
    session.add(request)
    session.flush()  # gives the row its uid, which sealed fields are tied to
    request.phone, request.name, request.note = ask.phone.e164, ask.name, ask.note
    return request


def _join(request: CallbackRequest, ask: Ask, promised: Window) -> None:
    """Add what was asked to a request that is open. Safe contact only ever gets stricter."""
    request.safe_contact = request.safe_contact.stricter(ask.safe_contact)
    request.name = request.name or ask.name
    lines = [line for note in (request.note, ask.note) if note for line in note.split("\n")]
    request.note = "\n".join(dict.fromkeys(lines))[:NOTE_LIMIT] or None
    if request.state is RequestState.WAITING and promised.end < request.due_at:
        request.ring_from, request.due_at = promised.start, promised.end
        request.is_window = ask.window is not None


def _submission(
    session: Session, ask: Ask, request: CallbackRequest, *, now: datetime
) -> Submission:
    submission = Submission(
        key_digest=sha256(ask.key.encode()).digest(),
        fingerprint=ask.fingerprint,
        request_id=request.id,
        consent_version=ask.consent_version,
        consented_at=now,
        may_text=ask.safe_contact.may_text,
        may_leave_voicemail=ask.safe_contact.may_leave_voicemail,
        created_at=now,
    )
    session.add(submission)
    session.flush()
    return submission


def _keep_window(
    session: Session,
    ask: Ask,
    promised: Window,
    quote: promises.Quote | None,
    submission: Submission,
    *,
    tz: tzinfo,
) -> None:
    request_id, submission_id = submission.request_id, submission.id
    if ask.window is not None:
        promises.hold_place(
            session, ask.window, request_id=request_id, submission_id=submission_id, tz=tz
        )
        return
    forecast = quote.forecast if quote else None
    session.add(
        ContactWindow(
            request_id=request_id,
            submission_id=submission_id,
            is_window=False,
            starts_at=promised.start,
            due_at=promised.end,
            foreseen_seconds=round(forecast.mean) if forecast else None,
            foreseen_sd_seconds=round(forecast.sd) if forecast else None,
        )
    )


def _confirm(
    session: Session,
    ask: Ask,
    request: CallbackRequest,
    promised: Window,
    *,
    now: datetime,
    tz: tzinfo,
) -> None:
    texts.text_caller(
        session,
        request,
        TextKind.CONFIRMATION,
        once_key=f"confirmation:{request.uid}",
        expires_at=promised.end,
        now=now,
        when=spoken_promise(promised, is_window=ask.window is not None, now=now, tz=tz),
    )


def spoken_promise(promised: Window, *, is_window: bool, now: datetime, tz: tzinfo) -> str:
    """What is promised, inside a sentence: "tonight between 9pm and 11pm", "by 9:40pm tonight"."""
    if is_window:
        return wording.window_spoken(promised, now=now, tz=tz)
    return f"by {wording.time_spoken(promised.end, now=now, tz=tz)}"
