"""Reading an .ics file into the rota: first what it would change, then changing it.

What becomes a line of the rota is an event that recurs at the same wall times on the same weekdays
every week, however its rule is spelled: its times are worked out by ``recurring-ical-events`` and
compared with those of the line. Everything else is named with the reason it is not taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.rota import MAY_HOLD, Duty, Pattern, first_clash
from callback_service.domain.wall_time import (
    ONE_DAY,
    WEEK,
    Span,
    day_in_words,
    start_of_day,
    wall_span,
    weekly_in_words,
)
from callback_service.errors import BadInput, CallbackServiceError
from callback_service.gateways.ical import days_of
from callback_service.gateways.ical_reader import Found, read_ical
from callback_service.models.rota import ShiftPattern
from callback_service.models.staff import Staff
from callback_service.services.rota import lines_of, shifts_between
from callback_service.services.rota_calendar import series_uid
from callback_service.services.rota_edits import edits
from callback_service.services.shift_patterns import add_pattern, check_dates, end_pattern

#: Where single dates and exceptions are looked for unless told. A weekly rule has no such bounds.
READ_BACK = READ_AHEAD = 53 * WEEK
MOST_BYTES = 8 * 1024 * 1024
_LONGEST = timedelta(hours=24)


class Verdict(StrEnum):
    """What becomes of one line of a file."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    SINGLE_DATE = "not taken: single date"
    OVERLAP = "not taken: overlap"
    UNKNOWN_PERSON = "not taken: unknown person"
    NOT_UNDERSTOOD = "not understood"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a file says, in words, and what becomes of it.

    ``pattern`` is the line to be, for ADDED and CHANGED; ``replaces_id`` the line it takes the
    place of.
    """

    verdict: Verdict
    uid: str
    words: str
    pattern: Pattern | None = None
    replaces_id: int | None = None


@dataclass(frozen=True, slots=True)
class _Rota:
    """What the file is compared with."""

    people: dict[str, Staff]
    patterns: list[Pattern]
    spans: frozenset[tuple[int | None, Duty, datetime, datetime]]
    host: str
    today: date
    now: datetime
    days: tuple[date, date]
    tz: ZoneInfo


def plan_import(
    session: Session,
    content: bytes,
    *,
    host: str,
    first: date | None = None,
    last: date | None = None,
    now: datetime,
    tz: ZoneInfo,
) -> list[Item]:
    """What reading the file would do, in the file's order; changes nothing. BadInput for no file.

    Single dates and exceptions are looked for from ``first`` to ``last``, a year back and ahead
    unless told. A line of the rota that the file does not mention stays as it is.
    """
    if len(content) > MOST_BYTES:
        raise BadInput("The file is too large.", {"file": "The file is too large."})
    today = now.astimezone(tz).date()
    days = first or today - READ_BACK, last or today + READ_AHEAD
    start, end = start_of_day(days[0], tz=tz), start_of_day(days[1] + ONE_DAY, tz=tz)
    rota = _load(session, days, host=host, now=now, tz=tz)
    items: list[Item] = []
    taken: list[Pattern] = []
    for found in read_ical(content, start, end, tz=tz):
        for item in _judge(found, rota, taken):
            items.append(item)
            if item.pattern is not None:
                taken.append(item.pattern)
    return items


def _load(
    session: Session, days: tuple[date, date], *, host: str, now: datetime, tz: ZoneInfo
) -> _Rota:
    first, after = start_of_day(days[0], tz=tz), start_of_day(days[1] + ONE_DAY, tz=tz)
    people = session.scalars(select(Staff).where(Staff.is_active))
    rows = session.scalars(select(ShiftPattern).order_by(ShiftPattern.id))
    shifts = shifts_between(session, first, after, tz=tz)
    return _Rota(
        people={staff.email: staff for staff in people},
        patterns=[line for row in rows for line in lines_of(row)],
        spans=frozenset((one.staff_id, one.duty, one.start, one.end) for one in shifts),
        host=host,
        today=now.astimezone(tz).date(),
        now=now,
        days=days,
        tz=tz,
    )


@edits("rota.imported")
def apply_import(
    session: Session, items: Iterable[Item], *, actor_id: int | None, now: datetime, tz: ZoneInfo
) -> None:
    """Do what the plan says: all of it, or nothing and the refusal that names the line."""
    for item in items:
        try:
            if item.pattern is not None and item.replaces_id is not None:
                _replace(session, item.pattern, item.replaces_id, actor_id, now=now, tz=tz)
            elif item.pattern is not None:
                add_pattern(session, item.pattern, actor_id=actor_id, now=now)
        except CallbackServiceError as refusal:
            raise BadInput(f"{item.words}: {refusal.message} Nothing was taken.") from refusal


def _replace(
    session: Session,
    pattern: Pattern,
    replaces_id: int,
    actor_id: int | None,
    *,
    now: datetime,
    tz: ZoneInfo,
) -> None:
    """End the old line before the new one begins: today at the earliest, as the past is done."""
    from_on = max(now.astimezone(tz).date(), pattern.from_on)
    old = session.get(ShiftPattern, replaces_id)
    if old is not None and (old.until_on is None or old.until_on >= from_on):
        end_pattern(
            session, replaces_id, last_on=from_on - ONE_DAY, actor_id=actor_id, now=now, tz=tz
        )
    if pattern.until_on is None or pattern.until_on >= from_on:
        add_pattern(session, replace(pattern, from_on=from_on), actor_id=actor_id, now=now)


def _judge(found: Found, rota: _Rota, taken: Sequence[Pattern]) -> list[Item]:
    if found.fault is not None:
        return [_item(Verdict.NOT_UNDERSTOOD, found, f"{found.summary}: {found.fault}")]
    if not found.emails:
        words = f"{found.summary}: it names nobody, so nobody would be on shift"
        return [_item(Verdict.NOT_UNDERSTOOD, found, words)]
    return [item for email in found.emails for item in _judge_one(found, email, rota, taken)]


def _judge_one(found: Found, email: str, rota: _Rota, taken: Sequence[Pattern]) -> list[Item]:
    staff = rota.people.get(email)
    if staff is None:
        words = f"{found.summary}: nobody with an active account has the address {email}"
        return [_item(Verdict.UNKNOWN_PERSON, found, words)]
    if staff.role not in MAY_HOLD[found.duty]:
        words = f"{found.summary}: {staff.name} may not have this duty as {staff.role}"
        return [_item(Verdict.UNKNOWN_PERSON, found, words)]
    if not found.recurs:
        return [_judge_single(found, staff, span, rota) for span in found.actual]
    return _judge_weekly(found, staff, rota, taken)


def _judge_single(found: Found, staff: Staff, span: Span, rota: _Rota) -> Item:
    start, end = (instant.astimezone(UTC) for instant in span)
    is_there = (staff.id, found.duty, start, end) in rota.spans
    words = f"{staff.name}, {_span_in_words(span)}"
    return _item(Verdict.UNCHANGED if is_there else Verdict.SINGLE_DATE, found, words)


def _judge_weekly(found: Found, staff: Staff, rota: _Rota, taken: Sequence[Pattern]) -> list[Item]:
    pattern = pattern_from(found, staff.id)
    if isinstance(pattern, str):
        return [_item(Verdict.NOT_UNDERSTOOD, found, f"{found.summary}, {staff.name}: {pattern}")]
    dated = _dated_changes(found, pattern, staff.name, rota)
    line = _judge_line(found, pattern, staff, rota, taken)
    if dated and line.verdict in {Verdict.ADDED, Verdict.CHANGED}:
        words = f"{line.words}: not plain, see its dates below"
        line = _item(Verdict.SINGLE_DATE, found, words)
    return [line, *dated]


def _judge_line(
    found: Found, pattern: Pattern, staff: Staff, rota: _Rota, taken: Sequence[Pattern]
) -> Item:
    words = f"{staff.name}, {weekly_in_words(pattern)}"
    if any(_same(pattern, other, rota.today) for other in rota.patterns):
        return _item(Verdict.UNCHANGED, found, words)
    try:
        check_dates(pattern.from_on, pattern.until_on, now=rota.now)
    except BadInput as refusal:
        return _item(Verdict.NOT_UNDERSTOOD, found, f"{words}: {refusal.message}")
    old = next((one for one in rota.patterns if _is_same_line(found, pattern, one, rota)), None)
    replaced = old.id if old is not None else None
    others = [one for one in rota.patterns if one.staff_id == staff.id and one.id != replaced]
    held = [one for one in [*others, *taken] if one.staff_id == staff.id]
    if clash := first_clash(pattern, [one for one in held if one.duty is pattern.duty]):
        words = f"{words}: overlaps {weekly_in_words(clash)}"
        return _item(Verdict.OVERLAP, found, words)
    if old is None:
        return Item(Verdict.ADDED, found.uid, words, pattern)
    words = f"{words}; it was {weekly_in_words(old)}"
    return Item(Verdict.CHANGED, found.uid, words, pattern, old.id)


def _is_same_line(found: Found, pattern: Pattern, other: Pattern, rota: _Rota) -> bool:
    """Whether the file names ``other`` as what it speaks of; ids alone could be another rota's."""
    is_named = found.uid == series_uid(other, rota.host)
    return is_named and (other.staff_id, other.duty) == (pattern.staff_id, pattern.duty)


