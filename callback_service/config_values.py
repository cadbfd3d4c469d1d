"""Reading single values of the settings: numbers, switches, addresses."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from callback_service.errors import SettingsError


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_here(address: str | None) -> bool:
    """Whether a server at ``address`` is on this machine."""
    return address is not None and is_loopback(urlsplit(address).hostname or "")


def web_address(name: str, value: str) -> str:
    """``value`` where it is a web address; raises SettingsError with one sentence."""
    if not _is_web_address(value):
        raise SettingsError(f"{name} must be a web address, like https://callback.example.org.")
    return value


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        whole = parts.port != 0 and " " not in value and value.isascii()
    except ValueError:  # half an IPv6 address, or a port that is none
        return False
    return whole and parts.scheme in {"http", "https"} and bool(parts.hostname)


def whole_number(name: str, value: str, *, least: int, most: int) -> int:
    """``value`` as a number; raises SettingsError with one sentence."""
    if not value.isdecimal() or not least <= int(value) <= most:
        raise SettingsError(f"{name} must be a whole number from {least} to {most}.")
    return int(value)


def yes_or_no(name: str, value: str) -> bool:
    """Whether ``value`` is 1; raises SettingsError where it is neither 1 nor 0."""
    if value not in {"0", "1"}:
        raise SettingsError(f"{name} must be 1 or 0.")
    return value == "1"


def is_safe_to_call(address: str) -> bool:
    """Whether nothing secret is sent there in clear over a network."""
    return address.startswith("https://") or is_loopback(urlsplit(address).hostname or "")
