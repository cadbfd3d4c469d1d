"""A text goes out once, whatever the gateway does, and not at all where it may not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.clock import running
from callback_service.domain.lifecycle import Disposition
from callback_service.domain.text_limits import TextLimits
from callback_service.gateways.base import SentText, SmsSendError, TextGateway
from callback_service.gateways.console import ConsoleGateway
from callback_service.gateways.twilio import TwilioGateway
from callback_service.models.outbox import OutboxMessage, OutboxState, TextKind
from callback_service.services import (
    outbox_claims,
    outbox_due,
    outbox_results,
    receipts,
    requests,
    suppression,
)
from callback_service.services.escalation import escalate
from callback_service.services.outbox_claims import Claim
from callback_service.services.outbox_hand_over import NotBegun, Result, hand_over
from callback_service.services.outbox_results import LONGEST_BACK_OFF, LOOK_UPS_END_AFTER
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import (
    an_ask,
    make_manager,
    make_request,
    make_shift,
    mobile,
    take,
)
from tests.twilio_double import Misdeed, TwilioDouble

ACCOUNT = "AC" + "1" * 32
TOKEN = "0123456789abcdef0123456789abcdef"
SENDER = "+441632960001"
RECEIPTS = "http://127.0.0.1:9/twilio/texts/x/status"
LIMITS = TextLimits()
LEASE = LIMITS.lease


@dataclass
class Clock:
    """The time of our side and of the gateway's."""

    now: datetime = field(default=NOW)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def double(clock: Clock) -> Iterator[TwilioDouble]:
    with TwilioDouble(ACCOUNT, TOKEN, manual=True, now=lambda: clock.now) as double:
        yield double


@pytest.fixture
def gateway(double: TwilioDouble) -> TwilioGateway:
    return TwilioGateway(ACCOUNT, TOKEN, sender=SENDER, api_url=double.url, timeout=(5.0, 0.5))


@pytest.fixture
def message(session: Session) -> OutboxMessage:
    """One confirmation that waits to go, and will for an hour."""
    make_shift(session)
    make_request(session, may_text=True)
    message = session.scalars(select(OutboxMessage)).one()
    message.expires_at = NOW + timedelta(hours=1)
    session.commit()
    return message


def state_of(message: OutboxMessage) -> OutboxState:
    """The state as it is now."""
    return message.state


def claim(session: Session, now: datetime) -> Claim | None:
    """The next text that may go; those that may not are dropped on the way."""
    while outbox_due.texts_are_due(session, LIMITS, now=now):
        claims = outbox_claims.claim(session, LIMITS, most=1, now=now, tz=LONDON)
        session.commit()
        if claims:
            return claims[0]
    return None


def settle(
    session: Session, claimed: Claim, result: Result, now: datetime, *, is_live: bool = True
) -> None:
    outbox_results.record(session, [(claimed, result)], LIMITS, is_live=is_live, now=now, tz=LONDON)
    session.commit()


def send(session: Session, gateway: TextGateway, now: datetime) -> bool:
    """One turn of a sender; False when nothing was due."""
    claimed = claim(session, now)
    if claimed is None:
        return False
    result = hand_over(gateway, claimed, receipts_at=RECEIPTS, begin_by=math.inf, now=now)
    settle(session, claimed, result, now, is_live=gateway.is_live)
    return True


def test_a_text_is_sent_once_with_its_words_and_the_address_for_receipts(
    session: Session, message: OutboxMessage, double: TwilioDouble, gateway: TwilioGateway
) -> None:
    assert outbox_due.texts_are_due(session, LIMITS, now=NOW)
    assert send(session, gateway, NOW)
    assert not send(session, gateway, NOW)
    assert not outbox_due.texts_are_due(session, LIMITS, now=NOW + timedelta(days=1))
    [text] = double.messages
    assert (text.to, text.body, text.status_callback) == (message.to, message.body, RECEIPTS)
    assert text.validity_seconds == 3600
    assert (message.state, message.provider_sid) == (OutboxState.SENT, text.sid)
    assert (message.sent_at, message.lease_until, message.tries) == (NOW, None, 1)


def test_nothing_is_sent_before_its_time(
    session: Session, message: OutboxMessage, gateway: TwilioGateway
) -> None:
    message.send_after = NOW + timedelta(minutes=1)
    session.commit()
    assert not send(session, gateway, NOW)
    assert send(session, gateway, NOW + timedelta(minutes=1))


