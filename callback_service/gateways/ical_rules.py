"""Recurrence rules (RRULE): those of the lines of the rota, and what rules of others say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Event

from callback_service.domain.rota import Pattern
from callback_service.domain.wall_time import EVERY_DAY, LATEST, ONE_DAY
from callback_service.gateways.ical_times import local

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
#: A rule that counts to more than this is read as one that goes on.
_MOST_COUNTED = 5000
#: Days for which a rule is compared with a line: two clock changes; or leap years and long weeks
#: too, where its parts name them.
_PROBED, _PROBED_BY_YEAR = 400, 6 * 366
_TOO_OFTEN = frozenset({"SECONDLY", "MINUTELY"})
_BY_YEAR = frozenset({"BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"})
_Value = Mapping[str, Sequence[Any]]


class NobodyWorksThisError(ValueError):
    """A rule that can be no rota's, with the reason in words."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one event taken together.

    ``counts`` where one ends after so many times, ``until`` the last instant allowed, None where
    neither ends. ``weeks`` are the weeks from one that counts to the next, from ``week_starts_on``.
    """

    counts: bool
    until: datetime | None
    weeks: int
    week_starts_on: int
    probed: int

    def probed_until(self, since: date) -> date:
        """Until when to compare the rule with a line; that of one which counts to its end."""
        return LATEST if self.counts else min(since + self.probed * ONE_DAY, LATEST)

    def goes_on_after(self, day: date) -> bool:
        """Whether the rule may give dates after ``day``, up to which it was followed."""
        return not self.counts and (self.until is None or self.until.date() > day)

    def last_day_of(self, start: time) -> date | None:
        """The last local day on which the rule lets an event start at ``start``."""
        if self.until is None:
            return None
        is_too_early = self.until.time() < start
        return self.until.date() - ONE_DAY if is_too_early else self.until.date()


def rules_of(event: Event, tz: ZoneInfo) -> Rules | None:
    """What the rules of an event say, None if it has none. Raises NobodyWorksThisError."""
    given: Any = event.get("RRULE")
    if given is None:
        return None
    values: list[_Value] = given if isinstance(given, list) else [given]
    if any(_part(value, "FREQ") in _TOO_OFTEN for value in values):
        raise NobodyWorksThisError("it recurs more often than once an hour")
    counts = [int(_part(value, "COUNT") or _MOST_COUNTED + 1) for value in values]
    weekly = len(values) == 1 and _part(values[0], "FREQ") == "WEEKLY"
    interval = max(int(_part(value, "INTERVAL") or 1) for value in values)
    starts_on = _part(values[0], "WKST") or "MO"
    return Rules(
        counts=all(0 < count <= _MOST_COUNTED for count in counts),
        until=_until(values, tz),
        weeks=interval if weekly else 1,
        week_starts_on=WEEKDAYS.index(starts_on) if starts_on in WEEKDAYS else 0,
        probed=max(14 * interval, _probed(values)),
    )


def _part(value: _Value, name: str) -> str:
    given = value.get(name)
    return str(given[0] if isinstance(given, (list, tuple)) else given or "").upper()


def _probed(values: Sequence[_Value]) -> int:
    is_plain = all(
        _part(value, "FREQ") in {"DAILY", "WEEKLY"} and not _BY_YEAR & set(value)
        for value in values
    )
    return _PROBED if is_plain else _PROBED_BY_YEAR


def _until(values: Sequence[_Value], tz: ZoneInfo) -> datetime | None:
    """The last instant that any of the rules allows; None where one goes on."""
    found = [value["UNTIL"][0] for value in values if "UNTIL" in value]
    if len(found) < len(values) or any(until.year >= LATEST.year for until in found):
        return None
    return max(local(until, tz) for until in found)


def rule_for(part: Pattern) -> dict[str, object]:
    """The rule of a line that is one, see ``parts_of``; without its end."""
    days = [WEEKDAYS[day] for day in sorted(part.weekdays)]
    cycle = part.cycle
    if cycle is None:
        return {"freq": "WEEKLY", "byday": days}
    if cycle.on == EVERY_DAY and not cycle.length % 7:
        starts_on = WEEKDAYS[cycle.anchor_on.weekday()]
        return {
            "freq": "WEEKLY", "interval": cycle.length // 7, "byday": days, "wkst": starts_on,
        }  # fmt: skip
    rule: dict[str, object] = {"freq": "DAILY", "interval": cycle.length}
    return rule if part.weekdays == EVERY_DAY else {**rule, "byday": days}
