"""What a manager can do on the page of texts: narrow it down, ask Twilio, stop and allow texts."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from callback_service.config import Settings
from callback_service.domain.lifecycle import Disposition
from callback_service.domain.staff import Role
from callback_service.models.audit import AuditEntry
from callback_service.models.outbox import OutboxMessage, OutboxState, TextGate
from callback_service.services import requests, suppression
from callback_service.services.outbox_results import NOT_KNOWN
from tests.support.builders import NOW
from tests.support.inbound import text_us
from tests.support.pages import csrf_token
from tests.support.request_builders import make_request, make_shift, mobile, stored
from tests.support.settings import make_settings
from tests.twilio_double import Misdeed, TwilioDouble

SignInAs = Callable[..., FlaskClient]
ACCOUNT = "AC" + "1" * 32
TOKEN = "0123456789abcdef0123456789abcdef"
SENDER = "+447700900999"
CALLER = "+447700900123"


@pytest.fixture(autouse=True)
def _at_eight_in_the_evening() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def double() -> Iterator[TwilioDouble]:
    with TwilioDouble(ACCOUNT, TOKEN, manual=True, now=lambda: NOW) as double:
        yield double


@pytest.fixture
def settings(database_url: str, tmp_path: Path, double: TwilioDouble) -> Settings:
    """An installation whose texts go to the double."""
    return make_settings(
        database_url,
        tmp_path,
        TWILIO_ACCOUNT_SID=ACCOUNT,
        TWILIO_AUTH_TOKEN=TOKEN,
        TWILIO_FROM=SENDER,
        TWILIO_API_URL=double.url,
    )


@pytest.fixture
def manager(sign_in_as: SignInAs) -> FlaskClient:
    return sign_in_as(Role.MANAGER)


def shown(client: FlaskClient, path: str = "/messages") -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return html.unescape(answer.get_data(as_text=True))


def press(client: FlaskClient, path: str, **fields: str) -> TestResponse:
    token = csrf_token(client.get("/messages").get_data(as_text=True))
    return client.post(path, data={"csrf_token": token, **fields}, follow_redirects=True)


def a_text(app: Flask, double: TwilioDouble, *, sid_is_known: bool = True) -> int:
    """A confirmation that is at Twilio; its row."""
    with stored(app) as session:
        make_shift(session)
        make_request(session, may_text=True)
        message = session.scalars(select(OutboxMessage)).one()
        form = {"To": message.to or "", "From": SENDER, "Body": message.body}
        sid = double.state.create(form).sid
        message.first_tried_at = NOW
        if sid_is_known:
            message.state, message.provider_sid, message.sent_at = OutboxState.SENT, sid, NOW
            message.delivery_status = "queued"
        else:
            message.state, message.reason = OutboxState.FAILED, NOT_KNOWN
        return message.id


def state_of(app: Flask, message_id: int) -> tuple[str, str | None]:
    with stored(app) as session:
        message = session.get_one(OutboxMessage, message_id)
        return message.state, message.delivery_status


class TestAskingTwilio:
    def test_brings_the_newest_state(
        self, app: Flask, double: TwilioDouble, manager: FlaskClient
    ) -> None:
        message_id = a_text(app, double)
        double.deliver()
        answer = press(manager, f"/messages/{message_id}/ask")
        assert "The gateway says: delivered." in answer.get_data(as_text=True)
        assert state_of(app, message_id) == ("sent", "delivered")
        with stored(app) as session:
            deed = session.scalars(
                select(AuditEntry).where(AuditEntry.action == "text.asked_after")
            ).one()
        assert (deed.subject_id, deed.detail) == (message_id, {"status": "delivered"})
        assert deed.actor_id is not None

    def test_finds_a_text_whose_fate_was_not_known(
        self, app: Flask, double: TwilioDouble, manager: FlaskClient
    ) -> None:
        message_id = a_text(app, double, sid_is_known=False)
        press(manager, f"/messages/{message_id}/ask")
        assert state_of(app, message_id) == ("sent", "queued")

    def test_says_so_when_twilio_holds_no_such_text(
        self, app: Flask, double: TwilioDouble, manager: FlaskClient
    ) -> None:
        message_id = a_text(app, double)
        with stored(app) as session:
            session.get_one(OutboxMessage, message_id).provider_sid = "SM" + "9" * 32
        answer = press(manager, f"/messages/{message_id}/ask")
        assert "The gateway does not hold this text." in answer.get_data(as_text=True)
        assert state_of(app, message_id) == ("sent", "queued")

    def test_says_so_when_twilio_is_away(
        self, app: Flask, double: TwilioDouble, manager: FlaskClient
    ) -> None:
        message_id = a_text(app, double, sid_is_known=False)
        double.misbehave(Misdeed.ERROR_503, probability=1.0, on="any")
        answer = press(manager, f"/messages/{message_id}/ask")
        assert answer.status_code == 200
        assert "Twilio would not say" in answer.get_data(as_text=True)

    def test_is_not_offered_for_a_text_that_never_went(
        self, app: Flask, manager: FlaskClient
    ) -> None:
        with stored(app) as session:
            make_shift(session)
            make_request(session, may_text=True)
            message_id = session.scalars(select(OutboxMessage.id)).one()
        assert f'id="ask-{message_id}"' not in shown(manager)
        answer = press(manager, f"/messages/{message_id}/ask")
        assert "There is nothing to ask" in answer.get_data(as_text=True)

    @pytest.mark.one_database
    def test_needs_a_manager_and_a_token(
        self, app: Flask, double: TwilioDouble, manager: FlaskClient, sign_in_as: SignInAs
    ) -> None:
        message_id = a_text(app, double)
        assert manager.post(f"/messages/{message_id}/ask").status_code == 400
        assert manager.get(f"/messages/{message_id}/ask").status_code == 405
        counsellor = sign_in_as(Role.COUNSELLOR)
        assert counsellor.post(f"/messages/{message_id}/ask").status_code in {400, 403}
        assert double.requests == []


class TestTheList:
    def test_is_narrowed_down_by_state_and_kind(self, app: Flask, manager: FlaskClient) -> None:
        with stored(app) as session:
            make_shift(session)
            for number in (1, 2):
                make_request(session, mobile(number), may_text=True)
            first = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)).first()
            assert first is not None
            first.state, first.reason = OutboxState.FAILED, "The phone is off."
        assert shown(manager).count('id="text-') == 2
        assert shown(manager, "/messages?state=failed").count('id="text-') == 1
        assert shown(manager, "/messages?kind=confirmation").count('id="text-') == 2
        assert "No such texts." in shown(manager, "/messages?kind=missed&state=sent")
        assert shown(manager, "/messages?state=nonsense&kind=%00").count('id="text-') == 2

    def test_is_narrowed_down_to_what_may_or_may_not_have_gone(
        self, app: Flask, double: TwilioDouble, manager: FlaskClient
    ) -> None:
        unclear = a_text(app, double, sid_is_known=False)
        with stored(app) as session:
            make_request(session, mobile(2), may_text=True)
        assert 'href="/messages?state=unclear#texts"' in shown(manager)
        page = shown(manager, "/messages?state=unclear")
        assert page.count('id="text-') == 1
        assert f'id="text-{unclear}"' in page
        assert '<option value="unclear" selected>' in page
        assert "Did not arrive" not in page.partition("<tbody")[2].partition("</tbody>")[0]

    @pytest.mark.one_database
    def test_a_text_that_is_on_the_phone_is_not_asked_after(
        self, app: Flask, double: TwilioDouble, manager: FlaskClient
    ) -> None:
        message_id = a_text(app, double)
        assert f'id="ask-{message_id}"' in shown(manager)
        with stored(app) as session:
            session.get_one(OutboxMessage, message_id).delivery_status = "delivered"
        page = shown(manager)
        assert f'id="ask-{message_id}"' not in page
        assert "on the phone" in page

    @pytest.mark.one_database
    def test_leads_back_from_older_texts_to_the_newest(
        self, app: Flask, double: TwilioDouble, manager: FlaskClient
    ) -> None:
        message_id = a_text(app, double)
        assert "Newest texts" not in shown(manager)
        older = shown(manager, f"/messages?before={message_id + 1}&state=sent")
        assert 'href="/messages?state=sent#texts">Newest texts' in older

    @pytest.mark.one_database
    def test_a_gateway_that_fails_is_the_first_thing_said(
        self, app: Flask, manager: FlaskClient
    ) -> None:
        with stored(app) as session:
            session.add(TextGate(id=1, opened_at=NOW))
        rest = shown(manager).partition("</h1>")[2]
        assert "Twilio has not answered since 20:00." in rest.partition("app-stats")[0]

    def test_says_what_texts_cost_and_why_they_failed(
        self, app: Flask, double: TwilioDouble, manager: FlaskClient
    ) -> None:
        message_id = a_text(app, double)
        with stored(app) as session:
            message = session.get_one(OutboxMessage, message_id)
            message.state, message.error_code = OutboxState.FAILED, 30003
            message.sent_at = NOW - timedelta(days=2)
        page = shown(manager)
        figures = page.partition('class="app-stats"')[2].partition("</dl>")[0]
        assert figures.replace("\n", "").count("<dd>1</dd>") == 1, "1 of 7 days, none of today"
        assert "The phone is off or out of reach. Ring anyway." in page

    def test_counts_a_text_whose_fate_is_not_known_as_unclear(
        self, app: Flask, double: TwilioDouble, manager: FlaskClient
    ) -> None:
        a_text(app, double, sid_is_known=False)
        figures = shown(manager).partition("<dt>Unclear")[2].partition("</div>")[0]
        assert "<dd>1</dd>" in figures

    def test_leads_to_what_was_texted_about_a_closed_request(
        self, app: Flask, manager: FlaskClient
    ) -> None:
        with stored(app) as session:
            make_shift(session)
            request = make_request(session)
            request_id = request.id
            requests.close(session, request, Disposition.HELPED, now=NOW)
            session.commit()
            text_us(session, "canary: please ring me again")
            session.commit()
        with stored(app) as session:
            before = len(session.scalars(select(AuditEntry)).all())
        page, path = shown(manager), f"/desk/requests/{request_id}/history"
        assert "canary" not in page
        assert path in page
        history = shown(manager, path)
        assert "They texted us once. To read it, open the record and give a reason." in history
        assert "canary" not in history
        with stored(app) as session:
            assert len(session.scalars(select(AuditEntry)).all()) == before + 1


class TestNumbersThatGetNoTexts:
    def test_are_stopped_and_allowed_again_by_the_full_number(
        self, app: Flask, manager: FlaskClient
    ) -> None:
        answer = press(manager, "/messages/numbers", phone="07700 900123", do="stop")
        assert "ends in 123 gets no more texts" in answer.get_data(as_text=True)
        with stored(app) as session:
            assert suppression.is_suppressed(session, CALLER)
        assert "1 number gets none" in shown(manager)
        answer = press(manager, "/messages/numbers", phone="+44 7700 900123", do="allow")
        assert "may be texted again" in answer.get_data(as_text=True)
        with stored(app) as session:
            assert not suppression.is_suppressed(session, CALLER)
            deeds = session.scalars(
                select(AuditEntry)
                .where(AuditEntry.subject == "suppression")
                .order_by(AuditEntry.id)
            ).all()
        assert [deed.action for deed in deeds] == ["texts.stopped", "texts.allowed"]
        assert all(deed.actor_id for deed in deeds)
        assert not any("900123" in str(deed.detail) for deed in deeds)

    def test_that_were_none_are_said_to_be_none_and_the_look_is_written_down(
        self, app: Flask, manager: FlaskClient
    ) -> None:
        answer = press(manager, "/messages/numbers", phone="07700 900123", do="allow")
        assert "Nothing stood against texts" in answer.get_data(as_text=True)
        press(manager, "/messages/numbers", phone="07700 900123", do="stop")
        press(manager, "/messages/numbers", phone="07700 900123", do="stop")
        with stored(app) as session:
            deeds = session.scalars(
                select(AuditEntry)
                .where(AuditEntry.action == "texts.looked_up")
                .order_by(AuditEntry.id)
            ).all()
        assert [deed.detail for deed in deeds] == [{"found": False}, {"found": True}]
        assert all(deed.actor_id for deed in deeds)

    @pytest.mark.one_database
    @pytest.mark.parametrize("typed", ["", "12", "not a number", "+1 555 123 4567"])
    def test_typed_wrongly_are_kept_with_a_sentence(self, manager: FlaskClient, typed: str) -> None:
        answer = press(manager, "/messages/numbers", phone=typed, do="stop")
        page = html.unescape(answer.get_data(as_text=True))
        assert answer.status_code == 422
        assert "There is a problem" in page
        assert f'value="{typed}"' in page or not typed