def test_the_oldest_goes_first(
    session: Session, double: TwilioDouble, gateway: TwilioGateway
) -> None:
    make_shift(session)
    for number in (3, 1, 2):
        make_request(session, mobile(number), may_text=True, now=NOW + timedelta(seconds=number))
    session.commit()
    while send(session, gateway, NOW + timedelta(seconds=5)):
        pass
    assert [text.to[-1] for text in double.messages] == ["1", "2", "3"]


class TestADefiniteNo:
    def test_for_good_fails_the_text_with_a_sentence_for_the_desk(
        self,
        session: Session,
        message: OutboxMessage,
        double: TwilioDouble,
        gateway: TwilioGateway,
    ) -> None:
        double.state.opted_out.add(message.to or "")
        send(session, gateway, NOW)
        assert (message.state, message.error_code) == (OutboxState.FAILED, 21610)
        assert message.reason == "The person has opted out of texts. Send none."
        assert suppression.is_suppressed(session, message.to)
        assert not send(session, gateway, NOW + timedelta(minutes=30))

    def test_for_now_is_tried_again_after_the_time_that_was_asked_for(
        self,
        session: Session,
        message: OutboxMessage,
        double: TwilioDouble,
        gateway: TwilioGateway,
    ) -> None:
        double.misbehave(Misdeed.TOO_MANY_REQUESTS, seconds=120)
        send(session, gateway, NOW)
        assert state_of(message) is OutboxState.QUEUED
        assert not send(session, gateway, NOW + timedelta(seconds=119))
        assert send(session, gateway, NOW + timedelta(seconds=120))
        assert len(double.messages) == 1
        assert state_of(message) is OutboxState.SENT

    def test_again_and_again_is_tried_at_growing_pauses_until_its_moment_has_passed(
        self, session: Session, message: OutboxMessage
    ) -> None:
        tried = []
        for second in range(0, 4500, 15):
            now = NOW + timedelta(seconds=second)
            if (claimed := claim(session, now)) is not None:
                tried.append(second)
                settle(session, claimed, SmsSendError("busy", permanent=False), now)
        assert tried[:5] == [0, 15, 45, 105, 225]
        assert len(tried) < 15
        assert state_of(message) is OutboxState.DROPPED

    def test_of_a_server_that_is_not_there_loses_nothing(
        self, session: Session, message: OutboxMessage, double: TwilioDouble
    ) -> None:
        nowhere = TwilioGateway(ACCOUNT, TOKEN, sender=SENDER, api_url="http://127.0.0.1:9")
        send(session, nowhere, NOW)
        assert state_of(message) is OutboxState.QUEUED
        back = TwilioGateway(ACCOUNT, TOKEN, sender=SENDER, api_url=double.url)
        assert send(session, back, message.send_after)
        assert state_of(message) is OutboxState.SENT


STORED = (Misdeed.ERROR_500_STORED, Misdeed.REPLY_LOST, Misdeed.GARBAGE, Misdeed.SLOW_REPLY)
NOT_STORED = (Misdeed.ERROR_500, Misdeed.ERROR_503, Misdeed.RESET)


def set_apart(session: Session) -> None:
    """Have the texts be about no request, and good for an hour."""
    for each in session.scalars(select(OutboxMessage)):
        number, each.request = each.to, None
        session.flush()
        each.to, each.expires_at = number, NOW + timedelta(hours=1)


