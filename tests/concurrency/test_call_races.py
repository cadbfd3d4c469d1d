"""Nobody is rung twice, and nobody who is no longer to be rung, whatever happens at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.config import Settings
from callback_service.domain.calls import CallEnding, CallState, Leg
from callback_service.domain.lifecycle import RequestState
from callback_service.domain.staff import StaffMember
from callback_service.errors import NotFound
from callback_service.extensions import transaction
from callback_service.gateways.voice_base import LegFacts
from callback_service.models.audit import AuditEntry
from callback_service.models.call import BridgedCall
from callback_service.models.callback import Attempt, CallbackRequest, Submission
from callback_service.services import call_checks, call_reports, calls, inbound_calls, requests
from callback_service.services.call_reports import Report
from tests.concurrency.racing import race
from tests.concurrency.steps import run_one
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import (
    accept,
    make_request,
    make_shift,
    make_shifts,
    member,
    phone_of,
    stored,
)

pytestmark = pytest.mark.fault("a race of telephone calls")

SID, CALLER_SID = "CA" + "1" * 32, "CA" + "2" * 32
Run = Callable[..., object]


def press_ring_now(person: StaffMember, request_id: int) -> bool:
    with transaction() as session:
        return calls.start(session, request_id, staff=person, now=NOW, tz=LONDON) is not None


def press_key(uid: str) -> str | None:
    with transaction() as session:
        dialling = calls.press_key(session, uid, sid=SID, key="1", now=NOW, tz=LONDON)
    return dialling.to if dialling is not None else None


def ring_by_hand(person: StaffMember, request_id: int) -> None:
    with transaction() as session:
        calls.ring_by_hand(session, request_id, staff=person, now=NOW)


def withdraw(submission_id: int) -> None:
    with transaction() as session:
        submission = session.get_one(Submission, submission_id)
        requests.withdraw(session, submission, now=NOW, tz=LONDON)


def report(uid: str, leg: Leg, sid: str, status: str) -> bool:
    with transaction() as session:
        return call_reports.take_report(session, uid, Report(leg, sid, status), now=NOW)


def record_check(check: call_checks.Check, seen: call_checks.Seen) -> None:
    with transaction() as session:
        call_checks.record_check(session, check, seen, now=NOW)


def leave_word(sid: str) -> None:
    with transaction() as session:
        phone = phone_of("07700 900123")
        taken = inbound_calls.take(session, sid, phone, language="en", now=NOW, tz=LONDON)
        assert taken is not None


@pytest.fixture
def held(app: Flask) -> tuple[StaffMember, int]:
    """A counsellor with a phone, and the request in their hand."""
    with stored(app) as session:
        counsellor = make_shift(session)
        counsellor.phone = "+447700900801"
        request = make_request(session)
        accept(session, request, counsellor)
        return member(counsellor), request.id


@pytest.fixture
def asking(app: Flask, held: tuple[StaffMember, int]) -> str:
    """The uid of a call whose counsellor has answered and is about to press the key."""
    person, request_id = held
    with stored(app) as session:
        placing = calls.start(session, request_id, staff=person, now=NOW, tz=LONDON)
        assert placing is not None
        assert calls.answered(session, placing.uid, sid=SID, now=NOW)
        return placing.uid


def the_call(session: Session) -> BridgedCall:
    return session.scalars(select(BridgedCall)).one()


def test_one_button_pressed_six_times_at_once_is_one_call(
    app: Flask, settings: Settings, held: tuple[StaffMember, int]
) -> None:
    finishes = race(settings, press_ring_now, [held] * 6)
    assert sorted(str(finish.value) for finish in finishes) == ["False"] * 5 + ["True"], finishes
    with stored(app) as session:
        the_call(session)


def test_a_key_told_of_six_times_at_once_is_one_attempt(
    app: Flask, settings: Settings, asking: str
) -> None:
    finishes = race(settings, press_key, [(asking,)] * 6)
    assert {finish.value for finish in finishes} == {"+447700900123"}, finishes
    with stored(app) as session:
        assert len(session.scalars(select(Attempt)).all()) == 1


@pytest.mark.parametrize("turn", range(3))
def test_a_key_against_a_withdrawal_dials_or_calls_off_and_never_both(
    app: Flask, settings: Settings, asking: str, turn: int
) -> None:
    with stored(app) as session:
        submission_id = session.scalars(select(Submission.id)).one()
    key, gone = race(settings, run_one, [(press_key, asking), (withdraw, submission_id)])
    assert (key.refused_with, gone.refused_with) == (None, None)
    with stored(app) as session:
        request, call = session.scalars(select(CallbackRequest)).one(), the_call(session)
        attempts = session.scalars(select(Attempt)).all()
        if key.value is None:
            assert (request.state, call.ending) == (RequestState.CLOSED, CallEnding.CALLED_OFF)
            assert attempts == []
        else:
            assert (request.state, call.state) == (RequestState.CALLING, CallState.DIALLING)
            assert len(attempts) == 1


@pytest.mark.parametrize("turn", range(3))
def test_a_key_against_ringing_by_hand_is_one_attempt(
    app: Flask, settings: Settings, asking: str, held: tuple[StaffMember, int], turn: int
) -> None:
    key, hand = race(settings, run_one, [(press_key, asking), (ring_by_hand, *held)])
    assert (key.refused_with, hand.refused_with) == (None, None)
    with stored(app) as session:
        assert len(session.scalars(select(Attempt)).all()) == 1
        dialled = the_call(session).state is CallState.DIALLING
    assert dialled == (key.value is not None)


def test_reports_against_the_tick_end_a_call_once(
    app: Flask, settings: Settings, asking: str
) -> None:
    with stored(app) as session:
        assert calls.press_key(session, asking, sid=SID, key="1", now=NOW, tz=LONDON)
        call = the_call(session)
        call.check_at = NOW
        session.flush()
        check = call_checks.claim_check(session, now=NOW)
    assert check is not None
    over = LegFacts(SID, "completed", 30, NOW)
    seen = call_checks.Seen(over, LegFacts(CALLER_SID, "busy", 0, NOW))
    runs: list[tuple[object, ...]] = [
        (record_check, check, seen),
        (report, asking, Leg.CALLER, CALLER_SID, "busy"),
        (report, asking, Leg.CALLER, CALLER_SID, "busy"),
        (report, asking, Leg.OWN, SID, "completed"),
        (report, asking, Leg.OWN, SID, "in-progress"),
    ]
    finishes = race(settings, run_one, runs)
    assert [finish.refused_with for finish in finishes] == [None] * 5, finishes
    with stored(app) as session:
        assert the_call(session).ending is CallEnding.ENGAGED
        ended = select(AuditEntry).where(AuditEntry.action == "call.engaged")
        assert len(session.scalars(ended).all()) == 1


def test_a_look_that_was_overtaken_records_nothing(app: Flask, asking: str) -> None:
    later = NOW + timedelta(hours=1)
    with stored(app) as session:
        first = call_checks.claim_check(session, now=later)
        assert first is not None
        the_call(session).check_at = later
        session.flush()
        assert call_checks.claim_check(session, now=later) is not None
        seen = call_checks.Seen(LegFacts(SID, "completed", 0, NOW))
        call_checks.record_check(session, first, seen, now=later)
        assert the_call(session).state is CallState.ASKING


def test_the_database_holds_one_open_call_for_each_counsellor_and_each_request(
    app: Flask, asking: str
) -> None:
    with stored(app) as session:
        other, third = make_shifts(session, 2)
        first = the_call(session)
        for request_id, counsellor_id in (
            (first.request_id, other.id),
            (make_request(session, "07700 900124").id, first.counsellor_id),
        ):
            with pytest.raises(Exception, match=r"(?i)unique"), session.begin_nested():
                session.add(
                    BridgedCall(
                        request_id=request_id,
                        counsellor_id=counsellor_id,
                        started_at=NOW,
                        check_at=NOW,
                    )
                )
        del third


def test_somebody_elses_call_of_the_same_request_gives_way_until_it_is_dialled(
    app: Flask, asking: str, held: tuple[StaffMember, int]
) -> None:
    person, request_id = held
    with stored(app) as session:
        request = session.get_one(CallbackRequest, request_id)
        requests.give_back(session, request, actor_id=person.id, reason="released", now=NOW)
        colleague = make_shift(session, name="Sam Hill")
        colleague.phone = "+447700900802"
        accept(session, request, colleague)
        with pytest.raises(NotFound):
            calls.start(session, request_id, staff=person, now=NOW, tz=LONDON)
        assert calls.start(session, request_id, staff=member(colleague), now=NOW, tz=LONDON)
        assert calls.press_key(session, asking, sid=SID, key="1", now=NOW, tz=LONDON) is None


def test_one_inbound_call_told_of_at_once_is_one_request(app: Flask, settings: Settings) -> None:
    with stored(app) as session:
        make_shift(session)
    finishes = race(settings, leave_word, [(SID,)] * 4)
    assert [finish.refused_with for finish in finishes] == [None] * 4, finishes
    with stored(app) as session:
        assert len(session.scalars(select(Submission)).all()) == 1
