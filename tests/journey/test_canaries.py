"""Unique values go through every feature, and are then looked for where they must not be."""

from __future__ import annotations

import json
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import pyotp
import pytest
import requests
from sqlalchemy import create_engine, inspect, text

from callback_service import create_app
from callback_service.clock import utc_now
from callback_service.domain.retention import Kept
from callback_service.extensions import db, reading, transaction
from callback_service.services import audit_chain, retention
from tests.journey.processes import SENDER, House, wait_for
from tests.journey.visitor import Visitor
from tests.support.builders import PASSWORD
from tests.support.canaries import Aviary
from tests.support.settings import make_settings

pytestmark = pytest.mark.journey

PACE_S = 0.06
#: What opens a page stands in its address. The access log is off for their sake, but for this test.
OPEN_PAGES = ("manage key", "withdrawn key", "invitation link", "calendar link")
NEWCOMER = "newcomer@example.org"


@dataclass
class Flight:
    """A journey with canaries, and all that the service said on the way."""

    house: House
    birds: Aviary = field(default_factory=Aviary)
    said: dict[str, str] = field(default_factory=dict)  # what must hold none of them, by place

    def let_loose(self) -> None:
        """Make up every canary that a person types."""
        self.birds.add_phone("caller's number", "741")
        self.birds.add_phone("second caller's number", "742")
        self.birds.add_phone("counsellor's number", "743")
        for name in ("name", "note", "closing note", "reason", "inbound text", "password",
                     "complaint", "address"):  # fmt: skip
            self.birds.add(name, f"Quillon {secrets.token_hex(4)} {name} Zyx")

    def word(self, name: str) -> str:
        """A canary as it is typed."""
        return self.birds.canaries[name].shapes[0]

    def hear(self, place: str, reply: requests.Response, status: int) -> None:
        """Keep an answer that must hold no canary."""
        assert reply.status_code == status, (place, reply.status_code, reply.text[:500])
        self.said[place] = reply.text + str(reply.headers)


@pytest.fixture
def flight(database_url: str, tmp_path: Path) -> Iterator[Flight]:
    """The whole service with the demo's people, its audit log shipped and its addresses written."""
    house = House(database_url, tmp_path)
    house.environ["AUDIT_LOG"] = str(tmp_path / "audit.jsonl")
    house.environ["GUNICORN_CMD_ARGS"] = f"--access-logfile {tmp_path / 'addresses'}"
    try:
        house.open(is_staffed=True)
        house.ask_twilio("pace", second=PACE_S)
        yield Flight(house)
    finally:
        house.close()


def test_what_people_tell_the_service_is_found_nowhere_else(flight: Flight) -> None:
    flight.let_loose()
    with Visitor(flight.house.url) as caller, Visitor(flight.house.url) as counsellor:
        _ask(flight, caller)
        _set_up_own_phone(flight, counsellor)
        _ring_and_close(flight, counsellor)
        _withdraw(flight)
        _give_back_for_a_reason(flight, counsellor)
        _complain(flight)
    with Visitor(flight.house.url) as manager:
        _join(flight, manager)
        _manage(flight, manager)
    with Visitor(flight.house.url) as again:
        _sign_in_with_recovery_code(flight, again)
    _provoke(flight)
    _crash(flight)
    _run_commands(flight)
    assert flight.birds.never_in_play() == []
    _look_everywhere(flight)


def _post_form(flight: Flight, caller: Visitor, number: str) -> str:
    """Send the form as somebody who gives a name and a note; the key that opens their pages."""
    caller.open("/")
    reply = caller.post(
        "/", phone=flight.word(number), name=flight.word("name"), when="asap", messages="text",
        note=flight.word("note"), consent="y",
    )  # fmt: skip
    assert reply.status_code == 303, reply.text
    return reply.headers["Location"].rsplit("/", 1)[1]


def _ask(flight: Flight, caller: Visitor) -> None:
    """Ask with a mistake first, then rightly; the text comes, and one goes back."""
    caller.open("/")
    caller.press("/", phone="12", name=flight.word("name"), note=flight.word("note"), consent="y")
    flight.birds.seen("name", caller.page)  # the form keeps what was typed
    key = flight.birds.add("manage key", _post_form(flight, caller, "caller's number"))
    flight.birds.seen("manage key", caller.open(f"/done/{key}"))
    caller.open(f"/manage/{key}")
    number = flight.word("caller's number")
    delivered = "SELECT 1 FROM outbox_message WHERE delivery_status = 'delivered'"
    wait_for(lambda: flight.house.row(delivered), "a delivered text")
    flight.birds.seen("caller's number", json.dumps(flight.house.texts(number)))
    written = {"from": number, "to": SENDER, "body": flight.word("inbound text")}
    assert flight.house.ask_twilio("inbound", **written)["status"] in {200, 204}


