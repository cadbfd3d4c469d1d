"""A flood of the form from many addresses, against real processes, and one honest caller."""

from __future__ import annotations

import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from html import unescape
from pathlib import Path
from statistics import quantiles

import pytest
import requests

from callback_service.services.intake import new_key
from tests.journey.processes import House, wait_for

pytestmark = [pytest.mark.journey, pytest.mark.alone]

#: `make faults` sends more.
POSTS_OF_EACH = int(os.environ.get("FLOOD_POSTS", "6"))
ADDRESSES, AT_ONCE = int(os.environ.get("FLOOD_ADDRESSES", "10")), 6
LOOKS = 20  # of an honest browser at the form: before the flood, and at least so many in it
A_NETWORK, IN_ALL = 2, 20
HONEST_WITHIN_S = 10.0
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)"(?: value="([^"]*)")?')

Record = Callable[[str, object], None]


class Browser:
    """Somebody at an address, as the proxy in front of the service names it."""

    def __init__(self, house: House, address: str) -> None:
        self._url = f"{house.url}/"
        self._http = requests.Session()
        self._http.headers["X-Forwarded-For"] = f"8.8.8.8, {address}"  # the first is made up

    def fetch(self, path: str = "") -> requests.Response:
        return self._http.get(self._url + path, timeout=60)

    def send(self, page: str, number: int) -> requests.Response:
        """One post of the form on ``page``, with a key of its own."""
        form = {name: unescape(value or "") for name, value in HIDDEN.findall(page)}
        form |= {"submission_key": new_key(), "phone": f"07700 900{number:03}", "when": "asap"}
        form |= {"messages": "no", "consent": "y"}
        return self._http.post(self._url, data=form, allow_redirects=False, timeout=60)

    def close(self) -> None:
        self._http.close()


@dataclass(frozen=True)
class Took:
    """What one request was answered, and after how many seconds."""

    status: int
    seconds: float


def timed(send: Callable[[], requests.Response]) -> Took:
    began_at = time.monotonic()
    return Took(send().status_code, time.monotonic() - began_at)


def p95(took: Sequence[Took]) -> float:
    """What nineteen in twenty did not last longer than, in seconds."""
    return quantiles([one.seconds for one in took], n=20)[-1]


def flood(house: House, which: int) -> list[Took]:
    """All posts of one address."""
    loud = Browser(house, f"81.2.{which // 250}.{which % 250 + 1}")
    page = loud.fetch().text
    numbers = range(which * POSTS_OF_EACH, (which + 1) * POSTS_OF_EACH)
    took = [timed(partial(loud.send, page, number % 900)) for number in numbers]
    loud.close()
    return took


def looks(house: House, until: Callable[[], bool]) -> list[Took]:
    """An honest browser opens the form again and again, each time from another address."""
    took: list[Took] = []
    while len(took) < LOOKS or not until():
        caller = Browser(house, f"81.3.{len(took) // 250}.{len(took) % 250 + 1}")
        took.append(timed(caller.fetch))
        caller.close()
    return took


def ask(house: House) -> tuple[str, float]:
    """The page an honest caller comes to, and the seconds it took from opening the form."""
    began_at, caller = time.monotonic(), Browser(house, "81.2.70.1")
    form = caller.fetch()
    assert "01632 960 000" in form.text
    sent = caller.send(form.text, 950)
    assert sent.status_code == 303, sent.text
    page = caller.fetch(sent.headers["Location"].lstrip("/")).text
    caller.close()
    return page, time.monotonic() - began_at


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    """A web server behind one proxy, with limits that a short flood reaches."""
    house = House(database_url, tmp_path)
    for name in [name for name in house.environ if name.startswith("TWILIO_")]:
        del house.environ[name]  # texts stay here, and made-up numbers are taken
    limits = {"FORMS_PER_NETWORK": str(A_NETWORK), "FORMS_PER_HOUR": str(IN_ALL)}
    limits["FORM_LEAST_SECONDS"] = "0"  # this crowd, and this caller, answer at once
    house.environ |= {"TRUSTED_HOPS": "1", **limits}
    try:
        house.wait_until_up(house.start_web())
        yield house
    finally:
        sys.stdout.write(house.close())


@pytest.mark.fault("a flood of the form from many addresses")
def test_an_honest_caller_gets_through_a_flood_and_nothing_that_was_sent_is_lost(
    house: House, record_property: Record
) -> None:
    before = looks(house, lambda: True)
    with ThreadPoolExecutor(AT_ONCE) as crowd:
        floods: list[Future[list[Took]]] = [
            crowd.submit(flood, house, which) for which in range(ADDRESSES)
        ]
        wait_for(lambda: _waiting(house) >= ADDRESSES, "posts that wait", within_s=60)
        promised = _promises(house)
        page, seconds = ask(house)
        during = looks(house, lambda: all(one.done() for one in floods))
        posts = [took for one in floods for took in one.result()]
    statuses = Counter(one.status for one in posts)
    record_property("honest_caller_s", round(seconds, 2))
    record_property("statuses", dict(statuses))
    for name, took in (("posts", posts), ("form_before", before), ("form_in_it", during)):
        record_property(f"{name}_p95_s", round(p95(took), 3))
    assert "What happens next" in page  # in the queue, with a time
    assert seconds < HONEST_WITHIN_S
    assert set(statuses) == {303}
    assert {one.status for one in during} == {200}
    most = min(A_NETWORK * ADDRESSES + 1, IN_ALL * 3 + AT_ONCE)
    assert _count(house, "let_in_at IS NOT NULL") <= most
    assert _count(house, "true") == statuses[303] + 1
    assert _promises(house) | promised == _promises(house)  # of nobody who had one


def _promises(house: House) -> set[tuple[int, str]]:
    """Every request by its id, and by when it was promised."""
    rows = house.rows("SELECT id, due_at FROM callback_request")
    return {(row[0], str(row[1])) for row in rows}


def _waiting(house: House) -> int:
    return _count(house, "ask_sealed IS NOT NULL")


def _count(house: House, condition: str) -> int:
    counted: int = house.row(f"SELECT count(*) FROM form_post WHERE {condition}")[0]  # noqa: S608
    return counted
