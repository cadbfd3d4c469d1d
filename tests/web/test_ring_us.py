"""Ring us instead: a call to our number leaves a request, by the keys of a telephone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from callback_service.clock import utc_now
from callback_service.config import Settings
from callback_service.domain.contact import LineKind
from callback_service.domain.retention import USUAL, Kept
from callback_service.domain.skills import SkillKind
from callback_service.extensions import transaction
from callback_service.models.call import InboundCall
from callback_service.models.callback import CallbackRequest, Submission
from callback_service.models.staff import Staff
from callback_service.models.staff_skill import StaffSkill
from callback_service.services import inbound_calls, retention
from callback_service.services.inbound_calls import MOST_TRIES
from callback_service.services.voice_words import OWN, Line
from tests.rota_builders import make_pattern
from tests.support.builders import make_staff
from tests.support.live import LiveServer
from tests.support.request_builders import make_request, row_counts, stored
from tests.support.settings import make_settings
from tests.twilio_double import Phone, TwilioDouble
from tests.twilio_double.phones import PUT_DOWN

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


#: What Twilio puts in the place of a number that is withheld, and numbers that we do not ring.
HIDDEN = ["anonymous", "+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253", ""]
NOT_RUNG = ["+15005550006", "+449098790000", SERVICE]


@pytest.mark.parametrize("sender", [*HIDDEN, *NOT_RUNG])
@pytest.mark.one_database
def test_a_withheld_or_foreign_number_is_asked_to_key_one_in(line: Line1, sender: str) -> None:
    asked, read_back, taken = line.ring("01632960555# 1", sender=sender)
    assert asked.startswith("Hello. You can be rung back. Key in the number")
    assert "0 1 6 3 2, 9 6 0, 5 5 5." in read_back
    assert taken.startswith("Thank you.")
    [request] = line.requests
    assert (request.phone, request.phone_kind) == (LANDLINE, LineKind.LANDLINE)


def test_a_withheld_number_that_keys_nothing_in_is_told_what_to_do(line: Line1) -> None:
    asked, again, goodbye = line.ring("", sender="anonymous")
    assert asked == again
    assert goodbye == GOODBYE
    assert line.requests == []


def test_another_number_than_ones_own_can_be_keyed_in(line: Line1) -> None:
    line.ring("2 01632960555# 1")
    assert [request.phone for request in line.requests] == [LANDLINE]


@pytest.mark.one_database
def test_a_number_that_was_keyed_in_wrong_can_be_keyed_in_again(line: Line1) -> None:
    said = line.ring("2 01632960554# 2 01632960555# 1")
    assert said[-1].startswith("Thank you.")
    assert said[1] == said[3] == (OWN / "en" / "key_in.txt").read_text().strip()
    assert [request.phone for request in line.requests] == [LANDLINE]


@pytest.mark.parametrize(
    "keyed", ["01632*960*555#", "01632960555", "00441632960555#", "*441632960555#"]
)
@pytest.mark.one_database
def test_a_number_may_be_keyed_in_as_people_do(line: Line1, keyed: str) -> None:
    """With stars between, without the hash key, with the code of the country."""
    said = line.ring(f"{keyed} 1", sender="anonymous")
    assert "0 1 6 3 2, 9 6 0, 5 5 5." in said[1]
    assert [request.phone for request in line.requests] == [LANDLINE]


def test_a_caller_who_puts_the_phone_down_leaves_no_request_and_can_ring_again(
    line: Line1,
) -> None:
    assert len(line.ring(f"01632960555# {PUT_DOWN}", sender="anonymous")) == 2
    assert line.requests == []
    assert line.ring("01632960555# 1", sender="anonymous")[-1].startswith("Thank you.")
    assert len(line.requests) == 1


def test_two_calls_that_key_in_one_number_are_one_request(line: Line1) -> None:
    first = line.ring("01632960555# 1", sender="anonymous")
    second = line.ring("01632960555# 1", sender="+266696687")
    assert [said.split(" by ")[0] for said in first] == [said.split(" by ")[0] for said in second]
    assert len(line.requests) == 1


def test_a_number_that_the_gateway_tells_four_times_is_one_try(line: Line1) -> None:
    line.ring(f"2 01632960554# 2 {PUT_DOWN}")
    keyed, declined = (
        next(call for call in line.double.webhook_calls if step in call.url)
        for step in ("en/number", "en/confirm")
    )
    for _ in range(3):
        assert line.double.courier.post(keyed.url, keyed.form).answer == keyed.answer
    assert line.double.courier.post(declined.url, declined.form).answer == declined.answer


@pytest.mark.one_database
def test_the_same_number_declined_over_and_over_is_read_back_three_times_at_most(
    line: Line1,
) -> None:
    said = line.ring("2" + " 01632960554# 2" * 4)
    assert sum("0 1 6 3 2, 9 6 0, 5 5 4." in words for words in said) == MOST_TRIES
    assert said[-1] == GOODBYE
    assert line.requests == []


def test_the_key_after_the_number_was_read_back_told_twice_is_one_request(line: Line1) -> None:
    line.ring("01632960555# 1", sender="anonymous")
    confirmed = next(call for call in line.double.webhook_calls if "confirm" in call.url)
    again = line.double.courier.post(confirmed.url, confirmed.form)
    assert again.answer == confirmed.answer
    assert len(line.submissions) == 1


def test_a_landline_that_rings_gets_a_request_that_allows_no_text(line: Line1) -> None:
    assert line.ring("1", sender=LANDLINE)[-1].startswith("Thank you.")
    [request] = line.requests
    assert (request.phone, request.phone_kind) == (LANDLINE, LineKind.LANDLINE)
    assert not request.may_text


@pytest.mark.parametrize(
    "keyed",
    [
        "999#",
        "0044",
        "0770090012#",  # a digit short
        "0770090012345#",
        "0163296055501632960555#",  # keyed in twice without a pause
        "123456789012345678901234567890",
        "**1",
        "***#",
        "09098790000#",  # premium
        "0033142685300#",  # abroad
        "01632960001#",  # our own line
    ],
)
@pytest.mark.one_database
def test_what_is_no_number_of_ours_to_ring_is_refused_three_times_at_most(
    line: Line1, keyed: str
) -> None:
    said = line.ring(f"2 {keyed} {keyed} {keyed} {keyed}")
    assert said[-1] == GOODBYE
    assert sum(words.startswith("We cannot ring that number.") for words in said) == 2
    assert line.requests == []


@pytest.mark.one_database
def test_the_hash_key_alone_is_nothing_keyed_in(line: Line1) -> None:
    assert line.ring("2 # #")[-1] == GOODBYE


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
        folder = tmp_path / "words" / "pl"
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
            VOICE_LANGUAGES="en, cy, pl pl-PL Polly.Ola",
            VOICE_WORDS=str(tmp_path / "words"),
        )

    def test_words_of_ones_own_say_no_time_and_wish_for_a_language_that_nobody_speaks(
        self, line: Line1
    ) -> None:
        said = line.ring("3 1")
        assert said[0] == "For English, press 1."
        assert said[2:] == ["choose 3", "greeting", "taken_number"]
        assert [request.wish_language for request in line.requests] == [None]

    def test_welsh_is_spoken_to_the_end_and_wished_for_where_somebody_speaks_it(
        self, line: Line1
    ) -> None:
        with stored(line.server.app) as session:
            staff = session.scalars(select(Staff)).one()
            session.add(StaffSkill(staff_id=staff.id, kind=SkillKind.LANGUAGE, value="cy"))
        said = line.ring("2 01632960555# 1", sender="anonymous")
        assert said[1] == "Ar gyfer y Gymraeg, pwyswch 2."
        assert said[3].startswith("Helo. Gallwch gael galwad yn ôl. Rhowch y rhif")
        assert "0 1 6 3 2, 9 6 0, 5 5 5." in said[4]
        assert said[-1].startswith("Diolch. Byddwn yn eich ffonio erbyn ")
        answers = [call.answer for call in line.double.webhook_calls[1:]]
        assert all('language="cy-GB" voice="Polly.Gwyneth"' in answer for answer in answers)
        assert [request.wish_language for request in line.requests] == ["cy"]
        assert [one.wish_language for one in line.submissions] == ["cy"]

    @pytest.mark.one_database
    @pytest.mark.parametrize("keys", ["9 1", "1 1"])
    def test_english_and_a_key_of_none_are_the_first_and_wish_for_nothing(
        self, line: Line1, keys: str
    ) -> None:
        said = line.ring(keys)
        assert said[3].startswith("Hello.")
        assert said[-1].startswith("Thank you.")
        assert [request.wish_language for request in line.requests] == [None]

    @pytest.mark.one_database
    def test_no_language_chosen_is_told_what_to_do(self, line: Line1) -> None:
        said = line.ring("")
        assert said[-1] == GOODBYE
        assert len(said) == 2 * 3 + 1
