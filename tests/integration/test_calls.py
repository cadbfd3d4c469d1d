"""Bridged calls as rows: who may start one, when it expires, what is asked and forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.calls import CallEnding, CallState, Leg
from callback_service.domain.lifecycle import Disposition, Outcome, RequestState
from callback_service.domain.retention import USUAL, Kept
from callback_service.domain.staff import Role
from callback_service.errors import NotFound, Refused
from callback_service.gateways.voice_base import CallRefusedError, CallUnclearError, LegFacts
from callback_service.models.call import BridgedCall, CallReport
from callback_service.models.callback import CallbackRequest
from callback_service.models.staff import Staff
from callback_service.services import (
    attempts,
    bridge_view,
    call_checks,
    call_reports,
    calls,
    presence,
    retention,
)
from callback_service.services.attempts import Record
from callback_service.services.call_reports import Report
from callback_service.services.calls import Placing
from tests.rota_builders import LONDON
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import (
    TONIGHT,
    accept,
    make_manager,
    make_request,
    make_shift,
    member,
)

SID, CALLER_SID, PHONE = "CA" + "1" * 32, "CA" + "2" * 32, "+447700900801"


@dataclass
class FakeVoice:
    """A gateway that says what it is told to, and keeps what it was asked."""

    own: LegFacts | None = None
    caller: LegFacts | None = None
    fault: CallUnclearError | CallRefusedError | None = None
    hung_up: list[str] = field(default_factory=list)

    def ring(
        self, *, to: str, answer_url: str, status_url: str, ring_seconds: int, longest_seconds: int
    ) -> LegFacts:
        del to, answer_url, status_url, ring_seconds, longest_seconds
        if self.fault is not None:
            raise self.fault
        return LegFacts(SID, "queued", None, NOW)

    def rung_since(self, *, to: str, since: datetime) -> list[LegFacts]:
        del since
        assert to == PHONE
        return [self._said()] if self.own else []

    def look(self, sid: str) -> LegFacts | None:
        assert sid == SID
        return self._said() if self.own else None

    def dialled_by(self, sid: str) -> LegFacts | None:
        del sid
        return self.caller

    def hang_up(self, sid: str) -> None:
        self.hung_up.append(sid)

    def _said(self) -> LegFacts:
        if self.fault is not None:
            raise self.fault
        assert self.own is not None
        return self.own


@pytest.fixture
def counsellor(session: Session) -> Staff:
    person = make_shift(session)
    person.phone = PHONE
    return person


@pytest.fixture
def request_(session: Session, counsellor: Staff) -> CallbackRequest:
    request = make_request(session)
    accept(session, request, counsellor)
    return request


def start(session: Session, request: CallbackRequest, staff: Staff) -> Placing | None:
    return calls.start(session, request.id, staff=member(staff), now=NOW, tz=LONDON)


def placed(session: Session, request: CallbackRequest, staff: Staff) -> BridgedCall:
    """A call that the gateway took."""
    placing = start(session, request, staff)
    assert placing is not None
    took = calls.place(FakeVoice(), placing, answer_url="", status_url="")
    assert calls.record_placed(session, placing, took, now=NOW) is None
    return session.scalars(select(BridgedCall)).one()


def dialled(session: Session, request: CallbackRequest, staff: Staff) -> BridgedCall:
    """A call whose counsellor has pressed the key."""
    call = placed(session, request, staff)
    assert calls.press_key(session, call.uid, sid=SID, key="1", now=NOW, tz=LONDON) is not None
    return call


def check(session: Session, gateway: FakeVoice, *, now: datetime) -> None:
    """One run of the tick."""
    assert call_checks.checks_are_due(session, now=now)
    claimed = call_checks.claim_check(session, now=now)
    assert claimed is not None
    seen = call_checks.ask_gateway(gateway, claimed)
    call_checks.record_check(session, claimed, seen, now=now)
    session.flush()


class TestWhoMayRing:
    def test_nobody_but_the_one_who_holds_the_request(
        self, session: Session, request_: CallbackRequest
    ) -> None:
        colleague = make_shift(session, name="Sam Hill")
        colleague.phone = PHONE
        with pytest.raises(NotFound):
            start(session, request_, colleague)
        with pytest.raises(Refused, match="only they can have it rung"):
            start(session, request_, make_manager(session))

    def test_nobody_who_has_signed_off_or_whose_account_is_off(
        self, session: Session, request_: CallbackRequest, counsellor: Staff
    ) -> None:
        counsellor.is_active = False
        with pytest.raises(Refused, match="not on shift"):
            start(session, request_, counsellor)

    def test_no_counsellor_off_shift_but_a_manager_who_steps_in(self, session: Session) -> None:
        manager = make_manager(session, phone=PHONE)
        request = make_request(session)
        accept(session, request, manager)
        assert start(session, request, manager) is not None
        idle = make_staff(session, role=Role.COUNSELLOR)
        request.assigned_to_id, idle.phone = idle.id, PHONE
        session.flush()
        with pytest.raises(Refused, match="not on shift"):
            start(session, request, idle)

    def test_not_before_the_callers_own_time(self, session: Session, counsellor: Staff) -> None:
        request = make_request(session, window=TONIGHT)
        at = TONIGHT.start - timedelta(seconds=30)
        accept(session, request, counsellor, now=at)
        with pytest.raises(Refused, match="too early"):
            calls.start(session, request.id, staff=member(counsellor), now=at, tz=LONDON)

    def test_not_a_request_that_is_closed(
        self, session: Session, request_: CallbackRequest, counsellor: Staff
    ) -> None:
        dialled(session, request_, counsellor)
        record = Record(Outcome.ANSWERED, Disposition.HELPED)
        attempts.record_outcome(
            session, request_.id, record, staff=member(counsellor), now=NOW, tz=LONDON
        )
        with pytest.raises(Refused, match="closed"):
            start(session, request_, counsellor)


class TestTheGateway:
    def test_that_refuses_is_told_at_the_desk_and_the_request_stays(
        self, session: Session, request_: CallbackRequest, counsellor: Staff
    ) -> None:
        placing = start(session, request_, counsellor)
        assert placing is not None
        no = CallRefusedError("Twilio cannot ring your number.", code=21214)
        said = calls.place(FakeVoice(fault=no), placing, answer_url="", status_url="")
        calls.record_placed(session, placing, said, now=NOW)
        bridge = bridge_view.desk_call(
            session, request_.id, staff=member(counsellor), now=NOW
        ).bridge
        assert bridge is not None
        assert (bridge.ending, bridge.reason) == (CallEnding.NOT_MADE, no.message)
        assert request_.state is RequestState.ASSIGNED
        assert start(session, request_, counsellor) is not None

    def test_that_says_no_after_its_first_report_is_not_believed(
        self, session: Session, request_: CallbackRequest, counsellor: Staff
    ) -> None:
        placing = start(session, request_, counsellor)
        assert placing is not None
        report = Report(Leg.OWN, SID, "ringing")
        assert call_reports.take_report(session, placing.uid, report, now=NOW)
        calls.record_placed(session, placing, CallRefusedError("No."), now=NOW)
        assert session.scalars(select(BridgedCall)).one().state is CallState.RINGING_US

    def test_that_took_a_call_which_was_stopped_meanwhile_is_told_to_hang_up(
        self, session: Session, request_: CallbackRequest, counsellor: Staff
    ) -> None:
        placing = start(session, request_, counsellor)
        assert placing is not None
        assert calls.call_off(session, request_.id, staff=member(counsellor), now=NOW) is None
        took = LegFacts(SID, "queued", None, NOW)
        assert calls.record_placed(session, placing, took, now=NOW) == SID


class TestExpiry:
    def test_a_key_that_is_not_pressed_in_time_ends_the_call_at_the_gateway_too(
        self, session: Session, request_: CallbackRequest, counsellor: Staff
    ) -> None:
        call = placed(session, request_, counsellor)
        gateway = FakeVoice(own=LegFacts(SID, "in-progress", None, NOW))
        check(session, gateway, now=NOW + calls.KEY_PRESSED_WITHIN)
        assert (call.ending, gateway.hung_up) == (CallEnding.NOT_TAKEN, [SID])
        assert request_.state is RequestState.ASSIGNED

    def test_a_call_is_left_alone_until_its_time(
        self, session: Session, request_: CallbackRequest, counsellor: Staff
    ) -> None:
        placed(session, request_, counsellor)
        just_before = NOW + calls.KEY_PRESSED_WITHIN - timedelta(seconds=1)
        assert not call_checks.checks_are_due(session, now=just_before)

    def test_a_conversation_whose_end_was_not_told_is_freed_with_its_outcome(
        self, session: Session, request_: CallbackRequest, counsellor: Staff
    ) -> None:
        call = dialled(session, request_, counsellor)
        gateway = FakeVoice(
            own=LegFacts(SID, "completed", 700, NOW),
            caller=LegFacts(CALLER_SID, "completed", 660, NOW),
        )
        check(session, gateway, now=NOW + calls.DIALLED_WITHIN)
        assert (call.ending, call.seconds) == (CallEnding.CONNECTED, 660)
        assert request_.state is RequestState.CALLING

    def test_a_conversation_that_goes_on_is_asked_about_every_few_minutes(
        self, session: Session, request_: CallbackRequest, counsellor: Staff
    ) -> None:
        call = dialled(session, request_, counsellor)
        gateway = FakeVoice(
            own=LegFacts(SID, "in-progress", None, NOW),
            caller=LegFacts(CALLER_SID, "in-progress", None, NOW),
        )
        at = NOW + calls.DIALLED_WITHIN
        check(session, gateway, now=at)
        assert call.state is CallState.TALKING
        assert call.check_at == at + calls.TALK_CHECKED_EVERY
        assert gateway.hung_up == []

    @pytest.mark.parametrize("known", [True, False])
    def test_a_gateway_that_cannot_say_for_ten_minutes_frees_the_desk(
        self, session: Session, request_: CallbackRequest, counsellor: Staff, known: bool
    ) -> None:
        call = dialled(session, request_, counsellor)
        if not known:
            call.own_sid = None
        fault = CallUnclearError("Twilio could not be asked.")
        gateway = FakeVoice(own=LegFacts(SID, "queued", None, NOW), fault=fault)
        check(session, gateway, now=NOW + calls.DIALLED_WITHIN)
        assert call.ending is None
        check(session, gateway, now=NOW + call_checks.GIVEN_UP_AFTER)
        assert call.ending is CallEnding.LOST

    def test_a_call_that_the_gateway_has_forgotten_frees_the_desk(
        self, session: Session, request_: CallbackRequest, counsellor: Staff
    ) -> None:
        call = dialled(session, request_, counsellor)
        check(session, FakeVoice(), now=NOW + calls.DIALLED_WITHIN)
        assert call.ending is CallEnding.LOST

    def test_a_call_of_another_press_is_not_taken_for_this_one(
        self, session: Session, request_: CallbackRequest, counsellor: Staff
    ) -> None:
        first = placed(session, request_, counsellor)
        calls.end(session, first, CallEnding.NOT_TAKEN, now=NOW)
        assert start(session, request_, counsellor) is not None
        gateway = FakeVoice(own=LegFacts(first.own_sid or "", "completed", 0, NOW))
        check(session, gateway, now=NOW + calls.UNCLEAR_FOR)
        newest = session.scalars(select(BridgedCall).order_by(BridgedCall.id.desc())).first()
        assert newest is not None
        assert newest.ending is CallEnding.NOT_MADE


def test_a_shift_that_ended_while_the_phone_rang_dials_nobody(
    session: Session, request_: CallbackRequest, counsellor: Staff
) -> None:
    call = placed(session, request_, counsellor)
    after_shift = NOW + timedelta(hours=13)
    told = calls.press_key(session, call.uid, sid=SID, key="1", now=after_shift, tz=LONDON)
    assert told is None
    assert call.ending is CallEnding.CALLED_OFF
    assert request_.attempts == []


def test_nothing_but_the_promise_of_the_first_dial_is_kept_by_a_call(
    session: Session, request_: CallbackRequest, counsellor: Staff
) -> None:
    placed(session, request_, counsellor)
    assert request_.first_attempt_at is None
    call = session.scalars(select(BridgedCall)).one()
    later = NOW + timedelta(seconds=30)
    assert calls.press_key(session, call.uid, sid=SID, key="1", now=later, tz=LONDON)
    assert request_.first_attempt_at == later


def test_the_gateways_ids_are_forgotten_with_the_request(
    session: Session, request_: CallbackRequest, counsellor: Staff
) -> None:
    call = dialled(session, request_, counsellor)
    report = Report(Leg.CALLER, CALLER_SID, "completed", 60)
    assert call_reports.take_report(session, call.uid, report, now=NOW)
    record = Record(Outcome.ANSWERED, Disposition.HELPED)
    who = member(counsellor)
    attempts.record_outcome(session, request_.id, record, staff=who, now=NOW, tz=LONDON)
    session.flush()
    retention.erase_old(session, now=NOW + USUAL.lasts(Kept.CALLERS))
    session.expire_all()
    assert (call.own_sid, call.caller_sid, call.seconds) == (None, None, None)
    assert session.scalars(select(CallReport)).all() == []


def test_signing_off_takes_the_button_away(
    session: Session, request_: CallbackRequest, counsellor: Staff
) -> None:
    dialled(session, request_, counsellor)
    who = counsellor.id
    presence.sign_off(session, who, actor_id=who, now=NOW, tz=LONDON)
    with pytest.raises(Refused, match="not on shift"):
        start(session, request_, counsellor)
