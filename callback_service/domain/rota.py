"""The rota: shift patterns in wall time become shifts in instants.

Patterns are local wall time in one zone; shifts are aware UTC instants, half-open ``[start, end)``.

How wall time meets a clock change is said in ``domain.wall_time``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from functools import partial
from itertools import chain, pairwise, repeat
from math import lcm
from operator import itemgetter
from typing import NamedTuple, Protocol

from callback_service.domain.staff import Role
from callback_service.domain.wall_time import (
    ONE_DAY,
    Calendar,
    Cycle,
    Span,
    since_midnight,
    starts_on,
)

#: How far outside a range something may be that decides what a shift inside it looks like: one
#: shift of a day next to another.
MARGIN = 3 * ONE_DAY


class Duty(StrEnum):
    """What somebody is on shift for. Only counselling is cover."""

    COUNSELLING = "counselling"
    DUTY_LEAD = "duty_lead"


#: Whom each duty may be given to. An administrator sees no callers, so has none.
MAY_HOLD = {
    Duty.COUNSELLING: frozenset({Role.COUNSELLOR, Role.MANAGER}),
    Duty.DUTY_LEAD: frozenset({Role.MANAGER}),
}


class Source(StrEnum):
    """Which part of the rota a shift comes from."""

    PATTERN = "pattern"
    OVERRIDE = "override"
    SWAP = "swap"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One recurring line of the rota.

    ``weekdays`` are the days a shift starts on, Monday is 0. ``start`` and ``end`` are wall time:
    an end at or before the start is on the next day, so equal times are 24 hours. ``from_on`` and
    ``until_on`` are the first and the last day a shift may start on; without the latter it goes on.
    With a ``cycle`` a shift starts only on those of the weekdays that are days of it.
    """

    id: int | None
    staff_id: int | None
    duty: Duty
    weekdays: frozenset[int]
    start: time
    end: time
    from_on: date
    until_on: date | None = None
    cycle: Cycle | None = None


class Shift(NamedTuple):
    """One person on one duty over ``[start, end)``, UTC. ``staff_id`` None: nobody holds it yet."""

    staff_id: int | None
    duty: Duty
    start: datetime
    end: datetime
    source: Source
    pattern_id: int | None


_new_shift = partial(tuple.__new__, Shift)
_PLANNED = repeat(Source.PATTERN)

#: One person at one duty; nobody is None.
Post = tuple[int | None, Duty]


class Amendments(Protocol):
    """What beats the patterns for given dates; see ``domain.rota_changes``."""

    def concern(self, post: Post) -> bool: ...
    def amend(self, shifts: list[Shift]) -> list[Shift]: ...


def resolve_shifts(
    patterns: Iterable[Pattern],
    start: datetime,
    end: datetime,
    *,
    tz: tzinfo,
    changes: Amendments | None = None,
) -> list[Shift]:
    """Every shift that meets ``[start, end)``, whole (use ``clip`` to cut), in order of start.

    This is the one resolver: pages, planner, commands and reports all use it. ``start`` and ``end``
    are aware instants, ``tz`` is the zone of the wall times; naive instants raise ValueError. The
    same facts give the same list. A span that a clock change leaves with no length is no shift.
    ``changes`` beat patterns; those within ``MARGIN`` of the range are needed. Nobody is on one
    duty twice at once, not even in the hour that the clocks repeat: see ``without_overlaps``.
    """
    calendar = Calendar(start - MARGIN, end + MARGIN, tz=tz)
    if start >= end:
        return []
    lines: defaultdict[Post, list[Pattern]] = defaultdict(list)
    for pattern in patterns:
        lines[pattern.staff_id, pattern.duty].append(pattern)
    plain: list[Pattern] = []
    others: list[Shift] = []
    for post, own in lines.items():
        if (changes is None or not changes.concern(post)) and _is_plain(own, calendar):
            plain += own
        else:
            others += _shifts_of(own, calendar)
    others = without_overlaps(sorted(others, key=order_of))
    if changes is not None:
        others = changes.amend(others)
    others = [shift for shift in others if shift.start < end and shift.end > start]
    return merged(_tabled(plain, calendar, start, end), others)


def _is_plain(lines: list[Pattern], calendar: Calendar) -> bool:
    """Whether no two spans of one person's ``lines`` overlap."""
    if lines[0].staff_id is None:
        return True
    if len(lines) == 1:
        return not calendar.overlaps_itself(lines[0])
    spans = sorted(span for line in lines for span in calendar.spans(line))
    return all(one[1] <= later[0] for one, later in pairwise(spans))


def _shifts_of(lines: Iterable[Pattern], calendar: Calendar) -> list[Shift]:
    return [shift for line in lines for shift in _of_line(line, calendar.spans(line))]


def _of_line(line: Pattern, spans: Collection[Span]) -> Iterator[Shift]:
    starts, ends = zip(*spans, strict=True) if spans else ((), ())
    columns = repeat(line.staff_id), repeat(line.duty), starts, ends, _PLANNED, repeat(line.id)
    return map(_new_shift, zip(*columns, strict=False))


