"""Signing in and out, and whom a browser stands for.

Nothing but the random token in a browser's cookie signs a person in, and only its SHA-256 is kept.
A password is tried in three steps, each committed on its own by the view: ``note_try`` counts it,
``check_password`` spends the time of a hash while no transaction is open for writing, and
``open_sign_in`` or ``record_refusal`` writes what came of it.
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
from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from callback_service.domain import passwords
from callback_service.domain.staff import StaffMember
from callback_service.errors import BadInput, TooMany
from callback_service.models.base import keyring
from callback_service.models.staff import SignIn, SignInAttempt, Staff
from callback_service.services import audit

#: OWASP's floor for Argon2id; about 25 ms and 19 MiB a time. Old hashes follow at sign-in.
HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
#: Opens for nobody and costs what a real one costs, so time does not tell that there is no account.
NO_ONES_HASH = (
    f"$argon2id$v=19$m={HASHER.memory_cost},t={HASHER.time_cost},p=1${'A' * 22}${'A' * 43}"
)

IDLE_LIMIT = timedelta(minutes=30)
ABSOLUTE_LIMIT = timedelta(hours=12)  # one shift
NOTE_USE_EVERY = timedelta(minutes=1)

TRIES_WINDOW = timedelta(minutes=15)
TRIES_PER_ACCOUNT = 10  # from one network: a stranger elsewhere cannot lock the owner out
TRIES_PER_NETWORK = 100
_TRIES_LOCK = 5_104_201  # any number that no other advisory lock uses

_NOT_RIGHT = "The e-mail address or the password is not right."
_TOO_MANY = "There were too many tries. Wait 15 minutes, then try again."


class Ended(StrEnum):
    """Why a sign-in is over that nobody ended."""

    IDLE = "idle"
    AGE = "age"


@dataclass(frozen=True, slots=True)
class Visit:
    """Whom a browser's token stands for. ``staff`` is None when that is nobody (any more)."""

    staff: StaffMember | None = None
    sign_in_id: int | None = None
    ended: Ended | None = None
    is_use_due: bool = False  # whether ``note_use`` has something to write


@dataclass(frozen=True, slots=True)
class ProvenPassword:
    """Who gave the right password, for which hash; ``new_hash`` where that one is out of date."""

    staff_id: int
    password_hash: str
    new_hash: str | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A new sign-in: who is in, and the token for the cookie, which is kept nowhere else."""

    staff: StaffMember
    token: str = field(repr=False)


def note_try(session: Session, *, email: str, network: str, now: datetime) -> None:
    """Count a try at a password before it is looked at; raises TooMany when the limit is reached.

    To be committed on its own, so that it stays when the try is refused. A try that is refused here
    is not counted: whoever waits gets in.
    """
    _take_turns_at_counting(session)
    session.execute(delete(SignInAttempt).where(SignInAttempt.at <= now - TRIES_WINDOW))
    account, from_network = _try_keys(email, network)
    at_account = _tries(session, SignInAttempt.account_key == account, from_network)
    if at_account >= TRIES_PER_ACCOUNT or _tries(session, from_network) >= TRIES_PER_NETWORK:
        raise TooMany(_TOO_MANY)
    session.add(SignInAttempt(account_key=account, network_key=_network_key(network), at=now))
    if at_account + 1 == TRIES_PER_ACCOUNT:
        _record_try(session, "staff.sign_in_limited", email=email, network=network, now=now)


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


def record_refusal(session: Session, *, email: str, network: str, now: datetime) -> None:
    """Write down that a password was not right."""
    _record_try(session, "staff.sign_in_refused", email=email, network=network, now=now)


def open_sign_in(
    session: Session, proven: ProvenPassword, *, network: str, device: str = "", now: datetime
) -> Opened:
    """A new sign-in. Failed tries at the account from this network are forgotten."""
    staff = unchanged(session, proven)
    if proven.new_hash is not None:
        staff.password_hash = proven.new_hash
    forget_tries(session, email=staff.email, network=network)
    return start(session, staff, device=device, now=now)


def forget_tries(session: Session, *, email: str, network: str) -> None:
    """Start counting anew for who proved to be the owner."""
    account, from_network = _try_keys(email, network)
    session.execute(delete(SignInAttempt).where(SignInAttempt.account_key == account, from_network))


def unchanged(session: Session, proven: ProvenPassword) -> Staff:
    """The account, locked; refused when it was disabled or changed since the check."""
    staff = session.get(Staff, proven.staff_id, with_for_update=True, populate_existing=True)
    if staff is None or not staff.is_active or staff.password_hash != proven.password_hash:
        raise BadInput(_NOT_RIGHT)
    return staff


def start(session: Session, staff: Staff, *, device: str, now: datetime) -> Opened:
    """A new sign-in of ``staff``, whose proof the caller has seen."""
    session.execute(
        delete(SignIn).where(SignIn.staff_id == staff.id, SignIn.created_at <= now - ABSOLUTE_LIMIT)
    )
    token = secrets.token_urlsafe(32)
    row = SignIn(
        token_digest=_digest(token), staff=staff, created_at=now, seen_at=now, device=device[:60]
    )
    session.add(row)
    session.flush()
    _record(session, "staff.signed_in", staff.id, actor_id=staff.id, now=now, sign_in_id=row.id)
    return Opened(_member(staff), token)


def _take_turns_at_counting(session: Session) -> None:
    """One at a time, so that guesses made at once are all counted. SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_TRIES_LOCK)))


