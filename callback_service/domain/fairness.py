"""How a rota is shared out: hours, nights, weekends and bank holidays by person, and a balance.

Hours are elapsed, so the night of a clock change counts for what it was. Spans are half-open
``[start, end)``. Only counselling counts; nobody is in two places, so overlapping shifts of one
person count once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import NamedTuple

from callback_service.domain.rest import Work, night_time
from callback_service.domain.rota import Duty
from callback_service.domain.spans import joined, shared
from callback_service.domain.wall_time import ONE_DAY, Span, start_of_day

SATURDAY = 5
BALANCE_IN_WORDS = (
    "For every two people with a shift, the fewer hours divided by the more; the balance is the "
    "mean of these. 1 means that all have the same hours."
)


class Share(NamedTuple):
    """What one person works in a range, elapsed. An hour can be of several kinds at once.

    ``nights`` is time between 23:00 and 06:00, ``weekends`` on a Saturday or Sunday,
    ``bank_holidays`` on one of those days; all by the local clock.
    """

    staff_id: int
    hours: timedelta
    nights: timedelta
    weekends: timedelta
    bank_holidays: timedelta


def shares(
    shifts: Iterable[Work],
    start: datetime,
    end: datetime,
    *,
    tz: tzinfo,
    bank_holidays: Collection[date] = (),
) -> list[Share]:
    """The share of each person who works in ``[start, end)``, by id. Open shifts are nobody's.

    Naive instants raise ValueError.
    """
    nights = joined(night_time(start, end, tz=tz))
    days = list(_days(start, end, tz))
    weekends = _spans_of((day for day in days if day.weekday() >= SATURDAY), tz)
    holidays = _spans_of((day for day in days if day in bank_holidays), tz)
    by_person: dict[int, list[Span]] = {}
    for shift in shifts:
        inside = max(shift.start, start), min(shift.end, end)
        if shift.staff_id is None or shift.duty is not Duty.COUNSELLING or inside[0] >= inside[1]:
            continue
        by_person.setdefault(shift.staff_id, []).append(inside)
    return [
        _share(staff_id, joined(spans), (nights, weekends, holidays))
        for staff_id, spans in sorted(by_person.items())
    ]


def _share(staff_id: int, worked: Sequence[Span], unsocial: Iterable[Sequence[Span]]) -> Share:
    hours = sum((end - start for start, end in worked), timedelta(0))
    return Share(staff_id, hours, *(shared(worked, spans) for spans in unsocial))


def _days(start: datetime, end: datetime, tz: tzinfo) -> Iterable[date]:
    day = start.astimezone(tz).date()
    while day <= end.astimezone(tz).date():
        yield day
        day += ONE_DAY


def _spans_of(days: Iterable[date], tz: tzinfo) -> list[Span]:
    return joined((start_of_day(day, tz=tz), start_of_day(day + ONE_DAY, tz=tz)) for day in days)


def balance(lengths: Iterable[timedelta]) -> float:
    """How evenly ``lengths`` are shared out, from 0 to 1; 1 for one person or none.

    The mean of ``min / max`` over all pairs of people, where two who have nothing are equal. The
    formula is Grafana OnCall's (grafana/oncall, ``on_call_schedule.py``, "balance") without its
    rounding up from 95. Sorted, the pairs of each person with all who have less are one division.
    """
    ordered = sorted(length.total_seconds() for length in lengths)
    pairs = len(ordered) * (len(ordered) - 1) / 2
    if not pairs:
        return 1.0
    total, less = 0.0, 0.0
    for number, hours in enumerate(ordered):
        total += less / hours if hours else number
        less += hours
    return total / pairs