class TestAnUnclearAnswer:
    @pytest.mark.parametrize("misdeed", [*STORED, *NOT_STORED])
    def test_is_looked_into_once_the_send_is_over_and_the_text_is_there_once(
        self,
        session: Session,
        message: OutboxMessage,
        clock: Clock,
        double: TwilioDouble,
        gateway: TwilioGateway,
        misdeed: Misdeed,
    ) -> None:
        double.misbehave(misdeed, seconds=2)
        send(session, gateway, NOW)
        assert state_of(message) is OutboxState.SENDING
        assert len(double.messages) == (misdeed in STORED)
        clock.now = NOW + LIMITS.look_up_after
        assert not send(session, gateway, clock.now - timedelta(seconds=1))
        assert send(session, gateway, clock.now)
        assert state_of(message) is OutboxState.SENT
        assert [text.sid for text in double.messages] == [message.provider_sid]

    def test_that_stays_unclear_ends_with_a_word_to_the_desk_and_no_second_text(
        self,
        session: Session,
        message: OutboxMessage,
        clock: Clock,
        double: TwilioDouble,
        gateway: TwilioGateway,
    ) -> None:
        double.misbehave(Misdeed.REPLY_LOST)
        double.misbehave(Misdeed.ERROR_500, times=1000, on="find")
        end = message.expires_at + LOOK_UPS_END_AFTER
        while clock.now <= end + LONGEST_BACK_OFF:
            send(session, gateway, clock.now)
            clock.now += LONGEST_BACK_OFF
        assert state_of(message) is OutboxState.FAILED
        assert message.reason == "It is not known whether the text arrived. Ring anyway."
        assert len(double.messages) == len(double.sends) == 1

    def test_is_settled_when_look_ups_work_again_after_an_outage(
        self,
        session: Session,
        message: OutboxMessage,
        clock: Clock,
        double: TwilioDouble,
        gateway: TwilioGateway,
    ) -> None:
        double.misbehave(Misdeed.REPLY_LOST)
        double.misbehave(Misdeed.ERROR_500, times=6, on="find")
        for _ in range(8):
            send(session, gateway, clock.now)
            clock.now += LONGEST_BACK_OFF
        assert state_of(message) is OutboxState.SENT
        assert len(double.messages) == len(double.sends) == 1

    def test_is_not_taken_for_another_text_with_the_same_words(
        self, session: Session, clock: Clock, double: TwilioDouble, gateway: TwilioGateway
    ) -> None:
        make_shift(session)
        for _ in range(2):
            submission = take(session, an_ask(may_text=True))
            requests.close(session, submission.request, Disposition.HELPED, now=NOW)
        set_apart(session)
        session.commit()
        first, second = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)).all()
        assert (first.to, first.body) == (second.to, second.body)
        send(session, gateway, NOW)
        double.misbehave(Misdeed.ERROR_500)
        send(session, gateway, NOW)
        clock.now = NOW + LEASE
        send(session, gateway, clock.now)
        assert {first.provider_sid, second.provider_sid} == {t.sid for t in double.messages}
        assert len(double.messages) == 2

    def test_whose_moment_has_passed_meanwhile_is_looked_up_but_not_sent(
        self,
        session: Session,
        message: OutboxMessage,
        clock: Clock,
        double: TwilioDouble,
        gateway: TwilioGateway,
    ) -> None:
        double.misbehave(Misdeed.ERROR_500)
        send(session, gateway, NOW)
        clock.now = message.expires_at
        send(session, gateway, clock.now)
        assert (message.state, message.reason) == (OutboxState.DROPPED, "Its moment had passed.")
        assert double.messages == []

    def test_after_consent_was_withdrawn_is_looked_up_but_not_sent(
        self,
        session: Session,
        message: OutboxMessage,
        clock: Clock,
        double: TwilioDouble,
        gateway: TwilioGateway,
    ) -> None:
        double.misbehave(Misdeed.ERROR_500)
        send(session, gateway, NOW)
        make_request(session, may_text=False)
        session.commit()
        clock.now = NOW + LEASE
        send(session, gateway, clock.now)
        assert state_of(message) is OutboxState.DROPPED
        assert double.messages == []


class TestATextThatStaysUnclearThreeTimes:
    def test_is_sent_three_times_at_most_and_the_duty_lead_is_told(
        self,
        session: Session,
        message: OutboxMessage,
        clock: Clock,
        double: TwilioDouble,
        gateway: TwilioGateway,
    ) -> None:
        make_manager(session, is_duty_lead=True)
        session.commit()
        double.misbehave(Misdeed.ERROR_500, times=3)
        for _ in range(4):
            send(session, gateway, clock.now)
            clock.now += LIMITS.look_up_after
        assert (message.state, message.unclear_tries) == (OutboxState.FAILED, 3)
        assert message.reason == "It is not known whether the text arrived. Ring anyway."
        assert len(double.sends) == 3
        [notice] = session.scalars(
            select(OutboxMessage).where(OutboxMessage.kind == TextKind.AUDIT)
        )
        assert message.request is not None
        assert message.request.reference in notice.body
        assert "it is not known whether a text arrived" in notice.body

    def test_is_settled_all_the_same_if_the_third_went(
        self,
        session: Session,
        message: OutboxMessage,
        clock: Clock,
        double: TwilioDouble,
        gateway: TwilioGateway,
    ) -> None:
        double.misbehave(Misdeed.ERROR_500, times=2)
        double.misbehave(Misdeed.REPLY_LOST)
        for _ in range(4):
            send(session, gateway, clock.now)
            clock.now += LIMITS.look_up_after
        assert state_of(message) is OutboxState.SENT
        assert [text.sid for text in double.messages] == [message.provider_sid]


