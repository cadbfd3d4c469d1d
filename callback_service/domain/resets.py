"""Who may take a second step away that somebody lost: two people, who both answer for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from callback_service.domain.staff import Role

#: What the second person has not confirmed by then is asked for anew.
RESET_LASTS: Final = timedelta(hours=24)
#: Managers know their people and are there at night; the link is made by who runs the accounts.
MAY_ASK: Final = frozenset({Role.MANAGER, Role.ADMINISTRATOR})
MAY_CONFIRM: Final = frozenset({Role.ADMINISTRATOR})


class LossReason(StrEnum):
    """What became of the phone."""

    LOST = "lost"
    STOLEN = "stolen"
    BROKEN = "broken"
    REPLACED = "replaced"  # a new phone, and the app was not taken along


class ResetState(StrEnum):
    """How far a reset has come. Only ``WAITING`` ever changes."""

    WAITING = "waiting"
    DONE = "done"
    CALLED_OFF = "called_off"
    LAPSED = "lapsed"


def has_lapsed(asked_at: datetime, *, now: datetime) -> bool:
    """Whether nobody confirmed in time."""
    return now - asked_at >= RESET_LASTS


def fault_of_second(
    *, second_id: int, second: Role, asked_by_id: int, asked_by: Role | None, staff_id: int
) -> str | None:
    """The sentence that says why ``second`` cannot confirm, or None when they can.

    ``asked_by`` is the role that the first person has now; None where their account is disabled.
    """
    if second not in MAY_CONFIRM:
        return "Only an administrator confirms a reset."
    if second_id == staff_id:
        return "You cannot confirm a reset of your own second step."
    if second_id == asked_by_id:
        return "You asked for this reset. Somebody else has to confirm it."
    if asked_by not in MAY_ASK:
        return "Who asked for this reset may not do so any more. Call it off."
    return None
