"""Nights that a manager would tell of, played through the ticks with the clock held still."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.clock import utc_now
from callback_service.domain.escalation import Reason, Step
from callback_service.domain.lifecycle import Disposition, Outcome, RequestState
from callback_service.domain.ticks import TickName
from callback_service.models.callback import CallbackRequest, Escalation, Offer
from callback_service.models.finding import Finding
from callback_service.models.outbox import OutboxMessage, OutboxState, TextKind
from callback_service.models.staff import Staff
from callback_service.services import attempts, desk, handover, rota_changes
from callback_service.services.handover import Why
from callback_service.ticks import TICKS, run_tick
from tests.rota_builders import LONDON, local
from tests.support.builders import NOW
from tests.support.request_builders import (
    accept,
    make_manager,
    make_request,
    make_shift,
    member,
    mobile,
    stored,
)

MINUTE = timedelta(minutes=1)
OF_A_REQUEST: Final = {
    TickName.REPLAN, TickName.OFFERS, TickName.ESCALATION, TickName.HANDOVER, TickName.TEXTS,
    TickName.AUDIT,
}  # fmt: skip


@dataclass
class Night:
    """The service over some hours: ``to`` moves the clock, with the ticks once a step."""

    app: Flask
    traveller: time_machine.Traveller
    is_scheduler_up: bool = True

    def to(self, at: datetime, *, step: timedelta = MINUTE) -> None:
        """Let the time go by until ``at``."""
        while utc_now() < at:
            self.traveller.move_to(min(utc_now() + step, at))
            self.tick()

    def tick(self) -> None:
        """Every tick of a request's life once, unless the scheduler is down."""
        for tick in TICKS if self.is_scheduler_up else ():
            assert tick.name not in OF_A_REQUEST or run_tick(self.app, tick), tick.name


@pytest.fixture
def night(app: Flask) -> Iterator[Night]:
    """From eight on a Wednesday evening."""
    with time_machine.travel(NOW, tick=False) as traveller:
        yield Night(app, traveller)


def told(session: Session) -> list[tuple[Step, Reason, datetime]]:
    rows = session.scalars(select(Escalation).order_by(Escalation.id))
    return [(row.step, row.reason, row.at) for row in rows]


def texts(session: Session, kind: TextKind) -> list[tuple[int | None, datetime]]:
    """Whom among the staff a kind of text went to, and when it was written."""
    rows = session.scalars(
        select(OutboxMessage).where(OutboxMessage.kind == kind).order_by(OutboxMessage.id)
    )
    return [(row.staff_id, row.created_at) for row in rows]


def on_offer(session: Session) -> list[int]:
    """The counsellors who have an offer before them."""
    open_now = select(Offer.counsellor_id).where(Offer.ended_at.is_(None))
    return list(session.scalars(open_now.order_by(Offer.id)))


def the(session: Session, request_id: int) -> CallbackRequest:
    return session.get_one(CallbackRequest, request_id)


def ring(session: Session, request_id: int, who: Staff) -> None:
    attempts.start_attempt(session, request_id, staff=member(who), now=utc_now())
    session.flush()


def speak(session: Session, request_id: int, who: Staff, *, answered: bool = True) -> None:
    spoken = attempts.Record(Outcome.ANSWERED, Disposition.HELPED)
    record = spoken if answered else attempts.Record(Outcome.NO_ANSWER)
    attempts.record_outcome(
        session, request_id, record, staff=member(who), now=utc_now(), tz=LONDON
    )
    session.flush()


def test_the_empty_rota(app: Flask, night: Night) -> None:
    """Nobody is on the rota. The duty lead hears at once, all managers later, and one steps in."""
    with stored(app) as session:
        lead = make_manager(session, is_duty_lead=True)
        other = make_manager(session, "07700 900801")
        request = make_request(session, may_text=True)
        ids = request.id, lead.id, other.id
    request_id, lead_id, other_id = ids
    night.tick()
    with stored(app) as session:
        assert told(session) == [(Step.DUTY_LEAD, Reason.NOBODY_ON_SHIFT, NOW)]
        assert texts(session, TextKind.ESCALATION) == [(lead_id, NOW)]
        assert [row.is_escalated for row in desk.queue(session, now=NOW, tz=LONDON)] == [True]
    night.to(NOW + 25 * MINUTE, step=5 * MINUTE)
    with stored(app) as session:
        after_ten, after_twenty = NOW + 10 * MINUTE, NOW + 20 * MINUTE
        assert [(step, at) for step, _, at in told(session)[1:]] == [
            (Step.FIRST_MANAGER, after_ten),
            (Step.ALL_MANAGERS, after_twenty),
        ]
        assert texts(session, TextKind.ESCALATION)[1:] == [
            (other_id, after_ten),
            (lead_id, after_twenty),
            (other_id, after_twenty),
        ]
        manager = session.get_one(Staff, other_id)
        accept(session, the(session, request_id), manager, now=utc_now())
        ring(session, request_id, manager)
    night.to(NOW + 50 * MINUTE, step=5 * MINUTE)
    with stored(app) as session:
        speak(session, request_id, session.get_one(Staff, other_id))
        assert the(session, request_id).disposition is Disposition.HELPED
        assert texts(session, TextKind.CONFIRMATION) == [(None, NOW)]
        assert len(told(session)) == 3


