"""What is known of a number by its blind index alone: that it takes no texts, what line it is."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import LargeBinary, false
from sqlalchemy.orm import Mapped, mapped_column

from callback_service.domain.contact import LineKind
from callback_service.models.base import Base


class SaidBy(StrEnum):
    """Who told us that a number takes no texts."""

    TEXT = "text"  # its owner, by a word such as STOP
    GATEWAY = "gateway"  # it refused to send
    MANAGER = "manager"  # the person said so while speaking


class Suppression(Base):
    """A number that no text goes to. It outlives the requests of the number, and names nobody."""

    __tablename__ = "suppression"

    id: Mapped[int] = mapped_column(primary_key=True)
    phone_index: Mapped[bytes] = mapped_column(LargeBinary(16), unique=True)
    said_by: Mapped[SaidBy]
    no_calls: Mapped[bool] = mapped_column(
        default=False, server_default=false()
    )  # nor is it rung, unless a manager decides so
    since: Mapped[datetime]


class LineLookup(Base):
    """What the gateway answered, or was asked, about the line behind a number."""

    __tablename__ = "line_lookup"

    id: Mapped[int] = mapped_column(primary_key=True)
    phone_index: Mapped[bytes] = mapped_column(LargeBinary(16), unique=True)
    kind: Mapped[LineKind | None]  # None: not answered, or not known there
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime]  # asked again only after this
