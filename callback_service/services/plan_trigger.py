"""Saying that the plan no longer fits the facts."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import insert
from sqlalchemy.orm import Session

from callback_service.models.plan import PlanTrigger

_NEW: Final = insert(PlanTrigger).inline()


def call_for_plan(*, reason: str, now: datetime) -> PlanTrigger:
    """The row that does what ``ask_for_plan`` does, for whoever inserts it themselves."""
    return PlanTrigger(reason=reason, at=now)


def ask_for_plan(session: Session, *, reason: str, now: datetime) -> None:
    """Have the scheduler plan again as soon as this transaction is committed.

    A new row each time rather than one row that is updated: writers do not wait for each other.
    """
    # Not by way of the session: it would have to be flushed for it, and nothing waits for the row.
    session.connection().execute(_NEW, {"reason": reason, "at": now})
