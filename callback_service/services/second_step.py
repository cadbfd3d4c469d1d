"""The second step of signing in: codes of an app on a phone, and recovery codes for its loss.

Whoever checks a code holds the account's row, so that of eight who send one code at once, one gets
in. The caller counts the try first and records a refusal after, each in its own transaction.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import pyotp
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from callback_service.domain.signing_in import (
    RECOVERY_CODES,
    Proof,
    Stage,
    accepted_step,
    tidy_code,
)
from callback_service.errors import BadInput, Forbidden
from callback_service.models.sealing import keyring
from callback_service.models.staff import Passkey, RecoveryCode, SignIn, Staff
from callback_service.services import sign_in
from callback_service.services.account_events import record, tell
from callback_service.services.sign_in import Opened
from callback_service.services.tries import Caller, forget_tries

#: No i, l, o, 0, 1: they are read from paper. Twelve of them are 59 bits.
CODE_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
CODE_GROUPS: Final = 3, 4  # groups, and letters in each

NOT_RIGHT: Final = "This code is not right, or was used already. Wait for the next one."
RECOVERY_NOT_RIGHT: Final = "This recovery code is not right, or was used already."


@dataclass(frozen=True, slots=True)
class AppKey:
    """What an app needs to show codes: the key in base32, and the same as an address for a QR."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SetUp:
    """A finished set-up: the sign-in, and recovery codes that are kept nowhere else."""

    opened: Opened
    codes: tuple[str, ...] = field(repr=False)


def has_app(session: Session, staff_id: int) -> bool:
    """Whether somebody set up an app that shows codes."""
    secret = select(Staff.totp_secret_sealed).where(Staff.id == staff_id)
    return session.scalar(secret) is not None


def begin_set_up(session: Session, sign_in_id: int, *, issuer: str, now: datetime) -> AppKey:
    """The key to put into an app; the same until the set-up is finished or the sign-in over."""
    row, staff = _may_set_up(session, sign_in_id, now=now)
    secret = row.pending_totp or pyotp.random_base32()
    row.pending_totp = secret
    session.flush()
    return AppKey(secret, pyotp.TOTP(secret).provisioning_uri(name=staff.email, issuer_name=issuer))


def finish_set_up(
    session: Session, sign_in_id: int, code: str, *, caller: Caller, now: datetime
) -> SetUp:
    """Take over the key, as the app shows its codes: signed in, with new recovery codes."""
    row, staff = _may_set_up(session, sign_in_id, now=now)
    secret = row.pending_totp
    if secret is None:
        raise BadInput("Begin again: the key was not shown in this browser.")
    step = accepted_step(secret, code, after=None, now=now)
    if step is None:
        raise _wrong("This code is not right. Type the one that your app shows now.")
    staff.totp_secret, staff.totp_last_step = secret, step
    record(session, "staff.app_set_up", staff, actor_id=staff.id, now=now)
    codes = _new_codes(session, staff, now=now)
    sign_in.end_all(session, staff.id, keep=row.id)
    return SetUp(_enter(session, row, staff, caller=caller, by=Proof.CODE, now=now), codes)


def give_code(
    session: Session, sign_in_id: int, code: str, *, caller: Caller, now: datetime
) -> Opened:
    """Take the second step with a code of the app."""
    row, staff = sign_in.locked_row(session, sign_in_id, Stage.PASSWORD)
    _use_code(staff, code, now=now)
    return _enter(session, row, staff, caller=caller, by=Proof.CODE, now=now)


def confirm(
    session: Session, sign_in_id: int, code: str, *, caller: Caller, now: datetime
) -> Opened:
    """Prove again, before a sensitive act, who holds the phone. No recovery code will do."""
    row, staff = sign_in.locked_row(session, sign_in_id, Stage.FULL)
    _use_code(staff, code, now=now)
    forget_tries(session, account=staff.email, caller=caller, proof=Proof.CODE)
    return sign_in.renew(session, row, staff, by=Proof.CODE, now=now)


