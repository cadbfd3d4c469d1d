"""Complaints about how personal data is used, as they come and until they are forgotten.

What comes by the form is kept the same for every number, and nothing is looked up by it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from hashlib import sha256
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain import flood
from callback_service.domain.complaints import AnswerBy, acknowledge_by
from callback_service.domain.flood import FormLimits, Seen
from callback_service.domain.policy import Action
from callback_service.errors import BadInput, CallbackServiceError, TooMany
from callback_service.models.complaint import Complaint
from callback_service.models.sealing import keyring
from callback_service.models.staff import new_uid
from callback_service.services import audit, suppression
from callback_service.services.intake import COLLISION_TRIES, new_key
from callback_service.services.intake_rows import REFERENCE_ALPHABET
from callback_service.services.permission import allowed

REFERENCE_LENGTH: Final = 6  # one more than that of a request, so that nobody takes one for it
WORDS_MAX_CHARS: Final = 2_000
ANSWER_TO_MAX_CHARS: Final = 300
A_YEAR: Final = timedelta(days=365)
CAME_WHEN: Final = "Enter the day it came: today, or a day of the last year"


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody complains of, how they may be answered, and the number they asked from."""

    words: str = field(repr=False)
    answer_by: AnswerBy = AnswerBy.NONE
    answer_to: str | None = field(default=None, repr=False)  # E.164, or an address
    phone: str | None = field(default=None, repr=False)  # E.164


@dataclass(frozen=True, slots=True)
class Receipt:
    """What whoever sent the form is told. Says nothing of what they wrote."""

    reference: str
    acknowledge_by: date
    wants_answer: bool


def take(
    session: Session,
    told: Told,
    *,
    key: str,
    address: str | None,
    limits: FormLimits,
    is_by_program: bool = False,
    now: datetime,
    tz: tzinfo,
) -> str:
    """Keep what was sent with the form that has ``key``; the key that opens its page.

    The same sent again changes nothing. ``address`` is where it came from; None, where that tells
    nothing, is not counted. Raises TooMany beyond what one network, or all, may send in an hour.
    """
    network = keyring().blind_index("complaint network", address) if address else None
    for _ in range(COLLISION_TRIES):
        earlier = _by_key(session, key)
        if earlier is not None and what_was_told(earlier) == told:
            return key
        if earlier is not None:  # an old form sent again with other answers
            key = new_key()
        _check_room(session, network, limits, now=now)
        complaint = _new(told, came_on=now.astimezone(tz).date(), now=now)
        complaint.key_digest, complaint.network_index = digest(key), network
        complaint.is_by_program = is_by_program
        if _is_kept(session, complaint):
            note(session, "complaint.received", complaint, actor_id=None, now=now)
            return key
    raise CallbackServiceError("We could not keep this just now. Try again, or ring us.")


def _check_room(
    session: Session, network: bytes | None, limits: FormLimits, *, now: datetime
) -> None:
    if network is None:
        return
    lately = (
        select(func.count())
        .select_from(Complaint)
        .where(
            Complaint.received_at > now - flood.COUNTED_FOR, Complaint.network_index.is_not(None)
        )
    )
    of_network = session.scalar(lately.where(Complaint.network_index == network)) or 0
    if not flood.has_room(Seen(of_network, session.scalar(lately) or 0, 0, 0), limits):
        raise TooMany("We cannot take more from here just now. Send it later, or ring us")


def _new(told: Told, *, came_on: date, now: datetime) -> Complaint:
    complaint = Complaint(
        uid=new_uid(),
        reference="".join(secrets.choice(REFERENCE_ALPHABET) for _ in range(REFERENCE_LENGTH)),
        answer_by=told.answer_by,
        is_by_program=False,
        received_at=now,
        came_on=came_on,
    )
    complaint.words, complaint.answer_to = told.words, told.answer_to
    if told.phone is not None:
        complaint.phone = told.phone
        complaint.phone_index = suppression.index_of(told.phone)
    return complaint


def _is_kept(session: Session, complaint: Complaint) -> bool:
    """Keep it; False if the same form was sent twice at once, or its reference is given out."""
    try:
        with session.begin_nested():
            session.add(complaint)
    except IntegrityError:
        return False
    return True


def receipt(session: Session, key: str) -> Receipt | None:
    """What the page after sending says; None for a key that we do not know."""
    complaint = _by_key(session, key)
    if complaint is None:
        return None
    return Receipt(
        complaint.reference,
        acknowledge_by(complaint.came_on),
        complaint.answer_by is not AnswerBy.NONE,
    )


@allowed(Action.HANDLE_COMPLAINTS)
def write_down(
    session: Session, told: Told, *, came_on: date | None, actor_id: int, now: datetime, tz: tzinfo
) -> int:
    """Keep a complaint that came by phone, by post or in person; its id."""
    today = now.astimezone(tz).date()
    if came_on is None or not today - A_YEAR <= came_on <= today:
        raise BadInput(CAME_WHEN, {"came_on": CAME_WHEN})
    complaint = _new(told, came_on=came_on, now=now)
    complaint.opened_by_id = actor_id
    session.add(complaint)
    session.flush()
    note(session, "complaint.written_down", complaint, actor_id=actor_id, now=now)
    return complaint.id


def what_was_told(complaint: Complaint) -> Told:
    """What a complaint says, opened."""
    return Told(complaint.words or "", complaint.answer_by, complaint.answer_to, complaint.phone)


def under(
    session: Session, phone_index: bytes | None, *, is_locked: bool = False
) -> list[Complaint]:
    """What was complained of under a number and is not erased, the oldest first."""
    found = select(Complaint).where(Complaint.phone_index == phone_index).order_by(Complaint.id)
    return list(session.scalars(found.with_for_update() if is_locked else found))


def forget(complaint: Complaint) -> None:
    """What they told us, and what leads to it. That there was one stays, and what we did."""
    complaint.words = complaint.answer_to = complaint.phone = None
    complaint.phone_index = complaint.network_index = complaint.key_digest = None
    complaint.reference = f"0{complaint.id:x}"  # no reference that was given out has a nought


def _by_key(session: Session, key: str) -> Complaint | None:
    return session.scalar(select(Complaint).where(Complaint.key_digest == digest(key)))


def digest(key: str) -> bytes:
    """What a complaint is found by with the key of its form."""
    return sha256(key.encode()).digest()


def note(
    session: Session,
    action: str,
    complaint: Complaint,
    *,
    actor_id: int | None,
    now: datetime,
    **detail: str | None,
) -> None:
    """Write down what was done to a complaint."""
    audit.record(
        session,
        action,
        subject="complaint",
        subject_id=complaint.id,
        actor_id=actor_id,
        now=now,
        **detail,
    )
