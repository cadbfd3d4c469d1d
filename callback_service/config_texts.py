"""The settings of texts: how many may go, to whom, and in which languages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from callback_service.config_values import is_here, whole_number, yes_or_no
from callback_service.domain.contact import REGIONS
from callback_service.domain.languages import ENGLISH
from callback_service.domain.text_limits import TextLimits
from callback_service.domain.texting import TextPolicy
from callback_service.domain.told import VOICES
from callback_service.errors import SettingsError

#: Segments of texts a day where they cost money: some eighty pounds' worth in 2026.
SEGMENTS_A_DAY = "2000"


def countries(value: str) -> frozenset[str]:
    """Whose numbers are taken, by region code."""
    listed = frozenset(word.strip().upper() for word in value.split(",") if word.strip())
    if not listed or not listed <= REGIONS:
        raise SettingsError(f"SERVICE_COUNTRIES must be some of {', '.join(sorted(REGIONS))}.")
    return listed


def text_limits(get: Callable[[str], str | None]) -> TextLimits:
    """How many texts may go. What stays on this machine costs nothing, so nothing limits it."""
    costs = get("TWILIO_ACCOUNT_SID") and not is_here(get("TWILIO_API_URL"))
    usual = TextLimits()

    def number(name: str, default: int | str | None, *, most: int) -> int | None:
        value = get(name) or default
        return None if value is None else whole_number(name, str(value), least=1, most=most)

    return TextLimits(
        http=timedelta(seconds=number("TWILIO_TIMEOUT_SECONDS", 10, most=60) or 0),
        a_number_by_forms=number("TEXTS_PER_NUMBER_BY_FORM", usual.a_number_by_forms, most=100)
        or 0,
        a_number=number("TEXTS_PER_NUMBER", usual.a_number, most=100) or 0,
        a_network=number("TEXTS_PER_NETWORK", usual.a_network, most=100_000) or 0,
        segments_a_day=number(
            "TEXT_SEGMENTS_PER_DAY", SEGMENTS_A_DAY if costs else None, most=1_000_000
        ),
        a_second=number("TEXTS_PER_SECOND", None, most=1_000),
    )


def api_key(sid: str | None, secret: str | None) -> tuple[str, str] | None:
    """The id and secret of the key to send with; None without one."""
    if sid is None and secret is None:
        return None
    if sid is None or secret is None:
        raise SettingsError("Set both TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET, or neither.")
    if not sid.startswith("SK"):
        raise SettingsError("TWILIO_API_KEY_SID must be the id of an API key: it begins with SK.")
    return sid, secret


def text_policy(get: Callable[[str], str | None]) -> TextPolicy:
    """What callers are texted, and in which languages; in English whatever else is set."""
    given = (get("TEXT_LANGUAGES") or ENGLISH).split(",")
    tags = [tag.strip().lower() for tag in given if tag.strip()]
    if unknown := [tag for tag in tags if tag not in VOICES]:
        known = ", ".join(VOICES)
        raise SettingsError(f"TEXT_LANGUAGES: there are no texts in {unknown[0]}, only in {known}.")
    minutes = whole_number("REMINDER_MINUTES", get("REMINDER_MINUTES") or "60", least=0, most=180)
    return TextPolicy(
        languages=tuple(dict.fromkeys([ENGLISH, *tags])),
        remind_before=timedelta(minutes=minutes) if minutes else None,
        looks_numbers_up=yes_or_no("TWILIO_LOOKUP", get("TWILIO_LOOKUP") or "0"),
    )
