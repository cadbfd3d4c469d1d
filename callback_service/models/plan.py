"""The plan as it stands, and the calls for a new one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from callback_service.models.base import Base


class PlanEntry(Base):
    """The counsellor and time foreseen for one waiting request: rebuilt when facts change."""

    __tablename__ = "plan_entry"

    request_id: Mapped[int] = mapped_column(
        ForeignKey("callback_request.id"), primary_key=True, autoincrement=False
    )
    counsellor_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    starts_at: Mapped[datetime]
    planned_at: Mapped[datetime]


class PlanTrigger(Base):
    """A changed fact that the plan rests on. Written with the change, removed by the next plan."""

    __tablename__ = "plan_trigger"

    id: Mapped[int] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(String(24))
    at: Mapped[datetime]
