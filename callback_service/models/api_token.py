"""Tokens with which a program acts for a member of staff at the JSON API."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callback_service.models.base import Base
from callback_service.models.staff import Staff


class ApiToken(Base):
    """A token of one account. What it opens is what the account's role may see, at each request."""

    __tablename__ = "api_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(60))  # for its owner to tell it from others
    token_digest: Mapped[bytes] = mapped_column(
        LargeBinary(32), unique=True
    )  # SHA-256 of the token
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]  # to the hour
    revoked_at: Mapped[datetime | None]

    staff: Mapped[Staff] = relationship(lazy="joined")
