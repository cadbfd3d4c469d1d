"""What a database server can do for us, and SQLite cannot."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import Session

#: Who holds a lock that everybody needs writes at once and commits, in milliseconds.
LONGEST_STANDSTILL: Final = "3s"


def is_server(session: Session) -> bool:
    """Whether the database is PostgreSQL."""
    return session.get_bind().dialect.name == "postgresql"


def ended_soon() -> ColumnElement[str]:
    """Selected with a lock that everybody needs: ends the transaction if it stands still.

    Its process may be stopped, swapped out, or on a machine that the network has lost: others wait
    no longer for it. What it had written in there is undone.
    """
    return func.set_config("idle_in_transaction_session_timeout", LONGEST_STANDSTILL, True)