def _tabled(
    lines: Iterable[Pattern], calendar: Calendar, start: datetime, end: datetime
) -> list[Shift]:
    """The shifts of ``lines`` that meet the range, in order, by a table of their spans.

    Most people share their spans with others, so the few spans are put in order and not the many
    shifts. This is most of the time of a year of a large rota.
    """
    table: defaultdict[Span, list[Shift]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: (line.duty, line.staff_id or 0, line.id or 0)):
        spans = calendar.spans(line)
        for span, shift in zip(spans, _of_line(line, spans), strict=True):
            table[span].append(shift)
    # By end and then by start is the order of both at once, and far quicker than comparing pairs.
    spans = [span for span in table if span[0] < end and span[1] > start]
    spans.sort(key=itemgetter(1))
    spans.sort(key=itemgetter(0))
    return list(chain.from_iterable(map(table.__getitem__, spans)))


def merged(shifts: list[Shift], more: list[Shift]) -> list[Shift]:
    """Two lists in order as one; best where ``more`` is the shorter."""
    result: list[Shift] = []
    done = 0
    for shift in more:
        place = bisect_left(shifts, order_of(shift), lo=done, key=order_of)
        result += shifts[done:place]
        result.append(shift)
        done = place
    return result + shifts[done:]


def order_of(shift: Shift) -> tuple[datetime, datetime, str, int, int]:
    """What shifts are sorted by: their start, and then whatever makes the order certain."""
    return shift.start, shift.end, shift.duty, shift.staff_id or 0, shift.pattern_id or 0


def without_overlaps(shifts: list[Shift]) -> list[Shift]:
    """``shifts``, in order, so that nobody is on one duty twice at once: the later one counts.

    Where two of one person overlap, the one that starts later is kept whole and the other is cut to
    what is left of it. So the time on duty stays the same and no minute is held twice. Shifts
    that nobody holds may overlap.
    """
    ends: dict[tuple[int | None, Duty], datetime] = {}
    doubled = set()
    for shift in shifts:
        who = shift.staff_id, shift.duty
        reached = ends.get(who)
        if reached is None or shift.end > reached:
            ends[who] = shift.end
        if reached is not None and shift.start < reached and shift.staff_id is not None:
            doubled.add(who)
    if not doubled:
        return shifts
    kept = [shift for shift in shifts if (shift.staff_id, shift.duty) not in doubled]
    for who in doubled:
        own = [shift for shift in shifts if (shift.staff_id, shift.duty) == who]
        kept += [
            piece
            for place, shift in enumerate(own)
            for piece in cut(shift, _over(shift, own, place))
        ]
    return sorted(kept, key=order_of)


def _over(shift: Shift, own: list[Shift], place: int) -> list[Span]:
    """The spans of the later shifts in ``own`` that begin before the one at ``place`` ends."""
    found = []
    for later in own[place + 1 :]:
        if later.start >= shift.end:
            break
        found.append((later.start, later.end))
    return found


def cut(shift: Shift, spans: Iterable[Span]) -> list[Shift]:
    """What is left of ``shift`` without ``spans``, in order. ``spans`` are in order of start."""
    left = []
    reached = shift.start
    for start, end in spans:
        if end <= reached or start >= shift.end:
            continue
        if start > reached:
            left.append(shift._replace(start=reached, end=start))
        reached = max(reached, end)
    if reached < shift.end:
        left.append(shift._replace(start=reached))
    return left


def clip(shifts: Iterable[Shift], start: datetime, end: datetime) -> list[Shift]:
    """The parts of ``shifts`` inside ``[start, end)``, in the order given; what is outside goes."""
    return [
        shift._replace(start=max(shift.start, start), end=min(shift.end, end))
        for shift in shifts
        if shift.start < end and shift.end > start
    ]


def on_duty(shifts: Iterable[Shift], at: datetime, duty: Duty = Duty.COUNSELLING) -> list[Shift]:
    """The shifts of ``duty`` that run at the instant ``at``; a shift that ends then is over."""
    return [shift for shift in shifts if shift.duty is duty and shift.start <= at < shift.end]


def first_clash(pattern: Pattern, others: Iterable[Pattern]) -> Pattern | None:
    """The first of ``others`` whose shifts overlap those of ``pattern`` in wall time, or None.

    Wall time, because the hour that adjacent shifts share when the clocks go back is no clash.
    """
    return next((other for other in others if _clash(pattern, other)), None)


def _clash(one: Pattern, other: Pattern) -> bool:
    return any(
        _overlap_by_clock(one, other, ahead) and _meet(one, other, ahead * ONE_DAY)
        for ahead in (-1, 0, 1)
    )


def _overlap_by_clock(one: Pattern, other: Pattern, days_ahead: int) -> bool:
    """Whether a span of ``one`` overlaps a span of ``other`` that starts ``days_ahead`` later."""
    starts, ends = since_midnight(one.start, one.end)
    others_start, others_end = since_midnight(other.start, other.end)
    ahead = days_ahead * ONE_DAY
    return max(starts, others_start + ahead) < min(ends, others_end + ahead)


def _meet(one: Pattern, other: Pattern, ahead: timedelta) -> bool:
    """Whether ``one`` starts on some day and ``other`` that far ahead of it."""
    first = max(one.from_on, other.from_on - ahead)
    period = lcm(*(7 if line.cycle is None else lcm(7, line.cycle.length) for line in (one, other)))
    left = [(line.until_on - first).days + 2 for line in (one, other) if line.until_on is not None]
    days = min([period, *left])
    return any(
        starts_on(one, day) and starts_on(other, day + ahead)
        for day in (first + number * ONE_DAY for number in range(days))
    )
