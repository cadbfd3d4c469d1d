"""Calls through real processes: bridged ones in all their ends, and one that comes in."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import pytest

from callback_service.services.calls import KEY_PRESSED_WITHIN
from tests.journey.processes import PATIENCE_S, SENDER, House, wait_for
from tests.journey.visitor import Visitor
from tests.support.builders import PASSWORD

pytestmark = pytest.mark.journey

COUNSELLOR = "+447700900801"
#: How long a second of the double's exchange lasts: a phone rings out in a few of ours.
PACE_S = 0.06
#: Slow enough for the web server to be killed before the double tells it that the phone rings.
SLOW_PACE_S = 0.5
#: The service looks up a call that rings after this long, and an unclear one sooner.
LOOKED_UP_WITHIN_S = KEY_PRESSED_WITHIN.total_seconds() + PATIENCE_S


@dataclass
class Desk:
    """A counsellor at the desk, one caller after another."""

    house: House
    counsellor: Visitor
    callers: int = 0
    token: str = ""  # of the latest caller's own page

    def take_next(self) -> str:
        """Somebody asks for a call and the counsellor takes it; the caller's number."""
        self.callers += 1
        number = f"+4477009001{self.callers:02}"
        with Visitor(self.house.url) as caller:
            caller.open("/")
            asked = caller.post(
                "/", phone=number, name="", when="asap", messages="no", note="", consent="y"
            )
            assert asked.status_code == 303, asked.text
            self.token = asked.headers["Location"].rsplit("/", 1)[1]
        self.counsellor.open("/desk")
        self.press("accept")
        return number

    @property
    def request(self) -> Any:
        """The latest request."""
        return self.house.row("SELECT id, state, tries FROM callback_request ORDER BY id DESC")

    @property
    def call(self) -> Any:
        """The latest call."""
        query = "SELECT state, ending, own_sid FROM bridged_call ORDER BY id DESC"
        return self.house.row(query)

    def press(self, button: str, **answers: str) -> str:
        """Press a button of the call's page."""
        self.counsellor.press(f"/desk/requests/{self.request[0]}/{button}", **answers)
        return self.counsellor.words

    def phone(self, number: str, **manner: Any) -> None:
        """Say how a phone behaves."""
        self.house.ask_twilio("phone", number=number, **manner)

    def until_ended(self, ending: str) -> str:
        """Wait until the call has ended so and nobody is on the line; what the desk then says."""
        wait_for(lambda: self.call[1] == ending and self._is_quiet(), f"a call that is {ending}")
        self.counsellor.open(f"/desk/requests/{self.request[0]}")
        return self.counsellor.words

    def _is_quiet(self) -> bool:
        legs = self.house.ask_twilio("calls")
        return all(leg["status"] not in {"queued", "ringing", "in-progress"} for leg in legs)

    def chosen(self) -> str:
        """The outcome that the open page has chosen."""
        inputs = [part.split(">")[0] for part in self.counsellor.page.split("<input")]
        [chosen] = [one for one in inputs if 'name="outcome"' in one and " checked" in one]
        return chosen.split('value="')[1].split('"')[0]

    def save(self, outcome: str, **more: str) -> None:
        """Confirm how it went."""
        self.press("outcome", outcome=outcome, note="", **more)
        assert "Request" in self.counsellor.words, self.counsellor.words

    def rung(self) -> list[str]:
        """Every number that rang, in order."""
        return [leg["to"] for leg in self.house.ask_twilio("calls")]


@pytest.fixture
def desk(staffed_house: House) -> Desk:
    """A counsellor on shift whose phone the service knows."""
    house = staffed_house
    people = house.people()
    on_shift = [one for one in people if one["role"] == "counsellor" and one["on_shift"]]
    house.ask_twilio("pace", second=PACE_S)
    counsellor = Visitor(house.url)
    counsellor.sign_in(on_shift[0]["email"], PASSWORD)
    counsellor.open("/account/texts")
    counsellor.press("/account/texts", phone=COUNSELLOR)
    return Desk(house, counsellor)


def test_bridged_calls_end_in_every_way_and_the_counsellor_says_how(desk: Desk) -> None:
    _answered(desk)
    _no_answer(desk)
    _caller_hangs_up(desk)
    _voicemail(desk)
    _counsellors_machine(desk)
    _withdrawn_meanwhile(desk)
    refused = [one for one in desk.house.ask_twilio("webhooks") if one["status"] not in {200, 204}]
    assert refused == []
    log = "".join(part.log.read_text() for part in desk.house.parts if part.name != "twilio")
    assert "7700900" not in log


