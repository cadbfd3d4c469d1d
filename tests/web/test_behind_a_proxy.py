"""Twilio's signature under a real gunicorn: for the address on the wire, as the public sees it."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from tests.journey.processes import House
from tests.twilio_double.webhooks import sign

PUBLIC = "https://callback.example.org"
FORM = {"MessageSid": "SM" + "1" * 32, "MessageStatus": "delivered", "Note": "Zoë & £5"}
TARGETS = [
    "/twilio/texts/17/status",
    "/twilio/texts/17/status?to=%2B44&from=a%2Fb",
    "/twilio/texts/17/status?name=Zo%C3%AB&q=%20+%7E~",
    "/twilio/texts/Zo%C3%AB/status",
    "/twilio/texts/%7E17/status",
]

pytestmark = [pytest.mark.journey, pytest.mark.one_database]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the logs go."""
    return tmp_path_factory.mktemp("proxied")


@pytest.fixture
def house(database_url: str, folder: Path) -> Iterator[House]:
    """A web server whose public address is another than the one it listens at."""
    house = House(database_url, folder)
    del house.environ["DEMO"]
    house.environ |= {"PUBLIC_BASE_URL": PUBLIC, "TRUSTED_HOPS": "1"}
    try:
        house.wait_until_up(house.start_web())
        yield house
    finally:
        sys.stdout.write(house.close())


def post(house: House, target: str, signature: str) -> int:
    """What a proxy that passes ``target`` on as it came is answered."""
    connection = http.client.HTTPConnection(urlsplit(house.url).netloc, timeout=20)
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": signature,
        "Host": "inner.example.org:8080",
        "X-Forwarded-For": "54.172.60.1",
        "X-Forwarded-Proto": "https",
    }
    connection.request("POST", target, urlencode(FORM), headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_an_address_of_any_letters_is_taken_as_it_was_signed_and_no_other(house: House) -> None:
    token = house.environ["TWILIO_AUTH_TOKEN"]
    answers = {one: post(house, one, sign(PUBLIC + one, FORM, token)) for one in TARGETS}
    assert answers == dict.fromkeys(TARGETS, 204)
    inner = "http://inner.example.org:8080"
    refused = {one: post(house, one, sign(inner + one, FORM, token)) for one in TARGETS}
    assert refused == dict.fromkeys(TARGETS, 403)
