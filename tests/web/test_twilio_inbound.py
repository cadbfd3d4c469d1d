"""Texts to the service over HTTP: only signed ones count, each once, and no log holds them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from callback_service.config import Settings
from callback_service.models.audit import AuditEntry
from callback_service.models.inbound import InboundText
from callback_service.models.number import Suppression
from callback_service.models.outbox import OutboxMessage, TextKind
from tests.support.builders import NOW
from tests.support.live import LiveServer
from tests.support.request_builders import make_request, make_shift, row_counts, stored
from tests.support.settings import make_settings
from tests.twilio_double import TwilioDouble
from tests.twilio_double.webhooks import sign

ACCOUNT = "AC" + "1" * 32
TOKEN = "0123456789abcdef0123456789abcdef"
OURS = "+447700900999"
CALLER = "+447700900123"
PUBLIC = "https://callback.example.org"
PATH = "/twilio/texts/inbound"


@pytest.fixture(autouse=True)
def _at_eight_in_the_evening() -> Iterator[None]:
    with time_machine.travel(NOW):
        yield


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """An installation with a Twilio account that leads nowhere, behind a public address."""
    return make_settings(
        database_url,
        tmp_path,
        PUBLIC_BASE_URL=PUBLIC,
        TWILIO_ACCOUNT_SID=ACCOUNT,
        TWILIO_AUTH_TOKEN=TOKEN,
        TWILIO_FROM=OURS,
        TWILIO_API_URL="http://127.0.0.1:9",
    )


def form(body: str, **more: str) -> dict[str, str]:
    given = {"MessageSid": "SM" + "7" * 32, "From": CALLER, "To": OURS, "Body": body, **more}
    return {"AccountSid": ACCOUNT, "NumMedia": "0", **given}


def post(client: FlaskClient, fields: dict[str, str], *, token: str = TOKEN) -> TestResponse:
    signature = sign(f"{PUBLIC}{PATH}", fields, token)
    return client.post(PATH, data=fields, headers={"X-Twilio-Signature": signature})


def test_a_signed_text_is_taken_and_answered_with_nothing(app: Flask, client: FlaskClient) -> None:
    answer = post(client, form("Zoë says: 10 € & é, ring later"))
    assert (answer.status_code, answer.data) == (204, b"")
    with stored(app) as session:
        assert len(session.scalars(select(InboundText)).all()) == 1


@pytest.mark.parametrize("token", ["0" * 32, "x"])
def test_a_text_that_is_not_signed_by_twilio_is_refused(
    app: Flask, client: FlaskClient, token: str
) -> None:
    with stored(app) as session:
        before = row_counts(session)
    assert post(client, form("STOP"), token=token).status_code == 403
    assert client.post(PATH, data=form("STOP")).status_code == 403
    with stored(app) as session:
        assert row_counts(session) == before


def test_the_same_text_ten_times_is_one_with_one_answer(app: Flask, client: FlaskClient) -> None:
    assert {post(client, form("hello")).status_code for _ in range(10)} == {204}
    with stored(app) as session:
        assert len(session.scalars(select(InboundText)).all()) == 1
        kinds = session.scalars(select(OutboxMessage.kind)).all()
    assert kinds == [TextKind.AUTO_REPLY]


@pytest.mark.parametrize("fields", [{"Body": "Arrêtez", "OptOutType": "STOP"}, {"Body": "stop"}])
def test_a_stop_is_taken_by_its_word_or_as_the_gateway_says(
    app: Flask, client: FlaskClient, fields: dict[str, str]
) -> None:
    post(client, form("", **fields))
    with stored(app) as session:
        assert len(session.scalars(select(Suppression)).all()) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"MessageSid": ""},
        {"From": ""},
        {"From": "60777"},
        {"From": "+44" + "9" * 4000},
        {"Body": "\x00" * 100},
        {"Body": "a" * 1600},
    ],
)
def test_whatever_comes_is_no_fault(client: FlaskClient, fields: dict[str, str]) -> None:
    assert post(client, form("x") | fields).status_code == 204


def test_a_text_of_twenty_kilobytes_is_refused(client: FlaskClient) -> None:
    assert post(client, form("a" * 20_000)).status_code == 413


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_posting_is_known(client: FlaskClient, method: str) -> None:
    assert client.open(PATH, method=method).status_code in {403, 404, 405}


def test_no_log_and_no_audit_row_holds_the_number_or_the_words(
    app: Flask, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with stored(app) as session:
        make_shift(session)
        make_request(session, may_text=True)
    with caplog.at_level(logging.DEBUG):
        post(client, form("canary-in-the-text"))
        post(client, form("STOP", MessageSid="SM" + "8" * 32))
    with stored(app) as session:
        entries = [str(entry.detail) for entry in session.scalars(select(AuditEntry))]
    for secret in ("canary", "900123"):
        assert secret not in caplog.text
        assert not any(secret in entry for entry in entries)


def test_the_public_form_says_the_same_of_a_number_that_said_stop(
    app: Flask, client: FlaskClient
) -> None:
    post(client, form("STOP"))
    with stored(app) as session:
        make_shift(session)
        stopped = make_request(session, may_text=True)
        other = make_request(session, "07700 900124", may_text=True)
        assert (stopped.may_text, stopped.due_at >= other.created_at) == (True, True)
        texted = session.scalars(select(OutboxMessage.request_id)).all()
    assert texted == [other.id]


@pytest.fixture
def twilio(live_server: LiveServer) -> Iterator[TwilioDouble]:
    """The double, that posts inbound texts to the service as it runs."""
    with TwilioDouble(ACCOUNT, TOKEN, manual=True, webhook_url=live_server.url + PATH) as double:
        yield double


class TestThroughTheDouble:
    @pytest.fixture
    def settings(self, database_url: str, tmp_path: Path) -> Settings:
        """An installation whose public address is the one it is served on."""
        return make_settings(
            database_url,
            tmp_path,
            TWILIO_ACCOUNT_SID=ACCOUNT,
            TWILIO_AUTH_TOKEN=TOKEN,
            TWILIO_FROM=OURS,
            TWILIO_API_URL="http://127.0.0.1:9",
        )

    def test_a_text_written_on_a_phone_is_taken(
        self, live_server: LiveServer, twilio: TwilioDouble
    ) -> None:
        call = twilio.receive_text(CALLER, OURS, "Ring later, please. Zoë")
        assert call is not None
        twilio.check_webhooks()
        with stored(live_server.app) as session:
            assert len(session.scalars(select(InboundText)).all()) == 1
