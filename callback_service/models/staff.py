"""Staff accounts and the sign-ins that are open on them."""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.domain.staff import Role
from callback_service.models.base import Base, Sealed


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
    is_active: Mapped[bool] = mapped_column(default=True)
    password_hash: Mapped[str | None] = mapped_column(
        String(255)
    )  # None until the invitation is used
    created_at: Mapped[datetime]

    phone = Sealed()


class SignIn(Base):
    """One browser that is signed in. Deleting the row signs it out at its next request."""

    __tablename__ = "sign_in"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_digest: Mapped[bytes] = mapped_column(
        LargeBinary(32), unique=True
    )  # SHA-256 of the cookie
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    device: Mapped[str] = mapped_column(
        String(60), default=""
    )  # "Firefox on Windows", for its owner's list

    staff: Mapped[Staff] = relationship(lazy="joined")


class SignInAttempt(Base):
    """One try at a password, kept to slow guessing down. Holds no address and no password."""

    __tablename__ = "sign_in_attempt"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_key: Mapped[bytes] = mapped_column(
        LargeBinary(16), index=True
    )  # blind index of the e-mail
    network_key: Mapped[bytes] = mapped_column(LargeBinary(16), index=True)
    at: Mapped[datetime] = mapped_column(index=True)
