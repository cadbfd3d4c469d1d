"""A date or an instant as other programs write it, and ranges of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo

from callback_service.domain.wall_time import Span, start_of_day
from callback_service.errors import BadInput

#: Enough for every report; keeps a mistyped year from printing for ever.
LONGEST_RANGE = timedelta(days=5 * 366)
YEARS = range(1970, 2200)
EXAMPLE = "a date like 2026-11-22 or an instant like 2026-11-22T09:00Z"


def parse_moment(text: str) -> date:
    """The date, or the aware instant, that ``text`` is in ISO 8601; raises ValueError."""
    is_date = len(text) == len("2026-11-22")
    moment = date.fromisoformat(text) if is_date else datetime.fromisoformat(text)
    if isinstance(moment, datetime) and moment.tzinfo is None:
        raise ValueError("an instant needs its offset")
    if moment.year not in YEARS:
        raise ValueError("no rota is that old or that far ahead")
    return moment


def instant_of(moment: date, *, tz: tzinfo) -> datetime:
    """An instant in UTC; of a date, when it begins in ``tz``."""
    if isinstance(moment, datetime):
        return moment.astimezone(UTC)
    return start_of_day(moment, tz=tz)


def range_of(start: date, end: date, *, tz: tzinfo) -> Span:
    """``[start, end)`` as instants; raises BadInput at ``to`` for what cannot be meant."""
    first, stop = instant_of(start, tz=tz), instant_of(end, tz=tz)
    if stop <= first:
        raise BadInput("to must be after from.", {"to": "It must be after from."})
    if stop - first > LONGEST_RANGE:
        raise BadInput("Ask for five years at most.", {"to": "Ask for five years at most."})
    return first, stop
