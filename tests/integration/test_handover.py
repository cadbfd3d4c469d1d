"""When a shift ends nothing is left behind: it goes back, or is handed over."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import Disposition, Outcome, RequestState
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import CallbackRequest, Offer, OfferEnding
from callback_service.models.staff import Staff
from callback_service.services import attempts, desk, escalation, handover, requests
from callback_service.services.handover import RETRY_WITHIN, Why
from tests.rota_builders import LONDON, make_pattern
from tests.support.builders import NOW
from tests.support.request_builders import (
    accept,
    make_manager,
    make_request,
    make_shift,
    member,
    mobile,
    offer,
)

#: The shift of these tests ends ten minutes after NOW.
END = NOW + timedelta(minutes=10)
SECOND = timedelta(seconds=1)


def evening(session: Session) -> Staff:
    return make_shift(session, "16:00", "20:10", name="Eve Day")


def hand_over(session: Session, *, now: datetime) -> int:
    is_left = handover.is_left_over(session, now=now, tz=LONDON)
    count = handover.return_left_over(session, now=now, tz=LONDON)
    session.flush()
    assert is_left is (count > 0)
    return count


def ring(session: Session, request: CallbackRequest, staff: Staff, *, now: datetime = NOW) -> None:
    attempts.start_attempt(session, request.id, staff=member(staff), now=now)
    session.flush()


def why(session: Session, *, now: datetime = NOW) -> dict[str, tuple[Why, ...]]:
    return {row.reference: row.why for row in handover.handover_list(session, now=now, tz=LONDON)}


def test_what_was_taken_and_not_rung_goes_back_when_the_shift_ends(session: Session) -> None:
    counsellor, night = evening(session), make_shift(session, "20:10", "04:00", name="Night")
    request = make_request(session)
    taken_at = END - timedelta(minutes=5)
    accept(session, request, counsellor, now=taken_at)
    assert hand_over(session, now=END - SECOND) == 0
    assert hand_over(session, now=END) == 1
    assert (request.state, request.assigned_to_id) == (RequestState.WAITING, None)
    reasons = select(AuditEntry.detail).where(AuditEntry.action == "request.given_back")
    assert [detail["reason"] for detail in session.scalars(reasons)] == ["off_shift"]
    offer(session, now=END)
    assert session.scalar(select(Offer.counsellor_id).where(Offer.ended_at.is_(None))) == night.id


def test_a_call_that_is_being_made_stays_with_whoever_makes_it(session: Session) -> None:
    counsellor, request = evening(session), make_request(session)
    accept(session, request, counsellor)
    ring(session, request, counsellor)
    assert hand_over(session, now=END + timedelta(minutes=20)) == 0
    assert (request.state, request.assigned_to_id) == (RequestState.CALLING, counsellor.id)


def test_who_goes_on_in_the_next_shift_keeps_what_they_took(session: Session) -> None:
    counsellor = evening(session)
    make_pattern(session, counsellor, "20:10", "22:00")
    request = make_request(session)
    accept(session, request, counsellor, now=END - SECOND)
    assert hand_over(session, now=END) == 0
    assert why(session, now=END - SECOND) == {}


def test_a_manager_who_took_it_off_shift_keeps_it(session: Session) -> None:
    manager, request = make_manager(session), make_request(session)
    accept(session, request, manager)
    assert hand_over(session, now=NOW + timedelta(minutes=9)) == 0


def test_what_goes_back_is_not_escalated_as_not_rung(session: Session) -> None:
    make_manager(session, is_duty_lead=True)
    counsellor, _ = evening(session), make_shift(session, "20:10", "04:00", name="Night")
    request = make_request(session)
    request.due_at = NOW + timedelta(hours=1)
    accept(session, request, counsellor, now=END - SECOND)
    hand_over(session, now=END)
    assert escalation.escalate(session, now=END + desk.RING_WITHIN, tz=LONDON) == 0


def test_an_offer_to_somebody_whose_shift_has_ended_with_a_hold_ends_too(session: Session) -> None:
    counsellor, request = evening(session), make_request(session)
    accept(session, request, counsellor)
    other = make_request(session, mobile(2))
    session.add(
        Offer(request_id=other.id, counsellor_id=counsellor.id, round=1, made_at=NOW, lapses_at=END)
    )
    session.flush()
    hand_over(session, now=END)
    assert set(session.scalars(select(Offer.ending))) == {OfferEnding.RELEASED}


def test_a_quiet_desk_has_nothing_to_hand_over(session: Session) -> None:
    counsellor = make_shift(session)
    request, held = make_request(session), make_request(session, mobile(2))
    accept(session, held, counsellor)
    assert why(session) == {}
    requests.close(session, request, Disposition.HELPED, now=NOW)
    assert why(session) == {}


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(-11, None), (0, Why.SHIFT_ENDS), (9, Why.SHIFT_ENDS), (10, Why.SHIFT_ENDED)],
)
def test_a_call_is_listed_from_twenty_minutes_before_its_holders_shift_ends(
    session: Session, minutes: int, expected: Why | None
) -> None:
    counsellor = evening(session)
    request = make_request(session, now=NOW - timedelta(hours=1))
    request.due_at = NOW + timedelta(hours=9)
    accept(session, request, counsellor, now=NOW - timedelta(minutes=30))
    ring(session, request, counsellor, now=NOW - timedelta(minutes=30))
    at = NOW + timedelta(minutes=minutes)
    assert why(session, now=at).get(request.reference) == ((expected,) if expected else None)
    listed = [
        (row.holder, row.shift_ends_at)
        for row in handover.handover_list(session, now=at, tz=LONDON)
    ]
    assert listed == ([("Eve Day", END)] if expected else [])


def test_late_and_escalated_requests_are_listed(session: Session) -> None:
    make_manager(session, is_duty_lead=True)
    make_shift(session)
    request = make_request(session)
    late = request.due_at + SECOND
    assert why(session, now=request.due_at) == {}
    assert why(session, now=late) == {request.reference: (Why.LATE,)}
    escalation.escalate(session, now=late, tz=LONDON)
    assert why(session, now=late) == {request.reference: (Why.ESCALATED, Why.LATE)}


def test_a_further_try_is_listed_once_it_is_near(session: Session) -> None:
    counsellor, request = make_shift(session), make_request(session)
    accept(session, request, counsellor)
    ring(session, request, counsellor)
    record = attempts.Record(Outcome.NO_ANSWER)
    attempts.record_outcome(
        session, request.id, record, staff=member(counsellor), now=NOW, tz=LONDON
    )
    session.flush()
    near = request.ring_from - RETRY_WITHIN
    assert why(session, now=near - SECOND) == {}
    assert why(session, now=near) == {request.reference: (Why.RETRY_DUE,)}


def test_the_most_pressing_comes_first(session: Session) -> None:
    counsellor = evening(session)
    held, late = make_request(session), make_request(session, mobile(2))
    accept(session, held, counsellor)
    ring(session, held, counsellor)
    late.due_at = END
    assert list(why(session, now=END + SECOND)) == [held.reference, late.reference]
