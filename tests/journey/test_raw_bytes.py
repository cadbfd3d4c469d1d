"""Bytes that no browser sends, against gunicorn as it is shipped: what each is answered, that
nobody else suffers, and that the log holds a line of it without a word of what was sent."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.journey.processes import House, wait_for
from tests.support.pages import without_chance

pytestmark = [pytest.mark.journey, pytest.mark.one_database]

#: Stands in every request, and nowhere else.
CANARY = b"07700900321"
THREADS = 8  # of gunicorn.conf.py
END = b"Connection: close\r\n\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"0\r\n\r\nGET /health/live?" + CANARY + b" HTTP/1.1\r\nHost: a\r\n\r\n"
TOO_LONG = b"".join(b"ffff\r\n" + CANARY.ljust(0xFFFF, b"a") + b"\r\n" for _ in range(2))

#: What is sent, and the status of the one answer to it.
REFUSED = {
    "a length and chunks": (POST + b"Content-Length: 4\r\n" + CHUNKED + b"\r\n" + SMUGGLED, 400),
    "chunks and a length": (POST + CHUNKED + b"Content-Length: 4\r\n\r\n" + SMUGGLED, 400),
    "two lengths": (POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\n" + SMUGGLED, 400),
    "a length with a sign": (POST + b"Content-Length: +4\r\n\r\n" + SMUGGLED, 400),
    "a space before the colon": (POST + b"Transfer-Encoding : chunked\r\n\r\n" + SMUGGLED, 400),
    "an unknown coding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n" + SMUGGLED, 501),
    "bare line feeds": (b"GET /health/live HTTP/1.1\nHost: " + CANARY + b"\n\n", 400),
    "one bare line feed": (LIVE + b"X-A: " + CANARY + b"\nX-B: b\r\n" + END, 400),
    "a folded header": (LIVE + b"X-A: a\r\n " + CANARY + b"\r\n" + END, 400),
    "a NUL in a header": (LIVE + b"X-A: \x00" + CANARY + b"\r\n" + END, 400),
    "a long header": (LIVE + b"X-A: " + CANARY * 1000 + b"\r\n" + END, 431),
    "many headers": (LIVE + b"X-A: " + CANARY + b"\r\n" + b"X-B: b\r\n" * 99 + END, 431),
    "a long address": (b"GET /" + CANARY * 500 + b" HTTP/1.1\r\nHost: a\r\n" + END, 414),
    "no HTTP": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 " + CANARY + b"\r\n" + LIVE + END, 400),
    "a long body without its length": (POST + CHUNKED + END + TOO_LONG + b"0\r\n\r\n", 413),
    "a long body with its length": (POST + b"Content-Length: 99999\r\n" + END, 413),
}
#: What a stranger may say of where they come from and whom they ask; it changes nothing.
CLAIMS = (
    "X-Forwarded-Proto: https", "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off",
    "X-Forwarded-Host: evil.example", "X-Forwarded-Prefix: /evil", "X-Forwarded-For: evil.example",
    "Forwarded: for=1.2.3.4;host=evil.example;proto=https", "SCRIPT_NAME: /evil",
    "PATH_INFO: /metrics", "REMOTE_USER: evil", "X_FORWARDED_FOR: 1.2.3.4",
)  # fmt: skip
#: The only words in which the server speaks of what it refused.
SAID = "a request that is not HTTP was refused"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the logs go."""
    return tmp_path_factory.mktemp("raw")


@pytest.fixture
def house(database_url: str, folder: Path) -> Iterator[House]:
    """A web server with nothing in front of it."""
    house = House(database_url, folder)
    try:
        house.wait_until_up(house.start_web())
        yield house
    finally:
        sys.stdout.write(house.close())


def connect(house: House) -> socket.socket:
    where = urlsplit(house.url)
    return socket.create_connection((where.hostname, where.port), timeout=20)


def answer(house: House, sent: bytes) -> bytes:
    """All that comes back until the server ends the connection."""
    with connect(house) as wire:
        with suppress(ConnectionError):  # it stops reading what is too long
            wire.sendall(sent)
        came = b""
        with suppress(ConnectionError):
            while more := wire.recv(65536):
                came += more
        return came


def statuses(came: bytes) -> list[int]:
    return [int(one) for one in re.findall(rb"HTTP/1\.1 (\d{3}) ", came)]


def test_what_is_not_sound_http_is_refused_once_and_leaves_nothing_of_it_in_the_log(
    house: House,
) -> None:
    answers = {name: statuses(answer(house, sent)) for name, (sent, _) in REFUSED.items()}
    assert answers == {name: [status] for name, (_, status) in REFUSED.items()}
    with connect(house) as wire, suppress(ConnectionError):  # a header that never ends
        for _ in range(300):
            wire.sendall(CANARY * 1000)
    assert house.answers()
    log = house.parts[-1].log.read_text()
    assert CANARY.decode() not in log
    warned = [json.loads(line) for line in log.splitlines() if '"level": "INFO"' not in line]
    assert {line["message"] for line in warned} == {SAID}
    assert len(warned) <= len(REFUSED) + 1


def page(house: House, claim: str, host: str = "a") -> str:
    """A page with its headers, to whoever says ``claim``, without what is drawn at random."""
    head = f"GET /privacy HTTP/1.1\r\nHost: {host}\r\n{claim}\r\n".encode()
    came = without_chance(answer(house, head + END).decode())
    return re.sub(r"(?m)^(Date|X-Request-Id): .*$|'nonce-[^']+'", "", came)


def test_what_strangers_claim_of_host_scheme_path_and_address_changes_no_answer(
    house: House,
) -> None:
    plain = page(house, "X-Other: 1")
    assert statuses(plain.encode()) == [200]
    assert {claim for claim in CLAIMS if page(house, claim) != plain} == set()
    hosts = ("evil.example", "evil.example/..@x", "[::1", "a b", CANARY.decode())
    assert {host for host in hosts if page(house, "X-Other: 1", host) != plain} == set()


def drip(slow: list[socket.socket]) -> None:
    """One more byte of each header or body that never ends."""
    for wire in slow:
        wire.sendall(b"a")


def test_slow_clients_hold_a_thread_each_and_the_others_are_served_until_all_are_held(
    house: House,
) -> None:
    """Nothing here cuts them off: the proxy must, as `docs/attacks.md` says."""
    with ExitStack() as ends:
        slow = [ends.enter_context(connect(house)) for _ in range(THREADS)]
        for wire in slow[1:5]:
            wire.sendall(LIVE + b"X-A: ")
        for wire in slow[5:]:
            wire.sendall(POST + b"Content-Length: 9999\r\n\r\ncsrf_token=")
        for _ in range(3):
            drip(slow[1:])
            assert requests.get(f"{house.url}/", timeout=20).status_code == 200
        slow[0].sendall(LIVE + b"X-A: ")  # the last of the threads
        with pytest.raises(requests.Timeout):
            requests.get(f"{house.url}/health/live", timeout=1)
    wait_for(house.answers, "an answer after the slow ones went")
    assert "Traceback" not in house.parts[-1].log.read_text()
