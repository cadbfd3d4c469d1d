"""The numbers that people type on pages and phones, read by what this service may ring."""

from __future__ import annotations

from callback_service.domain.contact import REGIONS, Phone, parse_phone
from callback_service.errors import BadInput
from callback_service.extensions import current_settings


def ringable(typed: str) -> Phone:
    """The number that was typed, if it is one we ring. Raises BadInput, for our own lines too."""
    settings = current_settings()
    phone = parse_phone(
        typed, allow_drama=settings.allows_drama_numbers, countries=settings.countries
    )
    if phone.e164 in settings.own_numbers:
        raise BadInput("Enter your own number. This one is ours")
    return phone


def known(typed: str) -> Phone:
    """A number to look up or to stop, whether or not we take requests from there now."""
    return parse_phone(
        typed, allow_drama=current_settings().allows_drama_numbers, countries=REGIONS
    )
