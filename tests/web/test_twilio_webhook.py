"""Delivery receipts over HTTP: only signed ones count, and each counts once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from callback_service import create_app
from callback_service.config import Settings
from callback_service.domain.staff import Role
from callback_service.extensions import db
from callback_service.models.outbox import DeliveryReceipt, OutboxMessage, OutboxState
from callback_service.ticks import TICKS, run_tick
from tests.support.builders import NOW
from tests.support.live import LiveServer
from tests.support.pages import submit
from tests.support.request_builders import make_request, make_shift, row_counts, stored
from tests.support.settings import make_settings
from tests.twilio_double import Misdeed, TwilioDouble
from tests.twilio_double.webhooks import sign

ACCOUNT = "AC" + "1" * 32
TOKEN = "0123456789abcdef0123456789abcdef"
SID = "SM" + "1" * 32
PUBLIC = "https://callback.example.org"
SignInAs = Callable[..., FlaskClient]


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """An installation with a Twilio account that leads nowhere, behind a public address."""
    return make_settings(
        database_url,
        tmp_path,
        PUBLIC_BASE_URL=PUBLIC,
        TWILIO_ACCOUNT_SID=ACCOUNT,
        TWILIO_AUTH_TOKEN=TOKEN,
        TWILIO_FROM="+441632960001",
        TWILIO_API_URL="http://127.0.0.1:9",
    )


@pytest.fixture
def uid(app: Flask) -> str:
    """Our id of a text that Twilio took."""
    with stored(app) as session:
        make_shift(session)
        make_request(session, may_text=True)
        message = session.scalars(select(OutboxMessage)).one()
        message.state, message.provider_sid = OutboxState.SENT, SID
        message.delivery_status = "queued"
        return message.uid


def form(status: str = "delivered", **more: str) -> dict[str, str]:
    return {"MessageSid": SID, "MessageStatus": status, "AccountSid": ACCOUNT, **more}


def post(
    client: FlaskClient,
    uid: str,
    fields: dict[str, str],
    *,
    signed_for: str | None = None,
    token: str = TOKEN,
    query: str = "",
    **headers: str,
) -> TestResponse:
    path = f"/twilio/texts/{uid}/status{query}"
    signature = sign(signed_for or f"{PUBLIC}{path}", fields, token)
    return client.post(path, data=fields, headers={"X-Twilio-Signature": signature, **headers})


def the_text(session: Session) -> OutboxMessage:
    return session.scalars(select(OutboxMessage)).one()


def test_a_signed_receipt_is_recorded(app: Flask, client: FlaskClient, uid: str) -> None:
    assert post(client, uid, form()).status_code == 204
    with stored(app) as session:
        assert the_text(session).delivery_status == "delivered"


def test_the_same_receipt_ten_times_is_one_row(app: Flask, client: FlaskClient, uid: str) -> None:
    assert {post(client, uid, form()).status_code for _ in range(10)} == {204}
    with stored(app) as session:
        assert len(session.scalars(select(DeliveryReceipt)).all()) == 1


def test_a_late_receipt_does_not_turn_the_text_back(
    app: Flask, client: FlaskClient, uid: str
) -> None:
    for status in ("delivered", "sent", "sending"):
        assert post(client, uid, form(status)).status_code == 204
    with stored(app) as session:
        assert the_text(session).delivery_status == "delivered"


@pytest.mark.parametrize("sid", ["SM" + "2" * 32, "", "x" * 5000])
def test_a_receipt_for_another_text_is_taken_and_changes_nothing(
    app: Flask, client: FlaskClient, uid: str, sid: str
) -> None:
    with stored(app) as session:
        before = row_counts(session)
    assert post(client, uid, form(MessageSid=sid)).status_code == 204
    assert post(client, "0" * 32, form()).status_code == 204
    with stored(app) as session:
        assert row_counts(session) == before
        assert the_text(session).delivery_status == "queued"


@pytest.mark.one_database
@pytest.mark.parametrize("code", ["", "thirty", "-1", "9" * 40, "٣٠٠٠٣"])
def test_a_code_that_is_no_number_is_no_fault(client: FlaskClient, uid: str, code: str) -> None:
    assert post(client, uid, form("undelivered", ErrorCode=code)).status_code == 204


class TestRefused:
    def refused(self, app: Flask, answer: TestResponse) -> None:
        assert answer.status_code == 403
        for word in (b"signature", b"token", b"twilio"):
            assert word not in answer.get_data().lower()
        with stored(app) as session:
            assert the_text(session).delivery_status == "queued"

    @pytest.mark.parametrize("signature", [None, "", "x", "A" * 28, "é", "A" * 10_000])
    def test_is_what_is_not_signed(
        self, app: Flask, client: FlaskClient, uid: str, signature: str | None
    ) -> None:
        headers = {} if signature is None else {"X-Twilio-Signature": signature}
        path = f"/twilio/texts/{uid}/status"
        self.refused(app, client.post(path, data=form(), headers=headers))

    def test_is_what_was_signed_with_another_token(
        self, app: Flask, client: FlaskClient, uid: str
    ) -> None:
        self.refused(app, post(client, uid, form(), token="f" * 32))

    @pytest.mark.parametrize(
        "address",
        [
            "http://localhost/twilio/texts/{uid}/status",
            "http://callback.example.org/twilio/texts/{uid}/status",
            "https://evil.example/twilio/texts/{uid}/status",
            PUBLIC + "/twilio/texts/" + "0" * 32 + "/status",
            PUBLIC + "/twilio/texts/{uid}/status?x=1",
        ],
    )
    def test_is_what_was_signed_for_another_address(
        self, app: Flask, client: FlaskClient, uid: str, address: str
    ) -> None:
        self.refused(app, post(client, uid, form(), signed_for=address.format(uid=uid)))

    def test_is_what_was_changed_after_signing(
        self, app: Flask, client: FlaskClient, uid: str
    ) -> None:
        path = f"/twilio/texts/{uid}/status"
        signature = sign(PUBLIC + path, form("sent"), TOKEN)
        for changed in (form("failed"), form("sent", ErrorCode="30003"), {}):
            answer = client.post(path, data=changed, headers={"X-Twilio-Signature": signature})
            self.refused(app, answer)

    def test_is_everything_while_no_token_is_set(
        self, app: Flask, uid: str, settings: Settings
    ) -> None:
        without = create_app(replace(settings, twilio_account_sid=None, twilio_auth_token=None))
        self.refused(app, post(without.test_client(), uid, form()))
        self.refused(app, post(without.test_client(), uid, form(), token=""))
        with without.app_context():
            db.engine.dispose()


def test_the_address_that_counts_is_ours_whatever_host_the_request_names(
    app: Flask, client: FlaskClient, uid: str
) -> None:
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    assert post(client, uid, form(), **headers).status_code == 204
    forged = f"http://evil.example/twilio/texts/{uid}/status"
    assert post(client, uid, form("sent"), signed_for=forged, **headers).status_code == 403


@pytest.mark.one_database
def test_a_query_belongs_to_what_is_signed(client: FlaskClient, uid: str) -> None:
    assert post(client, uid, form(), query="?a=1&b=%20").status_code == 204


@pytest.mark.one_database
def test_a_body_over_16_kib_is_refused_before_it_is_read(client: FlaskClient, uid: str) -> None:
    assert post(client, uid, form(Extra="x" * 20_000)).status_code == 413


@pytest.mark.one_database
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_not_allowed(client: FlaskClient, uid: str, method: str) -> None:
    answer = client.open(f"/twilio/texts/{uid}/status", method=method)
    assert answer.status_code in {403, 405}


@pytest.mark.one_database
def test_only_the_webhooks_go_without_a_form_token(app: Flask, client: FlaskClient) -> None:
    for rule in app.url_map.iter_rules():
        if "POST" not in (rule.methods or ()) or rule.endpoint.startswith("twilio"):
            continue
        path = str(rule.build(dict.fromkeys(rule.arguments, 1))[1])  # type: ignore[index]
        assert client.post(path).status_code == 400, rule


class TestAtTheDesk:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, public_base_url="http://localhost")

    def test_a_failed_receipt_is_told_to_whoever_rings(
        self, app: Flask, client: FlaskClient, uid: str, sign_in_as: SignInAs
    ) -> None:
        path = f"http://localhost/twilio/texts/{uid}/status"
        failed = form("undelivered", ErrorCode="30003")
        with time_machine.travel(NOW, tick=False):
            assert post(client, uid, failed, signed_for=path).status_code == 204
            desk = sign_in_as(Role.MANAGER)
            with stored(app) as session:
                call = f"/desk/requests/{the_text(session).request_id}"
            assert submit(desk, f"{call}/accept", {}, page="/desk").location == call
            page = desk.get(call).get_data(as_text=True)
        assert "The phone is off or out of reach. Ring anyway." in page


class TestFromTheDouble:
    """The whole way: our tick sends, the double posts signed receipts to a real server."""

    @pytest.fixture
    def double(self) -> Iterator[TwilioDouble]:
        with TwilioDouble(ACCOUNT, TOKEN, manual=True) as double:
            yield double

    @pytest.fixture
    def settings(self, database_url: str, tmp_path: Path, double: TwilioDouble) -> Settings:
        return make_settings(
            database_url,
            tmp_path,
            PUBLIC_BASE_URL="http://127.0.0.1",
            TWILIO_ACCOUNT_SID=ACCOUNT,
            TWILIO_AUTH_TOKEN=TOKEN,
            TWILIO_FROM="+441632960001",
            TWILIO_API_URL=double.url,
        )

    @pytest.fixture
    def server(self, live_server: LiveServer) -> LiveServer:
        with stored(live_server.app) as session:
            make_shift(session)
            make_request(session, may_text=True)
            the_text(session).expires_at = the_text(session).created_at.replace(year=2100)
            the_text(session).send_after = the_text(session).created_at.replace(year=2020)
        return live_server

    def send(self, server: LiveServer) -> None:
        assert run_tick(server.app, next(tick for tick in TICKS if tick.name == "texts"))

    @pytest.mark.parametrize(
        "misdeed", [None, Misdeed.RECEIPT_DUPLICATED, Misdeed.RECEIPT_REORDERED]
    )
    def test_a_text_is_delivered_and_its_receipts_are_taken(
        self, double: TwilioDouble, server: LiveServer, misdeed: Misdeed | None
    ) -> None:
        if misdeed:
            double.misbehave(misdeed, times=2)
        self.send(server)
        double.deliver()
        double.check_webhooks()
        assert len(double.webhook_calls) >= 3
        with stored(server.app) as session:
            message = the_text(session)
            assert (message.state, message.delivery_status) == (OutboxState.SENT, "delivered")
            assert message.provider_sid == double.messages[0].sid

    def test_receipts_are_asked_for_with_retries_that_are_no_part_of_what_is_signed(
        self, double: TwilioDouble, server: LiveServer
    ) -> None:
        self.send(server)
        address = double.messages[0].status_callback or ""
        path, _, overrides = address.partition("#")
        assert path.endswith("/status")
        assert overrides == "rc=3&rp=all&ct=2000&rt=3500"
        double.deliver()
        assert all("#" not in call.url for call in double.webhook_calls)
        double.check_webhooks()

    def test_a_lost_reply_is_settled_by_the_receipt(
        self, double: TwilioDouble, server: LiveServer
    ) -> None:
        double.misbehave(Misdeed.REPLY_LOST)
        self.send(server)
        double.deliver()
        double.check_webhooks()
        self.send(server)
        with stored(server.app) as session:
            assert the_text(session).delivery_status == "delivered"
        assert len(double.messages) == len(double.sends) == 1