def _same(one: Pattern, other: Pattern, today: date) -> bool:
    """Whether two lines are the same shifts: all of them, or those from ``today`` on."""
    if _from(one, one.from_on) == _from(other, other.from_on):
        return True
    is_past = one.until_on is not None and one.until_on < today
    return not is_past and _from(one, today) == _from(other, today)


def _from(pattern: Pattern, day: date) -> Pattern:
    """``pattern`` without its id, from its first shift on or after ``day``."""
    first = max(day, pattern.from_on)
    days = days_of(pattern, first, first + WEEK)
    return replace(pattern, id=None, from_on=days[0] if days else first)


def pattern_from(found: Found, staff_id: int) -> Pattern | str:
    """The weekly line whose times are those of the event's rule, or why there is none."""
    if not found.planned:
        return "its rule gives no dates"
    (start, end), days = found.planned[0], {begin.date() for begin, _ in found.planned}
    times = {(begin.timetz().replace(tzinfo=None), stop.time()) for begin, stop in found.planned}
    if len(times) > 1:
        return f"it does not keep its times by the clock of {start.tzinfo}"
    if not timedelta(0) < end.replace(tzinfo=UTC) - start.replace(tzinfo=UTC) <= _LONGEST:
        return "it is not between a minute and 24 hours long"
    if any(at.second or at.microsecond for at in (start, end)):
        return "its times are not whole minutes"
    first = start.date()
    weekdays = frozenset(day.weekday() for day in days if day < first + 2 * WEEK)
    pattern = Pattern(
        None, staff_id, found.duty, weekdays, start.time(), end.time(), first, found.until_on
    )
    last = max(days)
    if days != set(days_of(pattern, first, last)):
        return "it does not recur every week on the same days"
    return pattern


