"""Every question about calls the service asks: of Twilio's own document, and of our double."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from callback_service.domain.calls import OVER
from callback_service.gateways.twilio_voice import EVENTS, TwilioVoiceGateway
from callback_service.gateways.voice_base import CallRefusedError, CallUnclearError
from tests.twilio_double import TwilioDouble
from tests.twilio_double.api import Reply, Request
from tests.twilio_double.server import serving

ACCOUNT = "AC" + "a" * 32
TOKEN = "0123456789abcdef0123456789abcdef"
NUMBER, COUNSELLOR = "+441632960001", "+447700900801"
SID = "CA" + "c" * 32
ANSWER = "https://callback.example.org/twilio/calls/17/answer"
STATUS = "https://callback.example.org/twilio/calls/17/own#rc=2"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
PATIENCE = (5.0, 30.0)
CALLS = f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json"

pytestmark = [pytest.mark.contract, pytest.mark.one_database]


@pytest.fixture
def double() -> Iterator[TwilioDouble]:
    with TwilioDouble(ACCOUNT, TOKEN, manual=True) as double:
        double.exchange.second = 0.0
        yield double


@pytest.fixture(params=["prism", "double"])
def peer(request: pytest.FixtureRequest) -> str:
    """The address of each peer in turn."""
    if request.param == "prism":
        address: str = request.getfixturevalue("prism")
        return address
    return str(request.getfixturevalue("double").url)


def make_gateway(api_url: str, *, account: str = ACCOUNT) -> TwilioVoiceGateway:
    return TwilioVoiceGateway(account, TOKEN, number=NUMBER, api_url=api_url, timeout=PATIENCE)


def ring(gateway: TwilioVoiceGateway, **other: Any) -> str:
    given: dict[str, Any] = {
        "to": COUNSELLOR,
        "answer_url": ANSWER,
        "status_url": STATUS,
        "ring_seconds": 25,
        "longest_seconds": 7200,
    }
    return gateway.ring(**{**given, **other}).sid


def test_a_call_is_taken(peer: str) -> None:
    sid = ring(make_gateway(peer))
    assert sid.startswith("CA")
    assert len(sid) == 34


def test_calls_are_looked_up(peer: str) -> None:
    assert make_gateway(peer).rung_since(to="+447700900999", since=datetime.now(UTC)) == []


def test_a_call_is_fetched_and_what_it_dialled_is_listed(peer: str) -> None:
    gateway = make_gateway(peer)
    sid = ring(gateway)
    found = gateway.look(sid)
    assert found is not None
    assert found.sid.startswith("CA")
    gateway.dialled_by(sid)


def test_a_call_is_ended(peer: str) -> None:
    gateway = make_gateway(peer)
    gateway.hang_up(ring(gateway))


def test_a_call_that_is_not_there_is_none(double: TwilioDouble) -> None:
    gateway = make_gateway(double.url)
    assert gateway.look(SID) is None
    gateway.hang_up(SID)


def test_a_malformed_account_is_refused(peer: str) -> None:
    with pytest.raises(CallRefusedError):
        ring(make_gateway(peer, account="AC1"))


def test_a_report_to_nowhere_is_refused(peer: str) -> None:
    with pytest.raises(CallRefusedError):
        ring(make_gateway(peer), status_url="no address")


def test_nothing_is_taken_without_a_sign_in(peer: str) -> None:
    form = {"To": COUNSELLOR, "From": NUMBER, "Url": ANSWER}
    assert requests.post(peer + CALLS, data=form, timeout=PATIENCE).status_code == 401


def test_no_call_asks_to_be_recorded_or_listened_to() -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Reply:
        asked.append(request)
        return Reply(500)

    with serving(answer) as url, pytest.raises(CallUnclearError):
        ring(make_gateway(url))
    form = parse_qs(asked[0].body)
    assert set(form) == {
        "To", "From", "Url", "Method", "StatusCallback", "StatusCallbackEvent",
        "StatusCallbackMethod", "Timeout", "TimeLimit",
    }  # fmt: skip
    assert form["StatusCallbackEvent"] == EVENTS


def test_the_double_answers_with_every_field_of_the_document(
    twilio_document: dict[str, Any], double: TwilioDouble
) -> None:
    schema = twilio_document["components"]["schemas"]["api.v2010.account.call"]
    auth = (ACCOUNT, TOKEN)
    form = {"To": COUNSELLOR, "From": NUMBER, "Url": ANSWER}
    created = requests.post(double.url + CALLS, data=form, auth=auth, timeout=PATIENCE)
    assert created.status_code == 201
    assert set(created.json()) == set(schema["properties"])
    page = requests.get(double.url + CALLS, auth=auth, timeout=PATIENCE).json()
    listed = twilio_document["paths"]["/2010-04-01/Accounts/{AccountSid}/Calls.json"]["get"]
    content = listed["responses"]["200"]["content"]["application/json"]
    assert set(page) == set(content["schema"]["properties"])


def test_the_states_we_read_are_those_of_the_document(twilio_document: dict[str, Any]) -> None:
    states = set(twilio_document["components"]["schemas"]["call_enum_status"]["enum"])
    assert states - OVER == {"queued", "ringing", "in-progress"}
    assert states >= OVER


def test_a_key_signs_in_instead_of_the_accounts_token() -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Reply:
        asked.append(request)
        return Reply(500)

    key = "SK" + "d" * 32, "secret"
    with serving(answer) as url:
        gateway = TwilioVoiceGateway(ACCOUNT, TOKEN, number=NUMBER, api_key=key, api_url=url)
        with pytest.raises(CallUnclearError):
            ring(gateway)
    assert asked[0].path == CALLS
    credentials = base64.b64decode(asked[0].headers["Authorization"].removeprefix("Basic "))
    assert credentials.decode() == ":".join(key)
