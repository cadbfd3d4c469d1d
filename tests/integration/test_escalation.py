"""Nobody is forgotten: what nobody takes or rings ends at the duty lead, and once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.escalation import EXPIRES_AFTER, Reason, Step
from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.domain.planning import OFFER_LEASE
from callback_service.domain.rota import Duty
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import CallbackRequest, Escalation, Offer
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.models.staff import Staff
from callback_service.services import attempts, desk, escalation, requests
from tests.rota_builders import LONDON, make_pattern
from tests.support.builders import NOW
from tests.support.request_builders import (
    TONIGHT,
    accept,
    make_manager,
    make_request,
    make_shift,
    make_shifts,
    member,
    mobile,
    offer,
)


def escalate(session: Session, *, now: datetime = NOW) -> int:
    steps = escalation.escalate(session, now=now, tz=LONDON)
    session.flush()
    return steps


def told(session: Session) -> list[tuple[Step, Reason]]:
    rows = session.execute(select(Escalation.step, Escalation.reason).order_by(Escalation.id))
    return [(step, reason) for step, reason in rows]


def notices(session: Session) -> list[OutboxMessage]:
    query = select(OutboxMessage).where(OutboxMessage.kind == TextKind.ESCALATION)
    return list(session.scalars(query.order_by(OutboxMessage.id)))


def test_when_nobody_is_on_shift_the_duty_lead_is_told_at_once(session: Session) -> None:
    lead = make_manager(session, is_duty_lead=True)
    make_manager(session, "07700 900801")
    make_request(session)
    assert escalation.escalation_is_due(session, now=NOW)
    assert escalate(session) == 1
    assert told(session) == [(Step.DUTY_LEAD, Reason.NOBODY_ON_SHIFT)]
    assert [(m.staff_id, m.to) for m in notices(session)] == [(lead.id, "+447700900800")]


def test_without_a_duty_lead_on_shift_every_manager_is_told(session: Session) -> None:
    managers = [make_manager(session, f"07700 90080{n}") for n in range(3)]
    managers[2].is_active = False
    make_request(session)
    escalate(session)
    assert [m.staff_id for m in notices(session)] == [managers[0].id, managers[1].id]


def test_a_request_for_later_is_not_escalated_before_its_time(session: Session) -> None:
    make_manager(session, is_duty_lead=True)
    make_shift(session, "22:00", "06:00")
    make_request(session, window=TONIGHT)
    assert escalate(session) == 0
    assert escalate(session, now=TONIGHT.start) == 0


def test_with_somebody_on_shift_and_time_left_nobody_is_told(session: Session) -> None:
    make_manager(session, is_duty_lead=True)
    make_shift(session)
    make_request(session)
    assert escalate(session) == 0


def test_a_request_near_its_due_time_goes_to_the_duty_lead(session: Session) -> None:
    make_manager(session, is_duty_lead=True)
    make_shift(session)
    request = make_request(session)
    near = request.due_at - timedelta(minutes=5)
    assert escalate(session, now=near - timedelta(seconds=1)) == 0
    assert escalate(session, now=near) == 1
    assert told(session) == [(Step.DUTY_LEAD, Reason.NEARLY_DUE)]


def test_when_everybody_let_it_go_by_the_duty_lead_is_told_once_and_it_is_offered_on(
    session: Session,
) -> None:
    make_manager(session, is_duty_lead=True)
    make_shifts(session, 2)
    request = make_request(session)
    request.due_at = NOW + timedelta(hours=1)
    now = NOW
    for _ in range(3):
        offer(session, now=now)
        now += OFFER_LEASE
    offer(session, now=now)
    assert escalate(session, now=now) == 1
    assert escalate(session, now=now + timedelta(seconds=5)) == 0
    assert told(session) == [(Step.DUTY_LEAD, Reason.NOBODY_ACCEPTED)]
    assert session.scalar(select(Offer.request_id).where(Offer.ended_at.is_(None))) == request.id
    assert desk.queue(session, now=now, tz=LONDON)[0].is_escalated


def a_ladder(session: Session) -> list[int]:
    """A lead on shift, one who leads from six, one from midnight, two other managers; their ids."""
    lead, at_six, at_midnight, first, last = (
        make_manager(session, f"07700 90080{n}") for n in range(5)
    )
    for who, hours in (
        (lead, ("18:00", "00:00")), (at_six, ("06:00", "18:00")), (at_midnight, ("00:00", "06:00")),
    ):  # fmt: skip
        make_pattern(session, who, *hours, duty=Duty.DUTY_LEAD)
    return [person.id for person in (lead, at_midnight, at_six, first, last)]


def test_each_ten_minutes_the_next_are_told_until_all_know_and_then_nobody_again(
    session: Session,
) -> None:
    lead, midnight, six, first, last = a_ladder(session)
    make_request(session)
    steps = [escalate(session, now=NOW + timedelta(minutes=m)) for m in range(120)]
    assert [m for m, step in enumerate(steps) if step] == [0, 10, 20, 30]
    assert [step for step, _ in told(session)] == list(Step)
    everybody = sorted([lead, midnight, six, first, last])
    assert [m.staff_id for m in notices(session)] == [lead, midnight, six, first, *everybody]


def test_without_other_leads_or_managers_the_steps_between_are_left_out(session: Session) -> None:
    make_manager(session, is_duty_lead=True)
    make_request(session)
    steps = [escalate(session, now=NOW + timedelta(minutes=m)) for m in range(60)]
    assert [m for m, step in enumerate(steps) if step] == [0, 10]
    assert told(session)[1] == (Step.ALL_MANAGERS, Reason.STILL_WAITING)
    assert len(notices(session)) == 2


def test_with_nobody_leading_now_those_who_lead_later_today_are_told_at_once(
    session: Session,
) -> None:
    make_manager(session, "07700 900801")
    later = make_manager(session, "07700 900802")
    make_pattern(session, later, "06:00", "18:00", duty=Duty.DUTY_LEAD)
    make_request(session)
    escalate(session)
    assert [m.staff_id for m in notices(session)] == [later.id]


def test_after_an_hour_without_a_scheduler_each_request_goes_one_step_and_then_waits_again(
    session: Session,
) -> None:
    a_ladder(session)
    for number in range(3):
        make_request(session, mobile(number))
    escalate(session)
    back = NOW + timedelta(hours=1)
    steps = [escalate(session, now=back + timedelta(seconds=5 * n)) for n in range(240)]
    assert [n * 5 for n, step in enumerate(steps) if step] == [0, 600]
    assert {step for step in steps if step} == {3}
    assert [step for step, _ in told(session)] == [
        *[Step.DUTY_LEAD] * 3, *[Step.OTHER_LEADS] * 3, *[Step.FIRST_MANAGER] * 3,
    ]  # fmt: skip


def test_who_asks_while_the_scheduler_is_down_is_told_of_when_it_is_back(session: Session) -> None:
    lead, *_ = a_ladder(session)
    make_shift(session)
    request = make_request(session)
    back = request.due_at + timedelta(hours=1)
    assert [escalate(session, now=back), escalate(session, now=back)] == [1, 0]
    assert told(session) == [(Step.DUTY_LEAD, Reason.NEARLY_DUE)]
    assert [m.staff_id for m in notices(session)] == [lead]


def test_each_round_of_waiting_may_be_escalated_anew(session: Session) -> None:
    make_manager(session, is_duty_lead=True)
    counsellor = make_shift(session)
    request = make_request(session)
    escalate(session, now=request.due_at)
    accept(session, request, counsellor, now=request.due_at)
    attempts.release(session, request.id, staff=member(counsellor), now=request.due_at)
    session.flush()
    assert escalate(session, now=request.due_at) == 1
    assert [step for step, _ in told(session)] == [Step.DUTY_LEAD, Step.DUTY_LEAD]


def test_what_was_taken_and_not_rung_goes_back_and_the_duty_lead_is_told(
    session: Session,
) -> None:
    make_manager(session, is_duty_lead=True)
    counsellor = make_shift(session)
    request = make_request(session)
    accept(session, request, counsellor)
    ten_minutes = NOW + desk.RING_WITHIN
    assert escalate(session, now=ten_minutes - timedelta(seconds=1)) == 0
    assert escalate(session, now=ten_minutes) == 1
    assert (request.state, request.assigned_to_id) == (RequestState.WAITING, None)
    assert told(session) == [(Step.DUTY_LEAD, Reason.NOT_RUNG)]
    other = make_shift(session, name="Other")
    offer(session, now=ten_minutes)
    assert session.scalar(select(Offer.counsellor_id).where(Offer.ended_at.is_(None))) == other.id


def test_a_request_held_by_a_disabled_account_comes_back_too(session: Session) -> None:
    make_manager(session, is_duty_lead=True)
    counsellor = make_shift(session)
    request = make_request(session)
    accept(session, request, counsellor)
    counsellor.is_active = False
    session.flush()
    escalate(session, now=NOW + desk.RING_WITHIN)
    assert request.state is RequestState.WAITING


@pytest.mark.parametrize("was_told_before", [False, True])
def test_a_call_that_was_never_closed_is_told_of_once_and_stays_in_hand(
    session: Session, *, was_told_before: bool
) -> None:
    make_manager(session, is_duty_lead=True)
    counsellor = make_shift(session)
    request = make_request(session)
    if was_told_before:
        escalate(session, now=request.due_at)
    accept(session, request, counsellor)
    attempts.start_attempt(session, request.id, staff=member(counsellor), now=NOW)
    session.flush()
    forgotten = NOW + attempts.LONGEST_CALL
    assert escalate(session, now=forgotten) == 1
    assert escalate(session, now=forgotten + timedelta(minutes=1)) == 0
    assert request.state is RequestState.CALLING
    assert len(notices(session)) == 1 + was_told_before


def test_one_request_in_trouble_does_not_keep_the_others_from_being_told_of(
    session: Session,
) -> None:
    make_manager(session, is_duty_lead=True)
    counsellor = make_shift(session)
    first = make_request(session, mobile(1))
    escalate(session, now=first.due_at)
    accept(session, first, counsellor)
    attempts.start_attempt(session, first.id, staff=member(counsellor), now=NOW)
    second = make_request(session, mobile(2))
    escalate(session, now=NOW + attempts.LONGEST_CALL)
    assert second.id in set(session.scalars(select(Escalation.request_id)))


def test_a_notice_says_nothing_about_the_caller(session: Session) -> None:
    make_manager(session, is_duty_lead=True)
    request = make_request(session, name="Canarina", note="canary", may_text=True)
    escalate(session)
    [notice] = notices(session)
    assert request.reference in notice.body
    for secret in ("Canarina", "canary", "900123", "7700"):
        assert secret not in notice.body


def test_a_lead_without_a_number_does_not_end_the_matter(session: Session) -> None:
    make_manager(session, None, is_duty_lead=True)
    other = make_manager(session, "07700 900801")
    make_request(session)
    escalate(session)
    assert [m.staff_id for m in notices(session)] == [other.id]


def test_without_any_manager_the_request_still_stands_on_top_of_the_desk(
    session: Session,
) -> None:
    make_request(session)
    escalate(session)
    assert notices(session) == []
    assert [row.is_escalated for row in desk.queue(session, now=NOW, tz=LONDON)] == [True]


def test_a_request_nobody_served_for_three_days_is_closed_without_a_text(session: Session) -> None:
    make_shift(session)
    request = make_request(session, may_text=True)
    long_after = request.due_at + EXPIRES_AFTER
    escalate(session, now=long_after - timedelta(seconds=1))
    assert request.state is RequestState.WAITING
    escalate(session, now=long_after)
    assert (request.state, request.disposition) == (RequestState.CLOSED, Disposition.EXPIRED)
    kinds = session.scalars(
        select(OutboxMessage.kind).where(OutboxMessage.request_id == request.id)
    )
    assert list(kinds) == [TextKind.CONFIRMATION], "the times they gave are over"


def test_every_step_is_written_down(session: Session) -> None:
    request = make_request(session)
    escalate(session)
    detail = session.scalars(
        select(AuditEntry.detail).where(
            AuditEntry.action == "request.escalated", AuditEntry.subject_id == request.id
        )
    ).one()
    assert detail == {"step": "duty_lead", "reason": "nobody_on_shift"}


def test_every_open_request_ends_at_somebody_whatever_happens(session: Session) -> None:
    """A day of neglect: no request is left without an owner or a told duty lead."""
    make_manager(session, is_duty_lead=True)
    people: list[Staff] = make_shifts(session, 2)
    made = [make_request(session, mobile(n)) for n in range(4)]
    accept(session, made[0], people[0])
    accept(session, made[1], people[1])
    attempts.start_attempt(session, made[1].id, staff=member(people[1]), now=NOW)
    requests.close(session, made[3], Disposition.HELPED, now=NOW)
    session.flush()
    for minute in range(0, 24 * 60, 15):
        offer(session, now=NOW + timedelta(minutes=minute))
        escalate(session, now=NOW + timedelta(minutes=minute))
    open_ones = session.scalars(
        select(CallbackRequest.id).where(CallbackRequest.state != RequestState.CLOSED)
    ).all()
    assert set(open_ones) == {made[n].id for n in (0, 1, 2)}
    assert set(open_ones) == set(session.scalars(select(Escalation.request_id)))
