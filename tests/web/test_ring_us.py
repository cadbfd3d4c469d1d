"""Ring us instead: a call to our number leaves a request, by the keys of a telephone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from callback_service.clock import utc_now
from callback_service.config import Settings
from callback_service.domain.retention import USUAL, Kept
from callback_service.extensions import transaction
from callback_service.models.call import InboundCall
from callback_service.models.callback import CallbackRequest, Submission
from callback_service.services import inbound_calls, retention
from callback_service.services.voice_words import OWN, Line
from tests.rota_builders import make_pattern
from tests.support.builders import make_staff
from tests.support.live import LiveServer
from tests.support.request_builders import make_request, row_counts, stored
from tests.support.settings import make_settings
from tests.twilio_double import Phone, TwilioDouble

ACCOUNT, TOKEN = "AC" + "1" * 32, "0123456789abcdef0123456789abcdef"
SERVICE, CALLER, LANDLINE = "+441632960001", "+447700900123", "+441632960555"
GOODBYE = (OWN / "en" / "goodbye.txt").read_text().strip()
NEVER_FAST = 0.01


@pytest.fixture
def double() -> Iterator[TwilioDouble]:
    with TwilioDouble(ACCOUNT, TOKEN, manual=True) as double:
        double.exchange.second = NEVER_FAST
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


@dataclass
class Line1:
    """The service's telephone line, from outside."""

    server: LiveServer
    double: TwilioDouble

    def ring(self, keys: str, *, sender: str = CALLER) -> list[str]:
        """Ring the service and press keys when asked; what is heard."""
        self.double.exchange.phones.set(sender, Phone(keys=keys))
        url = f"{self.server.url}/twilio/calls/inbound"
        leg = self.double.exchange.ring_in(sender=sender, to=SERVICE, url=url)
        self.double.check_webhooks()
        return self.double.call_state.said(leg.sid)

    @property
    def requests(self) -> list[CallbackRequest]:
        with stored(self.server.app) as session:
            return list(session.scalars(select(CallbackRequest).order_by(CallbackRequest.id)))

    @property
    def submissions(self) -> list[Submission]:
        with stored(self.server.app) as session:
            return list(session.scalars(select(Submission).order_by(Submission.id)))


@pytest.fixture
def line(live_server: LiveServer, double: TwilioDouble) -> Line1:
    with stored(live_server.app) as session:
        make_pattern(session, make_staff(session), "00:00", "00:00")
    return Line1(live_server, double)


def test_one_key_leaves_a_request_for_the_number_that_rings(line: Line1) -> None:
    greeting, taken = line.ring("1")
    assert greeting.startswith("Hello. You can be rung back.")
    assert taken.startswith("Thank you. We will ring you by ")
    [request], [submission] = line.requests, line.submissions
    assert request.phone == CALLER
    assert (request.may_text, request.may_leave_voicemail, request.is_window) == (
        False,
        False,
        False,
    )
    assert submission.consent_version == inbound_calls.SPOKEN_CONSENT


def test_a_second_call_joins_the_open_request_and_hears_the_same(line: Line1) -> None:
    first, second = line.ring("1"), line.ring("1")
    assert len(line.requests) == 1
    assert len(line.submissions) == 2
    assert [said.split(" by ")[0] for said in first] == [said.split(" by ")[0] for said in second]


def test_a_call_for_a_number_with_a_request_by_the_form_is_answered_the_same_way(
    line: Line1,
) -> None:
    with stored(line.server.app) as session:
        make_request(session, "07700 900123", now=utc_now())
    assert line.ring("1")[-1].startswith("Thank you. We will ring you by ")
    assert len(line.requests) == 1


def test_nothing_pressed_is_asked_once_more_and_then_told_what_to_do(line: Line1) -> None:
    greeting, again, goodbye = line.ring("")
    assert greeting == again
    assert goodbye == GOODBYE
    assert line.requests == []


def test_another_key_is_asked_again(line: Line1) -> None:
    assert line.ring("7 1")[-1].startswith("Thank you.")


@pytest.mark.parametrize("sender", ["anonymous", "+266696687", "+15005550006", "+449098790000", ""])
def test_a_withheld_or_foreign_number_is_asked_to_key_one_in(line: Line1, sender: str) -> None:
    asked, read_back, taken = line.ring("01632960555# 1", sender=sender)
    assert asked.startswith("Hello. You can be rung back. Key in the number")
    assert "0 1 6 3 2, 9 6 0, 5 5 5." in read_back
    assert taken.startswith("Thank you.")
    assert [request.phone for request in line.requests] == [LANDLINE]


