"""The rota as calendar entries, and the whole of it as an .ics file that can be read back."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from callback_service.domain.recurrence import parts_of
from callback_service.domain.rota import Duty, Pattern, resolve_shifts
from callback_service.domain.wall_time import WEEK, Span
from callback_service.gateways.ical import Attendee, Entry, Series, to_ical
from callback_service.services.rota import Person, RotaShift, load_patterns, shifts_between

#: What an export shows unless told.
EXPORT_BACK = 4 * WEEK
EXPORT_AHEAD = 26 * WEEK

#: A line of the rota and whose share of it.
_Line = tuple[int | None, int | None]


def uid_of(shift: RotaShift) -> str:
    """The name of a shift in calendars, without the host; the same whenever it is worked out.

    A shift is one person on one duty from an instant on, by one line of the rota, and that is what
    its name says. Another end leaves the name as it is; another person or start is another shift.
    """
    line = f"p{shift.pattern_id}" if shift.pattern_id is not None else f"{shift.source}"
    starts = shift.start.astimezone(UTC)
    return f"{line}-{shift.duty}-s{shift.staff_id or 0}-{starts:%Y%m%dT%H%M%SZ}"


def host_of(base_url: str) -> str:
    """What makes names unique in the world: the host that the service is reached at."""
    return urlsplit(base_url).hostname or "localhost"


def series_uid(pattern: Pattern, host: str) -> str:
    """The name in calendars of a whole line of the rota, or of one person's share of it."""
    return f"pattern-{pattern.id}-s{pattern.staff_id}@{host}"


def summary_of(person: Person | None, duty: Duty) -> str:
    """What a calendar shows of somebody's shift; nothing about callers, ever."""
    name = person.name if person else "Open shift"
    return f"{name} (duty lead)" if duty is Duty.DUTY_LEAD else name


def attendee_of(person: Person | None) -> Attendee | None:
    """Somebody as the attendee of their shift."""
    return Attendee(person.name, person.email) if person else None


def export_rota(
    session: Session,
    start: datetime,
    end: datetime,
    *,
    name: str,
    host: str,
    tz: ZoneInfo,
    duty: Duty | None = None,
    now: datetime,
) -> bytes:
    """The rota as an .ics file: each line with a shift in ``[start, end)`` whole, then the rest.

    A line is an event for each person who works it, or a few where one rule cannot say it. Where
    changes for dates took its shift away in the range, the event leaves that day out, and what is
    there instead follows as an event of its own.
    """
    shifts = shifts_between(session, start, end, tz=tz, duty=duty)
    patterns, people = load_patterns(session, start, end, duty=duty)
    by_line: dict[_Line, dict[Span, RotaShift]] = defaultdict(dict)
    for shift in shifts:
        by_line[shift.pattern_id, shift.staff_id][shift.start, shift.end] = shift
    planned: dict[_Line, set[Span]] = defaultdict(set)
    for plan in resolve_shifts(patterns, start, end, tz=tz):
        planned[plan.pattern_id, plan.staff_id].add((plan.start, plan.end))
    whole = set[RotaShift]()
    series: list[Series] = []
    for pattern in patterns:
        line = pattern.id, pattern.staff_id
        if kept := planned[line] & by_line[line].keys():
            whole.update(by_line[line][span] for span in kept)
            left_out = frozenset(_day(begins, tz) for begins, _ in planned[line] - kept)
            series += _series(pattern, people, host, left_out=left_out)
    return to_ical(
        _entries((shift for shift in shifts if shift not in whole), host),
        series=series,
        within=(_day(start - timedelta(days=2), tz), _day(end, tz)),
        name=name,
        tz=tz,
        now=now,
    )


def _day(instant: datetime, tz: ZoneInfo) -> date:
    return instant.astimezone(tz).date()


def _series(
    pattern: Pattern, people: dict[int, Person], host: str, *, left_out: frozenset[date]
) -> list[Series]:
    person = people.get(pattern.staff_id) if pattern.staff_id is not None else None
    parts = parts_of(pattern)
    names = [f"part{number + 1}-" * (len(parts) > 1) for number in range(len(parts))]
    return [
        Series(
            f"{name}{series_uid(pattern, host)}",
            part,
            summary_of(person, part.duty),
            attendee_of(person),
            left_out,
        )
        for name, part in zip(names, parts, strict=True)
    ]


def _entries(shifts: Iterable[RotaShift], host: str) -> list[Entry]:
    """Single shifts as events; several open ones at the same time have names of their own."""
    seen = Counter[str]()
    entries = []
    for shift in shifts:
        uid = uid_of(shift)
        seen[uid] += 1
        another = f"-{seen[uid]}" * (seen[uid] > 1)
        entries.append(
            Entry(
                f"{uid}{another}@{host}",
                shift.start,
                shift.end,
                summary_of(shift.person, shift.duty),
                shift.duty,
                attendee_of(shift.person),
            )
        )
    return entries