def test_the_counsellor_who_never_answers(app: Flask, night: Night) -> None:
    """The one on shift lets every offer go by. The lead is told once; who comes next serves it."""
    with stored(app) as session:
        lead_id = make_manager(session, is_duty_lead=True).id
        silent = make_shift(session, "16:00", "04:00", name="Silent")
        night_worker = make_shift(session, "20:15", "04:00", name="Night")
        request = make_request(session)
        request.due_at = NOW + timedelta(hours=1)
        ids = request.id, silent.id, night_worker.id
    request_id, silent_id, night_id = ids
    night.tick()
    with stored(app) as session:
        assert on_offer(session) == [silent_id]
    night.to(NOW + 14 * MINUTE)
    with stored(app) as session:
        assert told(session) == [(Step.DUTY_LEAD, Reason.NOBODY_ACCEPTED, NOW + 5 * MINUTE)]
        assert texts(session, TextKind.ESCALATION) == [(lead_id, NOW + 5 * MINUTE)]
        assert on_offer(session) == [silent_id], "it is for everybody again"
    night.to(NOW + 22 * MINUTE)
    with stored(app) as session:
        assert on_offer(session) == [night_id]
        worker = session.get_one(Staff, night_id)
        accept(session, the(session, request_id), worker, now=utc_now())
        ring(session, request_id, worker)
        speak(session, request_id, worker)
    night.to(NOW + 40 * MINUTE, step=5 * MINUTE)
    with stored(app) as session:
        assert the(session, request_id).state is RequestState.CLOSED
        assert (on_offer(session), session.scalars(select(Finding)).all()) == ([], [])


def test_sickness_at_two_in_the_morning(app: Flask, night: Night) -> None:
    """The only one on shift falls ill with a call in hand: it goes back, and the lead is told."""
    two = local("2026-11-26 02:00")
    night.traveller.move_to(two)
    with stored(app) as session:
        lead = make_manager(session, is_duty_lead=True)
        ill = make_shift(session, "22:00", "06:00", name="Ill")
        early = make_shift(session, "05:00", "13:00", name="Early")
        request = make_request(session, now=two - 5 * MINUTE)
        accept(session, request, ill, now=two)
        rota_changes.sick_from_now(
            session, ill.id, until=local("2026-11-26 06:00"), actor_id=ill.id, now=two, tz=LONDON
        )
        ids = request.id, lead.id, early.id
    request_id, lead_id, early_id = ids
    with stored(app) as session:
        assert the(session, request_id).state is RequestState.WAITING
        assert texts(session, TextKind.ABSENCE) == [(lead_id, two)]
    night.tick()
    with stored(app) as session:
        assert told(session) == [(Step.DUTY_LEAD, Reason.NOBODY_ON_SHIFT, two)]
        [row] = desk.queue(session, now=two, tz=LONDON)
        assert (row.is_escalated, row.planned_for) == (True, "Early")
    night.to(local("2026-11-26 05:01"), step=15 * MINUTE)
    with stored(app) as session:
        assert on_offer(session) == [early_id]
        worker = session.get_one(Staff, early_id)
        accept(session, the(session, request_id), worker, now=utc_now())
        ring(session, request_id, worker)
        speak(session, request_id, worker)
        assert the(session, request_id).disposition is Disposition.HELPED


