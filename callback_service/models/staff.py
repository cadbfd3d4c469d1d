"""Staff accounts and the sign-ins that are open on them."""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    LargeBinary,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.domain.signing_in import Proof, Stage
from callback_service.domain.staff import Role
from callback_service.models.base import Base
from callback_service.models.sealing import Sealed


def new_uid() -> str:
    """A name for a row that never changes and tells nothing. 128 random bits, hex."""
    return secrets.token_hex(16)


class Staff(Base):
    """Somebody who works here: an account, and a person on the rota."""

    __tablename__ = "staff"
    __table_args__ = (CheckConstraint("email = lower(email)", name="email_lower"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), default=new_uid, unique=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    role: Mapped[Role]
    phone_sealed: Mapped[bytes | None]  # for notices to this person; E.164
    texts_offers: Mapped[bool] = mapped_column(default=False)  # a text for each offer, if wanted
    texts_stopped_at: Mapped[datetime | None]  # that was noticed; since then the phone takes none
    is_active: Mapped[bool] = mapped_column(default=True)
    password_hash: Mapped[str | None] = mapped_column(
        String(255)
    )  # None until the invitation is used
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    totp_secret_sealed: Mapped[bytes | None]  # of the app that shows codes; base32
    totp_last_step: Mapped[int | None]  # of the last code used: it and those before work no more
    links_ended: Mapped[int] = mapped_column(
        default=0, server_default="0"
    )  # counts; a one-time link holds the count of its making, and works while that is the same

    phone = Sealed()
    totp_secret = Sealed()


class RecoveryCode(Base):
    """A code for the day the phone is lost. Works once; only a keyed digest of it is kept."""

    __tablename__ = "recovery_code"
    __table_args__ = (UniqueConstraint("staff_id", "digest"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))
    digest: Mapped[bytes] = mapped_column(LargeBinary(16))
    used_at: Mapped[datetime | None]


class Passkey(Base):
    """A key on a device of somebody's; only its public half is here."""

    __tablename__ = "passkey"

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary(1023), unique=True)
    public_key: Mapped[bytes]
    sign_count: Mapped[int] = mapped_column(
        BigInteger
    )  # of its uses, where the device counts; a copy of it would lag behind
    name: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


class SignIn(Base):
    """One browser and how far it has come. Deleting the row signs it out at its next request."""

    __tablename__ = "sign_in"
    __table_args__ = (
        CheckConstraint("(stage = 'start') = (staff_id IS NULL)", name="somebody_known"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), default=new_uid, unique=True)
    token_digest: Mapped[bytes] = mapped_column(
        LargeBinary(32), unique=True
    )  # SHA-256 of the cookie
    staff_id: Mapped[int | None] = mapped_column(
        ForeignKey("staff.id", ondelete="CASCADE"), index=True
    )
    stage: Mapped[Stage]
    created_at: Mapped[datetime]  # when this stage began
    seen_at: Mapped[datetime]
    fresh_at: Mapped[datetime | None]  # when a second factor was last given
    pending_totp_sealed: Mapped[bytes | None]  # a secret being set up; base32
    challenge: Mapped[bytes | None]  # asked of a passkey, and spent at the first answer
    challenge_at: Mapped[datetime | None]
    device: Mapped[str] = mapped_column(
        String(60), default=""
    )  # "Firefox on Windows", for its owner's list

    staff: Mapped[Staff | None] = relationship(lazy="joined")

    pending_totp = Sealed()


class HeldForm(Base):
    """What somebody sent when their sign-in had run out, until they sign in again."""

    __tablename__ = "held_form"

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), default=new_uid, unique=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), unique=True)
    path: Mapped[str] = mapped_column(String(500))
    fields_sealed: Mapped[bytes | None]  # names and values, as JSON
    held_at: Mapped[datetime]

    fields = Sealed()


class KnownDevice(Base):
    """A browser that an account signed in with before. It opens nothing: its tries count apart."""

    __tablename__ = "known_device"
    __table_args__ = (UniqueConstraint("staff_id", "token_digest"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))
    token_digest: Mapped[bytes] = mapped_column(LargeBinary(32))  # SHA-256 of the cookie
    seen_at: Mapped[datetime]


class SignInAttempt(Base):
    """One try at a password or code, kept to slow guessing down. Holds no address and no secret."""

    __tablename__ = "sign_in_attempt"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_key: Mapped[bytes] = mapped_column(
        LargeBinary(16), index=True
    )  # blind index of the e-mail
    network_key: Mapped[bytes] = mapped_column(LargeBinary(16), index=True)  # or of the browser
    proof: Mapped[Proof]
    is_known: Mapped[bool]  # from a browser the account signed in with before
    at: Mapped[datetime] = mapped_column(index=True)