class TestAClockThatIsSetBack:
    def test_after_a_sender_died_keeps_its_text_waiting_no_longer_than_any_lease(
        self,
        session: Session,
        message: OutboxMessage,
        clock: Clock,
        double: TwilioDouble,
        gateway: TwilioGateway,
    ) -> None:
        message.send_after, message.expires_at = NOW, NOW + timedelta(days=1)
        session.commit()
        claimed = claim(session, NOW + timedelta(hours=6))  # our clock was fast
        assert claimed is not None
        hand_over(gateway, claimed, receipts_at=RECEIPTS, begin_by=math.inf, now=NOW)
        clock.now = NOW + LEASE
        assert send(session, gateway, clock.now)
        assert state_of(message) is OutboxState.SENT
        assert [text.sid for text in double.messages] == [message.provider_sid]


class TestASenderThatWasStopped:
    def test_for_longer_than_it_may_take_to_begin_hands_nothing_over(
        self,
        session: Session,
        message: OutboxMessage,
        double: TwilioDouble,
        gateway: TwilioGateway,
    ) -> None:
        claimed = claim(session, NOW)
        assert claimed is not None
        begin_by = running() - 0.001
        result = hand_over(gateway, claimed, receipts_at=RECEIPTS, begin_by=begin_by, now=NOW)
        assert result == NotBegun()
        assert double.sends == []
        settle(session, claimed, result, NOW)
        assert state_of(message) is OutboxState.QUEUED

    def test_gives_a_text_in_doubt_back_to_be_looked_up_again(
        self,
        session: Session,
        message: OutboxMessage,
        double: TwilioDouble,
        gateway: TwilioGateway,
    ) -> None:
        double.misbehave(Misdeed.ERROR_500)
        send(session, gateway, NOW)
        later = NOW + LIMITS.look_up_after
        claimed = claim(session, later)
        assert claimed is not None
        settle(session, claimed, NotBegun(), later)
        assert state_of(message) is OutboxState.SENDING
        again = claim(session, later)
        assert again is not None
        assert again.looked_up_since == NOW


def test_one_text_at_the_gateway_settles_only_one_of_two_with_the_same_words(
    session: Session, double: TwilioDouble, gateway: TwilioGateway
) -> None:
    make_shift(session)
    for _ in range(2):
        submission = take(session, an_ask(may_text=True))
        requests.close(session, submission.request, Disposition.HELPED, now=NOW)
    set_apart(session)
    session.commit()
    double.misbehave(Misdeed.REPLY_LOST)
    double.misbehave(Misdeed.ERROR_500)
    for _ in range(2):
        send(session, gateway, NOW)
    later = NOW + LIMITS.look_up_after
    claims = outbox_claims.claim(session, LIMITS, now=later, tz=LONDON)
    session.commit()
    results = [
        hand_over(gateway, one, receipts_at=RECEIPTS, begin_by=math.inf, now=later)
        for one in claims
    ]
    outcomes = list(zip(claims, results, strict=True))
    outbox_results.record(session, outcomes, LIMITS, is_live=True, now=later, tz=LONDON)
    session.commit()
    states = sorted(session.scalars(select(OutboxMessage.state)))
    assert states == [OutboxState.SENDING, OutboxState.SENT]


