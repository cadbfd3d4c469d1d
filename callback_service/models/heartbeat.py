"""Proof that the scheduler's ticks run."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from callback_service.models.base import Base


class Heartbeat(Base):
    """When one tick last succeeded, on whichever machine."""

    __tablename__ = "heartbeat"

    tick: Mapped[str] = mapped_column(String(24), primary_key=True)
    succeeded_at: Mapped[datetime]
