"""Which gateway the settings lead to, and what the console one does."""

import logging
from datetime import UTC, datetime

import pytest

from callback_service.errors import CallbackServiceError
from callback_service.gateways.console import ConsoleGateway
from callback_service.gateways.factory import text_gateway
from callback_service.gateways.twilio import TwilioGateway

ACCOUNT = "AC" + "0" * 32
SERVICE = "MG" + "0" * 32
NUMBER = "+441632960001"


def test_without_an_account_texts_are_kept() -> None:
    gateway = text_gateway(
        account_sid=None,
        auth_token=None,
        from_number=NUMBER,
        messaging_service_sid=None,
        api_key=None,
        api_url=None,
        seconds=10,
    )
    assert isinstance(gateway, ConsoleGateway)
    assert not gateway.is_live


@pytest.mark.parametrize(
    ("number", "service"), [(NUMBER, None), (None, SERVICE), (NUMBER, SERVICE)]
)
def test_with_an_account_texts_go_out(number: str | None, service: str | None) -> None:
    gateway = text_gateway(
        account_sid=ACCOUNT,
        auth_token="token",
        from_number=number,
        messaging_service_sid=service,
        api_key=None,
        api_url=None,
        seconds=10,
    )
    assert isinstance(gateway, TwilioGateway)
    assert gateway.is_live


@pytest.mark.parametrize(
    ("account", "token", "number"),
    [(ACCOUNT, None, NUMBER), (None, "token", NUMBER), (ACCOUNT, "token", None)],
)
def test_half_an_account_is_refused_with_a_sentence(
    account: str | None, token: str | None, number: str | None
) -> None:
    with pytest.raises(CallbackServiceError, match="set all of them or none"):
        text_gateway(
            account_sid=account,
            auth_token=token,
            from_number=number,
            messaging_service_sid=None,
            api_key=None,
            api_url=None,
            seconds=10,
        )


def test_the_console_takes_each_text_under_an_id_of_its_own(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = ConsoleGateway()
    with caplog.at_level(logging.DEBUG):
        texts = [
            gateway.send_text(to=NUMBER, body="Hello", status_callback="", valid_seconds=60)
            for _ in range(3)
        ]
        found = gateway.find_texts(to=NUMBER, body="Hello", since=datetime(2026, 1, 1, tzinfo=UTC))
    assert {text.status for text in texts} == {"kept"}
    assert len({text.sid for text in texts}) == len(texts)
    assert found == []
    assert caplog.text == capsys.readouterr().out == ""
