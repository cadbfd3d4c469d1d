"""What a text that came in may bring about, and whom it may be from."""

from __future__ import annotations

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from callback_service.domain.contact import LineKind, Phone
from callback_service.domain.inbound import InboundKind, kind_of, may_be_answered, sender_of

STOPS = [
    "STOP", "stop", " Stop ", "Stop.", "“STOP!”", "STOPALL", "unsubscribe", "CANCEL", "End",
    "quit", "REVOKE", "OptOut",
]  # fmt: skip


@pytest.mark.parametrize("body", STOPS)
def test_a_stop_is_heard_however_it_is_written(body: str) -> None:
    assert kind_of(body) is InboundKind.STOP


@pytest.mark.parametrize("body", ["Start", "YES", "unstop"])
def test_a_start_is_heard(body: str) -> None:
    assert kind_of(body) is InboundKind.START


@pytest.mark.parametrize("body", ["help", "INFO"])
def test_a_call_for_help_by_the_gateways_word_is_the_gateways(body: str) -> None:
    assert kind_of(body) is InboundKind.HELP


@pytest.mark.parametrize(
    "body",
    ["", "yes please", "Yes.", "please stop ringing before 9", "end of the day", "Can you help me"],
)
def test_a_sentence_is_words_for_people(body: str) -> None:
    assert kind_of(body) is InboundKind.WORDS


def test_what_the_gateway_says_of_an_opt_out_counts() -> None:
    assert kind_of("Arrêt", opt_out_type="STOP") is InboundKind.STOP
    assert kind_of("stop", opt_out_type="nonsense") is InboundKind.STOP


@pytest.mark.parametrize(
    "sender",
    ["", "60777", "Shop", "447700900123", "+15551234567", "+447700900123;x", "+44909879123"],
)
def test_short_codes_names_and_numbers_abroad_are_nobody(sender: str) -> None:
    assert sender_of(sender, allow_drama=True) is None


def test_a_number_of_ours_or_a_landline_is_never_answered() -> None:
    mobile = sender_of("+447700900123", allow_drama=True)
    assert mobile == Phone("+447700900123", LineKind.MOBILE)
    assert may_be_answered(mobile, our_numbers=frozenset({"+447700900999"}))
    assert not may_be_answered(mobile, our_numbers=frozenset({"+447700900123"}))
    landline = Phone("+441632960001", LineKind.LANDLINE)
    assert not may_be_answered(landline, our_numbers=frozenset())


def test_the_islands_are_heard_everywhere_and_answered_where_they_are_chosen() -> None:
    """Ofcom keeps no number of theirs free for drama: this one is the library's example."""
    number = phonenumbers.example_number_for_type("JE", PhoneNumberType.MOBILE)
    assert number is not None
    jersey = sender_of(phonenumbers.format_number(number, PhoneNumberFormat.E164), allow_drama=True)
    assert jersey is not None
    assert not may_be_answered(jersey, our_numbers=frozenset())
    chosen = frozenset({"GB", "JE"})
    assert may_be_answered(jersey, our_numbers=frozenset(), countries=chosen)
