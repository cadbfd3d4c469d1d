"""The rota by person as pages show it: the entries of a week, and the short labels of four."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from operator import itemgetter
from urllib.parse import urlencode

from callback_service.domain.cover import gaps
from callback_service.domain.rota import Duty, Source
from callback_service.domain.rota_changes import OverrideKind
from callback_service.domain.wall_time import ONE_DAY, WEEKDAY_NAMES, Span, start_of_day
from callback_service.services.roster import Away, Board, Line
from callback_service.services.rota import RotaShift

MIDNIGHT = time(0)
WORKING_DAY = time(9), time(17)
NOBODY = "Nobody yet"
DASH = "\N{EN DASH}"
#: Where a shift comes from when it is not the pattern, in words.
SOURCE_WORDS = {
    Source.OVERRIDE: "by a change",
    Source.SWAP: "by a swap",
    Source.OPEN: "nobody yet",
}
#: The same in a mark, where there is room for no word; the page says what it means.
MARKS = {Source.OVERRIDE: "*", Source.SWAP: "*", Source.OPEN: ""}


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands in one day of a line. ``kind``: shift, before, open, away or free.

    One of the kind ``before`` began before the first day and runs into it. ``link`` leads to the
    form that changes it; "" where there is none.
    """

    column: int
    kind: str
    day: str
    times: str
    note: str = ""
    is_now: bool = False
    link: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One person's line. ``link`` shows that person alone; "" for nobody, or where it is so."""

    name: str
    is_me: bool
    link: str
    entries: list[Entry]

    def columns(self, days: int) -> list[list[Entry]]:
        """The entries of each day, without the empty ones."""
        found: list[list[Entry]] = [[] for _ in range(days)]
        for entry in self.entries:
            if entry.kind != "free":
                found[entry.column].append(entry)
        return found


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a day: where its hours are shown, and how many gaps it has."""

    day: date
    name: str
    link: str
    gaps: int
    is_today: bool


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses that the rows build on; an empty one makes no link."""

    person: str = ""  # ends where the id goes
    change: str = ""  # ends where the query goes
    take: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A span of instants as the grid says it; ``query`` is the same as the form of a change reads.

    ``column`` is that of the day it begins on, below 0 for one before the first.
    """

    column: int
    day: str
    times: str
    notes: tuple[str, ...]
    label: str
    query: str


@dataclass(frozen=True, slots=True)
class View:
    """What a grid looks at: the first day, its length, the instant, the zone, and who looks."""

    first: date
    days: int
    now: datetime
    tz: tzinfo
    me: int
    links: Links
    _told: dict[Span, Told] = field(default_factory=dict)  # many people share few spans

    def local(self, instant: datetime) -> datetime:
        """The wall time of an instant."""
        return instant.astimezone(self.tz)

    def spans(self) -> list[Span]:
        """When each of the days begins and ends."""
        edges = [start_of_day(self.first + ONE_DAY * n, tz=self.tz) for n in range(self.days + 1)]
        return list(pairwise(edges))

    def tell(self, start: datetime, end: datetime) -> Told:
        """``[start, end)`` in words."""
        known = self._told.get((start, end))
        if known is None:
            known = self._told[start, end] = _tell(self.local(start), self.local(end), self.first)
        return known


def _tell(starts: datetime, ends: datetime, first: date) -> Told:
    """Two wall times in words, for a grid that begins on ``first``."""
    day, column = starts.date(), (starts.date() - first).days
    began = column < 0
    notes = []
    if began:
        notes.append(f"from {WEEKDAY_NAMES[day.weekday()]} {starts:%H:%M}")
    elif ends.date() == day + ONE_DAY and ends.time() > MIDNIGHT:
        notes.append("next day")
    if starts.utcoffset() != ends.utcoffset():
        length = ends.astimezone(UTC) - starts.astimezone(UTC)
        notes.append(f"{hours(length)} hours: the clocks change")
    until = f"{ends:%H:%M}"
    if ends.date() > (first if began else day) + ONE_DAY:
        until = f"{day_name(ends.date())}, {until}"
    return Told(
        column,
        day_name(day),
        f"to {until}" if began else f"{starts:%H:%M} to {until}",
        tuple(notes),
        f"{'…' if began else _short(starts)}{DASH}{_short(ends)}",
        _span_query(starts, ends),
    )


def _span_query(starts: datetime, ends: datetime) -> str:
    """Two wall times for the form of a change; its fields have these names."""
    return urlencode(
        {
            "from_on": starts.date(), "from_at": f"{starts:%H:%M}",
            "until_on": ends.date(), "until_at": f"{ends:%H:%M}",
        },
        safe=":",
    )  # fmt: skip


def heads(board: Board, view: View, day_link: str) -> list[Head]:
    """The heads of the days of a board; ``day_link`` ends where a date goes."""
    found = gaps(board.cover)
    today = view.local(view.now).date()
    result = []
    for ahead, (start, end) in enumerate(view.spans()):
        day = view.first + ONE_DAY * ahead
        count = sum(1 for gap in found if gap.start < end and gap.end > start)
        link = f"{day_link}{day.isoformat()}"
        result.append(Head(day, day_name(day), link, count, day == today))
    return result


def rows(board: Board, view: View) -> list[Row]:
    """The lines of a board as rows: nobody's first, then that of who looks, then by name."""
    spans = view.spans()
    made = [_row(line, board.duty, view, spans) for line in board.lines]
    return sorted(made, key=lambda row: (row.name != NOBODY or row.is_me, not row.is_me))


