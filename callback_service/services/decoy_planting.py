"""Making a request that nobody made, and taking one out again. By command only.

A decoy is closed before anybody else can see it: it is never in the plan, on offer, texted or rung.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.contact import Phone, SafeContact, parse_phone
from callback_service.domain.retention import Keeping
from callback_service.errors import NotFound, Refused
from callback_service.models.callback import CallbackRequest, Submission
from callback_service.models.decoy import Decoy
from callback_service.models.staff import new_uid
from callback_service.services import audit, emptying, erasure_runs, intake, requests, suppression
from callback_service.services.asks import Ask
from callback_service.services.requests import lock_request

#: Numbers for drama that no telephone has (source: Ofcom, "Telephone numbers for use in TV and
#: radio drama programmes"): whoever finds one and rings it disturbs nobody.
NUMBERS: Final = tuple(f"07700 900{last:03}" for last in range(1000))
#: Who asks and thinks better of it does so within minutes. In seconds.
TAKEN_BACK_AFTER: Final = range(45, 180)


def plant(
    session: Session,
    *,
    name: str | None,
    note: str | None,
    consent_version: str,
    now: datetime,
    tz: tzinfo,
) -> int:
    """Keep a request that somebody seems to have made and taken back; the id of the decoy.

    Nobody is told of it, nothing of it was open outside this transaction, and it is of a number
    that nobody has. It is erased by the same clock as every other: one that stayed would be known
    by that.
    """
    asked_at = now - timedelta(seconds=secrets.choice(TAKEN_BACK_AFTER))
    ask = Ask(
        key=intake.new_key(), phone=_free_number(session), name=name, window=None,
        safe_contact=SafeContact(), note=note, consent_version=consent_version,
    )  # fmt: skip
    key = intake.take_request(session, ask, now=asked_at, tz=tz)
    submission = intake.submission_by_key(session, key)
    if submission is None:
        raise RuntimeError("what was just kept is not there")
    requests.withdraw(session, submission, now=now, tz=tz)
    return _mark(session, submission, now=now).id


def _mark(session: Session, submission: Submission, *, now: datetime) -> Decoy:
    decoy = Decoy(uid=new_uid(), planted_at=now)
    decoy.request = str(submission.request_id)
    session.add(decoy)
    session.flush()
    audit.record(session, "decoy.planted", subject="decoy", subject_id=decoy.id, now=now)
    return decoy


def _free_number(session: Session) -> Phone:
    """A number for drama under which nothing is kept, so that no request joins another."""
    for typed in secrets.SystemRandom().sample(NUMBERS, len(NUMBERS)):
        phone = parse_phone(typed, allow_drama=True)
        index = suppression.index_of(phone.e164)
        kept = select(CallbackRequest.id).where(CallbackRequest.phone_index == index)
        if session.scalar(kept.limit(1)) is None:
            return phone
    raise Refused("There is a request of every number that a decoy could have.")


def withdraw(session: Session, decoy_id: int, keeping: Keeping, *, now: datetime) -> None:
    """Empty a decoy before its time. It is counted in no figures."""
    decoy = session.get(Decoy, decoy_id)
    if decoy is None or decoy.request is None:
        raise NotFound("There is no such decoy, or it has ended.")
    request = lock_request(session, int(decoy.request))
    emptying.empty_request(session, request, keeping=keeping, now=now)
    erasure_runs.note(session, 1, now=now)
    audit.record(session, "decoy.withdrawn", subject="decoy", subject_id=decoy.id, now=now)
