"""Taking a request for a call: one open request per number, and never a lost one."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, tzinfo
from functools import cache
from hashlib import sha256
from typing import Final

from sqlalchemy import Select, bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.contact import Phone, SafeContact, Window
from callback_service.domain.languages import ENGLISH
from callback_service.domain.lifecycle import NOT_REACHED, Disposition, Outcome
from callback_service.domain.newcomers import Quote
from callback_service.domain.told import Told, spoken
from callback_service.domain.wishes import Wishes
from callback_service.errors import CallbackServiceError, NotFound
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import Attempt, CallbackRequest, Submission
from callback_service.models.form_post import FormPost
from callback_service.models.sealing import keyring
from callback_service.services import (
    audit,
    intake_look,
    intake_rows,
    promises,
    quoting,
    requests,
    texts,
)
from callback_service.services.asks import Ask
from callback_service.services.intake_look import Looked
from callback_service.services.new_rows import NewRows
from callback_service.services.plan_trigger import call_for_plan

#: Two posts that collide settle at the second try; more means the database is not well.
COLLISION_TRIES: Final = 5


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
    session: Session,
    ask: Ask,
    *,
    is_new: bool = False,
    is_alone: bool = False,
    noted: Callable[[str], FormPost] | None = None,
    now: datetime,
    tz: tzinfo,
) -> str:
    """Keep what was asked; the key that opens its pages.

    The same post sent again changes nothing. A number with an open request joins it. Raises
    WindowGone, with nothing kept, if the window has passed or is full. ``is_new``: its key was just
    looked for in vain. ``is_alone``: raises IntegrityError, and leaves nothing of the transaction,
    where two collide; whoever asks for that tries again. ``noted`` gives the post by which it came,
    to be kept with it, for its key.
    """
    for _ in range(COLLISION_TRIES):
        earlier = None if is_new else submission_by_key(session, ask.key)
        if earlier is not None and earlier.fingerprint == ask.fingerprint:
            return ask.key
        if earlier is not None:  # an old form sent again with other answers
            ask = replace(ask, key=new_key())
        try:
            with nullcontext() if is_alone else session.begin_nested():
                entry = _take(session, ask, noted, now=now, tz=tz)
        except IntegrityError:  # somebody with the same number, key or reference was earlier
            if is_alone:
                raise
            is_new = False
            continue
        audit.note_written(session, entry)
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
    rows = NewRows()
    submission, entry = _keep(session, ask, ask.window, rows, now=now, tz=tz)
    rows.add(intake_rows.open_window(ask, ask.window, submission))
    rows.write(session)
    audit.note_written(session, entry)
    request = session.get_one(CallbackRequest, submission.request_id)
    request.follows_id = follows.id
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


def _take(
    session: Session,
    ask: Ask,
    noted: Callable[[str], FormPost] | None,
    *,
    now: datetime,
    tz: tzinfo,
) -> AuditEntry:
    """Write all of it down; the audit entry."""
    promised, quote = _promise(session, ask, now=now, tz=tz)
    if ask.wishes_same_counsellor:
        spoke_with = replace(ask.wishes, counsellor_id=_spoke_with(session, ask.phone))
        ask = replace(ask, wishes=spoke_with)
    rows = NewRows()
    submission, entry = _keep(session, ask, promised, rows, now=now, tz=tz)
    if ask.window is None:
        rows.add(intake_rows.open_window(ask, promised, submission, quote=quote))
    if noted is not None:
        rows.add(noted(ask.key), unless_there=True)
    rows.write(session)
    if ask.window is not None:
        promises.hold_place(
            session,
            ask.window,
            request_id=submission.request_id,
            submission_id=submission.id,
            wished=ask.wishes,
            tz=tz,
        )
    return entry


def _keep(
    session: Session, ask: Ask, promised: Window, rows: NewRows, *, now: datetime, tz: tzinfo
) -> tuple[Submission, AuditEntry]:
    """The request, new or joined, with what was sent, its audit row and its text.

    What is new stands in ``rows``, yet to be written.
    """
    looked = _look(session, ask, now=now)
    request = _joined(session, looked.open_id, now=now)
    if request is None and looked.open_id is not None:
        looked = _look(session, ask, now=now)  # to close it rows were written that have such ids
    joined, told = request is not None, _told(promised, is_window=ask.window is not None)
    if request is None:
        request = intake_rows.new_request(
            ask, promised, rows, request_id=looked.request_id, now=now
        )
    elif intake_rows.join(request, ask, promised):
        texts.tell_of_change(session, request, told, network=ask.network, now=now, tz=tz)
    submission = intake_rows.submission(ask, request, submission_id=looked.submission_id, now=now)
    rows.add(submission)
    if not joined:
        texts.confirm(
            session, request, told, number=looked.number, rows=rows, network=ask.network,
            now=now, tz=tz,
        )  # fmt: skip
    if ask.window is not None and ask.wants_reminder:
        rows.write(session)  # one text counts for the limits of the next
        texts.remind(session, request, ask.window, now=now, tz=tz)
    entry = AuditEntry(
        id=looked.entry_id, at=now, action="request.joined" if joined else "request.taken",
        subject="callback_request", subject_id=request.id, detail={},
    )  # fmt: skip
    rows.add(entry)
    rows.add(call_for_plan(reason="request", now=now))
    return submission, entry


def _look(session: Session, ask: Ask, *, now: datetime) -> Looked:
    number = keyring().blind_index("phone", ask.phone.e164)
    may_text = ask.allowed.may_text
    return intake_look.look(session, number, network=ask.network, may_text=may_text, now=now)


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


def _joined(session: Session, request_id: int | None, *, now: datetime) -> CallbackRequest | None:
    """The open request of a number, if there is one.

    One that a backup brought back after its erasure nobody could ring: it is closed instead.
    """
    if request_id is None:
        return None
    request = session.get_one(CallbackRequest, request_id, populate_existing=True)
    if request.phone is not None:
        return request
    requests.close(session, request, Disposition.EXPIRED, now=now)
    session.flush()  # before another of this number is open
    return None


def _told(promised: Window, *, is_window: bool) -> Told:
    return Told.between(promised) if is_window else Told.by(promised.end)


def spoken_promise(promised: Window, *, is_window: bool, now: datetime, tz: tzinfo) -> str:
    """What is promised, inside a sentence: "tonight between 9pm and 11pm", "by 9:40pm tonight"."""
    return spoken(_told(promised, is_window=is_window), language=ENGLISH, now=now, tz=tz)
