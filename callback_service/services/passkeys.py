"""Passkeys: a key in somebody's phone, laptop or stick that signs them in, in the place of both
password and code. The device itself checks a finger, a face or a PIN.

Each question (challenge) stands in the row of one browser's sign-in and is spent before the answer
to it is looked at, so that no answer counts twice or from another browser.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import webauthn
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from callback_service.domain.signing_in import HALF_WAY_LIMIT, Proof, Stage
from callback_service.errors import BadInput, NotFound
from callback_service.models.staff import Passkey, SignIn, Staff, new_uid
from callback_service.services import sign_in
from callback_service.services.account_events import record
from callback_service.services.sign_in import Opened

MOST_PASSKEYS: Final = 5  # of one account
NAME_MAX_CHARS: Final = 60
CHALLENGE_LIMIT: Final = timedelta(minutes=5)
CHALLENGE_BYTES: Final = 32
NOT_ACCEPTED: Final = "The passkey was not accepted. Try again, or use your password and a code."
_VERIFIED: Final = UserVerificationRequirement.REQUIRED


@dataclass(frozen=True, slots=True)
class Site:
    """Where passkeys hold: a host, the whole origin, and what people call it."""

    host: str
    origin: str
    name: str


def passkeys_of(session: Session, staff_id: int) -> Sequence[Passkey]:
    """Somebody's passkeys, the oldest first."""
    return session.scalars(
        select(Passkey).where(Passkey.staff_id == staff_id).order_by(Passkey.id)
    ).all()


def begin_sign_in(session: Session, *, device: str, site: Site, now: datetime) -> tuple[str, str]:
    """A browser that may be anybody's: the token for its cookie, and the question as JSON."""
    session.execute(
        delete(SignIn).where(SignIn.stage == Stage.START, SignIn.created_at <= now - HALF_WAY_LIMIT)
    )
    token = secrets.token_urlsafe(32)
    row = SignIn(
        uid=new_uid(),
        token_digest=sign_in.digest(token),
        stage=Stage.START,
        created_at=now,
        seen_at=now,
        device=device[:60],
    )
    session.add(row)
    return token, _question(row, site, now=now)


def begin_confirming(session: Session, sign_in_id: int, *, site: Site, now: datetime) -> str:
    """The question for a passkey before a sensitive act, as JSON."""
    row, _ = sign_in.locked_row(session, sign_in_id, Stage.FULL)
    return _question(row, site, now=now)


def begin_adding(session: Session, sign_in_id: int, *, site: Site, now: datetime) -> str:
    """What a browser needs to make a passkey, as JSON."""
    row, staff = sign_in.locked_row(session, sign_in_id, Stage.FULL)
    options = webauthn.generate_registration_options(
        rp_id=site.host,
        rp_name=site.name,
        user_id=bytes.fromhex(staff.uid),
        user_name=staff.email,
        user_display_name=staff.name,
        challenge=_new_challenge(row, now=now),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=_VERIFIED,
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=one.credential_id)
            for one in passkeys_of(session, staff.id)
        ],
    )
    session.flush()
    return webauthn.options_to_json(options)


def spend_challenge(session: Session, sign_in_id: int, *, now: datetime) -> bytes:
    """The question that was asked in this browser; it is not asked again.

    To be committed before the answer is looked at. Raises BadInput when there is none.
    """
    row = session.get(SignIn, sign_in_id, with_for_update={"of": SignIn}, populate_existing=True)
    challenge = row.challenge if row is not None else None
    asked_at = row.challenge_at if row is not None else None
    if row is not None:
        row.challenge = row.challenge_at = None
        session.flush()
    if challenge is None or asked_at is None or now - asked_at >= CHALLENGE_LIMIT:
        raise BadInput(NOT_ACCEPTED)
    return challenge


def enter(
    session: Session, sign_in_id: int, challenge: bytes, answer: str, *, site: Site, now: datetime
) -> Opened:
    """Sign in whoever holds the passkey that answered."""
    row = session.get(SignIn, sign_in_id, with_for_update={"of": SignIn}, populate_existing=True)
    if row is None or row.stage is not Stage.START:
        raise BadInput(NOT_ACCEPTED)
    passkey, staff = _holder(session, answer)
    _check(passkey, challenge, answer, site, now=now)
    return sign_in.complete(session, row, staff, by=Proof.PASSKEY, now=now)


