"""Signing in and out, and whom a browser stands for.

Nothing but the random token in a browser's cookie signs a person in, and only its SHA-256 is kept;
each further step changes the token. A password is tried in three steps, each committed on its own
by the view: ``note_try`` counts it, ``check_password`` spends the time of a hash while no
transaction is open for writing, and ``open_sign_in`` or ``record_try`` writes what came of it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from callback_service.domain import passwords
from callback_service.domain.signing_in import (
    CALL_IS_USE_FOR,
    FRESH_FOR,
    HALF_WAY_LIMIT,
    LIMITS,
    Proof,
    Stage,
)
from callback_service.domain.staff import StaffMember
from callback_service.errors import BadInput, Refused
from callback_service.models.callback import Attempt
from callback_service.models.staff import SignIn, Staff, new_uid
from callback_service.services import audit
from callback_service.services.tries import Caller, folded_email, forget_tries

#: OWASP's floor for Argon2id; about 25 ms and 19 MiB a time. Old hashes follow at sign-in.
HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
#: Opens for nobody and costs what a real one costs, so time does not tell that there is no account.
NO_ONES_HASH = (
    f"$argon2id$v=19$m={HASHER.memory_cost},t={HASHER.time_cost},p=1${'A' * 22}${'A' * 43}"
)

NOTE_USE_EVERY = timedelta(minutes=1)

_NOT_RIGHT = "The e-mail address or the password is not right."


class Ended(StrEnum):
    """Why a sign-in is over that nobody ended."""

    IDLE = "idle"
    AGE = "age"
    HALF_WAY = "half-way"


@dataclass(frozen=True, slots=True)
class Visit:
    """Whom a browser's token stands for. ``staff`` is None when that is nobody (any more).

    Who is half-way through signing in is ``entering``, and opens nothing but the steps that follow.
    """

    staff: StaffMember | None = None
    sign_in_id: int | None = None
    ended: Ended | None = None
    ended_of: int | None = None  # whose it was
    stage: Stage | None = None
    entering: StaffMember | None = None
    is_fresh: bool = False  # whether a second factor was given lately
    is_use_due: bool = False  # whether ``note_use`` has something to write


@dataclass(frozen=True, slots=True)
class ProvenPassword:
    """Who gave the right password, for which hash; ``new_hash`` where that one is out of date."""

    staff_id: int
    password_hash: str
    new_hash: str | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A step that was taken: by whom, and the token for the cookie, which is kept nowhere else."""

    staff: StaffMember
    token: str = field(repr=False)
    stage: Stage


def check_password(session: Session, *, email: str, password: str) -> ProvenPassword:
    """Prove that ``password`` opens the account; raises BadInput, one sentence for every reason.

    Always one Argon2id run. It takes no lock and writes nothing.
    """
    staff = session.scalar(select(Staff).where(Staff.email == folded_email(email)))
    known_hash = staff.password_hash if staff is not None and staff.is_active else None
    given = passwords.normalised(password)
    try:
        HASHER.verify(known_hash or NO_ONES_HASH, given)
    except VerifyMismatchError:
        raise BadInput(_NOT_RIGHT) from None
    if staff is None or known_hash is None:
        raise BadInput(_NOT_RIGHT)
    new_hash = HASHER.hash(given) if HASHER.check_needs_rehash(known_hash) else None
    return ProvenPassword(staff.id, known_hash, new_hash)


def open_sign_in(
    session: Session,
    proven: ProvenPassword,
    *,
    caller: Caller,
    device: str = "",
    now: datetime,
) -> Opened:
    """Half a sign-in: the second step follows. Failed tries at the password are forgotten."""
    staff = unchanged(session, proven)
    if proven.new_hash is not None:
        staff.password_hash = proven.new_hash
    forget_tries(session, account=staff.email, caller=caller, proof=Proof.PASSWORD)
    return start(session, staff, device=device, now=now)


