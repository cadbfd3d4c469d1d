"""The Twilio gateway against the double: what each kind of trouble turns into."""

import logging
import socket
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
import requests

from callback_service.gateways.base import SentText, SmsSendError, SmsUnclearError
from callback_service.gateways.signature import is_signed_by_twilio
from callback_service.gateways.twilio import TwilioGateway
from tests.twilio_double import TwilioDouble
from tests.twilio_double.api import Reply, Request
from tests.twilio_double.server import serving

ACCOUNT = "AC" + "1" * 32
TOKEN = "0123456789abcdef0123456789abcdef"
SENDER = "+441632960001"
SERVICE = "MG" + "2" * 32
CALLER = "+447700900123"
BODY = "We will ring you today. £0, and it's Zoë's turn 😀"
RECEIPTS = "http://127.0.0.1:9/twilio/texts/1/receipt"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = (10.0, 20.0)
NO_PATIENCE = (10.0, 0.2)

pytestmark = pytest.mark.one_database


@pytest.fixture
def double() -> Iterator[TwilioDouble]:
    with TwilioDouble(ACCOUNT, TOKEN, manual=True, numbers=[SENDER]) as double:
        yield double


@pytest.fixture
def gateway(double: TwilioDouble) -> TwilioGateway:
    return make_gateway(double.url)


def make_gateway(
    api_url: str,
    *,
    token: str = TOKEN,
    sender: str = SENDER,
    timeout: tuple[float, float] = PATIENCE,
) -> TwilioGateway:
    return TwilioGateway(ACCOUNT, token, sender=sender, api_url=api_url, timeout=timeout)


def send(gateway: TwilioGateway, *, to: str = CALLER, body: str = BODY) -> SentText:
    return gateway.send_text(to=to, body=body, status_callback=RECEIPTS, valid_seconds=600)


class TestATextThatIsTaken:
    def test_carries_its_words_its_receipts_address_and_its_time(
        self, double: TwilioDouble, gateway: TwilioGateway
    ) -> None:
        sent = send(gateway)
        [text] = double.messages
        assert sent == SentText(sid=text.sid, status="queued")
        assert (text.to, text.sender, text.body) == (CALLER, SENDER, BODY)
        assert (text.status_callback, text.validity_seconds) == (RECEIPTS, 600)

    @pytest.mark.parametrize(("asked", "given"), [(0, 6), (5, 6), (60, 60), (10**6, 36_000)])
    def test_is_valid_no_longer_and_no_shorter_than_twilio_allows(
        self, double: TwilioDouble, gateway: TwilioGateway, asked: int, given: int
    ) -> None:
        gateway.send_text(to=CALLER, body=BODY, status_callback=RECEIPTS, valid_seconds=asked)
        assert double.messages[0].validity_seconds == given

    def test_may_go_through_a_messaging_service(self, double: TwilioDouble) -> None:
        sent = send(make_gateway(double.url, sender=SERVICE))
        assert sent.status == "accepted"
        assert double.messages[0].messaging_service_sid == SERVICE

    def test_keeps_its_own_id_when_many_threads_send_at_once(
        self, double: TwilioDouble, gateway: TwilioGateway
    ) -> None:
        bodies = [f"Text {number}" for number in range(100)]
        with ThreadPoolExecutor(8) as pool:
            sent = list(pool.map(lambda body: send(gateway, body=body), bodies))
        held = {text.sid: text.body for text in double.messages}
        assert [held[one.sid] for one in sent] == bodies