def _set_up_own_phone(flight: Flight, counsellor: Visitor) -> None:
    people = flight.house.people()
    on_shift = [one for one in people if one["role"] == "counsellor" and one["on_shift"]]
    counsellor.sign_in(on_shift[0]["email"], PASSWORD)
    counsellor.open("/account/texts")
    own = flight.word("counsellor's number")
    counsellor.press("/account/texts", phone=own)
    flight.house.ask_twilio("phone", number=own, picks_up="at once", keys="1")


def _take(flight: Flight, counsellor: Visitor) -> str:
    """Take what waits; where its buttons are."""
    waiting = "SELECT id FROM callback_request WHERE state = 'waiting' ORDER BY id DESC"
    request_id = wait_for(lambda: flight.house.row(waiting), "a waiting request")[0]
    counsellor.open("/desk")
    counsellor.press(f"/desk/requests/{request_id}/accept")
    return f"/desk/requests/{request_id}"


def _ring_and_close(flight: Flight, counsellor: Visitor) -> None:
    """Read the call, see the number, have both rung, and write the outcome down."""
    house, number = flight.house, flight.word("caller's number")
    house.ask_twilio("phone", number=number, picks_up="at once", talks_seconds=1)
    path = _take(flight, counsellor)
    for name in ("name", "note", "inbound text"):
        flight.birds.seen(name, counsellor.page)
    counsellor.press(f"{path}/number")
    flight.birds.seen("caller's number", counsellor.page)
    counsellor.open(path)
    counsellor.press(f"{path}/ring-now")
    ended = "SELECT 1 FROM bridged_call WHERE ending = 'connected'"
    wait_for(lambda: house.row(ended), "a call that connected")
    flight.birds.seen("counsellor's number", json.dumps(house.ask_twilio("calls")))
    counsellor.open(path)
    note = flight.word("closing note")
    counsellor.press(f"{path}/outcome", outcome="no_answer", note=note)
    assert "to be rung again" in counsellor.words, counsellor.words
    house.run("UPDATE callback_request SET ring_from = created_at WHERE state = 'waiting'")
    path = _take(flight, counsellor)
    flight.birds.seen("closing note", counsellor.page)
    counsellor.press(f"{path}/ring")
    counsellor.press(f"{path}/outcome", outcome="answered", disposition="helped", note=note)
    assert "is closed" in counsellor.words, counsellor.words


def _withdraw(flight: Flight) -> None:
    """A second caller asks, and takes it back."""
    with Visitor(flight.house.url) as caller:
        key = _post_form(flight, caller, "second caller's number")
        flight.birds.add("withdrawn key", key)
        flight.birds.seen("withdrawn key", caller.open(f"/manage/{key}"))
        caller.press(f"/manage/{key}/withdraw")
    assert flight.house.row("SELECT 1 FROM callback_request WHERE disposition = 'withdrawn'")


def _give_back_for_a_reason(flight: Flight, counsellor: Visitor) -> None:
    """The second caller asks anew; a counsellor gives it back and says why in their own words."""
    with Visitor(flight.house.url) as caller:
        _post_form(flight, caller, "second caller's number")
    path = _take(flight, counsellor)
    counsellor.press(f"{path}/number")
    flight.birds.seen("second caller's number", counsellor.page)
    counsellor.open(path)
    counsellor.press(f"{path}/release", reason="other", words=flight.word("reason"))


def _complain(flight: Flight) -> None:
    """Somebody complains, and says where to answer and what number they asked with."""
    with Visitor(flight.house.url) as caller:
        caller.open("/complaint")
        told = {"words": flight.word("complaint"), "write_to": flight.word("address")}
        number = flight.word("caller's number")
        caller.press("/complaint", answer_by="writing", phone=number, **told)
        assert "We have what you sent" in caller.words, caller.words


