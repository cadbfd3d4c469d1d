"""Ring now, the whole way: the desk, the gateway's double, two telephones, and signed webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests as requests_http
from sqlalchemy import select

from callback_service.clock import utc_now
from callback_service.config import Settings
from callback_service.domain.calls import CallEnding, CallState
from callback_service.domain.lifecycle import RequestState
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import Submission
from callback_service.models.staff import Staff
from callback_service.services import presence, requests
from tests.journey.visitor import Visitor
from tests.rota_builders import LONDON
from tests.support.live import LiveServer
from tests.support.request_builders import stored
from tests.support.ringing import CALLER, COUNSELLOR, SERVICE, Ringing, eventually
from tests.support.settings import make_settings
from tests.twilio_double import Misdeed, Phone, TwilioDouble

ACCOUNT, TOKEN = "AC" + "1" * 32, "0123456789abcdef0123456789abcdef"
PRESSES = Phone("at once", keys="1")


@pytest.fixture
def double() -> Iterator[TwilioDouble]:
    with TwilioDouble(ACCOUNT, TOKEN, numbers=[SERVICE], manual=True) as double:
        yield double


@pytest.fixture
def settings(database_url: str, tmp_path: Path, double: TwilioDouble) -> Settings:
    return make_settings(
        database_url,
        tmp_path,
        PUBLIC_BASE_URL="http://127.0.0.1",
        TWILIO_ACCOUNT_SID=ACCOUNT,
        TWILIO_AUTH_TOKEN=TOKEN,
        TWILIO_FROM=SERVICE,
        TWILIO_API_URL=double.url,
    )


@pytest.fixture
def ringing(live_server: LiveServer, double: TwilioDouble) -> Iterator[Ringing]:
    with Visitor(live_server.url) as visitor:
        yield Ringing.prepared(live_server, double, visitor)
    double.exchange.stop()  # no phone rings on while the server goes
    double.check_webhooks()


def checked(page: str) -> list[str]:
    """The outcomes that are chosen on a page."""
    return [
        part.split('value="')[1].split('"')[0]
        for part in page.split("<input")
        if 'name="outcome"' in part and " checked" in part.split(">")[0]
    ]


def test_a_bridged_call_rings_the_counsellor_and_then_the_caller(ringing: Ringing) -> None:
    ringing.phone(COUNSELLOR, PRESSES)
    ringing.phone(CALLER, Phone("at once", talks_seconds=0.2))
    ringing.press("ring-now")
    ringing.until_ended(CallEnding.CONNECTED)
    assert ringing.rung == [COUNSELLOR, CALLER]
    own, caller = ringing.double.legs
    assert (own.sender, caller.sender) == (SERVICE, SERVICE)
    assert ringing.call.seconds == 1
    assert (ringing.call.own_sid, ringing.call.caller_sid) == (own.sid, caller.sid)
    assert "phone was answered, for 1 s." in ringing.open()
    assert checked(ringing.visitor.page) == ["answered"]


def test_the_attempt_begins_when_the_key_is_pressed_and_not_before(ringing: Ringing) -> None:
    words = ringing.press("ring-now")
    ringing.until(CallState.RINGING_US)
    assert "Answer it, and press 1" in ringing.open(), words
    assert (ringing.request.state, ringing.attempts) == (RequestState.ASSIGNED, [])
    ringing.double.exchange.phones.answer(COUNSELLOR)
    ringing.until(CallState.ASKING)
    assert ringing.attempts == []
    ringing.double.exchange.phones.press(COUNSELLOR, "1")
    ringing.until(CallState.DIALLING)
    [attempt] = ringing.attempts
    assert ringing.call.attempt_id == attempt.id
    assert ringing.request.state is RequestState.CALLING
    assert "Stay on the line. If a machine answers, hang up: leave no message" in ringing.open()
    assert checked(ringing.visitor.page) == []
    ringing.double.exchange.phones.answer(CALLER)
    ringing.until(CallState.TALKING)
    assert "You are through" in ringing.open()
    ringing.double.exchange.phones.hang_up(COUNSELLOR)
    ringing.until_ended(CallEnding.CONNECTED)


@pytest.mark.parametrize(
    ("caller", "ending", "suggested"),
    [
        (Phone("never"), CallEnding.NO_ANSWER, "no_answer"),
        (Phone("engaged"), CallEnding.ENGAGED, "engaged"),
        (Phone("failed"), CallEnding.FAILED, "failed"),
    ],
    ids=lambda value: value.picks_up if isinstance(value, Phone) else "",
)
def test_a_caller_who_is_not_reached_is_suggested_as_the_outcome(
    ringing: Ringing, caller: Phone, ending: CallEnding, suggested: str
) -> None:
    ringing.let_phones_ring_out()
    ringing.phone(COUNSELLOR, PRESSES)
    ringing.phone(CALLER, caller)
    ringing.press("ring-now")
    ringing.until_ended(ending)
    ringing.open()
    assert checked(ringing.visitor.page) == [suggested]
    assert ringing.request.state is RequestState.CALLING  # the counsellor confirms, nobody else
    said = ringing.double.call_state.said(ringing.double.legs[0].sid)
    assert said == ["A call is ready. Press 1 to go on.", "The call has ended. Goodbye."]


@pytest.mark.parametrize(
    "machine", [Phone("at once"), Phone("never"), Phone("engaged")], ids=lambda one: one.picks_up
)
def test_without_a_key_nobody_is_rung_and_nothing_is_said_of_anyone(
    ringing: Ringing, machine: Phone
) -> None:
    ringing.let_phones_ring_out()
    ringing.phone(COUNSELLOR, machine)
    ringing.press("ring-now")
    ringing.until_ended(CallEnding.NOT_TAKEN)
    assert ringing.rung == [COUNSELLOR]
    said = ringing.double.call_state.said(ringing.double.legs[0].sid)
    assert set(said) <= {"A call is ready. Press 1 to go on."}
    assert (ringing.request.state, ringing.attempts) == (RequestState.ASSIGNED, [])
    assert "The request is still yours: press again" in ringing.open()


@pytest.mark.one_database
def test_a_wrong_key_is_asked_for_again(ringing: Ringing) -> None:
    ringing.phone(COUNSELLOR, Phone("at once", keys="5 1"))
    ringing.phone(CALLER, Phone("engaged"))
    ringing.press("ring-now")
    ringing.until_ended(CallEnding.ENGAGED)


def test_a_caller_who_hangs_up_ends_the_call(ringing: Ringing) -> None:
    ringing.phone(COUNSELLOR, PRESSES)
    ringing.phone(CALLER, Phone("at once"))
    ringing.press("ring-now")
    ringing.until(CallState.TALKING)
    ringing.double.exchange.phones.hang_up(CALLER)
    ringing.until_ended(CallEnding.CONNECTED)


def test_a_counsellor_who_hangs_up_before_an_answer_ends_the_call(ringing: Ringing) -> None:
    ringing.phone(COUNSELLOR, PRESSES)
    ringing.press("ring-now")
    eventually(lambda: ringing.rung == [COUNSELLOR, CALLER], "the caller's phone rings")
    ringing.double.exchange.phones.hang_up(COUNSELLOR)
    ringing.until_ended(CallEnding.HUNG_UP)
    assert ringing.double.legs[1].status == "canceled"
    ringing.open()
    assert checked(ringing.visitor.page) == ["no_answer"]


def _withdraw(ringing: Ringing) -> None:
    with stored(ringing.server.app) as session:
        submission = session.scalars(select(Submission)).one()
        requests.withdraw(session, submission, now=utc_now(), tz=LONDON)


def _sign_off(ringing: Ringing) -> None:
    with stored(ringing.server.app) as session:
        staff_id = ringing.staff_id
        presence.sign_off(session, staff_id, actor_id=staff_id, now=utc_now(), tz=LONDON)


def _disable(ringing: Ringing) -> None:
    with stored(ringing.server.app) as session:
        session.get_one(Staff, ringing.staff_id).is_active = False


@pytest.mark.parametrize("meanwhile", [_withdraw, _sign_off, _disable])
def test_whoever_is_no_longer_to_be_rung_is_not(ringing: Ringing, meanwhile: object) -> None:
    assert callable(meanwhile)
    ringing.press("ring-now")
    ringing.until(CallState.RINGING_US)
    meanwhile(ringing)
    ringing.double.exchange.phones.press(COUNSELLOR, "1")
    ringing.double.exchange.phones.answer(COUNSELLOR)
    ringing.until_ended(CallEnding.CALLED_OFF)
    assert ringing.rung == [COUNSELLOR]
    assert ringing.attempts == []
    said = ringing.double.call_state.said(ringing.double.legs[0].sid)
    assert said[-1] == "This call is no longer needed. Goodbye."


def test_stopping_ends_the_ringing(ringing: Ringing) -> None:
    ringing.press("ring-now")
    ringing.until(CallState.RINGING_US)
    assert "Nobody was rung" in ringing.press("stop-ringing")
    ringing.until_ended(CallEnding.CALLED_OFF)
    assert ringing.double.legs[0].status == "canceled"


def test_ringing_by_hand_stops_the_bridge_so_that_nobody_is_rung_twice(ringing: Ringing) -> None:
    ringing.press("ring-now")
    ringing.until(CallState.RINGING_US)
    ringing.double.exchange.phones.press(COUNSELLOR, "1")
    ringing.press("ring")
    ringing.double.exchange.phones.answer(COUNSELLOR)
    ringing.until_ended(CallEnding.CALLED_OFF)
    assert ringing.rung == [COUNSELLOR]
    assert len(ringing.attempts) == 1


@pytest.mark.one_database
def test_a_second_press_while_the_phone_rings_is_the_same_call(ringing: Ringing) -> None:
    ringing.press("ring-now")
    ringing.press("ring-now")
    ringing.until(CallState.RINGING_US)
    assert len(ringing.double.rings) == 1


@pytest.mark.one_database
def test_a_call_that_was_cut_off_can_be_made_again_in_the_same_attempt(ringing: Ringing) -> None:
    ringing.phone(COUNSELLOR, PRESSES)
    ringing.phone(CALLER, Phone("at once", talks_seconds=0.1))
    for _ in range(2):
        ringing.open()
        ringing.press("ring-now")
        ringing.until_ended(CallEnding.CONNECTED)
    assert ringing.rung == [COUNSELLOR, CALLER] * 2
    assert len(ringing.attempts) == 1


@pytest.mark.one_database
def test_no_call_is_recorded_and_no_address_holds_a_number(ringing: Ringing) -> None:
    ringing.phone(COUNSELLOR, PRESSES)
    ringing.phone(CALLER, Phone("at once", talks_seconds=0.1))
    ringing.press("ring-now")
    ringing.until_ended(CallEnding.CONNECTED)
    [ring] = ringing.double.rings
    assert not [name for name in ring.form if "record" in name.lower()]
    answers = "".join(call.answer for call in ringing.double.webhook_calls)
    assert "record" not in answers.lower()
    assert COUNSELLOR not in answers
    for call in ringing.double.webhook_calls:
        assert "7700900" not in call.url


class TestThePoll:
    """What a page that is open asks for every two seconds."""

    def ask(self, ringing: Ringing, seen: str) -> requests_http.Response:
        return ringing.visitor.get(f"{ringing.path}/bridge/{seen}")

    @pytest.mark.one_database
    def test_brings_the_part_that_changes_and_no_number(self, ringing: Ringing) -> None:
        ringing.press("ring-now")
        ringing.until(CallState.RINGING_US)
        answer = self.ask(ringing, "assigned")
        assert "Ringing you" in answer.text
        assert "<html" not in answer.text
        assert "7700" not in answer.text

    @pytest.mark.one_database
    def test_loads_a_page_anew_that_would_look_otherwise(self, ringing: Ringing) -> None:
        ringing.press("ring-now")
        assert self.ask(ringing, "calling").headers["HX-Refresh"] == "true"
        ringing.press("stop-ringing")
        assert self.ask(ringing, "assigned").headers["HX-Refresh"] == "true"

    @pytest.mark.one_database
    def test_leads_to_the_queue_once_the_request_is_gone(self, ringing: Ringing) -> None:
        _withdraw(ringing)
        assert self.ask(ringing, "assigned").headers["HX-Redirect"] == "/desk"


class TestReports:
    @pytest.mark.parametrize("misdeed", [Misdeed.RECEIPT_DUPLICATED, Misdeed.RECEIPT_REORDERED])
    def test_that_repeat_or_come_out_of_order_do_no_harm(
        self, ringing: Ringing, misdeed: Misdeed
    ) -> None:
        ringing.double.misbehave(misdeed, times=50, on="call")
        ringing.phone(COUNSELLOR, PRESSES)
        ringing.phone(CALLER, Phone("engaged"))
        ringing.press("ring-now")
        ringing.until_ended(CallEnding.ENGAGED)

    def test_that_are_lost_are_made_up_for_by_asking(self, ringing: Ringing) -> None:
        ringing.double.misbehave(Misdeed.RECEIPT_DROPPED, times=50, on="call")
        ringing.let_phones_ring_out()
        ringing.press("ring-now")
        eventually(lambda: all(leg.is_over for leg in ringing.double.legs), "no phone rings")
        assert ringing.call.state is not CallState.ENDED
        ringing.make_due()
        ringing.tick()
        assert ringing.call.ending is CallEnding.NOT_TAKEN

    def test_of_a_lost_conversation_are_made_up_for_with_its_length(self, ringing: Ringing) -> None:
        ringing.double.misbehave(Misdeed.RECEIPT_DROPPED, times=50, on="call")
        ringing.phone(COUNSELLOR, PRESSES)
        ringing.phone(CALLER, Phone("at once"))
        ringing.press("ring-now")
        eventually(lambda: len(ringing.double.legs) == 2, "the caller is dialled")
        eventually(lambda: ringing.double.legs[1].status == "in-progress", "they talk")
        ringing.make_due()
        ringing.tick()
        assert ringing.call.state is CallState.TALKING


class TestUnclear:
    """The gateway goes wrong while it is asked for a call: nobody is rung twice for one press."""

    @pytest.mark.parametrize(
        "misdeed", [Misdeed.ERROR_500_STORED, Misdeed.REPLY_LOST, Misdeed.GARBAGE]
    )
    def test_a_call_that_was_taken_is_settled_by_its_first_report(
        self, ringing: Ringing, misdeed: Misdeed
    ) -> None:
        ringing.double.misbehave(misdeed, on="call")
        ringing.press("ring-now")
        ringing.until(CallState.RINGING_US)
        assert len(ringing.double.rings) == 1

    @pytest.mark.parametrize("misdeed", [Misdeed.ERROR_500_STORED, Misdeed.REPLY_LOST])
    def test_a_call_that_was_taken_is_found_when_no_report_comes(
        self, ringing: Ringing, misdeed: Misdeed
    ) -> None:
        ringing.double.misbehave(Misdeed.RECEIPT_DROPPED, times=50, on="call")
        ringing.double.misbehave(misdeed, on="call")
        assert "not clear whether your phone will ring" in ringing.press("ring-now")
        ringing.make_due()
        ringing.tick()
        assert ringing.call.own_sid == ringing.double.legs[0].sid
        assert ringing.call.state is CallState.RINGING_US
        assert len(ringing.double.rings) == 1

    @pytest.mark.parametrize("misdeed", [Misdeed.ERROR_500, Misdeed.ERROR_503, Misdeed.RESET])
    def test_a_call_that_was_not_taken_is_not_made_by_itself_later(
        self, ringing: Ringing, misdeed: Misdeed
    ) -> None:
        ringing.double.misbehave(misdeed, on="call")
        ringing.press("ring-now")
        assert ringing.call.state is CallState.STARTING
        ringing.make_due()
        ringing.tick()
        assert ringing.call.ending is CallEnding.NOT_MADE
        assert "your phone will not ring. Press again" in ringing.open()
        assert len(ringing.double.rings) == 1
        ringing.press("ring-now")
        ringing.until(CallState.RINGING_US)
        assert len(ringing.double.legs) == 1

    def test_a_call_is_kept_open_while_the_gateway_cannot_say(self, ringing: Ringing) -> None:
        ringing.double.misbehave(Misdeed.ERROR_500, on="call")
        ringing.double.misbehave(Misdeed.ERROR_500, on="look")
        ringing.press("ring-now")
        ringing.make_due()
        ringing.tick()
        assert ringing.call.state is CallState.STARTING

    @pytest.mark.one_database
    def test_too_many_calls_are_told_in_a_sentence(self, ringing: Ringing) -> None:
        ringing.double.misbehave(Misdeed.TOO_MANY_REQUESTS, on="call")
        assert "Twilio has too many calls just now" in ringing.press("ring-now")
        assert ringing.call.ending is CallEnding.NOT_MADE

    @pytest.mark.one_database
    def test_a_gateway_that_is_down_is_told_in_a_sentence(self, ringing: Ringing) -> None:
        ringing.double._server.stop()
        assert "Twilio cannot be reached. Ring by hand." in ringing.press("ring-now")
        assert ringing.call.ending is CallEnding.NOT_MADE


@pytest.mark.one_database
class TestTheNumber:
    def test_of_the_caller_is_shown_only_on_asking_and_each_time_is_written_down(
        self, ringing: Ringing
    ) -> None:
        assert "900123" not in ringing.visitor.page
        ringing.visitor.press(f"{ringing.path}/number")
        assert "07700 900123" in ringing.visitor.words
        ringing.open()
        assert "900123" not in ringing.visitor.page
        with stored(ringing.server.app) as session:
            actions = list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))
        assert actions.count("request.number_read") == 1
        assert actions.count("request.read") == 2

    def test_of_the_counsellor_is_never_more_than_its_ending(self, ringing: Ringing) -> None:
        assert "801" in ringing.visitor.words
        assert "900801" not in ringing.visitor.page

    def test_that_is_missing_is_asked_for(self, ringing: Ringing) -> None:
        with stored(ringing.server.app) as session:
            session.get_one(Staff, ringing.staff_id).phone = None
        assert "enter your number first" in ringing.open()
        assert "Enter the number that rings you first" in ringing.press("ring-now")
        assert ringing.double.rings == []


@pytest.mark.one_database
class TestWithoutTwilio:
    @pytest.fixture
    def settings(self, database_url: str, tmp_path: Path) -> Settings:
        return make_settings(database_url, tmp_path)

    def test_the_desk_shows_the_number_and_no_button(self, ringing: Ringing) -> None:
        assert "07700 900123" in ringing.visitor.words
        assert "I am ringing now" in ringing.visitor.words
        assert "Ring now" not in ringing.visitor.words
        assert "The service cannot ring from here. Ring by hand." in ringing.press("ring-now")


@pytest.mark.one_database
class TestWithheld:
    @pytest.fixture
    def settings(self, database_url: str, tmp_path: Path, double: TwilioDouble) -> Settings:
        return make_settings(
            database_url,
            tmp_path,
            PUBLIC_BASE_URL="http://127.0.0.1",
            TWILIO_ACCOUNT_SID=ACCOUNT,
            TWILIO_AUTH_TOKEN=TOKEN,
            TWILIO_FROM=SERVICE,
            TWILIO_API_URL=double.url,
            CALL_CALLER_ID="withheld",
        )

    def test_the_caller_sees_no_number_as_they_were_told(self, ringing: Ringing) -> None:
        ringing.phone(COUNSELLOR, PRESSES)
        ringing.phone(CALLER, Phone("engaged"))
        ringing.press("ring-now")
        ringing.until_ended(CallEnding.ENGAGED)
        assert [leg.sender for leg in ringing.double.legs] == [SERVICE, "anonymous"]
        ringing.visitor.open("/")
        assert "The call may show as “No caller ID”. If your phone" in ringing.visitor.words


class TestForged:
    """Webhooks that are not of the call, or not of Twilio."""

    def test_a_report_of_another_leg_or_call_changes_nothing(self, ringing: Ringing) -> None:
        ringing.press("ring-now")
        ringing.until(CallState.RINGING_US)
        uid, other = ringing.call.uid, {"CallSid": "CA" + "f" * 32, "CallStatus": "completed"}
        for path in (f"{uid}/own", f"{uid}/caller", f"{'0' * 32}/own"):
            url = f"{ringing.server.url}/twilio/calls/{path}"
            assert ringing.double.courier.post(url, other).status == 204
        assert ringing.call.state is CallState.RINGING_US

    @pytest.mark.one_database
    def test_a_key_of_another_call_dials_nobody(self, ringing: Ringing) -> None:
        ringing.press("ring-now")
        ringing.until(CallState.RINGING_US)
        for uid in (ringing.call.uid, "0" * 32):
            url = f"{ringing.server.url}/twilio/calls/{uid}/key"
            told = ringing.double.courier.post(url, {"CallSid": "CA" + "f" * 32, "Digits": "1"})
            assert "no longer needed" in told.answer
        assert ringing.attempts == []

    @pytest.mark.one_database
    def test_nothing_unsigned_is_heard(self, ringing: Ringing) -> None:
        ringing.press("ring-now")
        ringing.until(CallState.RINGING_US)
        for path in ("answer", "key", "dialled", "own", "caller"):
            url = f"{ringing.server.url}/twilio/calls/{ringing.call.uid}/{path}"
            form = {"CallSid": ringing.call.own_sid, "CallStatus": "completed", "Digits": "1"}
            assert requests_http.post(url, data=form, timeout=10).status_code == 403
        url = f"{ringing.server.url}/twilio/calls/inbound"
        assert requests_http.post(url, data={"From": CALLER}, timeout=10).status_code == 403
        assert ringing.call.state is CallState.RINGING_US
