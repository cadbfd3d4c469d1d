"""Words that reach callers: how times are said, and what a text may hold."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from typing import Final

from callback_service.domain.contact import Window

#: GSM 03.38 basic set and its extension; an extended character costs two places.
GSM_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENDED: Final = frozenset("^{}\\[~]|€\f")

#: What no text or voicemail may say: each would give the caller away. Matched inside words.
FORBIDDEN: Final = (
    "addict", "drug", "alcohol", "drink", "gambl", "rehab", "recover", "helpline",
    "help line", "counsel",
    "therap", "substance", "cocaine", "heroin", "cannabis", "opioid", "support service", "charity",
    "samaritan", "frank", "http", "www.", ".org", ".uk", ".com",
)  # fmt: skip

_EVENING_STARTS: Final = 18
_NIGHT_ENDS: Final = 5


def segments(text: str) -> int:
    """How many text segments a body costs (160 or 153 GSM-7 places, 70 or 67 UCS-2 units)."""
    if all(c in GSM_BASIC or c in GSM_EXTENDED for c in text):
        places = sum(2 if c in GSM_EXTENDED else 1 for c in text)
        return 1 if places <= 160 else -(-places // 153)
    units = len(text.encode("utf-16-be")) // 2
    return 1 if units <= 70 else -(-units // 67)


def forbidden_words(text: str, *, also: tuple[str, ...] = ()) -> list[str]:
    """The words in ``text`` that would give a caller away; ``also`` adds the service's own name."""
    lowered = re.sub(r"\s+", " ", text.lower())
    return [
        word for word in (*FORBIDDEN, *(name.lower() for name in also if name)) if word in lowered
    ]


def clock_time(at: datetime, tz: tzinfo) -> str:
    """A time as people say it: "9pm", "9:40pm", "midnight", "midday". Never "12am"."""
    local = at.astimezone(tz)
    if (local.hour, local.minute) == (0, 0):
        return "midnight"
    if (local.hour, local.minute) == (12, 0):
        return "midday"
    minutes = f":{local.minute:02}" if local.minute else ""
    return f"{local.hour % 12 or 12}{minutes}{'am' if local.hour < 12 else 'pm'}"


def day_name(at: datetime, *, now: datetime, tz: tzinfo) -> str:
    """The day of ``at`` seen from ``now``: "today", "tonight", "tomorrow", "Saturday 28 November".

    The hours after midnight belong to the night in which people live them. Said in those hours,
    "tomorrow" and the next night's "tonight" would be taken for this day: they are named instead.
    """
    local, today = at.astimezone(tz), now.astimezone(tz)
    if is_tonight(local, today):
        return "tonight"
    if local.date() == today.date():
        return "today"
    if local.date() - today.date() == timedelta(days=1) and not is_night_before_dawn(today):
        return "tomorrow"
    return full_day(at, tz)


def is_tonight(local: datetime, today: datetime) -> bool:
    """Whether ``local`` is in the night that people at ``today`` call this one; wall times."""
    before_dawn, is_still_night = is_night_before_dawn(local), is_night_before_dawn(today)
    if local.date() == today.date():
        return local.hour >= _EVENING_STARTS or (before_dawn and is_still_night)
    is_next_day = local.date() - today.date() == timedelta(days=1)
    return is_next_day and before_dawn and not is_still_night


def is_night_before_dawn(local: datetime) -> bool:
    """Whether a wall time belongs to the night in which the day before ended."""
    return local.hour < _NIGHT_ENDS


def full_day(at: datetime, tz: tzinfo) -> str:
    """The calendar day: "Saturday 28 November"."""
    local = at.astimezone(tz)
    return f"{local:%A} {local.day} {local:%B}"


def window_choice(window: Window, *, now: datetime, tz: tzinfo) -> str:
    """A window as a choice on the form: "Tonight, Saturday 28 November, 9pm to 11pm"."""
    near, day = day_name(window.start, now=now, tz=tz), full_day(window.start, tz)
    times = f"{clock_time(window.start, tz)} to {clock_time(window.end, tz)}"
    if near == day:
        return f"{day}, {times}"
    if near == "tonight" and window.start.astimezone(tz).hour < _NIGHT_ENDS:
        return f"Tonight, {times} (early on {day})"
    return f"{near.capitalize()}, {day}, {times}"


def window_spoken(window: Window, *, now: datetime, tz: tzinfo) -> str:
    """A window inside a sentence: "tonight between 9pm and 11pm"."""
    near = day_name(window.start, now=now, tz=tz)
    lead = near if near in {"today", "tonight", "tomorrow"} else f"on {near}"
    return f"{lead} between {clock_time(window.start, tz)} and {clock_time(window.end, tz)}"


def time_spoken(at: datetime, *, now: datetime, tz: tzinfo) -> str:
    """An instant inside a sentence: "9:40pm today", "1:15am tonight"."""
    near = day_name(at, now=now, tz=tz)
    lead = near if near in {"today", "tonight", "tomorrow"} else f"on {near}"
    return f"{clock_time(at, tz)} {lead}"
