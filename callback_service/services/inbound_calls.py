"""People who ring us to be rung back: a request left by a key on their phone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.contact import Phone, SafeContact, Window
from callback_service.domain.skills import Skill, SkillKind
from callback_service.domain.wishes import NO_WISHES, Wishes, read_wishes
from callback_service.errors import BadInput
from callback_service.models.call import InboundCall
from callback_service.models.sealing import keyring
from callback_service.services import audit, intake, staff_skills
from callback_service.services.asks import Ask

#: The wording that was spoken before the key was pressed.
SPOKEN_CONSENT: Final = "spoken-2026-11"
#: Requests left by calls from, or for, one number in a day.
MOST_A_DAY: Final = 6
A_DAY: Final = timedelta(days=1)
#: Numbers keyed in on one call that could not be used or were not right.
MOST_TRIES: Final = 3

#: The number in what was keyed; raises BadInput for one that is not rung.
ReadNumber = Callable[[str], Phone]


def take(
    session: Session, sid: str, phone: Phone, *, language: str, now: datetime, tz: tzinfo
) -> Window | None:
    """Keep a request for ``phone``, "as soon as you can"; what was promised.

    ``language`` is the tag of the one that was chosen: a wish to speak it, as on the form. Of one
    call once: asked again, the promise is the same. Joins what is open for the number, and
    answers the same either way. None, with nothing kept, when the number asked too often today.
    """
    call = _call(session, sid, now=now)
    return _promised(session, call, phone, language=language, now=now, tz=tz)


def take_keyed(
    session: Session, sid: str, *, read: ReadNumber, language: str, now: datetime, tz: tzinfo
) -> Window | None:
    """As ``take``, for the number that was keyed in; raises BadInput if there is none."""
    call = _call(session, sid, now=now)
    phone = read(call.keyed or "") if not call.taken_at else None
    return _promised(session, call, phone, language=language, now=now, tz=tz)


def _promised(
    session: Session,
    call: InboundCall,
    phone: Phone | None,
    *,
    language: str,
    now: datetime,
    tz: tzinfo,
) -> Window | None:
    if phone is not None and call.taken_at is None:
        index = keyring().blind_index("phone", phone.e164)
        if _taken_today(session, index, now=now) >= MOST_A_DAY:
            return None
        _take(session, call, phone, language=language, now=now, tz=tz)
        call.phone_index = index
    if call.taken_at is None or call.promised_by is None:
        raise AssertionError("what was taken has its promise")
    return Window(call.taken_at, call.promised_by)


def _take(
    session: Session,
    call: InboundCall,
    phone: Phone,
    *,
    language: str,
    now: datetime,
    tz: tzinfo,
) -> None:
    ask = Ask(
        key=intake.new_key(),
        phone=phone,
        name=None,
        window=None,
        safe_contact=SafeContact(),
        note=None,
        consent_version=SPOKEN_CONSENT,
        wishes=_wishes(session, language),
    )
    key = intake.take_request(session, ask, now=now, tz=tz)
    submission = intake.submission_by_key(session, key)
    if submission is None:
        raise AssertionError("what was taken is kept")
    call.taken_at, call.promised_by, call.keyed = now, submission.window.due_at, None
    audit.record(session, "call.inbound_taken", subject="inbound_call", subject_id=call.id, now=now)


def _wishes(session: Session, language: str) -> Wishes:
    """To speak the language that was chosen, where a counsellor speaks it: as the form offers."""
    can_be_met = Skill(SkillKind.LANGUAGE, language) in staff_skills.wishes_to_offer(session)
    return read_wishes(language, None) if can_be_met else NO_WISHES


def key_in(
    session: Session, sid: str, typed: str, *, read: ReadNumber, now: datetime
) -> Phone | None:
    """Keep a number that was keyed in until it is confirmed; None if it is none we ring.

    Each is a try, but for one that is kept already: that is the same webhook, told again.
    """
    call = _call(session, sid, now=now)
    try:
        phone = read(typed)
    except BadInput:
        phone = None
    keyed = phone.e164 if phone else None
    if keyed is None or keyed != call.keyed:
        call.tries += 1
    call.keyed = keyed
    return phone


def not_that_number(session: Session, sid: str, *, now: datetime) -> None:
    """Forget the number that was read back: it is not the one, so the next is another try."""
    _call(session, sid, now=now).keyed = None


def may_try_again(session: Session, sid: str, *, now: datetime) -> bool:
    """Whether another number may be keyed in on this call."""
    return _call(session, sid, now=now).tries < MOST_TRIES


def _taken_today(session: Session, index: bytes, *, now: datetime) -> int:
    taken = select(func.count()).where(
        InboundCall.phone_index == index, InboundCall.taken_at > now - A_DAY
    )
    return session.scalar(taken) or 0


def _call(session: Session, sid: str, *, now: datetime) -> InboundCall:
    """The row of a call, held until the transaction ends; made at the first thing it does."""
    if not sid:
        raise BadInput("A call without an id is none.")
    found = _find(session, sid)
    if found is not None:
        return found
    try:
        with session.begin_nested():
            session.add(InboundCall(sid=sid, started_at=now))
    except IntegrityError:
        pass  # the same webhook, told twice at once
    made = _find(session, sid)
    if made is None:
        raise AssertionError("the row was just made")
    return made


def _find(session: Session, sid: str) -> InboundCall | None:
    return session.scalar(
        select(InboundCall)
        .where(InboundCall.sid == sid)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
