"""When a text may reach a caller, and what an installation is set to send."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from callback_service.domain.contact import Window

#: "As soon as you can" names no end. It speaks of this day or this night, not of the next one.
AS_SOON_AS_LASTS: Final = timedelta(hours=12)
#: How long a time counts that was agreed on while speaking ("ring me at nine").
AGREED_LASTS: Final = timedelta(hours=2)
#: A reminder is for those who asked at least this long before their window.
REMINDER_NEEDS: Final = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class TextPolicy:
    """What one installation is set to: languages with English first, reminders, look-ups."""

    languages: tuple[str, ...] = ("en",)
    remind_before: timedelta | None = timedelta(hours=1)  # None: no reminders
    looks_numbers_up: bool = False


def times_given(
    windows: Iterable[tuple[Window, bool]], *, agreed_from: datetime | None
) -> list[Window]:
    """The times at which the caller said it is good to reach them.

    ``windows`` are what they asked for, each with whether it is a window they chose; the others
    are "as soon as you can", from when they asked. A time agreed on while speaking
    (``agreed_from``) takes the place of all that began before it.
    """
    given = [
        window if is_chosen else Window(window.start, max(window.end, _day_of(window.start)))
        for window, is_chosen in windows
    ]
    if agreed_from is None:
        return given
    later = [window for window in given if window.start >= agreed_from]
    return [Window(agreed_from, agreed_from + AGREED_LASTS), *later]


def _day_of(asked_at: datetime) -> datetime:
    return asked_at + AS_SOON_AS_LASTS


def may_text_until(given: Iterable[Window], *, now: datetime) -> datetime | None:
    """Until when a text that goes at ``now`` stays within the times ``given``; None: not at all.

    Only a confirmation, and the news that its time changed, go at once: the person is at their
    phone or screen that moment. Every later text keeps to the times they gave (our rule).
    """
    until: datetime | None = None
    for span in sorted(given):
        if span.start <= (until or now) < span.end:
            until = span.end
    return until


def reminder_at(
    window: Window, *, asked_at: datetime, remind_before: timedelta | None
) -> datetime | None:
    """When to remind somebody of a window they chose; None when they asked too shortly before."""
    if remind_before is None or window.start - asked_at < REMINDER_NEEDS:
        return None
    return window.start - remind_before
