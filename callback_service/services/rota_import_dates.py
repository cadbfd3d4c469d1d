"""The changes for dates that an .ics file asks for, compared with the rota as it will be.

What a file wants and the rota lacks is added; what a rule of the file gives, but the file leaves
out, is taken off. A change of time is both, so only what the new time does not cover is taken off.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from callback_service.domain.recurrence import days_of
from callback_service.domain.rota import Duty, Post, Shift
from callback_service.domain.rota_changes import OpenShift, Override, OverrideKind
from callback_service.domain.spans import without
from callback_service.domain.wall_time import Span
from callback_service.gateways.ical_reader import Found, Happening
from callback_service.models.rota_change import RotaChange
from callback_service.models.staff import Staff
from callback_service.services.rota_change_rows import in_words
from callback_service.services.rota_import_items import (
    Item,
    Rota,
    Share,
    Verdict,
    span_in_words,
    why_no_shift,
    why_not,
)
from callback_service.services.rota_import_lines import Judged


@dataclass(frozen=True, slots=True)
class Wish:
    """What a file says of one date for one person: a shift, or none where ``is_left_out``.

    ``staff`` None is a shift that nobody holds yet. ``ids`` are the lines that may give a shift
    left out. ``fault`` is the verdict and the reason in words where nothing can come of it.
    """

    uid: str
    staff: Staff | None
    duty: Duty
    span: Span
    words: str
    is_left_out: bool = False
    ids: frozenset[int | None] = frozenset()
    fault: tuple[Verdict, str] | None = None

    @property
    def post(self) -> Post:
        """Whose rota it is about."""
        return self.staff.id if self.staff else None, self.duty


def wishes_of(found: Found, judged: Judged, rota: Rota) -> list[Wish]:
    """What an event says of dates beyond the lines that its rules are, in order of time."""
    planned = _planned(found, judged.shares, rota.tz)
    kept: set[tuple[str, Duty, Span]] = set()
    wishes = []
    for one in found.happenings:
        for email in one.said.emails or ((None,) if not one.said.declined else ()):
            if (one.run, email) in judged.told:
                continue
            if (key := _planned_key(one, email, planned, judged.shares, rota.tz)) is not None:
                kept.add(key)
            elif not (one.is_cancelled and found.runs) and _is_due(one, email, judged.shares):
                wishes.append(_wish(found, one, email, judged.shares, rota))
    for key, share in planned.items():
        if key not in kept and share.is_taken:
            staff = rota.people[share.email]
            words = f"{staff.name}, {span_in_words(key[2], rota.tz)}: left out"
            wishes.append(
                Wish(found.uid, staff, key[1], key[2], words, is_left_out=True, ids=share.ids)
            )
    return sorted(wishes, key=lambda wish: (wish.span, wish.is_left_out))


def _planned(
    found: Found, shares: Iterable[Share], tz: ZoneInfo
) -> dict[tuple[str, Duty, Span], Share]:
    """The shifts that the lines of an event have where its dates were looked at."""
    if found.looked_at is None:
        return {}
    first, last = found.looked_at
    spans = (
        (share, share.span_on(day, tz))
        for share in shares
        for day in days_of(share.line, max(first, share.since or first), last)
    )
    return {
        (share.email, share.line.duty, span): share for share, span in spans if span[0] < span[1]
    }


def _planned_key(
    one: Happening,
    email: str | None,
    planned: dict[tuple[str, Duty, Span], Share],
    shares: Iterable[Share],
    tz: ZoneInfo,
) -> tuple[str, Duty, Span] | None:
    """The shift of a line that a happening is, if it is one.

    It is where its instants are; and where its times by the clock are, as the calendar may read
    those otherwise when the clocks change.
    """
    if email is None or one.is_cancelled:
        return None
    start, end = one.span
    key = email, one.said.duty, (start.astimezone(UTC), end.astimezone(UTC))
    if key in planned:
        return key
    for share in shares:
        line, day = share.line, start.date()
        walls = (line.start, line.end) == (start.time(), end.time())
        if share.email == email and walls and line.duty is one.said.duty:
            key = email, line.duty, share.span_on(day, tz)
            if key in planned:
                return key
    return None


def _is_due(one: Happening, email: str | None, shares: Iterable[Share]) -> bool:
    """Whether it is in the time of its line: one that is changed is so from some day on."""
    since = [share.since for share in shares if share.email == email and share.since]
    return not since or one.span[0].date() >= min(since)


def _wish(
    found: Found, one: Happening, email: str | None, shares: Sequence[Share], rota: Rota
) -> Wish:
    staff = rota.people.get(email) if email is not None else None
    span = one.span[0].astimezone(UTC), one.span[1].astimezone(UTC)
    name = staff.name if staff else f"{one.said.summary} ({email or 'nobody yet'})"
    when = span_in_words(span, rota.tz)
    fault = None
    if email is not None and (why := why_not(email, staff, one.said.duty)):
        fault = Verdict.UNKNOWN_PERSON, why
    elif why := why_no_shift(span):
        fault = Verdict.NOT_UNDERSTOOD, why
    elif any(share.email == email and not share.is_taken for share in shares):
        fault = Verdict.OVERLAP, "its series is not taken"
    words = f"{name}, {when}"
    if found.runs and one.run is None:
        words = f"{words}: on this date only"
    return Wish(
        found.uid, staff, one.said.duty, span, words, is_left_out=one.is_cancelled, fault=fault
    )


class _Said(NamedTuple):
    """For when something is said of a person. No two of these overlap, but for two duties left."""

    start: datetime
    end: datetime
    duty: str
    words: str
    is_left_out: bool = False


class Dates:
    """The rota as its lines and changes make it, which takes in one wish after the other."""

    def __init__(
        self,
        shifts: Sequence[Shift],
        changes: Iterable[RotaChange],
        wishes: Iterable[Wish],
        tz: ZoneInfo,
    ) -> None:
        self._tz = tz
        self._shifts: defaultdict[Post, list[Shift]] = defaultdict(list)
        for shift in shifts:
            self._shifts[shift.staff_id, shift.duty].append(shift)
        self._open = Counter(
            (shift.duty, shift.start, shift.end) for shift in shifts if shift.staff_id is None
        )
        self._kept: set[tuple[Post, Span]] = set()
        self._left_out: defaultdict[Post, list[Span]] = defaultdict(list)
        for wish in wishes:
            if wish.is_left_out and not wish.fault:
                self._left_out[wish.post].append(wish.span)
        self._said: defaultdict[int, list[_Said]] = defaultdict(list)
        for row in changes:
            words = f"a change there is: {in_words(row, tz=tz)}"
            for span in row.spans:
                said = _Said(span.starts_at, span.ends_at, row.duty or "", words)
                insort(self._said[span.staff_id], said)

    def judge(self, wish: Wish) -> Item:
        """What becomes of a wish. Those for shifts come before those that leave some out."""
        if wish.fault is not None:
            verdict, reason = wish.fault
            return Item(verdict, wish.uid, f"{wish.words}: {reason}")
        if wish.staff is None:
            return self._judge_open(wish)
        own = self._overlapping(wish)
        if wish.is_left_out:
            return self._leave_out(wish, wish.staff.id, own)
        return self._add(wish, wish.staff.id, own)

    def _judge_open(self, wish: Wish) -> Item:
        start, end = wish.span
        key = wish.duty, start, end
        self._open[key] -= 1
        if self._open[key] >= 0:
            return Item(Verdict.UNCHANGED, wish.uid, wish.words)
        change = OpenShift(start, end, wish.duty)
        return Item(Verdict.DATE_OPEN, wish.uid, wish.words, changes=(change,))

    def _add(self, wish: Wish, staff_id: int, own: Sequence[Shift]) -> Item:
        start, end = wish.span
        if any((shift.start, shift.end) == wish.span for shift in own):
            self._kept.add((wish.post, wish.span))
            return Item(Verdict.UNCHANGED, wish.uid, wish.words)
        others = (
            f"a shift they have, {span_in_words((shift.start, shift.end), self._tz)}"
            for shift in own
            if not self._is_left_out(wish.post, shift)
        )
        said = (one.words for one in self._said_of(staff_id, wish.span))
        if other := next(others, None) or next(said, None):
            return Item(Verdict.OVERLAP, wish.uid, f"{wish.words}: overlaps {other}")
        self._say(staff_id, wish.span, wish)
        change = Override(OverrideKind.ADD, staff_id, start, end, wish.duty)
        return Item(Verdict.DATE_ADDED, wish.uid, wish.words, changes=(change,))

    def _leave_out(self, wish: Wish, staff_id: int, own: Sequence[Shift]) -> Item:
        """Take off what nothing else that was said of the person speaks for."""
        if not wish.ids and any((one.start, one.end) == wish.span for one in own):
            words = f"{wish.words}: cancelled there, and on the rota; take it off here"
            return Item(Verdict.OVERLAP, wish.uid, words)
        mine = [
            (one.start, one.end)
            for one in own
            if one.pattern_id in wish.ids
            and _is_within((one.start, one.end), wish.span)
            and (wish.post, (one.start, one.end)) not in self._kept
        ]
        if not mine:
            return Item(Verdict.UNCHANGED, wish.uid, wish.words)
        said = [one for one in self._said_of(staff_id, wish.span) if not one.is_left_out]
        if other := next((one for one in said if one.duty != wish.duty), None):
            return Item(Verdict.OVERLAP, wish.uid, f"{wish.words}: overlaps {other.words}")
        spoken_for = [(one.start, one.end) for one in said]
        free = [part for span in mine for part in without(span, spoken_for)]
        for part in free:
            self._say(staff_id, part, wish)
        changes = tuple(Override(OverrideKind.REMOVE, staff_id, *part, wish.duty) for part in free)
        return Item(Verdict.DATE_REMOVED, wish.uid, wish.words, changes=changes)

    def _is_left_out(self, post: Post, shift: Shift) -> bool:
        span = shift.start, shift.end
        return any(_is_within(span, other) for other in self._left_out[post])

    def _overlapping(self, wish: Wish) -> list[Shift]:
        """The shifts of the post that overlap the wish; of one person no two overlap."""
        shifts, (start, end) = self._shifts[wish.post], wish.span
        place = bisect_left(shifts, start, key=lambda shift: shift.end)
        found = []
        while place < len(shifts) and shifts[place].start < end:
            if shifts[place].end > start:
                found.append(shifts[place])
            place += 1
        return found

    def _said_of(self, staff_id: int, span: Span) -> list[_Said]:
        """What is said of a person for some of ``span``, in order."""
        said, found = self._said[staff_id], []
        place = bisect_left(said, span[0], key=attrgetter("end"))
        while place < len(said) and said[place].start < span[1]:
            if said[place].end > span[0]:
                found.append(said[place])
            place += 1
        return found

    def _say(self, staff_id: int, span: Span, wish: Wish) -> None:
        words = f"what the file says before: {wish.words}"
        insort(self._said[staff_id], _Said(*span, wish.duty, words, wish.is_left_out))


def _is_within(span: Span, other: Span) -> bool:
    return other[0] <= span[0] and span[1] <= other[1]
