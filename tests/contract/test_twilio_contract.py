"""Every call the service makes, against two peers: Twilio's own document, and our double.

Prism serves the document that Twilio publishes, so a call it takes is a call Twilio knows. The
double must agree with it on statuses and fields, or the other tests would prove little.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from callback_service.domain.contact import LineKind
from callback_service.gateways.base import SmsSendError, SmsUnclearError
from callback_service.gateways.twilio import TwilioGateway
from callback_service.gateways.twilio_codes import DELIVERY_RANK
from callback_service.gateways.twilio_lookup import TwilioLookup
from tests.twilio_double import TwilioDouble
from tests.twilio_double.api import json_reply
from tests.twilio_double.server import serving

ACCOUNT = "AC" + "a" * 32
TOKEN = "0123456789abcdef0123456789abcdef"
KEY = ("SK" + "c" * 32, "key-secret")
NUMBER = "+441632960001"
SERVICE = "MG" + "b" * 32
CALLER = "+447700900123"
RECEIPTS = "https://callback.example.org/twilio/texts/17/receipt#rc=3"
BODY = "We will ring you today. Zoë"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
PATIENCE = (5.0, 30.0)
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
SENDERS = pytest.mark.parametrize("sender", [NUMBER, SERVICE])

pytestmark = [pytest.mark.contract, pytest.mark.one_database]


@pytest.fixture(params=["prism", "double"])
def peer(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of each peer in turn."""
    if request.param == "prism":
        yield request.getfixturevalue("prism")
        return
    with TwilioDouble(ACCOUNT, TOKEN, manual=True) as double:
        yield double.url


@pytest.fixture(params=["prism", "double"])
def peer_with_key(request: pytest.FixtureRequest) -> Iterator[str]:
    """The same, with the double knowing only the API key."""
    if request.param == "prism":
        yield request.getfixturevalue("prism")
        return
    with TwilioDouble(ACCOUNT, TOKEN, manual=True, api_key=KEY) as double:
        yield double.url


def make_gateway(api_url: str, *, account: str = ACCOUNT, sender: str = NUMBER) -> TwilioGateway:
    return TwilioGateway(account, TOKEN, sender=sender, api_url=api_url, timeout=PATIENCE)


def post(peer: str, form: dict[str, str], *, has_signed_in: bool = True) -> requests.Response:
    auth = (ACCOUNT, TOKEN) if has_signed_in else None
    return requests.post(peer + MESSAGES, data=form, auth=auth, timeout=PATIENCE)


@SENDERS
def test_a_text_is_taken(peer: str, sender: str) -> None:
    sent = make_gateway(peer, sender=sender).send_text(
        to=CALLER, body=BODY, status_callback=RECEIPTS, valid_seconds=600
    )
    assert sent.sid.startswith("SM")
    assert len(sent.sid) == 34
    assert sent.status in {"queued", "accepted"}


def test_one_text_is_read(peer: str) -> None:
    gateway = make_gateway(peer)
    sent = gateway.send_text(to=CALLER, body=BODY, status_callback=RECEIPTS, valid_seconds=600)
    found = gateway.fetch_text(sent.sid)
    assert found is not None
    assert found.status in DELIVERY_RANK


def test_an_api_key_signs_in_for_the_account(peer_with_key: str) -> None:
    gateway = TwilioGateway(
        ACCOUNT, TOKEN, sender=NUMBER, api_key=KEY, api_url=peer_with_key, timeout=PATIENCE
    )
    sent = gateway.send_text(to=CALLER, body=BODY, status_callback=RECEIPTS, valid_seconds=600)
    assert sent.sid.startswith("SM")
    gateway.find_texts(to=CALLER, body=BODY, since=NOW)


@SENDERS
def test_texts_are_looked_up(peer: str, sender: str) -> None:
    gateway = make_gateway(peer, sender=sender)
    assert gateway.find_texts(to=CALLER, body="Never said", since=NOW) == []


def test_a_text_in_the_documents_own_list_is_read_whole(twilio_document: dict[str, Any]) -> None:
    page = _list_example(twilio_document) | {"next_page_uri": None}
    [shown, *_] = page["messages"]
    with serving(lambda _: json_reply(page)) as url:
        [found] = make_gateway(url).find_texts(
            to=CALLER, body=shown["body"], since=datetime(2019, 5, 24, tzinfo=UTC)
        )
    assert (found.sid, found.status) == (shown["sid"], shown["status"])
    assert found.sent_at == datetime(2019, 5, 24, 17, 44, 50, tzinfo=UTC)
    assert found.error_code is None


@pytest.mark.parametrize(
    "form",
    [
        {"Body": BODY, "From": NUMBER},
        {"To": CALLER, "Body": BODY, "From": NUMBER, "StatusCallback": "no address"},
        {"To": CALLER, "Body": BODY, "MessagingServiceSid": "MG1"},
    ],
    ids=["no number to go to", "receipts to nowhere", "no messaging service"],
)
def test_a_malformed_text_is_refused(peer: str, form: dict[str, str]) -> None:
    assert post(peer, form).status_code in {400, 422}


