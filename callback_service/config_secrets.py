"""The secrets of the settings: a missing, short or sample one is refused, and never repeated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from callback_service.errors import SettingsError

#: Words of secrets that stand in somebody's documentation. Random characters hold none of them.
SAMPLES: Final = (
    "change", "default", "develop", "example", "insecure", "password", "sample", "secret",
)  # fmt: skip
SECRET_MIN_CHARS: Final = 32
_LEAST_DIFFERENT: Final = 8  # characters: fewer are one key held down
_OFF: Final = frozenset({"", "0", "false", "no", "off"})


def secret_key(value: str | None) -> str:
    """The key that signs; raises SettingsError where it is missing, short or a sample."""
    if value is None:
        raise SettingsError(
            "SECRET_KEY is not set. `make run` makes one, or set SECRET_KEY or SECRET_KEY_FILE."
        )
    return _strong("SECRET_KEY", value)


def fallbacks(value: str | None) -> tuple[str, ...]:
    """Keys that signed before, the newest first, with commas or lines between."""
    listed = (value or "").replace("\n", ",").split(",")
    return tuple(_strong("SECRET_KEY_FALLBACKS", one.strip()) for one in listed if one.strip())


def check_debug(get: Callable[[str], str | None], *, demo: bool) -> None:
    """Refuse a debugger, which runs what a stranger types, wherever it is no demonstration."""
    on = [name for name in ("FLASK_DEBUG", "DEBUG") if (get(name) or "").lower() not in _OFF]
    if on and not demo:
        raise SettingsError(f"{on[0]} must be off: a debugger may run only where DEMO=1.")


def _strong(name: str, value: str) -> str:
    is_sample = any(word in value.lower() for word in SAMPLES)
    if is_sample or len(value) < SECRET_MIN_CHARS or len(set(value)) < _LEAST_DIFFERENT:
        raise SettingsError(
            f"{name} is too short or a sample: give at least {SECRET_MIN_CHARS} random characters."
        )
    return value
