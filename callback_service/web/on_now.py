"""Who is on now and who is next, for every page that wants to say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Flask

from callback_service import clock
from callback_service.domain.cover_words import gap_in_words
from callback_service.domain.rota import Duty
from callback_service.domain.wall_time import ONE_DAY, day_in_words
from callback_service.extensions import reading
from callback_service.services.roster import Watch, watches
from callback_service.services.rota import RotaShift
from callback_service.web.weekly import zone

#: More names than this are counted; the rota has them all.
MOST_NAMES = 6


@dataclass(frozen=True, slots=True)
class Names:
    """Some people with a few words each, and how many more there are."""

    shown: list[tuple[str, str]]
    more: int


@dataclass(frozen=True, slots=True)
class OnNow:
    """What the pages say of now. ``gap`` is in words; "" where the week ahead has none."""

    at: str
    on: Names
    next: Names
    gap: str
    is_short_now: bool
    lead: Names
    lead_next: Names
    lead_gap: str


def init_app(app: Flask) -> None:
    """Let the templates of ``app`` ask who is on: it costs a look at the rota only where asked."""
    app.jinja_env.globals["who_is_on"] = who_is_on


def who_is_on() -> OnNow:
    """Who is on now and next, as of this instant."""
    now = clock.utc_now()
    with reading() as session:
        seen = watches(session, now=now, tz=zone())
    calls, lead = seen[Duty.COUNSELLING], seen[Duty.DUTY_LEAD]
    return OnNow(
        at=f"{now.astimezone(zone()):%H:%M}",
        on=_until(calls.on_now, now),
        next=_from(calls.next_on, now),
        gap=_gap(calls),
        is_short_now=calls.gap is not None and calls.gap.start <= now,
        lead=_until(lead.on_now, now),
        lead_next=_from(lead.next_on, now),
        lead_gap=_gap(lead),
    )


def _gap(watch: Watch) -> str:
    return gap_in_words(watch.gap, tz=zone()) if watch.gap else ""


def _until(shifts: Sequence[RotaShift], now: datetime) -> Names:
    return _names([(shift, f"until {near(shift.end, now)}") for shift in shifts])


def _from(shifts: Sequence[RotaShift], now: datetime) -> Names:
    return _names([(shift, f"from {near(shift.start, now)}") for shift in shifts])


def _names(shifts: Sequence[tuple[RotaShift, str]]) -> Names:
    people = [(shift.person.name, words) for shift, words in shifts if shift.person]
    return Names(people[:MOST_NAMES], max(0, len(people) - MOST_NAMES))


def near(instant: datetime, now: datetime) -> str:
    """A time for people; with its day where that is not today."""
    local, today = instant.astimezone(zone()), now.astimezone(zone()).date()
    if local.date() == today:
        return f"{local:%H:%M}"
    if local.date() == today + ONE_DAY:
        return f"{local:%H:%M} tomorrow"
    return f"{local:%H:%M} on {day_in_words(local.date())}"