def test_another_number_than_ones_own_can_be_keyed_in(line: Line1) -> None:
    line.ring("2 01632960555# 1")
    assert [request.phone for request in line.requests] == [LANDLINE]


@pytest.mark.one_database
def test_a_number_that_was_keyed_in_wrong_can_be_keyed_in_again(line: Line1) -> None:
    said = line.ring("2 01632960554# 2 01632960555# 1")
    assert said[-1].startswith("Thank you.")
    assert [request.phone for request in line.requests] == [LANDLINE]


@pytest.mark.parametrize("keyed", ["999#", "#", "0044", "123456789012345678901234567890", "**1"])
@pytest.mark.one_database
def test_what_is_no_number_of_ours_to_ring_is_refused_three_times_at_most(
    line: Line1, keyed: str
) -> None:
    said = line.ring(f"2 {keyed} {keyed} {keyed} {keyed}")
    assert said[-1] == GOODBYE
    assert line.requests == []


def test_a_number_is_not_kept_past_its_confirmation(line: Line1) -> None:
    line.ring("2 01632960555# 1")
    with stored(line.server.app) as session:
        [call] = session.scalars(select(InboundCall)).all()
        assert call.keyed_sealed is None
        assert call.taken_at is not None


def test_too_many_requests_for_one_number_in_a_day_are_refused_alike(line: Line1) -> None:
    for _ in range(inbound_calls.MOST_A_DAY):
        line.ring("1")
    assert line.ring("1")[-1].startswith("We cannot take another message from this number today.")
    assert len(line.submissions) == inbound_calls.MOST_A_DAY
    assert line.ring("2 01632960555# 1")[-1].startswith("Thank you.")


def test_the_same_key_told_twice_is_one_request(line: Line1) -> None:
    line.ring("1")
    pressed = next(call for call in line.double.webhook_calls if "Digits" in call.form)
    again = line.double.courier.post(pressed.url, pressed.form)
    assert again.answer == pressed.answer
    assert len(line.submissions) == 1


def test_a_call_that_cannot_be_kept_hears_what_to_do(
    line: Line1, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("", {}, Exception())

    monkeypatch.setattr(inbound_calls, "take", fail)
    assert line.ring("1")[-1] == (OWN / "en" / "not_now.txt").read_text().strip()


def test_what_is_left_of_calls_is_deleted_after_two_days(line: Line1) -> None:
    line.ring("2 01632960555#")
    now = utc_now()
    with line.server.app.app_context(), transaction() as session:
        assert not retention.erasure_is_due(session, now=now)
        later = now + USUAL.lasts(Kept.INBOUND_CALLS)
        assert retention.erasure_is_due(session, now=later)
        retention.erase_old(session, now=later)
        assert row_counts(session)["inbound_call"] == 0


class TestSeveralLanguages:
    @pytest.fixture
    def settings(self, settings: Settings, tmp_path: Path, database_url: str) -> Settings:
        folder = tmp_path / "words" / "xx"
        folder.mkdir(parents=True)
        for line in Line:
            (folder / f"{line}.txt").write_text(
                f"{line} {{{{ key }}}}" if line == "choose" else line
            )
        return make_settings(
            database_url,
            tmp_path,
            PUBLIC_BASE_URL="http://127.0.0.1",
            TWILIO_ACCOUNT_SID=ACCOUNT,
            TWILIO_AUTH_TOKEN=TOKEN,
            TWILIO_FROM=SERVICE,
            TWILIO_API_URL=settings.twilio_api_url or "",
            VOICE_LANGUAGES="en en-GB Polly.Amy, xx cy-GB Polly.Gwyneth",
            VOICE_WORDS=str(tmp_path / "words"),
        )

    def test_a_key_chooses_one(self, line: Line1) -> None:
        assert line.ring("2 1") == ["For English, press 1.", "choose 2", "greeting", "taken_number"]

    @pytest.mark.one_database
    def test_a_key_of_none_is_the_first(self, line: Line1) -> None:
        assert line.ring("9")[2].startswith("Hello.")
