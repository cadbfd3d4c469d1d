"""What becomes of each thing an .ics file says, and the rota that it is compared with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from zoneinfo import ZoneInfo

from callback_service.domain.rota import MAY_HOLD, Duty, Pattern
from callback_service.domain.rota_changes import Change
from callback_service.domain.wall_time import ONE_DAY, Span, day_in_words, wall_span
from callback_service.models.staff import Staff

#: A shift in a calendar may be a whole turn of a rotation.
LONGEST = timedelta(days=32)
_LONGEST_UID = 64  # as it is kept


class Verdict(StrEnum):
    """What becomes of one thing that a file says."""

    ADDED = "added"
    CHANGED = "changed"
    GONE = "ended: no longer in the calendar"
    BY_DATE = "taken date by date"
    DATE_ADDED = "added for one date"
    DATE_REMOVED = "taken off for one date"
    DATE_OPEN = "open shift added"
    DATE_CHANGED = "changed for one date"
    DATE_GONE = "no longer in the calendar"
    UNCHANGED = "unchanged"
    OVERLAP = "not taken: overlap"
    UNKNOWN_PERSON = "not taken: unknown person"
    DECLINED = "not taken: declined"
    NOT_UNDERSTOOD = "not understood"


#: What leaves the rota as it is.
NOTHING_DONE = frozenset(
    {
        Verdict.BY_DATE,
        Verdict.UNCHANGED,
        Verdict.OVERLAP,
        Verdict.UNKNOWN_PERSON,
        Verdict.DECLINED,
        Verdict.NOT_UNDERSTOOD,
    }
)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a file says, in words, and what becomes of it.

    ``pattern`` is the line to be, for ADDED and CHANGED; ``replaces_id`` the line it takes the
    place of, or that only ends. ``changes`` are those for dates, and ``cancels`` the ids of those
    of an earlier reading that end.
    """

    verdict: Verdict
    uid: str
    words: str
    pattern: Pattern | None = None
    replaces_id: int | None = None
    changes: tuple[Change, ...] = ()
    cancels: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """What the rule of one event asks of one person.

    ``ids`` are the lines of the rota that say the same; a line to be has an id below zero.
    ``since`` is the first day from which it holds, where it took the place of another line.
    ``is_taken`` says whether the rota will have it.
    """

    email: str
    line: Pattern
    is_taken: bool
    ids: frozenset[int | None]
    since: date | None

    def span_on(self, day: date, tz: ZoneInfo) -> Span:
        """The instants of its shift that starts on ``day``."""
        return wall_span(day, self.line.start, self.line.end, tz=tz)


@dataclass(slots=True)
class Rota:
    """What a file is compared with; ``taken`` are the lines of the file that it will have too.

    ``rotations`` are the ids of lines that several people have a share of. ``imported`` are the
    UIDs by which lines were read before, and ``claimed`` the ids of those that the file still has.
    """

    people: dict[str, Staff]
    lines: dict[tuple[int | None, Duty], list[Pattern]]
    taken: dict[tuple[int | None, Duty], list[Pattern]]
    rotations: frozenset[int]
    imported: dict[int, str]
    claimed: set[int]
    host: str
    now: datetime
    tz: ZoneInfo

    @property
    def today(self) -> date:
        """The local day it is."""
        return self.now.astimezone(self.tz).date()


def span_in_words(span: Span, tz: ZoneInfo) -> str:
    """When one shift is: "Monday 30 November 2026, 20:00 to 08:00"."""
    start, end = (at.astimezone(tz) for at in span)
    first, last = (f"{day_in_words(at.date())} {at:%Y}" for at in (start, end))
    is_long = (end.date() - start.date()).days > 1
    return f"{first}, {start:%H:%M} to {f'{last}, ' if is_long else ''}{end:%H:%M}"


def why_not(email: str, staff: Staff | None, duty: Duty) -> str | None:
    """Why the person of an address cannot have a duty, in words; None where they can."""
    if staff is None:
        return f"nobody with an active account has the address {email}"
    if staff.role not in MAY_HOLD[duty]:
        return f"{staff.name} may not have this duty as {staff.role}"
    return None


def why_no_shift(span: Span) -> str | None:
    """Why a time can be no shift, in words; None where it can."""
    length = timedelta(seconds=span[1].timestamp() - span[0].timestamp())
    if length <= timedelta(0):
        return "it does not last"
    if length > LONGEST:
        return f"it lasts longer than {LONGEST.days} days"
    if any(at.second or at.microsecond for at in span):
        return "its times are not whole minutes"
    return None


def uid_key(uid: str) -> str:
    """A UID as it is kept: itself, or what stands for one that is long."""
    if len(uid) <= _LONGEST_UID:
        return uid
    return sha256(uid.encode()).hexdigest()


def end_before(line: Pattern, day: date, lines: list[Pattern]) -> None:
    """Let a line of ``lines`` have no shift from ``day`` on."""
    lines.remove(line)
    if line.from_on < day:
        lines.append(replace(line, until_on=day - ONE_DAY))