class TestASenderThatDies:
    def test_after_handing_over_sends_no_second_text(
        self,
        session: Session,
        message: OutboxMessage,
        clock: Clock,
        double: TwilioDouble,
        gateway: TwilioGateway,
    ) -> None:
        claimed = claim(session, NOW)
        assert claimed is not None
        hand_over(gateway, claimed, receipts_at=RECEIPTS, begin_by=math.inf, now=NOW)
        # and never records it
        clock.now = NOW + LEASE
        assert not send(session, gateway, clock.now - timedelta(seconds=1))
        assert send(session, gateway, clock.now)
        assert [text.sid for text in double.messages] == [message.provider_sid]
        assert state_of(message) is OutboxState.SENT

    def test_before_handing_over_loses_no_text(
        self,
        session: Session,
        message: OutboxMessage,
        clock: Clock,
        double: TwilioDouble,
        gateway: TwilioGateway,
    ) -> None:
        claim(session, NOW)
        clock.now = NOW + LEASE
        assert send(session, gateway, clock.now)
        assert len(double.messages) == 1
        assert state_of(message) is OutboxState.SENT

    def test_and_comes_back_late_records_nothing(
        self, session: Session, message: OutboxMessage
    ) -> None:
        slow = claim(session, NOW)
        quick = claim(session, NOW + LEASE)
        assert slow is not None
        assert quick is not None
        settle(session, slow, SmsSendError("no", permanent=True), NOW + LEASE)
        assert state_of(message) is OutboxState.SENDING
        settle(session, quick, SentText("SM-quick", "queued"), NOW + LEASE)
        settle(session, slow, SentText("SM-slow", "queued"), NOW + LEASE)
        assert (message.provider_sid, message.tries) == ("SM-quick", 1)


def test_a_receipt_settles_a_send_whose_reply_was_lost(
    session: Session, message: OutboxMessage, double: TwilioDouble, gateway: TwilioGateway
) -> None:
    double.misbehave(Misdeed.REPLY_LOST)
    send(session, gateway, NOW)
    [text] = double.messages
    receipts.take_receipt(
        session, message.uid, sid=text.sid, status="sent", error_code=None, now=NOW
    )
    session.commit()
    assert (message.state, message.provider_sid) == (OutboxState.SENT, text.sid)
    assert not send(session, gateway, NOW + LEASE)
    assert len(double.messages) == 1


def test_a_receipt_that_is_quicker_than_the_reply_stands(
    session: Session, message: OutboxMessage
) -> None:
    claimed = claim(session, NOW)
    assert claimed is not None
    receipts.take_receipt(
        session, message.uid, sid="SM1", status="undelivered", error_code=30003, now=NOW
    )
    session.commit()
    settle(session, claimed, SentText("SM1", "queued"), NOW)
    assert (message.state, message.delivery_status) == (OutboxState.FAILED, "undelivered")


class TestATextThatMayNotGo:
    def test_since_consent_was_withdrawn_is_dropped(
        self,
        session: Session,
        message: OutboxMessage,
        double: TwilioDouble,
        gateway: TwilioGateway,
    ) -> None:
        make_request(session, may_text=False)
        session.commit()
        assert not send(session, gateway, NOW)
        assert (message.state, message.reason) == (
            OutboxState.DROPPED,
            "The caller no longer allows texts.",
        )
        assert double.requests == []

    def test_since_its_moment_has_passed_is_dropped(
        self, session: Session, message: OutboxMessage, gateway: TwilioGateway
    ) -> None:
        assert not send(session, gateway, message.expires_at)
        assert state_of(message) is OutboxState.DROPPED

    def test_since_the_request_was_withdrawn_is_dropped(
        self,
        session: Session,
        message: OutboxMessage,
        double: TwilioDouble,
        gateway: TwilioGateway,
    ) -> None:
        assert message.request is not None
        requests.close(session, message.request, Disposition.WITHDRAWN, now=NOW)
        session.commit()
        assert not send(session, gateway, NOW)
        assert state_of(message) is OutboxState.DROPPED
        assert double.requests == []

    def test_does_not_keep_the_next_one_from_going(
        self,
        session: Session,
        message: OutboxMessage,
        double: TwilioDouble,
        gateway: TwilioGateway,
    ) -> None:
        message.expires_at = NOW
        make_request(session, mobile(7), may_text=True)
        session.commit()
        assert send(session, gateway, NOW)
        assert [text.to for text in double.messages] == ["+447700900007"]


def test_the_console_keeps_a_text_for_staff_to_read(
    session: Session, message: OutboxMessage
) -> None:
    assert send(session, ConsoleGateway(), NOW)
    assert state_of(message) is OutboxState.KEPT
    assert message.provider_sid is not None


def test_a_staff_notice_goes_out_although_no_request_allows_it(
    session: Session, double: TwilioDouble, gateway: TwilioGateway
) -> None:
    make_manager(session, is_duty_lead=True)
    make_request(session)
    escalate(session, now=NOW, tz=LONDON)
    session.commit()
    assert send(session, gateway, NOW)
    assert [text.to for text in double.messages] == ["+447700900800"]