def _tries(session: Session, *which: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(SignInAttempt).where(*which)) or 0


def _try_keys(email: str, network: str) -> tuple[bytes, ColumnElement[bool]]:
    account = keyring().blind_index("sign-in account", folded_email(email))
    return account, SignInAttempt.network_key == _network_key(network)


def _network_key(network: str) -> bytes:
    return keyring().blind_index("sign-in network", network)


def _record_try(session: Session, action: str, *, email: str, network: str, now: datetime) -> None:
    staff_id = session.scalar(select(Staff.id).where(Staff.email == folded_email(email)))
    _record(session, action, staff_id, now=now, network=_network_key(network).hex())


def visit_by_token(session: Session, token: str, *, now: datetime) -> Visit:
    """Whom ``token`` stands for. Reads only."""
    row = session.scalar(select(SignIn).where(SignIn.token_digest == _digest(token)))
    if row is None or not row.staff.is_active:
        return Visit()
    if now - row.created_at >= ABSOLUTE_LIMIT:
        return Visit(sign_in_id=row.id, ended=Ended.AGE)
    if now - row.seen_at >= IDLE_LIMIT:
        return Visit(sign_in_id=row.id, ended=Ended.IDLE)
    return Visit(_member(row.staff), row.id, is_use_due=now - row.seen_at >= NOTE_USE_EVERY)


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
    for staff_id in _removed(session, SignIn.token_digest == _digest(token)):
        _record(session, "staff.signed_out", staff_id, actor_id=staff_id, now=now)


def still_open(session: Session, staff_id: int, *, now: datetime) -> Sequence[SignIn]:
    """The browsers that somebody is signed in with, last used first."""
    return session.scalars(
        select(SignIn)
        .where(
            SignIn.staff_id == staff_id,
            SignIn.seen_at > now - IDLE_LIMIT,
            SignIn.created_at > now - ABSOLUTE_LIMIT,
        )
        .order_by(SignIn.seen_at.desc(), SignIn.id.desc())
    ).all()


def end_others(session: Session, staff_id: int, *, keep: int, now: datetime) -> None:
    """Sign somebody out everywhere but in the browser of sign-in ``keep``."""
    session.execute(delete(SignIn).where(SignIn.staff_id == staff_id, SignIn.id != keep))
    _record(session, "staff.sign_ins_ended", staff_id, actor_id=staff_id, now=now)


def end_all(session: Session, staff: Staff) -> None:
    """Sign somebody out everywhere, at their next request."""
    session.execute(delete(SignIn).where(SignIn.staff_id == staff.id))


def _member(staff: Staff) -> StaffMember:
    return StaffMember(staff.id, staff.name, staff.email, staff.role)


def folded_email(email: str) -> str:
    """``email`` as it is kept and compared."""
    return email.replace("\0", "").strip().lower()  # PostgreSQL takes no NUL in a text


def _removed(session: Session, which: ColumnElement[bool]) -> Sequence[int]:
    """Delete sign-ins; whose they were."""
    return session.scalars(delete(SignIn).where(which).returning(SignIn.staff_id)).all()


def _digest(token: str) -> bytes:
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
