"""Posts of the public form: counted by network, and kept aside while there are too many."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from callback_service.models.base import Base
from callback_service.models.sealing import Sealed
from callback_service.models.staff import new_uid

_WAITS = text("ask_sealed IS NOT NULL")


class FormPost(Base):
    """One post that came from a network. With an ask it waits; without one it was let in."""

    __tablename__ = "form_post"
    __table_args__ = (
        Index("ix_form_post_waiting", "network_index", sqlite_where=_WAITS,
              postgresql_where=_WAITS),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), default=new_uid, unique=True)
    key_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)  # SHA-256 of the key
    network_index: Mapped[bytes] = mapped_column(LargeBinary(16))  # blind index of the address
    phone_index: Mapped[bytes | None] = mapped_column(LargeBinary(16))  # while it waits
    ask_sealed: Mapped[bytes | None]  # what was asked, as JSON
    posted_at: Mapped[datetime] = mapped_column(index=True)
    let_in_at: Mapped[datetime | None] = mapped_column(index=True)
    held_until: Mapped[datetime | None]  # it seems to be a program's: a person may look till then

    ask = Sealed()