def test_the_shift_that_ends_while_a_call_goes_on(app: Flask, night: Night) -> None:
    """The call stays with who makes it and is on the list; what they had not rung goes back."""
    end = NOW + 10 * MINUTE
    with stored(app) as session:
        make_manager(session, is_duty_lead=True)
        caller = make_shift(session, "16:00", "20:10", name="Evening")
        slow = make_shift(session, "16:00", "20:10", name="Slow")
        worker = make_shift(session, "20:10", "04:00", name="Night")
        talking, waiting = make_request(session), make_request(session, mobile(2))
        for request in (talking, waiting):
            request.due_at = NOW + timedelta(hours=2)
        accept(session, talking, caller)
        ring(session, talking.id, caller)
        accept(session, waiting, slow, now=NOW + 5 * MINUTE)
        ids = talking.id, waiting.id, caller.id, worker.id
    talking_id, waiting_id, caller_id, worker_id = ids
    night.to(end - MINUTE, step=3 * MINUTE)
    with stored(app) as session:
        listed = {
            row.request_id: row.why
            for row in handover.handover_list(session, now=utc_now(), tz=LONDON)
        }
        assert listed == {talking_id: (Why.SHIFT_ENDS,), waiting_id: (Why.SHIFT_ENDS,)}
    night.to(end + 2 * MINUTE)
    with stored(app) as session:
        assert the(session, talking_id).state is RequestState.CALLING
        assert the(session, talking_id).assigned_to_id == caller_id
        assert (the(session, waiting_id).state, on_offer(session)) == (
            RequestState.WAITING,
            [worker_id],
        )
        [row] = handover.handover_list(session, now=utc_now(), tz=LONDON)
        assert (row.request_id, row.holder, row.why) == (talking_id, "Evening", (Why.SHIFT_ENDED,))
        speak(session, talking_id, session.get_one(Staff, caller_id), answered=False)
        night_worker = session.get_one(Staff, worker_id)
        for request_id in (waiting_id, talking_id):
            request = the(session, request_id)
            night.traveller.move_to(max(utc_now(), request.ring_from))
            accept(session, request, night_worker, now=utc_now())
            ring(session, request_id, night_worker)
            speak(session, request_id, night_worker)
    night.tick()
    with stored(app) as session:
        states = set(session.scalars(select(CallbackRequest.state)))
        assert (states, told(session)) == ({RequestState.CLOSED}, [])


@pytest.mark.parametrize(("midnight", "hours"), [("2026-10-25 00:00", 4), ("2027-03-28 00:00", 2)])
def test_the_night_the_clocks_change(app: Flask, night: Night, midnight: str, hours: int) -> None:
    """The two shifts meet in the hour that comes twice, or never: somebody is always there."""
    start = local(midnight).astimezone(UTC)
    night.traveller.move_to(start)
    with stored(app) as session:
        make_manager(session, is_duty_lead=True)
        people = {one.id: one for one in (
            make_shift(session, "18:00", "01:30", name="Evening"),
            make_shift(session, "01:30", "08:00", name="Night"),
        )}  # fmt: skip
    end = local(midnight.replace("00:00", "03:00")).astimezone(UTC)
    assert end - start == timedelta(hours=hours)
    asked, number = [], 0
    while utc_now() < end:
        with stored(app) as session:
            request = make_request(session, mobile(number), now=utc_now())
            assert timedelta() < request.due_at - utc_now() <= timedelta(hours=1)
            asked.append(request.id)
        night.tick()
        with stored(app) as session:
            [offered] = on_offer(session)
            worker = people[offered]
            accept(session, the(session, asked[-1]), worker, now=utc_now())
            ring(session, asked[-1], worker)
            speak(session, asked[-1], worker)
        number += 1
        night.traveller.move_to(utc_now() + 20 * MINUTE)
    with stored(app) as session:
        kept = [request.windows[0].kept for request in session.scalars(select(CallbackRequest))]
        assert kept == [True] * len(asked)
        assert (told(session), session.scalars(select(Finding)).all()) == ([], [])


def test_the_scheduler_that_was_down_for_an_hour(app: Flask, night: Night) -> None:
    """People could still ask. When it is back each request goes one step, in turn, and no burst."""
    with stored(app) as session:
        lead_id = make_manager(session, is_duty_lead=True).id
        make_manager(session, "07700 900801")
        first_id = make_request(session).id
    night.tick()
    night.is_scheduler_up = False
    night.to(NOW + 30 * MINUTE, step=10 * MINUTE)
    with stored(app) as session:
        second_id = make_request(session, mobile(2), may_text=True, now=utc_now()).id
        assert texts(session, TextKind.ESCALATION) == [(lead_id, NOW)]
    back = NOW + timedelta(hours=1)
    night.to(back, step=10 * MINUTE)
    night.is_scheduler_up = True
    for second in range(0, 60, 5):
        night.traveller.move_to(back + timedelta(seconds=second))
        night.tick()
    with stored(app) as session:
        by_request = [
            (row.request_id, row.step, row.at)
            for row in session.scalars(select(Escalation).order_by(Escalation.id))
        ]
        assert by_request == [
            (first_id, Step.DUTY_LEAD, NOW),
            (first_id, Step.FIRST_MANAGER, back),
            (second_id, Step.DUTY_LEAD, back),
        ]
        assert len(texts(session, TextKind.ESCALATION)) == 3
        assert texts(session, TextKind.AUDIT) == []
        confirmation = session.scalars(
            select(OutboxMessage).where(OutboxMessage.request_id == second_id)
        ).one()
        assert confirmation.state in {OutboxState.KEPT, OutboxState.DROPPED}
    night.to(back + 10 * MINUTE)
    with stored(app) as session:
        later = [(row.request_id, row.step) for row in session.scalars(
            select(Escalation).where(Escalation.at > back).order_by(Escalation.id)
        )]  # fmt: skip
        assert later == [(first_id, Step.ALL_MANAGERS), (second_id, Step.FIRST_MANAGER)]