def test_the_gateway_calls_such_a_refusal_a_definite_no(peer: str) -> None:
    with pytest.raises(SmsSendError):
        make_gateway(peer).send_text(
            to=CALLER, body=BODY, status_callback="no address", valid_seconds=600
        )


def test_nothing_is_taken_without_a_sign_in(peer: str) -> None:
    reply = post(peer, {"To": CALLER, "Body": BODY, "From": NUMBER}, has_signed_in=False)
    assert reply.status_code == 401


def test_a_malformed_account_is_refused(peer: str) -> None:
    gateway = make_gateway(peer, account="AC1")
    with pytest.raises(SmsSendError):
        gateway.send_text(to=CALLER, body=BODY, status_callback=RECEIPTS, valid_seconds=600)
    with pytest.raises(SmsUnclearError):
        gateway.find_texts(to=CALLER, body=BODY, since=NOW)


def test_the_double_answers_with_every_field_of_the_document(
    twilio_document: dict[str, Any],
) -> None:
    schema = twilio_document["components"]["schemas"]["api.v2010.account.message"]
    listed = _list_example(twilio_document)
    with TwilioDouble(ACCOUNT, TOKEN, manual=True) as double:
        created = post(double.url, {"To": CALLER, "Body": BODY, "From": NUMBER})
        page = requests.get(double.url + MESSAGES, auth=(ACCOUNT, TOKEN), timeout=PATIENCE)
        one = requests.get(
            double.url + created.json()["uri"], auth=(ACCOUNT, TOKEN), timeout=PATIENCE
        )
        lost = requests.get(
            double.url + MESSAGES.replace(".json", "/SM0.json"),
            auth=(ACCOUNT, TOKEN),
            timeout=PATIENCE,
        )
    assert created.status_code == 201
    assert set(created.json()) == set(schema["properties"])
    assert set(page.json()) == set(listed)
    assert page.json()["messages"] == [created.json()] == [one.json()]
    assert (lost.status_code, lost.json()["code"]) == (404, 20404)


def test_the_states_we_rank_are_those_of_the_document(twilio_document: dict[str, Any]) -> None:
    states = set(twilio_document["components"]["schemas"]["message_enum_status"]["enum"])
    assert set(DELIVERY_RANK) == states - {"receiving", "received", "partially_delivered"}


def test_one_text_is_asked_after(peer: str) -> None:
    sid = post(peer, {"To": CALLER, "Body": BODY, "From": NUMBER}).json()["sid"]
    found = make_gateway(peer).fetch_text(sid)
    assert found is not None
    assert found.status in DELIVERY_RANK


@pytest.fixture(params=["prism", "double"])
def lookup_peer(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of each peer that looks numbers up, in turn."""
    if request.param == "prism":
        yield request.getfixturevalue("lookup_prism")
        return
    with TwilioDouble(ACCOUNT, TOKEN, manual=True) as double:
        yield double.url


def test_a_number_is_looked_up(lookup_peer: str) -> None:
    lookup = TwilioLookup(ACCOUNT, TOKEN, api_url=lookup_peer, timeout=PATIENCE)
    assert lookup.line_of(CALLER) in set(LineKind)


def test_the_documents_own_line_is_read(lookup_document: dict[str, Any]) -> None:
    with serving(lambda _: json_reply(_lookup_example(lookup_document))) as url:
        line = TwilioLookup(ACCOUNT, TOKEN, api_url=url, timeout=PATIENCE).line_of(CALLER)
    assert line is not None


def test_the_double_looks_up_with_every_field_of_the_document(
    lookup_document: dict[str, Any],
) -> None:
    example = _lookup_example(lookup_document)
    with TwilioDouble(ACCOUNT, TOKEN, manual=True) as double:
        ours = requests.get(
            f"{double.url}/v2/PhoneNumbers/{CALLER}?Fields=line_type_intelligence",
            auth=(ACCOUNT, TOKEN),
            timeout=PATIENCE,
        ).json()
    assert set(ours) == set(example)
    assert set(ours["line_type_intelligence"]) == set(example["line_type_intelligence"])


def _lookup_example(document: dict[str, Any]) -> dict[str, Any]:
    """Return the number that the document gives as its example of a line."""
    answer = document["paths"]["/v2/PhoneNumbers/{PhoneNumber}"]["get"]["responses"]["200"]
    examples = answer["content"]["application/json"]["examples"]
    example: dict[str, Any] = examples["fetchLineTypeIntelligence"]["value"]
    return example


def _list_example(document: dict[str, Any]) -> dict[str, Any]:
    """Return the page of texts that the document gives as its example."""
    answer = document["paths"]["/2010-04-01/Accounts/{AccountSid}/Messages.json"]["get"]
    examples = answer["responses"]["200"]["content"]["application/json"]["examples"]
    page: dict[str, Any] = examples["readFullPage1"]["value"]
    return page
