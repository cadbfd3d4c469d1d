"""What the auditor calls wrong, and how long it leaves others the time to see to it themselves.

Its limits stand apart from those of the planner, the offers and the escalation on purpose: it finds
what they missed, whatever the reason.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

#: A finding is acted on at the first look this long after the one that found it: what is being done
#: at this very second, or is about to be by a scheduler that was down, is nothing to mend or tell.
CONFIRM_AFTER: Final = timedelta(seconds=20)
#: A request this long past its time that nobody was told of is one that escalation missed.
UNTOLD_AFTER: Final = timedelta(minutes=2)
#: A request this long past its time that has no owner was told of, and that did not help.
UNOWNED_AFTER: Final = timedelta(minutes=30)
#: A request whose time began this long ago has a plan, an offer or an escalation while people work.
UNPLANNED_AFTER: Final = timedelta(minutes=3)
#: People count as there for a plan if their shift goes on for this long at least.
STAFF_FOR: Final = timedelta(minutes=25)
#: A request that was taken and not rung is back in the queue this long after its hold has ended.
OVERHELD_AFTER: Final = timedelta(minutes=2)
#: A call that is still not closed this long after it was looked into is stuck.
CALLING_AFTER: Final = timedelta(hours=1)
#: An offer is ended this long after its lease at the latest.
OFFER_AFTER: Final = timedelta(minutes=1)
#: A request that nobody served is closed this long after its expiry at the latest.
EXPIRED_AFTER: Final = timedelta(minutes=10)
#: A tick that has not succeeded for this long has stopped.
TICK_SILENT_AFTER: Final = timedelta(minutes=2)
#: With a finding open that is older than this and not mended, the heartbeat to outside ends.
MENDED_WITHIN: Final = timedelta(minutes=15)


class FindingKind(StrEnum):
    """What is wrong. All but the last are about one request."""

    UNTOLD = "untold"  # past its time, and nobody was told
    UNOWNED = "unowned"  # long past its time, was told of, and has no owner
    UNPLANNED = "unplanned"  # no plan, offer or escalation although people work
    OVERHELD = "overheld"  # taken, not rung, and not put back
    CALL_STUCK = "call_stuck"  # a call that is never closed
    OFFER_OPEN = "offer_open"  # an offer past its lease
    HOLDER_GONE = "holder_gone"  # held by an account that is disabled
    CLOSED_HOLDS = "closed_holds"  # closed, but it still has a plan, an offer or a place
    WINDOWS_ENDED = "windows_ended"  # waits although everybody who asked has withdrawn
    NOT_EXPIRED = "not_expired"  # its time is long past and it is not closed
    TICK_STOPPED = "tick_stopped"  # a part of the scheduler does not run


def is_confirmed(found_at: datetime, *, now: datetime) -> bool:
    """Whether a finding that is still there has been there long enough to act on."""
    return now >= found_at + CONFIRM_AFTER


def is_well(open_since: datetime | None, *, now: datetime) -> bool:
    """Whether the world may hear that all is well, from the oldest finding that is not mended."""
    return open_since is None or now < open_since + MENDED_WITHIN