def _answered(desk: Desk) -> None:
    caller = desk.take_next()
    desk.phone(COUNSELLOR, picks_up="at once", keys="1")
    desk.phone(caller, picks_up="at once", talks_seconds=1)
    desk.press("ring-now")
    assert "was answered, for " in desk.until_ended("connected")
    assert desk.rung() == [COUNSELLOR, caller]
    assert {leg["from"] for leg in desk.house.ask_twilio("calls")} == {SENDER}
    assert desk.chosen() == "answered"
    desk.save("answered", disposition="helped")
    assert desk.request[1] == "closed"
    kept = desk.house.row("SELECT kept FROM contact_window ORDER BY id DESC")
    assert kept[0]


def _no_answer(desk: Desk) -> None:
    desk.phone(desk.take_next(), picks_up="never")
    desk.press("ring-now")
    assert "Nobody answered." in desk.until_ended("no_answer")
    assert desk.chosen() == "no_answer"
    desk.save("no_answer")
    assert desk.request[1:] == ("waiting", 1)


def _caller_hangs_up(desk: Desk) -> None:
    caller = desk.take_next()
    desk.phone(caller, picks_up="at once")
    desk.press("ring-now")
    wait_for(lambda: desk.call[0] == "talking", "the two to talk")
    desk.house.ask_twilio("phone/hang-up", number=caller)
    desk.until_ended("connected")
    desk.save("answered", disposition="helped")


def _voicemail(desk: Desk) -> None:
    """A machine answers the caller's phone: the counsellor hears it, and hangs up."""
    desk.phone(desk.take_next(), picks_up="at once")
    desk.press("ring-now")
    wait_for(lambda: desk.call[0] == "talking", "the machine to answer")
    desk.house.ask_twilio("phone/hang-up", number=COUNSELLOR)
    desk.until_ended("connected")
    desk.save("voicemail")
    assert desk.request[1:] == ("waiting", 1)


def _counsellors_machine(desk: Desk) -> None:
    """The counsellor's own machine presses no key: the caller never hears of it."""
    caller = desk.take_next()
    desk.phone(COUNSELLOR, picks_up="at once")
    desk.press("ring-now")
    assert "The request is still yours" in desk.until_ended("not_taken")
    assert caller not in desk.rung()
    assert desk.request[1:] == ("assigned", 0)
    desk.press("release", reason="not_now")


def _withdrawn_meanwhile(desk: Desk) -> None:
    caller = desk.take_next()
    desk.phone(COUNSELLOR)
    desk.press("ring-now")
    wait_for(lambda: desk.call[0] == "ringing_us", "the counsellor's phone to ring")
    with Visitor(desk.house.url) as person:
        person.open(f"/manage/{desk.token}")
        person.press(f"/manage/{desk.token}/withdraw")
    desk.house.ask_twilio("phone/press", number=COUNSELLOR, keys="1")
    desk.house.ask_twilio("phone/answer", number=COUNSELLOR)
    wait_for(lambda: desk.call[1] == "called_off", "a call that is called off")
    assert caller not in desk.rung()
    assert desk.request[1] == "closed"


@pytest.mark.fault("a web server killed while it asks for a call")
@pytest.mark.one_database
def test_a_web_server_that_is_killed_while_it_asks_for_a_call_rings_nobody_twice(
    desk: Desk,
) -> None:
    house = desk.house
    desk.take_next()
    house.ask_twilio("pace", second=SLOW_PACE_S)
    house.ask_twilio("misbehave", kind="slow_reply", seconds=20, on="call")
    desk.phone(COUNSELLOR, picks_up="never")
    with pytest.raises(Exception, match="Connection"):
        _press_and_kill_web(desk)
    house.wait_until_up(house.start_web())
    wait_for(lambda: desk.call[0] == "ended", "the look-up", within_s=LOOKED_UP_WITHIN_S)
    assert desk.call[1] == "not_taken"
    assert desk.call[2] == house.ask_twilio("calls")[0]["sid"]
    assert house.ask_twilio("calls-made")["rings"] == 1


def _press_and_kill_web(desk: Desk) -> None:
    house = desk.house
    web = next(part for part in house.parts if part.name == "web")

    def kill_once_it_rings() -> None:
        wait_for(lambda: house.ask_twilio("calls"), "the call at the double")
        web.kill()

    killer = threading.Thread(target=kill_once_it_rings)
    killer.start()
    try:
        desk.press("ring-now")
    finally:
        killer.join()


def test_a_call_to_the_service_leaves_a_request_that_is_planned(staffed_house: House) -> None:
    house = staffed_house
    house.ask_twilio("pace", second=PACE_S)
    house.ask_twilio("phone", number="+447700900150", keys="1")
    url = f"{house.url}/twilio/calls/inbound"
    leg = house.ask_twilio("ring", **{"from": "+447700900150", "to": SENDER, "url": url})
    assert leg["said"][-1].startswith("Thank you. We will ring you by ")
    wait_for(lambda: house.row("SELECT 1 FROM plan_entry"), "a place in the plan")
    row = house.row("SELECT state, may_text, may_leave_voicemail FROM callback_request")
    assert (row[0], bool(row[1]), bool(row[2])) == ("waiting", False, False)
