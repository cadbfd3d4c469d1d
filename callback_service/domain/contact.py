"""Phone numbers we may ring, what we may leave behind, and the windows callers choose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType

from callback_service.errors import BadInput

REGION: Final = "GB"
#: Where a number with +44 may be. The islands have tariffs of their own, so they are a choice.
REGIONS: Final = frozenset({REGION, "IM", "JE", "GG"})
GB_ONLY: Final = frozenset({REGION})
COUNTRY_CODE: Final = 44
LONGEST_TYPED: Final = 40  # characters; a UK number with every kind of spacing has fewer than 25

ENTER_A_NUMBER: Final = "Enter a phone number, like 07700 900 982 or 01632 960 001"
UK_ONLY: Final = "Enter a UK phone number. We cannot ring numbers in other countries"
NOT_RINGABLE: Final = (
    "Enter a mobile or home number. We cannot ring premium, short or company numbers"
)


class LineKind(StrEnum):
    """What a number leads to. Only a mobile is ever texted: a text to a landline is read aloud."""

    MOBILE = "mobile"
    LANDLINE = "landline"


@dataclass(frozen=True, slots=True)
class Phone:
    """A number we may ring: E.164 ("+" and at most 15 digits), and its kind of line."""

    e164: str
    kind: LineKind

    @property
    def ending(self) -> str:
        """The last three digits: enough to know one's own number by, and no more."""
        return self.e164[-3:]


#: Numbers that Ofcom keeps free for drama, as national numbers: (first, last, kind).
#: Source: Ofcom, "Telephone numbers for use in TV and radio drama programmes".
DRAMA: Final = (
    (7700900000, 7700900999, LineKind.MOBILE),
    (1632960000, 1632960999, LineKind.LANDLINE),
    (2079460000, 2079460999, LineKind.LANDLINE),
)

_KINDS: Final = {
    PhoneNumberType.MOBILE: LineKind.MOBILE,
    PhoneNumberType.FIXED_LINE: LineKind.LANDLINE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: LineKind.LANDLINE,
    PhoneNumberType.VOIP: LineKind.LANDLINE,
}


def parse_phone(typed: str, *, allow_drama: bool, countries: frozenset[str] = GB_ONLY) -> Phone:
    """The number that was typed, in any usual way of writing it.

    ``allow_drama`` admits the fictitious ranges, for demonstrations and tests only; ``countries``
    are some of ``REGIONS``.
    Raises BadInput with a sentence for the page.
    """
    number = _parse(typed)
    if number.country_code != COUNTRY_CODE:
        raise BadInput(UK_ONLY)
    if drama := _drama_kind(number):
        if not allow_drama:
            raise BadInput("Enter your own number. This one is an example")
        return Phone(_e164(number), drama)
    if not phonenumbers.is_possible_number(number):
        raise BadInput(ENTER_A_NUMBER)
    if not phonenumbers.is_valid_number(number):
        raise BadInput("Check the number. A digit may be missing or wrong")
    if phonenumbers.region_code_for_number(number) not in countries:
        raise BadInput(UK_ONLY)
    kind = _KINDS.get(phonenumbers.number_type(number))
    if kind is None:
        raise BadInput(NOT_RINGABLE)
    return Phone(_e164(number), kind)


def _parse(typed: str) -> PhoneNumber:
    digits = sum(character.isdigit() for character in typed)
    if not typed.strip() or len(typed) > LONGEST_TYPED or digits == 0:
        raise BadInput(ENTER_A_NUMBER)
    if digits <= 6:
        raise BadInput(NOT_RINGABLE)
    try:
        number = phonenumbers.parse(typed, REGION)
    except NumberParseException as error:
        raise BadInput(ENTER_A_NUMBER) from error
    if number.extension:
        raise BadInput("Enter the number without an extension")
    if not phonenumbers.normalize_digits_only(typed).endswith(str(number.national_number)):
        raise BadInput(ENTER_A_NUMBER)  # "07400 123 XXX" would be dialled by its letters, as 999
    return number


def _drama_kind(number: PhoneNumber) -> LineKind | None:
    national = number.national_number or 0
    return next((kind for first, last, kind in DRAMA if first <= national <= last), None)


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def national(e164: str) -> str:
    """A number as people in the UK read it: "07700 900982"."""
    number = phonenumbers.parse(e164, REGION)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)


@dataclass(frozen=True, slots=True)
class SafeContact:
    """What may be left behind when nobody answers. Nothing said means nothing left."""

    may_text: bool = False
    may_leave_voicemail: bool = False

    def stricter(self, other: SafeContact) -> SafeContact:
        """Both at once: only what each of the two allows."""
        return SafeContact(
            self.may_text and other.may_text, self.may_leave_voicemail and other.may_leave_voicemail
        )


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """When the caller said it is good to ring: aware UTC instants, half-open [start, end)."""

    start: datetime
    end: datetime


WINDOW_HOURS: Final = 2


def window_grid(*, start: datetime, end: datetime, tz: tzinfo) -> Iterator[Window]:
    """The windows of the wall clock (midnight to 2am, 2am to 4am, ...) that start in [start, end).

    On the days the clocks change one of them lasts an hour less or more.
    """
    day = start.astimezone(tz).date()
    while day <= end.astimezone(tz).date():
        for hour in range(0, 24, WINDOW_HOURS):
            window = Window(_wall(day, hour, tz), _wall(day, hour + WINDOW_HOURS, tz))
            if start <= window.start < end:
                yield window
        day += timedelta(days=1)


def _wall(day: date, hour: int, tz: tzinfo) -> datetime:
    """The instant at which the wall clock of ``day`` shows ``hour``; 24 is the next midnight."""
    local = datetime.combine(day + timedelta(days=hour // 24), time(hour % 24), tz)
    return local.astimezone(UTC)
