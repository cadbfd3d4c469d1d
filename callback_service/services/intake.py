"""Taking a request for a call: one open request per number, and never a lost one."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from functools import cache
from hashlib import sha256
from typing import Final

from sqlalchemy import Select, bindparam, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.contact import Phone, SafeContact, Window
from callback_service.domain.languages import ENGLISH
from callback_service.domain.lifecycle import NOT_REACHED, Disposition, Outcome, RequestState
from callback_service.domain.newcomers import Quote
from callback_service.domain.told import Told, spoken
from callback_service.domain.wishes import NO_WISHES, Wishes
from callback_service.errors import CallbackServiceError, NotFound
from callback_service.models.callback import Attempt, CallbackRequest, ContactWindow, Submission
from callback_service.models.sealing import keyring
from callback_service.models.staff import new_uid
from callback_service.services import (
    audit,
    plain_rows,
    promises,
    quoting,
    request_keys,
    requests,
    texts,
)
from callback_service.services.plan_trigger import ask_for_plan

#: Spoken letters and digits that are not mistaken for each other.
REFERENCE_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
REFERENCE_LENGTH: Final = 5
#: Two posts that collide settle at the second try; more means the database is not well.
COLLISION_TRIES: Final = 5
NOTE_LIMIT: Final = 1000  # characters of all notes together


_NEW_WINDOW: Final = insert(ContactWindow).inline()
ANY_MESSAGE: Final = SafeContact(may_text=True, may_leave_voicemail=True)


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
    wishes: Wishes = NO_WISHES
    wishes_same_counsellor: bool = False
    network: str | None = None  # that a form was posted from; kept for a day, as an index only
    wants_reminder: bool = False  # by text, before the window
    at_most: SafeContact = ANY_MESSAGE  # what may be left behind at this number, whatever was said

    @property
    def allowed(self) -> SafeContact:
        """What may be left behind: as was said, and no more than is safe at this number."""
        return self.safe_contact.stricter(self.at_most)

    @property
    def fingerprint(self) -> bytes:
        """Tells the same post sent again from another one with the same key."""
        parts = (
            self.phone.e164, self.name, self.window, self.safe_contact, self.note, self.wishes,
            self.wishes_same_counsellor, self.wants_reminder,
        )  # fmt: skip
        return keyring().blind_index("submission", repr(parts))


def new_key() -> str:
    """A key for one form: 256 random bits that open the pages about what it sends."""
    return secrets.token_urlsafe(32)


def is_key(text: str) -> bool:
    """Whether ``text`` has the shape of a key of ours: a short one could be guessed."""
    return re.fullmatch(r"[A-Za-z0-9_-]{43}", text) is not None


def submission_by_key(session: Session, key: str) -> Submission | None:
    """What was sent with the form that had this key."""
    return session.scalar(_by_key(), {"digest": sha256(key.encode()).digest()})


@cache
def _by_key() -> Select[Submission]:
    return select(Submission).where(Submission.key_digest == bindparam("digest"))


def take_request(
    session: Session, ask: Ask, *, is_new: bool = False, now: datetime, tz: tzinfo
) -> str:
    """Keep what was asked; the key that opens its pages.

    The same post sent again changes nothing. A number with an open request joins it. Raises
    WindowGone, with nothing kept, if the window has passed or is full. ``is_new``: its key was just
    looked for in vain.
    """
    for _ in range(COLLISION_TRIES):
        earlier = None if is_new else submission_by_key(session, ask.key)
        if earlier is not None and earlier.fingerprint == ask.fingerprint:
            return ask.key
        if earlier is not None:  # an old form sent again with other answers
            ask = replace(ask, key=new_key())
        try:
            with session.begin_nested():
                _take(session, ask, now=now, tz=tz)
        except IntegrityError:  # somebody with the same number, key or reference was earlier
            is_new = False
            continue
        return ask.key
    raise CallbackServiceError("We could not keep your request just now. Try again, or ring us.")


def keep_agreed(
    session: Session, ask: Ask, *, follows: CallbackRequest, now: datetime, tz: tzinfo
) -> CallbackRequest:
    """Keep a call that was agreed on while speaking: any time will do, and no place is sold for it.

    What it needs of the rota counts as reserved once it is kept.
    """
    if ask.window is None:
        raise ValueError("an agreed call has its time")
    submission = _keep(session, ask, ask.window, now=now, tz=tz)
    request = session.get_one(CallbackRequest, submission.request_id)
    request.follows_id = follows.id
    _open_window(session, ask, ask.window, submission)
    return request


def may_ask_again(submission: Submission) -> bool:
    """Whether this person may ask again with what they told us: we did not reach them with it."""
    request = submission.request
    return (
        request.disposition in NOT_REACHED
        and request.phone_sealed is not None
        and submission.withdrawn_at is None
    )


def ask_again(
    session: Session,
    submission: Submission,
    *,
    key: str,
    window: Window | None,
    consent_version: str,
    network: str | None = None,
    now: datetime,
    tz: tzinfo,
) -> str:
    """Keep a new request with what was told for one that is closed; the key that opens its pages.

    What others at this number said of messages still holds, and is not shown. A name that somebody
    else may have given is not used.
    """
    told = _as_told(session, submission, key=key, consent_version=consent_version)
    return take_request(session, replace(told, window=window, network=network), now=now, tz=tz)


def _as_told(session: Session, submission: Submission, *, key: str, consent_version: str) -> Ask:
    """The same again, as soon as we can."""
    request = submission.request
    if not may_ask_again(submission) or request.phone is None:
        raise NotFound("There is nothing here to ask for again.")
    return Ask(
        key=key,
        phone=Phone(request.phone, request.phone_kind),
        name=request.name if _is_alone(session, submission) else None,
        window=None,
        safe_contact=SafeContact(submission.may_text, submission.may_leave_voicemail),
        note=request.note,
        consent_version=consent_version,
        at_most=request.safe_contact,
        wishes=Wishes(submission.wish_language, submission.wish_gender),
        wishes_same_counsellor=submission.wishes_same_counsellor,
    )


def _is_alone(session: Session, submission: Submission) -> bool:
    others = select(Submission.id).where(
        Submission.request_id == submission.request_id, Submission.id != submission.id
    )
    return session.scalar(others.limit(1)) is None


def _take(session: Session, ask: Ask, *, now: datetime, tz: tzinfo) -> None:
    promised, quote = _promise(session, ask, now=now, tz=tz)
    if ask.wishes_same_counsellor:
        spoke_with = replace(ask.wishes, counsellor_id=_spoke_with(session, ask.phone))
        ask = replace(ask, wishes=spoke_with)
    submission = _keep(session, ask, promised, now=now, tz=tz)
    if ask.window is None:
        _open_window(session, ask, promised, submission, quote=quote)
        return
    promises.hold_place(
        session,
        ask.window,
        request_id=submission.request_id,
        submission_id=submission.id,
        wished=ask.wishes,
        tz=tz,
    )


def _keep(session: Session, ask: Ask, promised: Window, *, now: datetime, tz: tzinfo) -> Submission:
    """The request, new or joined, with what was sent, its audit row and its text."""
    request = _open_request(session, ask.phone, now=now)
    joined, told = request is not None, _told(promised, is_window=ask.window is not None)
    if request is None:
        request = _new_request(session, ask, promised, now=now)
        texts.confirm(session, request, told, network=ask.network, now=now, tz=tz)
    elif _join(request, ask, promised):
        texts.tell_of_change(session, request, told, network=ask.network, now=now, tz=tz)
    if ask.window is not None and ask.wants_reminder:
        texts.remind(session, request, ask.window, now=now, tz=tz)
    action = "request.joined" if joined else "request.taken"
    audit.record(session, action, subject="callback_request", subject_id=request.id, now=now)
    ask_for_plan(session, reason="request", now=now)
    return _submission(session, ask, request, now=now)


def _promise(
    session: Session, ask: Ask, *, now: datetime, tz: tzinfo
) -> tuple[Window, Quote | None]:
    """The span to ring in: the window that was asked for, or from now until the time we quote."""
    if ask.window is not None:
        promises.check_window(ask.window, now=now, tz=tz)
        return ask.window, None
    quote = quoting.quote_as_soon_as_possible(session, wished=ask.wishes, now=now, tz=tz)
    return Window(now, quote.due_at), quote


def _spoke_with(session: Session, phone: Phone) -> int | None:
    """The counsellor who last spoke with this number, while we still know of it."""
    return session.scalar(
        select(Attempt.counsellor_id)
        .join(CallbackRequest, CallbackRequest.id == Attempt.request_id)
        .where(
            CallbackRequest.phone_index == keyring().blind_index("phone", phone.e164),
            Attempt.outcome == Outcome.ANSWERED,
        )
        .order_by(Attempt.started_at.desc())
        .limit(1)
    )


def _open_request(session: Session, phone: Phone, *, now: datetime) -> CallbackRequest | None:
    """The open request of a number, locked.

    One that a backup brought back after its erasure nobody could ring: it is closed instead.
    """
    index = keyring().blind_index("phone", phone.e164)
    request_id = plain_rows.rows(session, _open_with(), {"phone_index": index}).scalar()
    if request_id is None:
        return None
    request = session.get_one(CallbackRequest, request_id, populate_existing=True)
    if request.phone is not None:
        return request
    requests.close(session, request, Disposition.EXPIRED, now=now)
    session.flush()  # before another of this number is open
    return None


@cache
def _open_with() -> Select[int]:
    return (
        select(CallbackRequest.id)
        .where(
            CallbackRequest.phone_index == bindparam("phone_index"),
            CallbackRequest.state != RequestState.CLOSED,
        )
        .with_for_update()
    )


def _new_request(session: Session, ask: Ask, promised: Window, *, now: datetime) -> CallbackRequest:
    request = CallbackRequest(
        uid=new_uid(),
        reference="".join(secrets.choice(REFERENCE_ALPHABET) for _ in range(REFERENCE_LENGTH)),
        phone_index=keyring().blind_index("phone", ask.phone.e164),
        phone_kind=ask.phone.kind,
        may_text=ask.allowed.may_text,
        may_leave_voicemail=ask.allowed.may_leave_voicemail,
        created_at=now,
        ring_from=promised.start,
        due_at=promised.end,
        is_window=ask.window is not None,
    )
    request_keys.give(session, request)
    request.phone, request.name, request.note = ask.phone.e164, ask.name, ask.note
    request.wishes = ask.wishes
    plain_rows.put(session, request)
    return request


def _join(request: CallbackRequest, ask: Ask, promised: Window) -> bool:
    """Add what was asked to a request that is open; whether it is rung at another time by that.

    Safe contact only ever gets stricter.
    """
    request.safe_contact = request.safe_contact.stricter(ask.allowed)
    request.name = request.name or ask.name
    request.wishes = ask.wishes.or_else(request.wishes)
    lines = [line for note in (request.note, ask.note) if note for line in note.split("\n")]
    request.note = "\n".join(dict.fromkeys(lines))[:NOTE_LIMIT] or None
    is_sooner = request.state is RequestState.WAITING and promised.end < request.due_at
    if is_sooner:
        request.ring_from, request.due_at = promised.start, promised.end
        request.is_window = ask.window is not None
    return is_sooner


def _submission(
    session: Session, ask: Ask, request: CallbackRequest, *, now: datetime
) -> Submission:
    sent = Submission(
        key_digest=sha256(ask.key.encode()).digest(),
        fingerprint=ask.fingerprint,
        request_id=request.id,
        consent_version=ask.consent_version,
        consented_at=now,
        may_text=ask.safe_contact.may_text,
        may_leave_voicemail=ask.safe_contact.may_leave_voicemail,
        wish_language=ask.wishes.language,
        wish_gender=ask.wishes.gender,
        wishes_same_counsellor=ask.wishes_same_counsellor,
        created_at=now,
    )
    plain_rows.put(session, sent)
    return sent


def _open_window(
    session: Session,
    ask: Ask,
    promised: Window,
    submission: Submission,
    *,
    quote: Quote | None = None,
) -> None:
    """A window that holds no place of those sold; with what its quote foresaw."""
    forecast = quote.forecast if quote else None
    window = {
        "request_id": submission.request_id,
        "submission_id": submission.id,
        "is_window": ask.window is not None,
        "starts_at": promised.start,
        "due_at": promised.end,
        "foreseen_seconds": round(forecast.mean) if forecast else None,
        "foreseen_sd_seconds": round(forecast.sd) if forecast else None,
    }
    plain_rows.run(session, _NEW_WINDOW, window)


def _told(promised: Window, *, is_window: bool) -> Told:
    return Told.between(promised) if is_window else Told.by(promised.end)


def spoken_promise(promised: Window, *, is_window: bool, now: datetime, tz: tzinfo) -> str:
    """What is promised, inside a sentence: "tonight between 9pm and 11pm", "by 9:40pm tonight"."""
    return spoken(_told(promised, is_window=is_window), language=ENGLISH, now=now, tz=tz)
