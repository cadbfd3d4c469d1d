"""The desk: who may take what, who sees what, and that every look is written down."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.domain.planning import OFFER_LEAD
from callback_service.domain.staff import Role
from callback_service.errors import Forbidden, NotFound, Refused
from callback_service.models.audit import AuditEntry
from callback_service.models.outbox import OutboxMessage, OutboxState
from callback_service.services import attempts, audit, desk, requests
from callback_service.services.desk import NumberShown
from callback_service.services.escalation import escalate
from tests.rota_builders import LONDON
from tests.support.builders import NOW, make_staff
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
    plan,
)


class TestTaking:
    def test_gives_the_request_to_the_counsellor_for_ten_minutes(self, session: Session) -> None:
        counsellor = make_shift(session)
        request = make_request(session)
        accept(session, request, counsellor)
        assert (request.state, request.assigned_to_id) == (RequestState.ASSIGNED, counsellor.id)
        assert request.hold_until == NOW + timedelta(minutes=10)

    def test_twice_is_once(self, session: Session) -> None:
        counsellor = make_shift(session)
        request = make_request(session)
        accept(session, request, counsellor)
        accept(session, request, counsellor, now=NOW + timedelta(minutes=2))
        assert request.hold_until == NOW + timedelta(minutes=10)

    def test_too_late_says_who_has_it_and_since_when(self, session: Session) -> None:
        holder, late = make_shift(session, name="Jo Hill"), make_shift(session)
        request = make_request(session)
        accept(session, request, holder)
        for seconds, ago in ((1, "1 second"), (42, "42 seconds"), (180, "3 min")):
            with pytest.raises(Refused, match=f"Jo Hill took this call {ago} ago"):
                accept(session, request, late, now=NOW + timedelta(seconds=seconds))

    def test_is_for_counsellors_on_shift(self, session: Session) -> None:
        off_shift = make_shift(session, "08:00", "20:00")
        request = make_request(session)
        with pytest.raises(Refused, match="not on shift"):
            accept(session, request, off_shift)
        assert request.state is RequestState.WAITING

    def test_is_for_managers_whenever_they_step_in(self, session: Session) -> None:
        request = make_request(session)
        accept(session, request, make_manager(session))
        assert request.state is RequestState.ASSIGNED

    def test_a_second_request_is_refused_until_the_first_is_done(self, session: Session) -> None:
        counsellor = make_shift(session)
        first, second = make_request(session, mobile(1)), make_request(session, mobile(2))
        accept(session, first, counsellor)
        with pytest.raises(Refused, match="already hold a request"):
            accept(session, second, counsellor)
        assert [row.request_id for row in desk.queue(session, now=NOW, tz=LONDON)] == [second.id]
        requests.close(session, first, Disposition.HELPED, now=NOW)
        session.flush()
        accept(session, second, counsellor)
        assert second.state is RequestState.ASSIGNED

    def test_before_its_time_is_refused_with_the_time(self, session: Session) -> None:
        counsellor = make_shift(session)
        request = make_request(session, window=TONIGHT)
        early = TONIGHT.start - OFFER_LEAD - timedelta(seconds=1)
        with pytest.raises(Refused, match="not to be rung before 22:00"):
            accept(session, request, counsellor, now=early)

    def test_a_closed_or_unknown_one_is_refused(self, session: Session) -> None:
        counsellor = make_shift(session)
        request = make_request(session)
        requests.close(session, request, Disposition.WITHDRAWN, now=NOW)
        session.flush()
        with pytest.raises(Refused, match="closed"):
            accept(session, request, counsellor)
        with pytest.raises(NotFound):
            desk.accept(session, 10**6, staff=member(counsellor), now=NOW, tz=LONDON)

    def test_what_is_offered_to_a_colleague_is_allowed(self, session: Session) -> None:
        people = {c.id: c for c in make_shifts(session, 2)}
        request = make_request(session)
        offer(session)
        [offered_to] = [row.offered_to_id for row in desk.queue(session, now=NOW, tz=LONDON)]
        other = next(c for c in people.values() if c.id != offered_to)
        accept(session, request, other)
        assert request.assigned_to_id == other.id


class TestTheQueue:
    def test_holds_nothing_that_names_the_caller(self) -> None:
        names = {field.name for field in fields(desk.QueueRow)}
        assert not names & {"phone", "name", "note", "caller"}

    def test_puts_escalated_requests_first_and_then_goes_by_due_time(
        self, session: Session
    ) -> None:
        make_shift(session)
        second, third = make_request(session, mobile(1)), make_request(session, mobile(2))
        first = make_request(session, window=TONIGHT)
        later = TONIGHT.end - timedelta(minutes=1)
        second.due_at = third.due_at = TONIGHT.end + timedelta(hours=3)
        third.due_at += timedelta(minutes=1)
        session.flush()
        escalate(session, now=later, tz=LONDON)
        session.flush()
        rows = desk.queue(session, now=later, tz=LONDON)
        assert [row.request_id for row in rows] == [first.id, second.id, third.id]
        assert [row.is_escalated for row in rows] == [True, False, False]

    def test_shows_who_is_foreseen_and_whether_it_is_late(self, session: Session) -> None:
        make_shift(session, name="Jo Hill")
        request = make_request(session)
        plan(session)
        [row] = desk.queue(session, now=request.due_at + timedelta(seconds=1), tz=LONDON)
        assert (row.planned_for, row.planned_at, row.is_late) == ("Jo Hill", NOW, True)

    def test_leaves_out_what_is_in_hand_or_closed(self, session: Session) -> None:
        counsellor = make_shift(session)
        made = [make_request(session, mobile(n)) for n in range(3)]
        accept(session, made[0], counsellor)
        requests.close(session, made[1], Disposition.WITHDRAWN, now=NOW)
        session.flush()
        assert [row.request_id for row in desk.queue(session, now=NOW, tz=LONDON)] == [made[2].id]
        [held] = desk.held(session)
        assert (held.request_id, held.counsellor_id) == (made[0].id, counsellor.id)


class TestTheCallSheet:
    def test_shows_number_name_and_what_is_safe_to_whoever_holds_it(self, session: Session) -> None:
        counsellor = make_shift(session)
        request = make_request(session, name="Sam", note="Hang up if he answers")
        accept(session, request, counsellor)
        sheet = desk.call_sheet(session, request.id, staff=member(counsellor), now=NOW)
        assert (sheet.phone, sheet.name, sheet.note) == (
            "+447700900123",
            "Sam",
            "Hang up if he answers",
        )
        assert (sheet.may_text, sheet.may_leave_voicemail) == (False, False)

    def test_is_for_nobody_before_it_is_taken(self, session: Session) -> None:
        counsellor, manager = make_shift(session), make_manager(session)
        request = make_request(session)
        offer(session)
        for person in (counsellor, manager):
            with pytest.raises(NotFound):
                desk.call_sheet(session, request.id, staff=member(person), now=NOW)

    def test_is_not_for_a_colleague_and_answers_as_if_there_were_none(
        self, session: Session
    ) -> None:
        holder, colleague = make_shifts(session, 2)
        request = make_request(session)
        accept(session, request, holder)
        said = set()
        for request_id in (request.id, 10**6):
            with pytest.raises(NotFound) as error:
                desk.call_sheet(session, request_id, staff=member(colleague), now=NOW)
            said.add(error.value.message)
        assert len(said) == 1

    def test_is_gone_when_the_call_is_closed_or_given_back(self, session: Session) -> None:
        holder = make_shift(session)
        request = make_request(session)
        accept(session, request, holder)
        attempts.release(session, request.id, staff=member(holder), now=NOW)
        session.flush()
        with pytest.raises(NotFound):
            desk.call_sheet(session, request.id, staff=member(holder), now=NOW)

    def test_writes_every_look_down_with_who_looked(self, session: Session) -> None:
        holder, manager = make_shift(session), make_manager(session)
        request = make_request(session)
        accept(session, request, holder)
        for person in (holder, holder, manager):
            desk.call_sheet(session, request.id, staff=member(person), now=NOW)
        session.flush()
        looks = session.execute(
            select(AuditEntry.actor_id, AuditEntry.subject_id)
            .where(AuditEntry.action == "request.read")
            .order_by(AuditEntry.id)
        ).all()
        assert [tuple(look) for look in looks] == [
            (holder.id, request.id),
            (holder.id, request.id),
            (manager.id, request.id),
        ]

    def test_writes_down_why_one_may_look_and_whether_the_number_was_shown(
        self, session: Session
    ) -> None:
        holder, manager = make_shift(session), make_manager(session)
        request = make_request(session)
        accept(session, request, holder)
        for person, number in (
            (holder, NumberShown.NEVER),
            (holder, NumberShown.ON_ASKING),
            (manager, NumberShown.ALWAYS),
        ):
            desk.call_sheet(session, request.id, staff=member(person), number=number, now=NOW)
        session.flush()
        looks = session.execute(
            select(AuditEntry.action, AuditEntry.detail)
            .where(AuditEntry.action.in_(audit.LOOKS))
            .order_by(AuditEntry.id)
        ).all()
        assert [tuple(look) for look in looks] == [
            ("request.read", {"why": "own_call", "shows_number": False}),
            ("request.number_read", {"why": "own_call", "shows_number": True}),
            ("request.read", {"why": "stepped_in", "shows_number": True}),
        ]

    def test_tells_that_the_last_text_did_not_arrive(self, session: Session) -> None:
        holder = make_shift(session)
        request = make_request(session, may_text=True)
        accept(session, request, holder)
        message = session.scalars(select(OutboxMessage)).one()
        message.state, message.reason = OutboxState.FAILED, "The phone is off. Ring anyway."
        session.flush()
        sheet = desk.call_sheet(session, request.id, staff=member(holder), now=NOW)
        assert sheet.texts.trouble == "The phone is off. Ring anyway."


def test_an_administrator_has_no_place_at_the_desk(session: Session) -> None:
    request = make_request(session)
    with pytest.raises(Forbidden):
        accept(session, request, make_staff(session, role=Role.ADMINISTRATOR))
