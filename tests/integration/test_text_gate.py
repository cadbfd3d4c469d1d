"""The gate: a gateway that is down is left alone, and no more goes than is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.text_limits import FAILURES_TO_OPEN, TextLimits
from callback_service.gateways.base import SentText, SmsSendError, SmsUnclearError
from callback_service.models.outbox import OutboxMessage, OutboxState, TextKind
from callback_service.services import (
    outbox_claims,
    outbox_due,
    outbox_results,
    text_gate,
    text_limits,
)
from callback_service.services.escalation import escalate
from callback_service.services.outbox_claims import Claim
from callback_service.services.outbox_hand_over import NotBegun, Result
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import make_manager, make_request, make_shift, mobile

pytestmark = pytest.mark.traced_on_both

LIMITS = TextLimits()
DOWN = SmsSendError("down", permanent=False, is_outage=True)


def queue(session: Session, count: int) -> None:
    """Confirmations to so many callers."""
    make_shift(session)
    for number in range(count):
        make_request(session, mobile(number), may_text=True)
    for message in session.scalars(select(OutboxMessage)):
        message.expires_at = NOW + timedelta(hours=2)
    session.commit()


def claim(
    session: Session, limits: TextLimits = LIMITS, *, most: int = 100, now: datetime = NOW
) -> list[Claim]:
    claims = outbox_claims.claim(session, limits, most=most, now=now, tz=LONDON)
    session.commit()
    return claims


def record(
    session: Session, claims: Sequence[Claim], result: Result | None = None, *, now: datetime = NOW
) -> None:
    """All of them sent, or with one and the same result."""
    outcomes = [(one, result or SentText(f"SM{one.message_id}", "queued")) for one in claims]
    outbox_results.record(session, outcomes, LIMITS, is_live=True, now=now, tz=LONDON)
    session.commit()


class TestTheBreaker:
    @pytest.mark.parametrize("fault", [DOWN, SmsUnclearError("HTTP 500")])
    def test_opens_after_failures_in_a_row_whoever_sent(
        self, session: Session, fault: SmsSendError | SmsUnclearError
    ) -> None:
        queue(session, FAILURES_TO_OPEN + 1)
        claims = claim(session, most=FAILURES_TO_OPEN)
        record(session, claims[:6], fault)
        assert outbox_due.texts_are_due(session, LIMITS, now=NOW)
        record(session, claims[6:], fault)
        assert not outbox_due.texts_are_due(session, LIMITS, now=NOW)
        assert claim(session) == []
        assert text_limits.state(session, now=NOW, tz=LONDON).breaker_open_since == NOW

    def test_stays_closed_while_others_get_through(self, session: Session) -> None:
        queue(session, 2 * FAILURES_TO_OPEN)
        claims = claim(session, most=2 * FAILURES_TO_OPEN - 1)
        record(session, claims[:9], DOWN)
        record(session, claims[9:10])
        record(session, claims[10:], DOWN)
        assert outbox_due.texts_are_due(session, LIMITS, now=NOW)

    def test_is_not_moved_by_a_no_that_concerns_one_text(self, session: Session) -> None:
        queue(session, FAILURES_TO_OPEN + 1)
        no = SmsSendError("opted out", permanent=True, code=21610)
        record(session, claim(session, most=FAILURES_TO_OPEN), no)
        assert outbox_due.texts_are_due(session, LIMITS, now=NOW)

    def opened(self, session: Session) -> datetime:
        """The instant at which one text may try."""
        queue(session, FAILURES_TO_OPEN + 5)
        record(session, claim(session, most=FAILURES_TO_OPEN), DOWN)
        return NOW + LIMITS.pause_after(timedelta())

    def test_lets_one_text_try_and_nobody_beside_it(self, session: Session) -> None:
        later = self.opened(session)
        [trial] = claim(session, now=later)
        assert trial.is_trial
        assert claim(session, now=later) == []

    def test_waits_twice_as_long_when_that_fails(self, session: Session) -> None:
        later = self.opened(session)
        record(session, claim(session, now=later), DOWN, now=later)
        assert claim(session, now=later + timedelta(seconds=9)) == []
        assert len(claim(session, now=later + timedelta(seconds=10))) == 1

    def test_closes_when_it_succeeds(self, session: Session) -> None:
        later = self.opened(session)
        record(session, claim(session, now=later), now=later)
        assert len(claim(session, now=later)) == FAILURES_TO_OPEN + 4
        assert text_limits.state(session, now=later, tz=LONDON).breaker_open_since is None

    def test_lets_another_try_when_the_one_that_tried_died(self, session: Session) -> None:
        later = self.opened(session)
        claim(session, now=later)
        assert claim(session, now=later + LIMITS.lease - timedelta(seconds=1)) == []
        assert len(claim(session, now=later + LIMITS.lease)) == 1


class TestARequestToWait:
    def test_holds_all_texts_and_not_only_the_one(self, session: Session) -> None:
        queue(session, 3)
        busy = SmsSendError("429", permanent=False, retry_after=30, is_outage=True)
        record(session, claim(session, most=1), busy)
        assert claim(session, now=NOW + timedelta(seconds=29)) == []
        assert len(claim(session, now=NOW + timedelta(seconds=30))) == 3

    def test_is_not_obeyed_for_more_than_ten_minutes(self, session: Session) -> None:
        queue(session, 2)
        busy = SmsSendError("429", permanent=False, retry_after=86_400, is_outage=True)
        record(session, claim(session, most=1), busy)
        assert claim(session, now=NOW + timedelta(minutes=10)) != []


class TestTheRate:
    LIMITS = replace(LIMITS, a_second=10)

    def test_is_shared_by_all_who_claim(self, session: Session) -> None:
        queue(session, 30)
        assert [len(claim(session, self.LIMITS, most=most)) for most in (6, 6, 6)] == [6, 4, 0]
        assert len(claim(session, self.LIMITS, now=NOW + timedelta(seconds=0.5))) == 5


class TestTheDaysSpending:
    LIMITS = replace(LIMITS, segments_a_day=3)

    def test_stops_texts_to_callers_with_a_reason(self, session: Session) -> None:
        queue(session, 5)
        assert len(claim(session, self.LIMITS)) == 3
        dropped = session.scalars(select(OutboxMessage).where(OutboxMessage.state == "dropped"))
        assert {one.reason for one in dropped} == {text_gate.TOO_DEAR}
        state = text_limits.state(session, now=NOW, tz=LONDON)
        assert (state.spent_today, state.held_back) == (3, {text_gate.TOO_DEAR: 2})

    def test_never_stops_a_notice_to_staff(self, session: Session) -> None:
        make_manager(session, is_duty_lead=True)
        make_request(session)
        escalate(session, now=NOW, tz=LONDON)
        session.commit()
        assert len(claim(session, replace(self.LIMITS, segments_a_day=0))) == 1

    def test_is_told_to_the_duty_lead_once_a_day(self, session: Session) -> None:
        make_manager(session, is_duty_lead=True)
        queue(session, 5)
        for _ in range(3):
            claim(session, self.LIMITS, most=2)
        notices = select(OutboxMessage).where(OutboxMessage.kind == TextKind.AUDIT)
        [notice] = session.scalars(notices)
        assert "callers get no texts until midnight" in notice.body

    def test_counts_nothing_that_was_given_back(self, session: Session) -> None:
        queue(session, 5)
        record(session, claim(session, self.LIMITS, most=3), NotBegun())
        assert len(claim(session, self.LIMITS, most=3)) == 3

    def test_begins_anew_at_midnight(self, session: Session) -> None:
        queue(session, 5)
        for message in session.scalars(select(OutboxMessage)):
            message.expires_at = NOW + timedelta(days=2)
        claim(session, self.LIMITS, most=3)
        assert len(claim(session, self.LIMITS, now=NOW + timedelta(hours=5))) >= 2


def test_what_is_waited_for_goes_first_then_near_moments_then_confirmations(
    session: Session,
) -> None:
    make_manager(session, is_duty_lead=True)
    make_shift(session)
    for number, kind in enumerate([TextKind.CONFIRMATION, TextKind.MISSED, TextKind.CONFIRMATION]):
        make_request(session, mobile(number), may_text=True)
        newest = select(OutboxMessage).order_by(OutboxMessage.id.desc()).limit(1)
        message = session.scalars(newest).one()
        message.kind, message.urgency = kind, 1 if kind is TextKind.MISSED else 2
        message.expires_at = NOW + timedelta(hours=2)
    make_request(session, mobile(9), now=NOW)
    escalate(session, now=NOW + timedelta(hours=1), tz=LONDON)
    session.commit()
    claims = claim(session, now=NOW + timedelta(hours=1))
    kinds = [session.get_one(OutboxMessage, one.message_id).kind for one in claims]
    rest = [TextKind.MISSED, TextKind.CONFIRMATION, TextKind.CONFIRMATION]
    assert set(kinds[:-3]) == {TextKind.ESCALATION}
    assert kinds[-3:] == rest
    assert claims[-2].message_id < claims[-1].message_id


def test_texts_that_were_not_begun_go_back_at_once_and_cost_no_try(session: Session) -> None:
    queue(session, 2)
    claims = claim(session)
    record(session, claims, NotBegun())
    messages = session.scalars(select(OutboxMessage)).all()
    assert {(one.state, one.tries) for one in messages} == {(OutboxState.QUEUED, 0)}
    assert len(claim(session)) == 2