def _join(flight: Flight, manager: Visitor) -> None:
    """A new manager opens their invitation, sets a password, and sets up an app for codes."""
    link = flight.house.flask(
        "create-staff", "--email", NEWCOMER, "--name", "New Comer", "--role", "manager"
    ).strip()
    path = urlsplit(link).path
    flight.birds.add("invitation link", path.rsplit("/", 1)[1])
    flight.birds.seen("invitation link", manager.open(path))
    password = flight.word("password")
    manager.press(path, password=password, again=password)
    if "app-key" not in manager.page:
        manager.open("/sign-in")
        manager.press("/sign-in", email=NEWCOMER, password=password)
    found = re.search(r'id="app-key">([^<]+)<', manager.page)
    assert found, manager.words
    key = flight.birds.add("app key", found[1].replace(" ", ""), found[1])
    flight.birds.seen("app key", manager.page)
    code = flight.birds.add_code("code", pyotp.TOTP(key).now())
    flight.birds.seen("code", code)
    manager.press("/sign-in/set-up", code=code)
    codes = re.findall(r"<li><code>([^<]+)</code>", manager.page)
    flight.birds.add("recovery code", codes[0])
    flight.birds.seen("recovery code", manager.page)
    flight.birds.canaries["password"].was_in_play = True  # it opened all of this


def _manage(flight: Flight, manager: Visitor) -> None:
    """Tokens, links, the pages of a manager, and a number looked up."""
    manager.open("/account")
    manager.press("/account/tokens", name="for the test")
    token = re.search(r'id="new-token" value="([^"]+)"', manager.page)
    assert token, manager.words
    flight.birds.add("token", token[1])
    flight.birds.seen("token", manager.page)
    bearer = {"Authorization": f"Bearer {token[1]}"}
    queue = requests.get(f"{flight.house.url}/api/v1/callback-requests", headers=bearer, timeout=10)
    flight.hear("the API's queue", queue, 200)
    manager.open("/rota/calendar")
    manager.press("/rota/calendar/links", scope="own")
    found = re.search(r'id="calendar-link" value="([^"]+)"', manager.page)
    assert found, manager.words
    path = urlsplit(unescape(found[1])).path
    flight.birds.add("calendar link", path.rsplit("/", 1)[1].removesuffix(".ics"))
    flight.birds.seen("calendar link", manager.page)
    assert manager.get(path).status_code == 200
    manager.open("/messages")
    manager.press("/messages/numbers", phone=flight.word("caller's number"), do="stop")
    manager.open(f"/desk/requests/{_last_request(flight.house)}/history")
    flight.birds.seen("reason", manager.page)
    manager.open("/personal-data/complaints/1")
    for name in ("complaint", "address"):
        flight.birds.seen(name, manager.page)
    for page in (
        "/audit",
        "/audit?what=looks",
        "/personal-data",
        "/findings",
        "/messages",
        "/desk",
        "/rota/history",
    ):
        flight.hear(page, manager.get(page), 200)


def _last_request(house: House) -> int:
    request_id: int = house.row("SELECT max(id) FROM callback_request")[0]
    return request_id


def _sign_in_with_recovery_code(flight: Flight, again: Visitor) -> None:
    """A wrong password, a wrong code and a recovery code; then out."""
    again.open("/sign-in")
    again.press("/sign-in", email=NEWCOMER, password=flight.word("note"))
    again.press("/sign-in", email=NEWCOMER, password=flight.word("password"))
    again.open("/sign-in/recovery-code")
    again.press("/sign-in/recovery-code", code=flight.word("recovery code"))
    assert "recovery codes left" in again.open("/account"), again.words
    sid = again.cookie("sid")
    flight.birds.add("sign-in cookie", sid)
    flight.birds.seen("sign-in cookie", sid)
    again.press("/sign-out")


def _provoke(flight: Flight) -> None:
    """Requests that are refused, in every way there is."""
    url = flight.house.url
    typed = {name: flight.word(name) for name in ("caller's number", "name", "note", "password")}
    flight.hear("400", requests.post(f"{url}/sign-in", data=typed, timeout=10), 400)
    flight.hear("404", requests.post(f"{url}/nowhere", data=typed, timeout=10), 404)
    flight.hear("405", requests.put(f"{url}/sign-in", data=typed, timeout=10), 405)
    much = {**typed, "more": "x" * 2_000_000}
    flight.hear("413", requests.post(f"{url}/sign-in", data=much, timeout=10), 413)
    flight.hear("401", requests.get(f"{url}/api/v1/rota/shifts", headers={
        "Authorization": f"Bearer {flight.word('note')}"}, timeout=10), 401)  # fmt: skip
    flight.hear("403", requests.post(f"{url}/twilio/texts/inbound", data={
        "From": typed["caller's number"], "Body": typed["note"]}, timeout=10), 403)  # fmt: skip
    for line in ("GET /manage/{} HTTP/9\r\n\r\n", "GET / HTTP/1.1\r\nno colon {}\r\n\r\n"):
        _send_raw(url, line.format(flight.word("manage key") + flight.word("note")))
    for path in ("/health/live", "/health/ready", "/metrics"):
        reply = requests.get(url + path, timeout=10)
        flight.said[path] = reply.text