def _dated_changes(found: Found, pattern: Pattern, name: str, rota: _Rota) -> list[Item]:
    """What the file has otherwise on some dates looked at: left out, moved or added."""
    first, last = rota.days
    days = days_of(pattern, max(pattern.from_on, first), last)
    planned = {_true_span(pattern, day, rota.tz) for day in days}
    actual = {
        _as_meant(pattern, span, rota.tz)
        for span in found.actual
        if first <= span[0].date() <= last
    }
    empty = {span for span in planned | actual if span[0] >= span[1]}
    changes = [(span, "left out") for span in planned - actual - empty]
    changes += [(span, "on this date only") for span in actual - planned - empty]
    return [
        _item(Verdict.SINGLE_DATE, found, f"{name}, {_span_in_words(_local(span, rota.tz))}: {how}")
        for span, how in sorted(changes)
    ]


def _true_span(pattern: Pattern, day: date, tz: ZoneInfo) -> Span:
    return wall_span(day, pattern.start, pattern.end, tz=tz)


def _as_meant(pattern: Pattern, span: Span, tz: ZoneInfo) -> Span:
    """The instants of one time in a file; by the rule of the rota where it is as planned."""
    start, end = span
    is_planned = days_of(pattern, start.date(), start.date()) and (
        start.time(),
        end.time(),
    ) == (pattern.start, pattern.end)
    if is_planned:
        return _true_span(pattern, start.date(), tz)
    return start.astimezone(UTC), end.astimezone(UTC)


def _local(span: Span, tz: ZoneInfo) -> Span:
    return span[0].astimezone(tz), span[1].astimezone(tz)


def _span_in_words(span: Span) -> str:
    start, end = span
    return f"{day_in_words(start.date())} {start:%Y}, {start:%H:%M} to {end:%H:%M}"


def _item(verdict: Verdict, found: Found, words: str) -> Item:
    return Item(verdict, found.uid, words)