class TestADefiniteNo:
    @pytest.mark.parametrize(
        ("to", "body", "code"), [("+44", BODY, 21211), ("", BODY, 21604), (CALLER, "", 21602)]
    )
    def test_is_permanent_where_the_text_is_at_fault(
        self, gateway: TwilioGateway, to: str, body: str, code: int
    ) -> None:
        with pytest.raises(SmsSendError) as no:
            send(gateway, to=to, body=body)
        assert (no.value.permanent, no.value.code) == (True, code)

    def test_is_permanent_for_words_without_end(self, gateway: TwilioGateway) -> None:
        with pytest.raises(SmsSendError) as no:
            send(gateway, body="a" * 1601)
        assert (no.value.permanent, no.value.code) == (True, 21617)

    def test_is_permanent_after_a_stop(self, double: TwilioDouble, gateway: TwilioGateway) -> None:
        double.receive_text(CALLER, SENDER, " stop ")
        with pytest.raises(SmsSendError) as no:
            send(gateway)
        assert (no.value.permanent, no.value.code) == (True, 21610)
        double.receive_text(CALLER, SENDER, "START")
        assert send(gateway).status == "queued"

    def test_is_temporary_for_a_wrong_token(self, double: TwilioDouble) -> None:
        with pytest.raises(SmsSendError) as no:
            send(make_gateway(double.url, token="another"))
        assert (no.value.permanent, no.value.code) == (False, 20003)
        assert double.messages == []

    def test_is_temporary_for_a_number_that_is_not_ours(self, double: TwilioDouble) -> None:
        with pytest.raises(SmsSendError) as no:
            send(make_gateway(double.url, sender="+441632960002"))
        assert (no.value.permanent, no.value.code) == (False, 21659)

    def test_is_temporary_for_an_address_twilio_cannot_post_to(
        self, gateway: TwilioGateway
    ) -> None:
        with pytest.raises(SmsSendError) as no:
            gateway.send_text(to=CALLER, body=BODY, status_callback="nowhere", valid_seconds=60)
        assert (no.value.permanent, no.value.code) == (False, 21609)

    def test_tells_how_long_to_wait_when_there_are_too_many(
        self, double: TwilioDouble, gateway: TwilioGateway
    ) -> None:
        double.misbehave("429", seconds=7)
        with pytest.raises(SmsSendError) as no:
            send(gateway)
        assert (no.value.permanent, no.value.code, no.value.retry_after) == (False, 20429, 7.0)
        assert double.messages == []
        assert send(gateway).status == "queued"

    def test_comes_of_a_port_where_nobody_listens(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        with pytest.raises(SmsSendError) as no:
            send(make_gateway(f"http://127.0.0.1:{port}"))
        assert not no.value.permanent

    def test_comes_of_a_gateway_that_has_stopped_though_connections_were_open(self) -> None:
        with TwilioDouble(ACCOUNT, TOKEN, manual=True) as double:
            gateway = make_gateway(double.url)
            send(gateway)
        with pytest.raises(SmsSendError) as no:
            send(gateway)
        assert not no.value.permanent

    def test_comes_of_a_connection_that_is_never_made(self) -> None:
        with socket.socket() as full, socket.socket() as first, socket.socket() as second:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            for caller in (first, second):  # fills the queue, so that the next one waits
                caller.setblocking(False)
                caller.connect_ex(full.getsockname())
            address = f"http://127.0.0.1:{full.getsockname()[1]}"
            gateway = make_gateway(address, timeout=(0.2, 20.0))
            with pytest.raises(SmsSendError) as no:
                send(gateway)
        assert not no.value.permanent

    @pytest.mark.parametrize("api_url", ["ftp://127.0.0.1", "http://" + "a" * 64, "http:///"])
    def test_comes_of_an_address_that_is_none(self, api_url: str) -> None:
        with pytest.raises(SmsSendError) as no:
            send(make_gateway(api_url))
        assert not no.value.permanent

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_comes_of_an_address_that_sends_us_elsewhere(self, status: int) -> None:
        with (
            serving(lambda _: Reply(status, headers={"Location": "/elsewhere"})) as url,
            pytest.raises(SmsSendError, match="redirect") as no,
        ):
            send(make_gateway(url))
        assert not no.value.permanent

    def test_from_something_that_is_not_twilio_loses_no_text(self) -> None:
        with (
            serving(lambda _: Reply(404, b"<h1>No such page</h1>", "text/html")) as url,
            pytest.raises(SmsSendError) as no,
        ):
            send(make_gateway(url))
        assert not no.value.permanent


class TestAnUnclearSend:
    @pytest.mark.parametrize("misdeed", ["500", "503", "reset"])
    def test_may_have_been_refused(
        self, double: TwilioDouble, gateway: TwilioGateway, misdeed: str
    ) -> None:
        double.misbehave(misdeed)
        with pytest.raises(SmsUnclearError):
            send(gateway)
        assert gateway.find_texts(to=CALLER, body=BODY, since=LONG_AGO) == []
        assert len(double.sends) == 1

    @pytest.mark.parametrize("misdeed", ["500_stored", "reply_lost", "garbage"])
    def test_may_have_been_taken_and_is_then_found(
        self, double: TwilioDouble, gateway: TwilioGateway, misdeed: str
    ) -> None:
        double.misbehave(misdeed)
        with pytest.raises(SmsUnclearError):
            send(gateway)
        [found] = gateway.find_texts(to=CALLER, body=BODY, since=LONG_AGO)
        assert (found.sid, found.status, found.sent_at) == (
            double.messages[0].sid,
            "queued",
            None,
        )
        assert len(double.sends) == 1

    @pytest.mark.parametrize("misdeed", ["slow", "slow_reply"])
    def test_comes_of_an_answer_that_is_late(self, double: TwilioDouble, misdeed: str) -> None:
        double.misbehave(misdeed, seconds=60)
        with pytest.raises(SmsUnclearError):
            send(make_gateway(double.url, timeout=NO_PATIENCE))

    @pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{}", b'{"sid": ""}'])
    def test_comes_of_a_yes_that_names_no_text(self, content: bytes) -> None:
        with serving(lambda _: Reply(201, content)) as url, pytest.raises(SmsUnclearError):
            send(make_gateway(url))

    def test_comes_of_a_connection_closed_without_a_word(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:

            def hang_up() -> None:
                connection, _ = server.accept()
                with connection:
                    connection.recv(65_536)

            thread = threading.Thread(target=hang_up)
            thread.start()
            with pytest.raises(SmsUnclearError):
                send(make_gateway(f"http://127.0.0.1:{server.getsockname()[1]}"))
            thread.join()

    def test_is_never_repeated_by_the_gateway_itself(
        self, double: TwilioDouble, gateway: TwilioGateway
    ) -> None:
        double.misbehave("reply_lost", probability=1.0)
        for _ in range(3):
            with pytest.raises(SmsUnclearError):
                send(gateway)
        assert len(double.sends) == len(double.messages) == 3


class TestLookingTextsUp:
    def test_finds_those_with_the_same_words_to_the_same_number(
        self, double: TwilioDouble, gateway: TwilioGateway
    ) -> None:
        wanted = send(gateway)
        send(gateway, body=BODY + " ")
        send(gateway, to="+447700900124")
        double.receive_text(CALLER, SENDER, BODY)
        double.deliver()
        [found] = gateway.find_texts(to=CALLER, body=BODY, since=LONG_AGO)
        assert (found.sid, found.status, found.body) == (wanted.sid, "delivered", BODY)
        assert found.sent_at is not None

    def test_leaves_out_what_is_older_but_allows_for_two_clocks(self) -> None:
        noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
        with TwilioDouble(ACCOUNT, TOKEN, manual=True, now=lambda: noon) as double:
            gateway = make_gateway(double.url)
            send(gateway)

            def count(since: datetime) -> int:
                return len(gateway.find_texts(to=CALLER, body=BODY, since=since))

            assert count(noon + timedelta(microseconds=900_000)) == 1
            assert count(noon + timedelta(minutes=2)) == 1
            assert count(noon + timedelta(minutes=2, seconds=1)) == 0

    def test_tells_what_became_of_a_text_that_failed(
        self, double: TwilioDouble, gateway: TwilioGateway
    ) -> None:
        double.state.landlines.add(CALLER)
        send(gateway)
        double.deliver()
        [found] = gateway.find_texts(to=CALLER, body=BODY, since=LONG_AGO)
        assert (found.status, found.error_code) == ("undelivered", 30006)

    def test_knows_its_messaging_service_from_another(self, double: TwilioDouble) -> None:
        gateway = make_gateway(double.url, sender=SERVICE)
        wanted = send(gateway)
        send(make_gateway(double.url))
        [found] = gateway.find_texts(to=CALLER, body=BODY, since=LONG_AGO)
        assert found.sid == wanted.sid

    @pytest.mark.parametrize("misdeed", ["500", "503", "429", "reset", "slow", "garbage"])
    def test_is_itself_unclear_when_twilio_will_not_say(
        self, double: TwilioDouble, misdeed: str
    ) -> None:
        double.misbehave(misdeed, on="find", seconds=60)
        gateway = make_gateway(double.url, timeout=NO_PATIENCE)
        with pytest.raises(SmsUnclearError):
            gateway.find_texts(to=CALLER, body=BODY, since=LONG_AGO)

    def test_is_unclear_for_a_wrong_token(self, double: TwilioDouble) -> None:
        gateway = make_gateway(double.url, token="another")
        with pytest.raises(SmsUnclearError):
            gateway.find_texts(to=CALLER, body=BODY, since=LONG_AGO)

    @pytest.mark.parametrize("content", [b"{}", b'{"messages": 1}', b'{"messages": ["a"]}'])
    def test_is_unclear_when_the_list_makes_no_sense(self, content: bytes) -> None:
        with serving(lambda _: Reply(200, content)) as url, pytest.raises(SmsUnclearError):
            make_gateway(url).find_texts(to=CALLER, body=BODY, since=LONG_AGO)

    def test_goes_on_to_the_next_page(self, double: TwilioDouble, gateway: TwilioGateway) -> None:
        for number in range(1001):
            double.state.create({"To": CALLER, "From": SENDER, "Body": f"Text {number}"})
        [found] = gateway.find_texts(to=CALLER, body="Text 0", since=LONG_AGO)
        assert found.body == "Text 0"

    def test_is_unclear_when_there_are_more_recent_texts_than_can_be_told_apart(
        self, double: TwilioDouble, gateway: TwilioGateway
    ) -> None:
        for number in range(3001):
            double.state.create({"To": CALLER, "From": SENDER, "Body": f"Text {number}"})
        with pytest.raises(SmsUnclearError):
            gateway.find_texts(to=CALLER, body="Text 0", since=LONG_AGO)

    def test_leaves_no_number_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        with TwilioDouble(ACCOUNT, TOKEN, manual=True) as double:
            gateway = make_gateway(double.url)
        with caplog.at_level(logging.INFO), pytest.raises(SmsUnclearError) as unclear:
            gateway.find_texts(to=CALLER, body=BODY, since=LONG_AGO)
        told = caplog.text + "".join(traceback.format_exception(unclear.value))
        assert CALLER.removeprefix("+") not in told


class TestReceipts:
    def test_come_signed_for_every_change_of_state(self, double: TwilioDouble) -> None:
        taken: list[Request] = []

        def take(request: Request) -> Reply:
            taken.append(request)
            return Reply(204)

        with serving(take) as service:
            address = f"{service}/twilio/texts/1/receipt"
            sid = make_gateway(double.url).send_text(
                to=CALLER, body=BODY, status_callback=address + "#rc=3", valid_seconds=60
            )
            double.deliver()
        assert [one.form["MessageStatus"] for one in taken] == ["sending", "sent", "delivered"]
        assert {one.form["MessageSid"] for one in taken} == {sid.sid}
        for one in taken:
            signature = one.headers["X-Twilio-Signature"]
            assert is_signed_by_twilio(address, one.form, signature, [TOKEN])
        double.check_webhooks()

    @pytest.mark.parametrize(
        ("misdeed", "times", "states"),
        [
            ("receipt_duplicated", 1, ["sending", "sending", "sent", "delivered"]),
            ("receipt_reordered", 1, ["sent", "sending", "delivered"]),
            ("receipt_reordered", 2, ["sending", "delivered", "sent"]),
            ("receipt_dropped", 2, ["delivered"]),
            ("receipt_delayed", 1, ["sent", "delivered", "sending"]),
        ],
    )
    def test_come_twice_late_or_not_at_all_when_told(
        self, double: TwilioDouble, misdeed: str, times: int, states: list[str]
    ) -> None:
        double.misbehave(misdeed, times=times)
        with serving(lambda _: Reply(204)) as service:
            make_gateway(double.url).send_text(
                to=CALLER, body=BODY, status_callback=f"{service}/r", valid_seconds=60
            )
            double.deliver()
            double.post_late_receipts()
        assert [call.form["MessageStatus"] for call in double.webhook_calls] == states

    def test_that_are_refused_are_tried_once_more_and_kept_as_faults(
        self, double: TwilioDouble
    ) -> None:
        with serving(lambda _: Reply(403)) as service:
            make_gateway(double.url).send_text(
                to=CALLER, body=BODY, status_callback=f"{service}/r", valid_seconds=60
            )
            double.advance()
        assert [call.status for call in double.webhook_errors] == [403, 403]
        with pytest.raises(AssertionError):
            double.check_webhooks()

    def test_say_that_a_text_came_too_late(self) -> None:
        now = [datetime(2026, 11, 22, 12, tzinfo=UTC)]
        with TwilioDouble(ACCOUNT, TOKEN, manual=True, now=lambda: now[0]) as double:
            send(make_gateway(double.url))
            now[0] += timedelta(seconds=601)
            [text] = double.advance()
        assert (text.status, text.error_code) == ("failed", 30036)

    def test_follow_by_themselves_when_nobody_tells_the_double_to_go_on(self) -> None:
        is_delivered = threading.Event()

        def take(request: Request) -> Reply:
            if request.form["MessageStatus"] == "delivered":
                is_delivered.set()
            return Reply(204)

        with serving(take) as service, TwilioDouble(ACCOUNT, TOKEN, step_seconds=0) as double:
            make_gateway(double.url).send_text(
                to=CALLER, body=BODY, status_callback=f"{service}/r", valid_seconds=60
            )
            assert is_delivered.wait(10)


class TestTheDoublesOwnRoutes:
    def test_let_another_process_read_steer_and_count(self, double: TwilioDouble) -> None:
        send(make_gateway(double.url))
        assert requests.post(f"{double.url}/_double/advance", json={}, timeout=5).ok
        [text] = requests.get(f"{double.url}/_double/messages", timeout=5).json()
        made = requests.get(f"{double.url}/_double/calls-made", timeout=5).json()
        assert (text["status"], text["to"]) == ("sending", CALLER)
        assert (made["sends"], made["calls"][0]["form"]["Body"]) == (1, BODY)
        wish: dict[str, Any] = {"kind": "429", "times": 1, "seconds": 3}
        assert requests.post(f"{double.url}/_double/misbehave", json=wish, timeout=5).ok
        with pytest.raises(SmsSendError):
            send(make_gateway(double.url))

    def test_refuse_what_makes_no_sense(self, double: TwilioDouble) -> None:
        bad = requests.post(f"{double.url}/_double/misbehave", json={"kind": "x"}, timeout=5)
        unknown = requests.get(f"{double.url}/_double/else", timeout=5)
        assert (bad.status_code, unknown.status_code) == (
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.NOT_FOUND,
        )

    def test_show_the_texts_on_a_page_safely(self, double: TwilioDouble) -> None:
        send(make_gateway(double.url), body="<script>alert(1)</script>")
        page = requests.get(double.url, timeout=5).text
        assert "&lt;script&gt;" in page
        assert "<script>" not in page