def unchanged(session: Session, proven: ProvenPassword) -> Staff:
    """The account, locked; refused when it was disabled or changed since the check."""
    staff = session.get(Staff, proven.staff_id, with_for_update=True, populate_existing=True)
    if staff is None or not staff.is_active:
        raise BadInput(_NOT_RIGHT)
    check_unchanged(staff, proven)
    return staff


def check_unchanged(staff: Staff, proven: ProvenPassword) -> None:
    """Refuse what was proven when the account is another or has another password by now."""
    if (staff.id, staff.password_hash) != (proven.staff_id, proven.password_hash):
        raise BadInput(_NOT_RIGHT)


def start(session: Session, staff: Staff, *, device: str, now: datetime) -> Opened:
    """Half a sign-in of ``staff``, whose password the caller has seen."""
    row = SignIn(
        uid=new_uid(),
        token_digest=b"",
        staff=staff,
        stage=Stage.PASSWORD,
        created_at=now,
        seen_at=now,
        device=device[:60],
    )
    opened = _with_new_token(row, staff)
    session.add(row)
    session.flush()
    _record(session, "staff.password_given", staff.id, now=now, sign_in_id=row.id)
    return opened


def complete(session: Session, row: SignIn, staff: Staff, *, by: str, now: datetime) -> Opened:
    """Sign ``staff`` in, whose second factor the caller has seen. The token before is dead.

    What ran out of theirs is tidied away.
    """
    too_old = SignIn.created_at <= now - LIMITS[staff.role].absolute
    session.execute(delete(SignIn).where(SignIn.staff_id == staff.id, SignIn.id != row.id, too_old))
    row.staff, row.stage, row.pending_totp = staff, Stage.FULL, None
    row.created_at = row.seen_at = row.fresh_at = now
    _record(
        session, "staff.signed_in", staff.id, actor_id=staff.id, now=now, sign_in_id=row.id, by=by
    )
    return change_token(session, row, staff)


def renew(session: Session, row: SignIn, staff: Staff, *, by: str, now: datetime) -> Opened:
    """Note that ``staff`` gave a second factor just now. The token before is dead."""
    row.fresh_at = row.seen_at = now
    row.pending_totp = None
    _record(session, "staff.confirmed", staff.id, actor_id=staff.id, now=now, by=by)
    return change_token(session, row, staff)


def is_fresh(row: SignIn, *, now: datetime) -> bool:
    """Whether a second factor was given in this browser lately enough for a sensitive act."""
    return row.fresh_at is not None and now - row.fresh_at < FRESH_FOR


def change_token(session: Session, row: SignIn, staff: Staff) -> Opened:
    """Another token for a sign-in. The one before is dead."""
    opened = _with_new_token(row, staff)
    session.flush()
    return opened


def locked_row(session: Session, sign_in_id: int, *stages: Stage) -> tuple[SignIn, Staff]:
    """A sign-in at one of ``stages`` and whose it is, both locked; Refused if it is over."""
    row = session.get(SignIn, sign_in_id, with_for_update={"of": SignIn}, populate_existing=True)
    if row is None or row.staff_id is None or row.stage not in stages:
        raise Refused("This sign-in is over. Sign in again.")
    staff = session.get(Staff, row.staff_id, with_for_update=True, populate_existing=True)
    if staff is None or not staff.is_active:
        raise Refused("This sign-in is over. Sign in again.")
    return row, staff


def _with_new_token(row: SignIn, staff: Staff) -> Opened:
    token = secrets.token_urlsafe(32)
    row.token_digest = digest(token)
    return Opened(_member(staff), token, row.stage)


def visit_by_token(session: Session, token: str, *, now: datetime) -> Visit:
    """Whom ``token`` stands for. Reads only."""
    row = session.scalar(select(SignIn).where(SignIn.token_digest == digest(token)))
    if row is None or (row.staff is not None and not row.staff.is_active):
        return Visit()
    ended = _why_over(session, row, now=now)
    if ended is not None:
        return Visit(sign_in_id=row.id, ended=ended, ended_of=row.staff_id)
    member = _member(row.staff) if row.staff is not None else None
    if row.stage is not Stage.FULL:
        return Visit(sign_in_id=row.id, stage=row.stage, entering=member)
    return Visit(
        staff=member,
        sign_in_id=row.id,
        stage=row.stage,
        is_use_due=now - row.seen_at >= NOTE_USE_EVERY,
        is_fresh=is_fresh(row, now=now),
    )


