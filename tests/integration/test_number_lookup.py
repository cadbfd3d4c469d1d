"""Twilio Lookup against the double, and what becomes of it when Twilio is away."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from callback_service.config import Settings
from callback_service.domain.contact import LineKind
from callback_service.domain.ticks import TickName
from callback_service.gateways.twilio_lookup import KINDS, TwilioLookup
from callback_service.models.outbox import OutboxMessage, OutboxState
from callback_service.ticks import TICKS, run_tick
from tests.support.request_builders import make_request, make_shift, mobile, stored
from tests.support.settings import make_settings
from tests.twilio_double import Misdeed, TwilioDouble
from tests.twilio_double.api import json_reply
from tests.twilio_double.server import serving

ACCOUNT = "AC" + "1" * 32
TOKEN = "0123456789abcdef0123456789abcdef"
CALLER = "+447700900123"
PATIENCE = (5.0, 10.0)


@pytest.fixture
def double() -> Iterator[TwilioDouble]:
    with TwilioDouble(ACCOUNT, TOKEN, manual=True) as double:
        yield double


def make_lookup(url: str, *, timeout: tuple[float, float] = PATIENCE) -> TwilioLookup:
    return TwilioLookup(ACCOUNT, TOKEN, api_url=url, timeout=timeout)


@pytest.mark.one_database
class TestTheAnswer:
    @pytest.mark.parametrize(
        ("said", "kind"), [*KINDS.items(), ("unknown", None), (None, None), ("new kind", None)]
    )
    def test_is_read_as_a_mobile_or_not(
        self, double: TwilioDouble, said: str | None, kind: LineKind | None
    ) -> None:
        double.state.line_types[CALLER] = said
        assert make_lookup(double.url).line_of(CALLER) is kind

    def test_costs_one_request_for_the_line_only(self, double: TwilioDouble) -> None:
        make_lookup(double.url).line_of(CALLER)
        [asked] = double.requests
        assert (asked.method, asked.path) == ("GET", f"/v2/PhoneNumbers/{CALLER}")
        assert asked.query == {"Fields": "line_type_intelligence"}

    @pytest.mark.parametrize(
        "misdeed", [Misdeed.ERROR_500, Misdeed.ERROR_503, Misdeed.TOO_MANY_REQUESTS, Misdeed.RESET]
    )
    def test_is_none_when_twilio_has_trouble_and_no_log_holds_the_number(
        self, double: TwilioDouble, misdeed: Misdeed, caplog: pytest.LogCaptureFixture
    ) -> None:
        double.misbehave(misdeed, on="find")
        with caplog.at_level(logging.INFO):
            assert make_lookup(double.url).line_of(CALLER) is None
        assert "could not be looked up" in caplog.text
        assert "900123" not in caplog.text

    def test_is_none_when_it_is_slow(self, double: TwilioDouble) -> None:
        double.misbehave(Misdeed.SLOW, on="find", seconds=5)
        assert make_lookup(double.url, timeout=(5.0, 0.1)).line_of(CALLER) is None

    def test_is_none_when_nobody_is_there(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
        assert make_lookup(url).line_of(CALLER) is None

    @pytest.mark.parametrize("line", [None, "mobile", [], {"type": 7}, {}])
    def test_is_none_when_it_makes_no_sense(self, line: object) -> None:
        reply = json_reply({"phone_number": CALLER, "line_type_intelligence": line})
        with serving(lambda _: reply) as url:
            assert make_lookup(url).line_of(CALLER) is None

    def test_is_none_for_a_wrong_token(self, double: TwilioDouble) -> None:
        assert TwilioLookup(ACCOUNT, "x" * 32, api_url=double.url).line_of(CALLER) is None


class TestTheTick:
    @pytest.fixture
    def settings(self, database_url: str, tmp_path: Path, double: TwilioDouble) -> Settings:
        """An installation that looks numbers up at the double."""
        return make_settings(
            database_url,
            tmp_path,
            TWILIO_ACCOUNT_SID=ACCOUNT,
            TWILIO_AUTH_TOKEN=TOKEN,
            TWILIO_FROM="+447700900999",
            TWILIO_API_URL=double.url,
            TWILIO_LOOKUP="1",
        )

    def run(self, app: Flask, *names: TickName) -> None:
        for name in names:
            assert run_tick(app, next(tick for tick in TICKS if tick.name == name))

    def test_asks_once_about_each_number_and_lets_only_mobiles_be_texted(
        self, app: Flask, double: TwilioDouble
    ) -> None:
        double.state.line_types["+447700900002"] = "landline"
        with stored(app) as session:
            make_shift(session)
            for number in (1, 2):
                make_request(session, mobile(number), may_text=True)
            for message in session.scalars(select(OutboxMessage)):
                message.expires_at = message.expires_at.replace(year=2099)
        self.run(app, TickName.LOOKUPS, TickName.LOOKUPS, TickName.TEXTS)
        looked_up = [one.path for one in double.requests if "PhoneNumbers" in one.path]
        assert len(looked_up) == len(set(looked_up)) == 2
        assert [text.to for text in double.messages] == ["+447700900001"]
        with stored(app) as session:
            states = session.scalars(select(OutboxMessage.state).order_by(OutboxMessage.id)).all()
        assert states == [OutboxState.SENT, OutboxState.DROPPED]

    def test_leaves_it_to_the_digits_when_twilio_is_away(
        self, app: Flask, double: TwilioDouble
    ) -> None:
        double.misbehave(Misdeed.ERROR_503, probability=1.0, on="find")
        with stored(app) as session:
            make_shift(session)
            make_request(session, may_text=True)
            for message in session.scalars(select(OutboxMessage)):
                message.expires_at = message.expires_at.replace(year=2099)
        self.run(app, TickName.LOOKUPS, TickName.TEXTS)
        assert [text.to for text in double.messages] == [CALLER]