def give_recovery_code(
    session: Session, sign_in_id: int, code: str, *, caller: Caller, now: datetime
) -> Opened:
    """Take the second step with a recovery code, which is used up."""
    row, staff = sign_in.locked_row(session, sign_in_id, Stage.PASSWORD)
    used = session.scalar(
        update(RecoveryCode)
        .where(
            RecoveryCode.staff_id == staff.id,
            RecoveryCode.digest == _digest(staff, code),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(RecoveryCode.id)
    )
    if used is None:
        raise _wrong(RECOVERY_NOT_RIGHT)
    record(session, "staff.recovery_code_used", staff, actor_id=staff.id, now=now)
    return _enter(session, row, staff, caller=caller, by=Proof.RECOVERY_CODE, now=now)


def renew_recovery_codes(
    session: Session, staff_id: int, *, keep: int | None, now: datetime
) -> tuple[str, ...]:
    """New recovery codes in the place of the old, kept nowhere else.

    Whoever found the old ones may be in with one: of the sign-ins only ``keep`` goes on.
    """
    staff = session.get_one(Staff, staff_id, with_for_update=True)
    sign_in.end_all(session, staff_id, keep=keep)
    tell(session, "staff.codes_renewed", staff, now=now)
    return _new_codes(session, staff, now=now)


def remove(session: Session, staff: Staff) -> None:
    """Take app, recovery codes and passkeys away: the next sign-in sets up another app."""
    staff.totp_secret = staff.totp_last_step = None
    session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == staff.id))
    session.execute(delete(Passkey).where(Passkey.staff_id == staff.id))


def recovery_codes_left(session: Session, staff_id: int) -> int:
    """How many recovery codes somebody has not used."""
    unused = select(func.count()).where(
        RecoveryCode.staff_id == staff_id, RecoveryCode.used_at.is_(None)
    )
    return session.scalar(unused) or 0


def _may_set_up(session: Session, sign_in_id: int, *, now: datetime) -> tuple[SignIn, Staff]:
    """Who has an app already changes it only when signed in, and having proved so just now.

    Otherwise one who learnt a starting password could put their own app over the owner's.
    """
    row, staff = sign_in.locked_row(session, sign_in_id, Stage.PASSWORD, Stage.FULL)
    may_replace = row.stage is Stage.FULL and sign_in.is_fresh(row, now=now)
    if staff.totp_secret_sealed is not None and not may_replace:
        raise Forbidden("This account has a second step already. Sign in with it.")
    return row, staff


def _use_code(staff: Staff, code: str, *, now: datetime) -> None:
    secret = staff.totp_secret
    step = accepted_step(secret, code, after=staff.totp_last_step, now=now) if secret else None
    if step is None:
        raise _wrong(NOT_RIGHT)
    staff.totp_last_step = step


def _enter(
    session: Session, row: SignIn, staff: Staff, *, caller: Caller, by: Proof, now: datetime
) -> Opened:
    for proof in (Proof.CODE, Proof.RECOVERY_CODE):
        forget_tries(session, account=staff.email, caller=caller, proof=proof)
    if row.stage is Stage.FULL:
        return sign_in.renew(session, row, staff, by=by, now=now)
    return sign_in.complete(session, row, staff, by=by, now=now)


def _new_codes(session: Session, staff: Staff, *, now: datetime) -> tuple[str, ...]:
    session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == staff.id))
    codes = tuple(_random_code() for _ in range(RECOVERY_CODES))
    session.add_all(RecoveryCode(staff_id=staff.id, digest=_digest(staff, code)) for code in codes)
    session.flush()
    record(session, "staff.recovery_codes_made", staff, actor_id=staff.id, now=now)
    return codes


def _random_code() -> str:
    groups, letters = CODE_GROUPS
    return "-".join(
        "".join(secrets.choice(CODE_LETTERS) for _ in range(letters)) for _ in range(groups)
    )


def _digest(staff: Staff, code: str) -> bytes:
    return keyring().blind_index("recovery code", f"{staff.uid}:{tidy_code(code)}")


def _wrong(sentence: str) -> BadInput:
    return BadInput(sentence, {"code": sentence})
