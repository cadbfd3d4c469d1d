"""Times in Welsh, for texts. A native speaker must approve these words before they are sent.

Only letters of the GSM alphabet: it has no circumflex, so one of them would cost a second segment.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from typing import Final

from callback_service.domain.contact import Window
from callback_service.domain.wording import is_night_before_dawn, is_tonight

DAYS: Final = ("Llun", "Mawrth", "Mercher", "Iau", "Gwener", "Sadwrn", "Sul")
MONTHS: Final = (
    "Ionawr", "Chwefror", "Mawrth", "Ebrill", "Mai", "Mehefin",
    "Gorffennaf", "Awst", "Medi", "Hydref", "Tachwedd", "Rhagfyr",
)  # fmt: skip
TODAY, TONIGHT, TOMORROW = "heddiw", "heno", "yfory"

#: What no Welsh text may say, beside the English words. Matched inside words.
FORBIDDEN: Final = (
    "caeth", "dibyn", "cyffur", "gyffur", "alcohol", "alcol", "yfed", "diod", "ddiod", "meddw",
    "gambl", "adsefyd", "adfer", "gwellhad", "llinell gymorth", "cymorth", "gymorth", "cwnsel",
    "gwnsel", "therap", "sylwedd", "elusen", "canabis", "iechyd meddwl",
)  # fmt: skip


#: A time as ``clock_time`` writes it.
_WRITTEN: Final = re.compile(r"\b(?P<at>(?P<hour>\d{1,2})(:\d\d)?)(?P<half>yb|yh)\b")
_EVENING_HOUR: Final = 6


def clock_time(at: datetime, tz: tzinfo) -> str:
    """A time as it is written in Welsh: "9yh" (evening), "9:40yb" (morning), "canol nos"."""
    local = at.astimezone(tz)
    if (local.hour, local.minute) == (0, 0):
        return "canol nos"
    if (local.hour, local.minute) == (12, 0):
        return "canol dydd"
    minutes = f":{local.minute:02}" if local.minute else ""
    return f"{local.hour % 12 or 12}{minutes}{'yb' if local.hour < 12 else 'yh'}"


def aloud(text: str) -> str:
    """The times in a text as they are said: "9:40yh" becomes "9:40 yr hwyr"."""
    return _WRITTEN.sub(lambda found: f"{found['at']} {_part_of_day(found)}", text)


def _part_of_day(found: re.Match[str]) -> str:
    if found["half"] == "yb":
        return "y bore"
    return "y prynhawn" if int(found["hour"]) % 12 < _EVENING_HOUR else "yr hwyr"


def window_spoken(window: Window, *, now: datetime, tz: tzinfo) -> str:
    """A window inside a sentence: "heno rhwng 9yh ac 11yh"."""
    start, end = clock_time(window.start, tz), clock_time(window.end, tz)
    return f"{_day(window.start, now=now, tz=tz)} rhwng {start} {_and(end)}"


def by_spoken(at: datetime, *, now: datetime, tz: tzinfo) -> str:
    """The latest instant: "erbyn 9:40yh heno"."""
    return f"erbyn {clock_time(at, tz)} {_day(at, now=now, tz=tz)}"


def at_spoken(at: datetime, *, now: datetime, tz: tzinfo) -> str:
    """An instant: "am 9:40yh heno". The word softens the c of midnight and of midday."""
    said = clock_time(at, tz)
    softened = f"g{said[1:]}" if said.startswith("canol") else said
    return f"am {softened} {_day(at, now=now, tz=tz)}"


def _and(said: str) -> str:
    """ "And" before a time: "ac" before a vowel (un, unarddeg), and a c becomes ch."""
    if said.startswith("canol"):
        return f"a ch{said[1:]}"
    number = said.rstrip("ybh").partition(":")[0]
    return f"{'ac' if number in {'1', '11'} else 'a'} {said}"


def _day(at: datetime, *, now: datetime, tz: tzinfo) -> str:
    """The day seen from ``now``, by the same rule as in English."""
    local, today = at.astimezone(tz), now.astimezone(tz)
    if is_tonight(local, today):
        return TONIGHT
    if local.date() == today.date():
        return TODAY
    if local.date() - today.date() == timedelta(days=1) and not is_night_before_dawn(today):
        return TOMORROW
    return f"ddydd {DAYS[local.weekday()]} {local.day} {MONTHS[local.month - 1]}"