def confirm(
    session: Session, sign_in_id: int, challenge: bytes, answer: str, *, site: Site, now: datetime
) -> Opened:
    """Prove again, before a sensitive act, that a passkey of the signed-in person is at hand."""
    row, staff = sign_in.locked_row(session, sign_in_id, Stage.FULL)
    passkey, holder = _holder(session, answer)
    if holder.id != staff.id:
        raise BadInput(NOT_ACCEPTED)
    _check(passkey, challenge, answer, site, now=now)
    return sign_in.renew(session, row, staff, by=Proof.PASSKEY, now=now)


def add(
    session: Session,
    sign_in_id: int,
    challenge: bytes,
    answer: str,
    *,
    name: str,
    site: Site,
    now: datetime,
) -> None:
    """Keep a new passkey of the signed-in person, whose other sign-ins end."""
    _, staff = sign_in.locked_row(session, sign_in_id, Stage.FULL)
    mine = select(func.count()).where(Passkey.staff_id == staff.id)
    if (session.scalar(mine) or 0) >= MOST_PASSKEYS:
        raise BadInput(f"You have {MOST_PASSKEYS} passkeys already. Remove one first.")
    try:
        made = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except WebAuthnException:
        raise BadInput("The passkey could not be added. Try again.") from None
    if session.scalar(select(Passkey.id).where(Passkey.credential_id == made.credential_id)):
        raise BadInput("This passkey is in use already.")
    passkey = Passkey(
        staff_id=staff.id,
        credential_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        name=_tidy_name(name),
        created_at=now,
    )
    session.add(passkey)
    session.flush()
    sign_in.end_all(session, staff.id, keep=sign_in_id)
    _record(session, "staff.passkey_added", staff, passkey.id, now=now)


def remove(session: Session, staff_id: int, passkey_id: int, *, keep: int, now: datetime) -> None:
    """Take one of somebody's own passkeys away; of their sign-ins only ``keep`` goes on.

    Whoever has the lost key may be in with it. The app is always left.
    """
    theirs = Passkey.id == passkey_id, Passkey.staff_id == staff_id
    if session.scalar(delete(Passkey).where(*theirs).returning(Passkey.id)) is None:
        raise NotFound("There is no such passkey.")
    staff = session.get_one(Staff, staff_id)
    sign_in.end_all(session, staff_id, keep=keep)
    _record(session, "staff.passkey_removed", staff, passkey_id, now=now)


def credential_of(answer: str) -> str:
    """Which passkey an answer names, in base64url; empty where it names none."""
    try:
        named = json.loads(answer)["id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return named[:400] if isinstance(named, str) else ""


def _question(row: SignIn, site: Site, *, now: datetime) -> str:
    """No account is named, so nobody can ask who has passkeys."""
    options = webauthn.generate_authentication_options(
        rp_id=site.host, challenge=_new_challenge(row, now=now), user_verification=_VERIFIED
    )
    return webauthn.options_to_json(options)


def _new_challenge(row: SignIn, *, now: datetime) -> bytes:
    row.challenge, row.challenge_at = secrets.token_bytes(CHALLENGE_BYTES), now
    return row.challenge


def _holder(session: Session, answer: str) -> tuple[Passkey, Staff]:
    """The passkey that answered and whose it is, locked; refused before anything is verified."""
    try:
        credential_id = base64url_to_bytes(credential_of(answer))
    except ValueError:
        raise BadInput(NOT_ACCEPTED) from None
    passkey = session.scalar(
        select(Passkey).where(Passkey.credential_id == credential_id).with_for_update()
    )
    staff = session.get(Staff, passkey.staff_id, with_for_update=True) if passkey else None
    if passkey is None or staff is None or not staff.is_active:
        raise BadInput(NOT_ACCEPTED)
    return passkey, staff


def _check(passkey: Passkey, challenge: bytes, answer: str, site: Site, *, now: datetime) -> None:
    try:
        seen = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except WebAuthnException:
        raise BadInput(NOT_ACCEPTED) from None
    passkey.sign_count, passkey.last_used_at = seen.new_sign_count, now


def _tidy_name(name: str) -> str:
    tidy = " ".join(name.split())
    if not 1 <= len(tidy) <= NAME_MAX_CHARS or not tidy.isprintable():
        message = f"Enter a name of up to {NAME_MAX_CHARS} characters."
        raise BadInput(message, {"name": message})
    return tidy


def _record(session: Session, action: str, staff: Staff, passkey_id: int, *, now: datetime) -> None:
    record(session, action, staff, actor_id=staff.id, now=now, passkey_id=passkey_id)