def _send_raw(url: str, content: str) -> None:
    """Send what is not HTTP."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0), 10) as connection:
        connection.sendall(content.encode())
        connection.recv(4096)


def _crash(flight: Flight) -> None:
    """Break the database under the service while people type, and kill a process in the middle."""
    house = flight.house
    with Visitor(house.url) as caller:
        caller.open("/")
        with _table_gone(house):
            reply = caller.post(
                "/", phone=flight.word("caller's number"), name=flight.word("name"), when="asap",
                messages="text", note=flight.word("note"), consent="y",
            )  # fmt: skip
            flight.hear("500", reply, 500)
            scheduler = house.parts[-1]
            wait_for(lambda: scheduler.said(" failed"), "a tick that failed")
    web = next(part for part in house.parts if part.name == "web")
    assert "unexpected fault" in web.log.read_text()
    web.kill()
    house.wait_until_up(house.start_web())


@contextmanager
def _table_gone(house: House) -> Iterator[None]:
    house.run("ALTER TABLE submission RENAME TO gone")
    house.run("ALTER TABLE escalation RENAME TO gone_too")
    try:
        yield
    finally:
        house.run("ALTER TABLE gone RENAME TO submission")
        house.run("ALTER TABLE gone_too RENAME TO escalation")


def _run_commands(flight: Flight) -> None:
    house = flight.house
    for command in (
        ("audit", "verify"), ("audit", "export"), ("tick", "retention"),
        ("staff-link", "--email", NEWCOMER),
    ):  # fmt: skip
        flight.said[" ".join(command)] = house.flask(*command)


def _look_everywhere(flight: Flight) -> None:
    """Logs, addresses, answers, audit entries; and the database before and after erasure."""
    house = flight.house
    places = dict(flight.said)
    for part in house.parts:
        if part.name != "twilio":  # that one stands for somebody else's machine
            places[f"the log of {part.name}"] = part.log.read_text()
    shipped = (house.folder / "audit.jsonl").read_text()
    assert len(shipped.splitlines()) > 30
    places["the shipped audit log"] = shipped
    found = {place: flight.birds.found_in(content) for place, content in places.items()}
    assert {place: names for place, names in found.items() if names} == {}
    addresses = (house.folder / "addresses").read_text()
    assert flight.birds.found_in(addresses, besides=OPEN_PAGES) == []
    assert flight.birds.found_in(addresses) != []  # the search does find what is there
    house.close()
    assert flight.birds.found_in(_bytes_of(house)) == []
    _erase_everything(house)
    assert flight.birds.found_in(_bytes_of(house)) == []


def _bytes_of(house: House) -> bytes:
    """All that the database keeps: its files, or every row of every table as a dump shows it."""
    files = [path.read_bytes() for path in _files(house) if path.is_file()]
    return b"\n".join(files) if files else _dump(house)


def _files(house: House) -> list[Path]:
    if not house.database_url.startswith("sqlite"):
        return []
    path = Path(house.database_url.removeprefix("sqlite:///"))
    found = sorted(path.parent.glob(f"{path.name}*"))
    assert path in found
    return found


def _dump(house: House) -> bytes:
    url = make_settings(house.database_url, house.folder).database_url
    engine = create_engine(url)
    with engine.connect() as connection:
        rows: list[str] = []
        for table in inspect(connection).get_table_names():
            query = f'SELECT t::text FROM "{table}" t'  # noqa: S608 - names of our tables
            rows += connection.execute(text(query)).scalars()
    engine.dispose()
    assert len(rows) > 100
    return "\n".join(rows).encode()


def _erase_everything(house: House) -> None:
    """Let two months pass and erase, as the scheduler does; the audit log is whole after it."""
    app = create_app(make_settings(house.database_url, house.folder))
    with app.app_context():
        later = utc_now() + timedelta(days=60)
        with transaction() as session:
            session.execute(text("UPDATE callback_request SET closed_at = created_at, "
                                 "state = 'closed', disposition = 'expired' "
                                 "WHERE state = 'waiting'"))  # fmt: skip
        with transaction() as session:
            assert retention.erase_old(session, now=later)[Kept.CALLERS] >= 2
        with reading() as session:
            left = text("SELECT count(*) FROM callback_request WHERE phone_sealed IS NOT NULL")
            assert session.execute(left).scalar_one() == 0
        with reading() as session:
            assert audit_chain.verify(session).trouble is None
        db.session.remove()
        db.engine.dispose()
