"""How long each kind of data is kept, after which event. The one list: erasing goes by it, and so
does what is told to callers and written in the documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from callback_service.domain.flood import COUNTED_FOR
from callback_service.errors import SettingsError

DAY: Final = timedelta(days=1)
LONDON: Final = ZoneInfo("Europe/London")


class Kept(StrEnum):
    """A kind of data that a clock erases."""

    CALLERS = "callers"
    NOTES = "notes"
    TEXTS = "texts"
    COUNTED = "counted"
    STRANGERS = "strangers"
    INBOUND_CALLS = "inbound_calls"
    LOOKUPS = "lookups"
    STAFF_TEXTS = "staff_texts"
    HELD_FORMS = "held_forms"
    TRIES = "tries"
    SIGN_INS = "sign_ins"
    DEVICES = "devices"
    LEAVERS = "leavers"
    DATA_REQUESTS = "data_requests"
    FORM_POSTS = "form_posts"
    PROOFS = "proofs"


@dataclass(frozen=True, slots=True)
class Clock:
    """One kind: what it is, from when its time runs, and how long that is.

    With a ``setting`` an installation may choose another time, in whole days from ``least`` to
    ``most``; without one ``usual`` holds everywhere.
    """

    kind: Kept
    what: str
    after: str
    usual: timedelta
    setting: str | None = None
    least: int = 0  # days
    most: int = 0  # days
    why: str = ""  # why not less, or not more


CLOCKS: Final = (
    Clock(Kept.CALLERS, "A caller's number, name, note and wishes, and what leads to them",
          "the request is closed", 30 * DAY, "KEEP_CALLERS_DAYS", 7, 365,
          "a week is the least in which somebody can complain and be found by their number"),
    Clock(Kept.NOTES, "Counsellors' notes of a conversation, and why they let a request go",
          "the request is closed", 30 * DAY, "KEEP_NOTES_DAYS", 1, 365,
          "never longer than the number, by which a caller can have them erased"),
    Clock(Kept.TEXTS, "Texts to callers and from them: their words and numbers",
          "the request is closed", 30 * DAY, "KEEP_TEXTS_DAYS", 1, 365,
          "never longer than the number"),
    Clock(Kept.COUNTED, "Keyed digests that texts are counted by: of a number, of a network",
          "the text is written", DAY, why="limits count the texts of a day"),
    Clock(Kept.STRANGERS, "That a number without a request texted us, and our answer",
          "the text came", 2 * DAY, why="each number is answered once a day"),
    Clock(Kept.INBOUND_CALLS, "Calls in which somebody asked to be rung back",
          "the call began", 2 * DAY, why="requests by phone are limited by the day"),
    Clock(Kept.LOOKUPS, "What kind of line a number is, by a keyed digest",
          "the answer came", 30 * DAY, why="numbers change hands"),
    Clock(Kept.STAFF_TEXTS, "The numbers and words of texts to staff",
          "the text is written", 30 * DAY),
    Clock(Kept.HELD_FORMS, "A form that came after its sender's sign-in had run out",
          "it came", timedelta(hours=12)),
    Clock(Kept.TRIES, "Tries at signing in, by keyed digests",
          "the try", DAY, why="limits look back a quarter of an hour"),
    Clock(Kept.SIGN_INS, "Sign-ins", "their last use", DAY, why="none lasts longer than 12 hours"),
    Clock(Kept.DEVICES, "Browsers that an account signed in with", "their last use", 90 * DAY),
    Clock(Kept.LEAVERS, "Name, e-mail address and number of somebody who left",
          "the account is disabled", 365 * DAY, "KEEP_LEAVERS_DAYS", 120, 2555,
          "rest rules look back 17 weeks"),
    Clock(Kept.DATA_REQUESTS, "The number and the words of a data request or a complaint, the "
          "reason of a hold",
          "it has ended", 90 * DAY, "KEEP_DATA_REQUESTS_DAYS", 30, 365,
          "whoever asked may come back to the answer; an erasure empties it at once"),
    Clock(Kept.FORM_POSTS, "From which network a form came, by a keyed digest; what it asked while "
          "it waits",
          "it was let in", COUNTED_FOR, why="floods are told by what came lately"),
    Clock(Kept.PROOFS, "How somebody showed who they are when their second step was reset",
          "the reset has ended", 90 * DAY, why="a wrong reset is noticed within weeks"),
)  # fmt: skip
BY_KIND: Final[Mapping[Kept, Clock]] = {clock.kind: clock for clock in CLOCKS}

#: Cells of a table that count fewer than this are not shown, unless told otherwise.
SMALL_CELL: Final = 5


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long one installation keeps what. What is not in ``chosen`` has its usual time."""

    chosen: Mapping[Kept, timedelta] = field(default_factory=dict)
    tz: tzinfo = LONDON  # whose days and hours the figures count
    small_cell: int = SMALL_CELL

    def __post_init__(self) -> None:
        for kind in (Kept.NOTES, Kept.TEXTS):
            if self.lasts(kind) > self.lasts(Kept.CALLERS):
                raise SettingsError(
                    f"{BY_KIND[kind].setting} must not be longer than KEEP_CALLERS_DAYS: "
                    "without the number nobody could have the rest erased."
                )

    def lasts(self, kind: Kept) -> timedelta:
        """How long ``kind`` is kept after its event."""
        return self.chosen.get(kind, BY_KIND[kind].usual)

    def until(self, kind: Kept, *, now: datetime) -> datetime:
        """What ``kind`` is of before or at this instant is due to be erased at ``now``."""
        return now - self.lasts(kind)


USUAL: Final = Keeping()


def spoken_length(length: timedelta) -> str:
    """ "30 days", "12 hours": whole days where it is some."""
    if length % DAY:
        hours = int(length / timedelta(hours=1))
        return f"{hours} hours"
    return "1 day" if length == DAY else f"{length.days} days"


def day_of(instant: datetime) -> datetime:
    """The start of the UTC day of ``instant``: all that stays of a time in an empty request."""
    return datetime.combine(instant.astimezone(UTC).date(), time(), UTC)
