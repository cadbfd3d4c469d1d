"""Counting tries at passwords and codes, so that guessing is slow and no owner is kept out.

Each try is counted before it is looked at, in a transaction of its own. A browser that this account
signed in with before has tries of its own, which no stranger uses up.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from callback_service.domain.retention import BY_KIND, Kept
from callback_service.domain.signing_in import Proof
from callback_service.errors import TooMany
from callback_service.models.sealing import keyring
from callback_service.models.staff import KnownDevice, SignInAttempt, Staff
from callback_service.services import audit
from callback_service.services.account_events import record

TRIES_WINDOW: Final = timedelta(minutes=15)
TRIES_PER_ACCOUNT: Final = 10  # from one network, or from one browser that is known
TRIES_PER_NETWORK: Final = 100
#: Over all networks, from browsers the account does not know: slows down a thousand machines.
STRANGERS_TRIES: Final = {
    Proof.PASSWORD: 50,
    Proof.CODE: 20,
    Proof.RECOVERY_CODE: 20,
    Proof.PASSKEY: 50,
    Proof.LINK: 50,
}
KNOWN_FOR: Final = BY_KIND[Kept.DEVICES].usual
_TRIES_LOCK = 5_104_201  # any number that no other advisory lock uses
_TOO_MANY = "There were too many tries. Wait 15 minutes, then try again."


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a try comes from: a network, and the token of a browser that may be known."""

    network: str
    device: str | None = field(default=None, repr=False)


def note_try(
    session: Session,
    *,
    account: str,
    caller: Caller,
    proof: Proof = Proof.PASSWORD,
    now: datetime,
) -> None:
    """Count a try before it is looked at; raises TooMany when a limit is reached.

    ``account`` is what is tried at: an e-mail address, or the token of a link. To be committed on
    its own, so that it stays when the try is refused. A try that is refused here is not counted:
    whoever waits gets in.
    """
    _take_turns_at_counting(session)
    session.execute(delete(SignInAttempt).where(SignInAttempt.at <= now - TRIES_WINDOW))
    is_known = _is_known(session, account, caller, now=now)
    source = _source_key(caller, is_known=is_known)
    at_account = _at_account(account, proof)
    here = _tries(session, *at_account, SignInAttempt.network_key == source)
    if here >= TRIES_PER_ACCOUNT:
        raise TooMany(_TOO_MANY)
    if not is_known:
        _check_strangers(session, at_account, source, proof)
    session.add(
        SignInAttempt(
            account_key=_account_key(account),
            network_key=source,
            proof=proof,
            is_known=is_known,
            at=now,
        )
    )
    if here + 1 == TRIES_PER_ACCOUNT:
        record_try(
            session, "staff.sign_in_limited", account=account, caller=caller, proof=proof, now=now
        )


def forget_tries(session: Session, *, account: str, caller: Caller, proof: Proof) -> None:
    """Start counting tries at ``proof`` anew for who proved to be the owner."""
    sources = [_source_key(caller, is_known=False), _source_key(caller, is_known=True)]
    session.execute(
        delete(SignInAttempt).where(
            *_at_account(account, proof), SignInAttempt.network_key.in_(sources)
        )
    )


def record_try(
    session: Session, action: str, *, account: str, caller: Caller, proof: Proof, now: datetime
) -> None:
    """Write down what came of a try."""
    staff_id = session.scalar(select(Staff.id).where(Staff.email == folded_email(account)))
    network = _source_key(caller, is_known=False).hex()
    audit.record(
        session,
        action,
        subject="staff",
        subject_id=staff_id,
        now=now,
        network=network,
        proof=proof,
    )


def know_device(session: Session, staff_id: int, device: str | None, *, now: datetime) -> str:
    """Remember the browser an account signed in with; the token for its cookie.

    The token opens nothing: it only keeps the browser's own count of tries.
    """
    token = device or secrets.token_urlsafe(32)
    mine = KnownDevice.staff_id == staff_id, KnownDevice.token_digest == _digest(token)
    session.execute(delete(KnownDevice).where(KnownDevice.seen_at <= now - KNOWN_FOR))
    seen = session.scalar(
        update(KnownDevice).where(*mine).values(seen_at=now).returning(KnownDevice.id)
    )
    if seen is None:
        _note_new_browser(session, staff_id, now=now)
        session.add(KnownDevice(staff_id=staff_id, token_digest=_digest(token), seen_at=now))
        session.flush()
    return token


def _note_new_browser(session: Session, staff_id: int, *, now: datetime) -> None:
    """Tell the owner, but for the first browser of an account."""
    others = select(KnownDevice.id).where(KnownDevice.staff_id == staff_id)
    if session.scalar(others.limit(1)) is not None:
        staff = session.get_one(Staff, staff_id)
        record(session, "staff.new_browser", staff, actor_id=staff_id, now=now)


def move_tries(session: Session, was: str, email: str) -> None:
    """Count the tries made at one address at another, as the account's address changed."""
    session.execute(
        update(SignInAttempt)
        .where(SignInAttempt.account_key == _account_key(was))
        .values(account_key=_account_key(email))
    )


def folded_email(email: str) -> str:
    """``email`` as it is kept and compared."""
    return email.replace("\0", "").strip().lower()  # PostgreSQL takes no NUL in a text


def _check_strangers(
    session: Session,
    at_account: tuple[ColumnElement[bool], ...],
    source: bytes,
    proof: Proof,
) -> None:
    from_network = SignInAttempt.network_key == source
    if _tries(session, from_network) >= TRIES_PER_NETWORK:
        raise TooMany(_TOO_MANY)
    if _tries(session, *at_account, SignInAttempt.is_known.is_(False)) >= STRANGERS_TRIES[proof]:
        raise TooMany(_TOO_MANY)


def _is_known(session: Session, account: str, caller: Caller, *, now: datetime) -> bool:
    if caller.device is None:
        return False
    found = session.scalar(
        select(KnownDevice.id)
        .join(Staff, Staff.id == KnownDevice.staff_id)
        .where(
            Staff.email == folded_email(account),
            KnownDevice.token_digest == _digest(caller.device),
            KnownDevice.seen_at > now - KNOWN_FOR,
        )
    )
    return found is not None


def _take_turns_at_counting(session: Session) -> None:
    """One at a time, so that guesses made at once are all counted. SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_TRIES_LOCK)))


def _tries(session: Session, *which: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(SignInAttempt).where(*which)) or 0


def _at_account(account: str, proof: Proof) -> tuple[ColumnElement[bool], ...]:
    return SignInAttempt.account_key == _account_key(account), SignInAttempt.proof == proof


def _account_key(account: str) -> bytes:
    return keyring().blind_index("sign-in account", folded_email(account))


def _source_key(caller: Caller, *, is_known: bool) -> bytes:
    if is_known and caller.device is not None:
        return keyring().blind_index("sign-in device", caller.device)
    return keyring().blind_index("sign-in network", caller.network)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
