"""Deleting what Twilio keeps of texts and calls: asked of Twilio's own document, and our double."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from callback_service.gateways.base import RecordKept
from callback_service.gateways.twilio_records import TwilioRecords
from tests.twilio_double import TwilioDouble
from tests.twilio_double.api import Reply, Request, json_reply
from tests.twilio_double.server import serving

ACCOUNT = "AC" + "a" * 32
TOKEN = "0123456789abcdef0123456789abcdef"
KEY = ("SK" + "c" * 32, "key-secret")
NUMBER, CALLER = "+441632960001", "+447700900123"
TEXT, CALL = "SM" + "b" * 32, "CA" + "c" * 32
PATIENCE = (5.0, 30.0)
#: What is deleted, by its path in the document.
KINDS = {"Messages": TEXT, "Calls": CALL}
KIND = pytest.mark.parametrize("kind", KINDS)

pytestmark = [pytest.mark.contract, pytest.mark.one_database]


@pytest.fixture
def double() -> Iterator[TwilioDouble]:
    with TwilioDouble(ACCOUNT, TOKEN, manual=True) as double:
        yield double


def make_remover(api_url: str, **other: Any) -> TwilioRecords:
    given = {"account_sid": ACCOUNT, "auth_token": TOKEN, "api_url": api_url, "timeout": PATIENCE}
    return TwilioRecords(**{**given, **other})


def remove(remover: TwilioRecords, kind: str, sid: str | None = None) -> None:
    delete = remover.remove_text if kind == "Messages" else remover.remove_call
    delete(sid or KINDS[kind])


def a_record(double: TwilioDouble, kind: str, *, is_over: bool = True) -> str:
    """The id of a text or a call that the double keeps."""
    if kind == "Messages":
        text = double.state.receive(sender=CALLER, to=NUMBER, body="Hello")
        return text.sid
    leg = double.call_state.keep(
        to=CALLER, sender=NUMBER, status="queued", direction="outbound-api"
    )
    if is_over:
        double.call_state.move(leg.sid, "completed")
    return leg.sid


@KIND
def test_twilios_document_takes_the_deletion(prism: str, kind: str) -> None:
    remove(make_remover(prism), kind)


@KIND
def test_an_api_key_signs_in_for_it(prism: str, kind: str) -> None:
    remove(make_remover(prism, api_key=KEY), kind)


@KIND
def test_the_document_answers_with_nothing_where_it_is_deleted(
    twilio_document: dict[str, Any], kind: str
) -> None:
    path = f"/2010-04-01/Accounts/{{AccountSid}}/{kind}/{{Sid}}.json"
    assert set(twilio_document["paths"][path]["delete"]["responses"]) == {"204"}


@KIND
def test_what_has_no_id_of_twilios_is_still_kept(prism: str, kind: str) -> None:
    with pytest.raises(RecordKept):
        remove(make_remover(prism), kind, "XX1")


@KIND
def test_a_malformed_account_is_refused(prism: str, kind: str) -> None:
    with pytest.raises(RecordKept):
        remove(make_remover(prism, account_sid="AC1"), kind)


@KIND
def test_the_double_deletes_once_and_is_content_the_second_time(
    double: TwilioDouble, kind: str
) -> None:
    sid = a_record(double, kind)
    for _ in range(2):
        remove(make_remover(double.url), kind, sid)
    assert double.call_state.get(sid) is None
    assert sid not in {text.sid for text in double.messages}


@KIND
def test_the_double_wants_the_accounts_own_sign_in(double: TwilioDouble, kind: str) -> None:
    sid = a_record(double, kind)
    with pytest.raises(RecordKept, match="does not let us"):
        remove(make_remover(double.url, auth_token="1" * 32), kind, sid)


def test_a_call_that_goes_on_is_still_kept(double: TwilioDouble) -> None:
    sid = a_record(double, "Calls", is_over=False)
    with pytest.raises(RecordKept, match="not finished"):
        remove(make_remover(double.url), "Calls", sid)


@KIND
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500, 503, 522, 599])
def test_whatever_is_answered_but_yes_the_record_is_still_kept(kind: str, status: int) -> None:
    """A 404 without a code is not Twilio's; some proxies answer with numbers of their own."""
    with serving(lambda _: Reply(status)) as url, pytest.raises(RecordKept):
        remove(make_remover(url), kind)


@KIND
def test_a_yes_that_is_no_deletion_is_still_kept(kind: str) -> None:
    with serving(lambda _: json_reply({})) as url, pytest.raises(RecordKept):
        remove(make_remover(url), kind)


@KIND
def test_one_request_is_made_and_it_names_no_number(kind: str) -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Reply:
        asked.append(request)
        return Reply(204)

    with serving(answer) as url:
        remove(make_remover(url), kind)
    [one] = asked
    path = f"/2010-04-01/Accounts/{ACCOUNT}/{kind}/{KINDS[kind]}.json"
    assert (one.method, one.path, one.query, one.body) == ("DELETE", path, {}, "")
