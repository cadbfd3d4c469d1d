"""Which passwords are let through, and the sentence for those that are not."""

from __future__ import annotations

import pytest

from callback_service.domain.known_passwords import known_passwords
from callback_service.domain.passwords import (
    KNOWN,
    MAX_CHARS,
    MIN_CHARS,
    OWN_WORDS,
    TOO_EASY,
    TOO_LONG,
    TOO_SHORT,
    fault_of,
    normalised,
)

ABOUT = ("Amára Okafor-Lee", "a.whitfield@example.org", "Callback")
RANDOM = "wq7Zr2Lk9Xv4Bt8N" * 9  # only its length is of interest


def fault(password: str) -> str | None:
    return fault_of(password, about=ABOUT)


@pytest.mark.parametrize(
    "password",
    [
        "purple kettle wanders north",
        "lantern-gravel-teapot-42",
        "tU7$kq!mZ0p#Wd9",
        "}{:><?@+_)(*&^%$",
        "lännätår grävel teapöt",
        "茶壶 灯笼 砾石 紫色 水壶 北方 漫步 苹果",
    ],
)
def test_a_long_password_that_is_not_easy_is_let_through(password: str) -> None:
    assert fault(password) is None


def test_length_is_counted_from_fifteen_to_one_hundred_and_twenty_eight() -> None:
    text = "vq7Zr2Lk9Xw4Bt8Nhd5Sm3Gj6"
    assert fault(text[: MIN_CHARS - 1]) == TOO_SHORT
    assert fault(text[:MIN_CHARS]) is None
    assert fault((text + "?" + text[::-1]) * 2 + RANDOM[: MAX_CHARS - 102]) is None
    assert fault((text + "?" + text[::-1]) * 2 + RANDOM[: MAX_CHARS - 101]) == TOO_LONG


@pytest.mark.parametrize(
    "password",
    [
        "aaaaaaaaaaaaaaaaaaaa",
        "abababababababababab",
        "abcdxyzkabcdxyzkabcdxyzk",
        "passwordpassword",
        "Password-1234567",
        "P@ssw0rd P@$$word 1!",
        "qwertyuiopasdfghjkl",
        "1qaz2wsx3edc4rfv",
        "zyxwvutsrqponmlkj",
        "98765432109876543",
        "Summer2024Winter2025",
        "correct horse battery staple",
        "C0rrect_H0rse_B@ttery_Staple",
        "You'll never walk alone 1892",
        "iloveyou iloveyou!!",
        "helpline counsellor 1",
    ],
)
def test_what_a_guesser_tries_first_is_refused(password: str) -> None:
    assert fault(password) == TOO_EASY


def test_every_known_password_that_is_long_enough_is_refused() -> None:
    long_enough = [one for one in known_passwords() if len(one) >= MIN_CHARS]
    assert len(long_enough) > 20
    assert {fault(one) for one in long_enough} == {TOO_EASY, KNOWN}


@pytest.mark.parametrize(
    "password",
    [
        "chocolate butterfly",
        "Chocolate-Butterfly",
        "ch0c0l@te butterfly",
        "1998 chocolate butterfly!!",
        "skywalker skywalker",
        "snowboard mountain",
        "mercedes volkswagen 77",
    ],
)
def test_known_passwords_in_a_row_or_dressed_up_are_refused(password: str) -> None:
    assert fault(password) == KNOWN


def test_three_known_words_and_one_that_is_none_pass() -> None:
    assert fault("chocolate butterfly grommet mountain") is None


@pytest.mark.parametrize(
    "password",
    [
        "amara likes purple kettles",
        "purple OKAFOR kettle north",
        "purple 0kaf0r kettle north",
        "purple whit-field kettle",
        "gravel example teapot",
        "callback purple kettle",
    ],
)
def test_own_name_address_and_the_services_name_are_refused(password: str) -> None:
    assert fault(password) == OWN_WORDS


def test_short_parts_of_a_name_do_not_spoil_honest_words() -> None:
    assert fault("sleeping lantern gravel") is None  # "lee" is in it


def test_the_same_characters_from_two_devices_are_one_password() -> None:
    assert normalised("cafe\u0301 ﬁlter") == normalised("caf\u00e9 filter")
