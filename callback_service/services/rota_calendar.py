"""The rota as calendar entries, and the whole of it as an .ics file that can be read back."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from callback_service.domain.rota import Duty, Pattern, resolve_shifts
from callback_service.domain.wall_time import WEEK
from callback_service.gateways.ical import Attendee, Entry, Series, to_ical
from callback_service.services.rota import Person, RotaShift, load_patterns, shifts_between

#: What an export shows unless told.
EXPORT_BACK = 4 * WEEK
EXPORT_AHEAD = 26 * WEEK

_Key = tuple[int | None, datetime, datetime]


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
    """The name of a whole line of the rota in calendars."""
    return f"pattern-{pattern.id}@{host}"


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

    A line is one weekly event. Where changes for dates took its shift away in the range, the event
    leaves that day out, and what is there instead follows as an event of its own.
    """
    shifts = shifts_between(session, start, end, tz=tz, duty=duty)
    patterns, people = load_patterns(session, start, end, duty=duty)
    by_line: dict[int | None, dict[_Key, RotaShift]] = defaultdict(dict)
    for shift in shifts:
        by_line[shift.pattern_id][shift.staff_id, shift.start, shift.end] = shift
    planned: dict[int | None, set[_Key]] = defaultdict(set)
    for plan in resolve_shifts(patterns, start, end, tz=tz):
        planned[plan.pattern_id].add((plan.staff_id, plan.start, plan.end))
    whole = set[RotaShift]()
    series: list[Series] = []
    for pattern in patterns:
        own, kept = by_line[pattern.id], planned[pattern.id] & by_line[pattern.id].keys()
        if kept:
            whole.update(own[key] for key in kept)
            left_out = frozenset(_day(begins, tz) for _, begins, _ in planned[pattern.id] - kept)
            series.append(_series(pattern, people, host, left_out=left_out))
    return to_ical(
        [_entry(shift, host) for shift in shifts if shift not in whole],
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
) -> Series:
    person = people.get(pattern.staff_id) if pattern.staff_id is not None else None
    return Series(
        series_uid(pattern, host),
        pattern,
        summary_of(person, pattern.duty),
        attendee_of(person),
        left_out,
    )


def _entry(shift: RotaShift, host: str) -> Entry:
    return Entry(
        f"{uid_of(shift)}@{host}",
        shift.start,
        shift.end,
        summary_of(shift.person, shift.duty),
        shift.duty,
        attendee_of(shift.person),
    )