def _why_over(session: Session, row: SignIn, *, now: datetime) -> Ended | None:
    if row.stage is not Stage.FULL or row.staff is None:
        return Ended.HALF_WAY if now - row.created_at >= HALF_WAY_LIMIT else None
    limits = LIMITS[row.staff.role]
    if now - row.created_at >= limits.absolute:
        return Ended.AGE
    is_idle = now - row.seen_at >= limits.idle
    return Ended.IDLE if is_idle and not _is_on_a_call(session, row.staff.id, now=now) else None


def _is_on_a_call(session: Session, staff_id: int, *, now: datetime) -> bool:
    """Whether a call of theirs goes on, or waits for what they write down of it."""
    going_on = select(Attempt.id).where(
        Attempt.counsellor_id == staff_id,
        Attempt.ended_at.is_(None),
        Attempt.started_at > now - CALL_IS_USE_FOR,
    )
    return session.scalar(going_on.limit(1)) is not None


def note_use(session: Session, sign_in_id: int, *, now: datetime) -> None:
    """Start the idle time of a sign-in anew."""
    session.execute(
        update(SignIn)
        .where(SignIn.id == sign_in_id, SignIn.seen_at <= now - NOTE_USE_EVERY)
        .values(seen_at=now)
    )


def end_expired(session: Session, sign_in_id: int, *, why: Ended, now: datetime) -> None:
    """Remove a sign-in that ran out."""
    for staff_id in _removed(session, SignIn.id == sign_in_id):
        _record(session, "staff.sign_in_expired", staff_id, now=now, why=why)


def sign_out(session: Session, token: str, *, now: datetime) -> None:
    """End the sign-in of ``token``. A token that stands for nobody changes nothing."""
    for staff_id in _removed(session, SignIn.token_digest == digest(token)):
        if staff_id is not None:
            _record(session, "staff.signed_out", staff_id, actor_id=staff_id, now=now)


def still_open(session: Session, staff_id: int, *, now: datetime) -> Sequence[SignIn]:
    """The browsers that somebody is signed in with, last used first."""
    rows = session.scalars(
        select(SignIn)
        .where(SignIn.staff_id == staff_id, SignIn.stage == Stage.FULL)
        .order_by(SignIn.seen_at.desc(), SignIn.id.desc())
    )
    return [row for row in rows if _why_over(session, row, now=now) is None]


def end_others(session: Session, staff_id: int, *, keep: int, now: datetime) -> None:
    """Sign somebody out everywhere but in the browser of sign-in ``keep``."""
    end_all(session, staff_id, keep=keep)
    _record(session, "staff.sign_ins_ended", staff_id, actor_id=staff_id, now=now)


def end_all(session: Session, staff_id: int, *, keep: int | None = None) -> None:
    """Sign somebody out everywhere, at their next request, but in the browser of ``keep``."""
    theirs = delete(SignIn).where(SignIn.staff_id == staff_id)
    session.execute(theirs if keep is None else theirs.where(SignIn.id != keep))


def _member(staff: Staff) -> StaffMember:
    return StaffMember(staff.id, staff.name, staff.email, staff.role)


def _removed(session: Session, which: ColumnElement[bool]) -> Sequence[int | None]:
    """Delete sign-ins; whose they were."""
    return session.scalars(delete(SignIn).where(which).returning(SignIn.staff_id)).all()


def digest(token: str) -> bytes:
    """What is kept of ``token``."""
    return hashlib.sha256(token.encode()).digest()


def _record(
    session: Session,
    action: str,
    staff_id: int | None,
    *,
    actor_id: int | None = None,
    now: datetime,
    **detail: str | int,
) -> None:
    audit.record(
        session, action, subject="staff", subject_id=staff_id, actor_id=actor_id, now=now, **detail
    )
