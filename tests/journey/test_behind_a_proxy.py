"""Twilio's signature under a real gunicorn: for the address on the wire, as the public sees it."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
import requests

from tests.journey.processes import House
from tests.support.pages import csrf_token
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


def sign_in(house: House, forwarded: str | None) -> int:
    """What a wrong password is answered that comes with this ``X-Forwarded-For``."""
    with requests.Session() as http:
        http.headers.update({"X-Forwarded-For": forwarded} if forwarded else {})
        page = http.get(f"{house.url}/sign-in", timeout=20).text
        form = {"csrf_token": csrf_token(page), "email": "a@example.org", "password": "x"}
        return http.post(f"{house.url}/sign-in", data=form, timeout=20).status_code


def networks(house: House) -> int:
    return int(house.row("SELECT count(DISTINCT network_key) FROM sign_in_attempt")[0])


def test_only_the_address_that_the_nearest_proxy_saw_is_counted(house: House) -> None:
    house.environ["PUBLIC_BASE_URL"] = house.url  # plain, so that cookies come back
    house.parts[-1].stop()
    house.wait_until_up(house.start_web())
    forged = [f"{first}, 54.172.60.1" for first in ("1.1.1.1", "8.8.8.8, 9.9.9.9", "127.0.0.1")]
    assert [sign_in(house, one) for one in forged] == [422] * 3
    assert networks(house) == 1
    sign_in(house, "1.1.1.1, 54.172.60.2")
    assert networks(house) == 2
    del house.environ["TRUSTED_HOPS"]  # nobody stands in front: the header is a caller's own
    house.parts[-1].stop()
    house.wait_until_up(house.start_web())
    for one in ("54.172.60.3", "54.172.60.4", None):
        sign_in(house, one)
    assert networks(house) == 3