def _row(line: Line, duty: Duty, view: View, spans: list[Span]) -> Row:
    timed = [(shift.start, _shift(shift, view)) for shift in line.shifts]
    for away in line.away:
        timed += _away(away, view, spans)
    entries = [entry for _, entry in sorted(timed, key=itemgetter(0))]
    if line.person is None:
        return Row(NOBODY, False, "", entries)
    entries += _free(line, duty, view, {entry.column for entry in entries})
    person = line.person
    link = f"{view.links.person}{person.id}" if view.links.person else ""
    return Row(person.name, person.id == view.me, link, entries)


def _shift(shift: RotaShift, view: View) -> Entry:
    told = view.tell(shift.start, shift.end)
    kind = "before" if told.column < 0 else "shift"
    notes = told.notes
    if shift.person is None:
        kind = "open"
    elif shift.source is not Source.PATTERN:
        notes = (*notes, SOURCE_WORDS[shift.source])
    return Entry(
        column=max(0, told.column),
        kind=kind,
        day=told.day,
        times=told.times,
        note=", ".join(notes),
        is_now=shift.start <= view.now < shift.end,
        link=_shift_link(shift, told, view),
    )


def _shift_link(shift: RotaShift, told: Told, view: View) -> str:
    if shift.end <= view.now:
        return ""
    if shift.person is None:
        return view.links.take
    return _change_link(view, OverrideKind.REPLACE, shift.person.id, shift.duty, told.query)


def _change_link(view: View, what: OverrideKind, staff_id: int, duty: Duty, query: str) -> str:
    """The form of a change, filled in."""
    if not view.links.change:
        return ""
    return f"{view.links.change}?what={what.value}&staff_id={staff_id}&duty={duty.value}&{query}"


def _away(away: Away, view: View, spans: list[Span]) -> Iterator[tuple[datetime, Entry]]:
    """One entry for each day that the absence touches, with when it begins there."""
    word = "away" if away.is_leave else "off"
    note = "" if away.is_leave else SOURCE_WORDS[away.source]
    for column, (start, end) in enumerate(spans):
        if away.start < end and away.end > start:
            since = f" from {view.local(away.start):%H:%M}" if away.start > start else ""
            until = f" to {view.local(away.end):%H:%M}" if away.end < end else ""
            day = day_name(view.first + ONE_DAY * column)
            is_now = max(start, away.start) <= view.now < min(end, away.end)
            yield (
                max(start, away.start),
                Entry(column, "away", day, f"{word}{since}{until}", note, is_now),
            )


def _free(line: Line, duty: Duty, view: View, taken: set[int]) -> Iterator[Entry]:
    """The empty days from today on, for whoever may fill them."""
    if not view.links.change or line.person is None:
        return
    today = view.local(view.now).date()
    usual = _usual(line, view)
    for column in range(view.days):
        day = view.first + ONE_DAY * column
        if column not in taken and day >= today:
            starts, ends = (datetime.combine(day, at, tzinfo=view.tz) for at in usual)
            ends += ONE_DAY if ends <= starts else timedelta(0)
            query = view.tell(starts, ends).query
            link = _change_link(view, OverrideKind.ADD, line.person.id, duty, query)
            yield Entry(column, "free", day_name(day), "", link=link)


def _usual(line: Line, view: View) -> tuple[time, time]:
    """The times that are filled in for a new shift: those of the person's first one here."""
    if not line.shifts:
        return WORKING_DAY
    return view.local(line.shifts[0].start).time(), view.local(line.shifts[0].end).time()


def day_name(day: date) -> str:
    """A day in short: "Mon 23"."""
    return f"{WEEKDAY_NAMES[day.weekday()][:3]} {day.day}"


def hours(length: timedelta) -> str:
    """A length in hours, to the quarter: "37.5"."""
    return f"{round(length / timedelta(hours=1) * 4) / 4:g}"


@dataclass(frozen=True, slots=True)
class ShortRow:
    """One person's weeks in short: a label for each day ("" for none), and the hours in all."""

    name: str
    is_me: bool
    link: str
    labels: list[str]
    hours: str


def short_rows(board: Board, view: View) -> list[ShortRow]:
    """The lines of a board in short; order as in ``rows``."""
    spans = view.spans()
    made = [_short_row(line, board, view, spans) for line in board.lines]
    return sorted(made, key=lambda row: (row.name != NOBODY or row.is_me, not row.is_me))


def _short_row(line: Line, board: Board, view: View, spans: list[Span]) -> ShortRow:
    found: list[list[str]] = [[] for _ in spans]
    for shift in line.shifts:
        told = view.tell(shift.start, shift.end)
        found[max(0, told.column)].append(f"{told.label}{MARKS.get(shift.source, '')}")
    for away in line.away:
        for column, (start, end) in enumerate(spans):
            if away.start < end and away.end > start:
                found[column].append("away" if away.is_leave else "off*")
    person = line.person
    link = f"{view.links.person}{person.id}" if person and view.links.person else ""
    return ShortRow(
        name=person.name if person else NOBODY,
        is_me=person is not None and person.id == view.me,
        link=link,
        labels=[" ".join(labels) for labels in found],
        hours=hours(line.time_in(board.start, board.end)),
    )


def _short(local: datetime) -> str:
    """A time in as few letters as can be: "20", "07:30"."""
    return f"{local:%H:%M}" if local.minute else f"{local:%H}"
