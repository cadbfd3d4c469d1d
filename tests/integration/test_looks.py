"""Looking behind the mask: a reason, one audit row, so many a day, and no further by oneself."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.inbound import InboundKind
from callback_service.domain.lifecycle import Disposition, LetGo
from callback_service.domain.looks import LOOK_LASTS, LOOKS_A_DAY, MORE_LOOKS, LookReason
from callback_service.domain.retention import USUAL, Kept
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, Forbidden, NotFound, Refused
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import CallbackRequest
from callback_service.models.inbound import InboundText
from callback_service.models.look import Look
from callback_service.models.staff import Staff
from callback_service.services import (
    attempts,
    desk,
    look_lists,
    looks,
    records,
    request_history,
    requests,
    retention,
)
from callback_service.services.escalation import escalate
from callback_service.services.requests import Why
from tests.rota_builders import LONDON
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import (
    accept,
    make_manager,
    make_request,
    make_shift,
    member,
    mobile,
)


def take(
    session: Session,
    request: CallbackRequest,
    who: Staff,
    *,
    reason: LookReason = LookReason.COMPLAINT,
    words: str | None = None,
    now: datetime = NOW,
) -> None:
    looks.take_look(
        session, request.id, staff=member(who), reason=reason, words=words,
        a_day=LOOKS_A_DAY, now=now, tz=LONDON,
    )  # fmt: skip
    session.flush()


def lead(session: Session) -> Staff:
    return make_staff(session, role=Role.SAFEGUARDING_LEAD, name="Dana Whyte")


def audited(session: Session, action: str) -> list[AuditEntry]:
    entries = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)
    return list(session.scalars(entries))


def many(session: Session, count: int) -> list[CallbackRequest]:
    return [make_request(session, mobile(100 + n)) for n in range(count)]


class TestALook:
    def test_shows_the_whole_record_for_a_quarter_of_an_hour(self, session: Session) -> None:
        manager, request = make_manager(session), make_request(session, name="Sam", note="Shh")
        before = records.record(session, request.id, staff=member(manager), now=NOW)
        assert (before.phone, before.name, before.note) == ("•••• 123", None, None)
        take(session, request, manager)
        seen = records.record(session, request.id, staff=member(manager), now=NOW)
        assert (seen.phone, seen.name, seen.note) == ("07700 900123", "Sam", "Shh")
        over = records.record(session, request.id, staff=member(manager), now=NOW + LOOK_LASTS)
        assert (over.phone, over.name, over.note) == ("•••• 123", None, None)

    def test_is_one_audit_row_with_its_reason_and_no_word_of_anybodys(
        self, session: Session
    ) -> None:
        manager, request = make_manager(session), make_request(session)
        take(session, request, manager, reason=LookReason.OTHER, words="Canarina complained")
        [entry] = audited(session, "request.look")
        assert (entry.actor_id, entry.subject_id) == (manager.id, request.id)
        assert entry.detail == {"reason": "other", "number": 1, "is_beyond": False}

    def test_is_for_whoever_took_it_and_nobody_else(self, session: Session) -> None:
        manager, other = make_manager(session), make_manager(session)
        request = make_request(session)
        take(session, request, manager)
        seen = records.record(session, request.id, staff=member(other), now=NOW)
        assert seen.phone == "•••• 123"

    def test_that_is_still_open_is_not_counted_again(self, session: Session) -> None:
        manager, request = make_manager(session), make_request(session)
        for _ in range(3):
            take(session, request, manager)
        assert looks.looks_taken(session, manager.id, NOW.date()) == 1

    def test_for_another_reason_needs_words_and_not_too_many(self, session: Session) -> None:
        manager, request = make_manager(session), make_request(session)
        for words in (None, "  ", "x" * 201):
            with pytest.raises(BadInput):
                take(session, request, manager, reason=LookReason.OTHER, words=words)
        assert audited(session, "request.look") == []

    def test_is_taken_by_no_counsellor_and_no_administrator(self, session: Session) -> None:
        request = make_request(session)
        for person in (make_shift(session), make_staff(session, role=Role.ADMINISTRATOR)):
            with pytest.raises(Forbidden):
                take(session, request, person)

    def test_at_what_is_not_there_is_not_found(self, session: Session) -> None:
        manager = make_manager(session)
        with pytest.raises(NotFound):
            looks.take_look(
                session, 10**6, staff=member(manager), reason=LookReason.COMPLAINT, words=None,
                a_day=LOOKS_A_DAY, now=NOW, tz=LONDON,
            )  # fmt: skip

    def test_loses_its_words_when_the_request_is_erased(self, session: Session) -> None:
        manager, request = make_manager(session), make_request(session)
        take(session, request, manager, reason=LookReason.OTHER, words="Their sister rang")
        requests.close(session, request, Disposition.WITHDRAWN, now=NOW)
        session.flush()
        retention.erase_old(session, now=NOW + USUAL.lasts(Kept.CALLERS))
        assert session.scalars(select(Look)).one().words is None


class TestTheBudget:
    def test_ends_with_the_twentieth_look_and_a_colleague_allows_more(
        self, session: Session
    ) -> None:
        manager, colleague = make_manager(session), make_manager(session)
        found = many(session, LOOKS_A_DAY + MORE_LOOKS + 1)
        for request in found[:LOOKS_A_DAY]:
            take(session, request, manager)
        with pytest.raises(Refused, match="A manager must allow you more"):
            take(session, found[LOOKS_A_DAY], manager)
        looks.allow_more(session, manager.id, staff=member(colleague), now=NOW, tz=LONDON)
        for request in found[LOOKS_A_DAY:-1]:
            take(session, request, manager)
        with pytest.raises(Refused):
            take(session, found[-1], manager)

    def test_begins_anew_at_midnight_here(self, session: Session) -> None:
        manager, found = make_manager(session), many(session, LOOKS_A_DAY + 1)
        for request in found[:LOOKS_A_DAY]:
            take(session, request, manager)
        take(session, found[-1], manager, now=NOW + timedelta(hours=4, seconds=1))

    def test_is_added_to_by_nobody_for_themselves(self, session: Session) -> None:
        manager = make_manager(session)
        with pytest.raises(Forbidden):
            looks.allow_more(session, manager.id, staff=member(manager), now=NOW, tz=LONDON)

    def test_is_added_to_for_nobody_who_takes_no_looks(self, session: Session) -> None:
        manager, counsellor = make_manager(session), make_shift(session)
        with pytest.raises(NotFound):
            looks.allow_more(session, counsellor.id, staff=member(manager), now=NOW, tz=LONDON)

    def test_lets_the_duty_lead_go_on_at_an_escalated_request_and_marks_it(
        self, session: Session
    ) -> None:
        manager = make_manager(session, is_duty_lead=True)
        found = many(session, LOOKS_A_DAY + 1)
        for request in found[:LOOKS_A_DAY]:
            take(session, request, manager)
        with pytest.raises(Refused):
            take(session, found[-1], manager)
        assert escalate(session, now=NOW, tz=LONDON)  # nobody is on shift
        session.flush()
        take(session, found[-1], manager)
        assert audited(session, "request.look")[-1].detail["is_beyond"] is True

    def test_lets_no_manager_off_duty_go_on_at_it(self, session: Session) -> None:
        make_manager(session, is_duty_lead=True)
        manager, found = make_manager(session), many(session, LOOKS_A_DAY + 1)
        for request in found[:LOOKS_A_DAY]:
            take(session, request, manager)
        assert escalate(session, now=NOW, tz=LONDON)
        session.flush()
        with pytest.raises(Refused):
            take(session, found[-1], manager)


class TestTheSafeguardingLead:
    def test_opens_urgent_requests_and_no_others(self, session: Session) -> None:
        dana, request = lead(session), make_request(session, name="Sam")
        with pytest.raises(NotFound):
            records.record(session, request.id, staff=member(dana), now=NOW)
        with pytest.raises(NotFound):
            take(session, request, dana)
        request.is_urgent = True
        take(session, request, dana, reason=LookReason.AT_RISK)
        seen = records.record(session, request.id, staff=member(dana), now=NOW)
        assert (seen.phone, seen.name) == ("07700 900123", "Sam")

    def test_lists_them_closed_ones_too_until_they_are_erased(self, session: Session) -> None:
        dana, request = lead(session), make_request(session)
        make_request(session, mobile(7))
        request.is_urgent = True
        requests.close(session, request, Disposition.HELPED, now=NOW)
        session.flush()
        listed = records.flagged(session, staff=member(dana), limit=9)
        assert [row.request_id for row in listed] == [request.id]
        retention.erase_old(session, now=NOW + USUAL.lasts(Kept.CALLERS))
        assert records.flagged(session, staff=member(dana), limit=9) == []

    def test_takes_no_requests(self, session: Session) -> None:
        with pytest.raises(Forbidden):
            accept(session, make_request(session), lead(session))


class TestWhoeverKnowsTheCaller:
    @pytest.fixture
    def knowing(self, session: Session) -> tuple[Staff, CallbackRequest]:
        """A manager who took a request and gave it back, as they know the caller."""
        manager, request = make_manager(session), make_request(session, name="Sam")
        accept(session, request, manager)
        attempts.release(
            session, request.id, staff=member(manager), now=NOW, why=Why(LetGo.KNOWS_CALLER)
        )
        session.flush()
        return manager, request

    def test_finds_no_record_no_history_and_takes_no_look(
        self, session: Session, knowing: tuple[Staff, CallbackRequest]
    ) -> None:
        manager, request = knowing
        for see in (records.record, request_history.history):
            with pytest.raises(NotFound):
                see(session, request.id, staff=member(manager), now=NOW)
        with pytest.raises(NotFound):
            take(session, request, manager)

    def test_finds_no_later_request_of_the_same_number_either(
        self, session: Session, knowing: tuple[Staff, CallbackRequest]
    ) -> None:
        manager, request = knowing
        requests.close(session, request, Disposition.WITHDRAWN, now=NOW)
        session.flush()
        later = make_request(session)
        with pytest.raises(NotFound):
            take(session, later, manager)
        with pytest.raises(NotFound):
            accept(session, later, manager)

    def test_may_not_mark_it_and_sees_no_look_of_others_at_it(
        self, session: Session, knowing: tuple[Staff, CallbackRequest]
    ) -> None:
        manager, request = knowing
        take(session, request, make_manager(session))
        assert look_lists.latest(session, staff=member(manager), limit=9) == []
        with pytest.raises(NotFound):
            desk.mark_urgent(session, request.id, is_urgent=True, staff=member(manager), now=NOW)

    def test_sees_no_line_of_it_as_a_counsellor_and_an_inert_one_as_a_manager(
        self, session: Session, knowing: tuple[Staff, CallbackRequest]
    ) -> None:
        manager, request = knowing
        counsellor, other = make_shift(session), make_shift(session, name="Other")
        accept(session, request, counsellor)
        attempts.release(
            session, request.id, staff=member(counsellor), now=NOW, why=Why(LetGo.KNOWS_CALLER)
        )
        session.flush()
        rows = {
            who.id: [
                row.request_id
                for row in desk.board(session, staff=member(who), now=NOW, tz=LONDON).rows
            ]
            for who in (manager, counsellor, other)
        }
        assert rows == {manager.id: [request.id], counsellor.id: [], other.id: [request.id]}
        assert desk.board(session, staff=member(manager), now=NOW, tz=LONDON).known == {request.id}


def test_what_the_caller_texted_is_in_the_history_after_a_look_only(session: Session) -> None:
    manager, request = make_manager(session), make_request(session)
    text = InboundText(
        provider_sid="SM1", kind=InboundKind.WORDS, request_id=request.id, received_at=NOW
    )
    session.add(text)
    session.flush()
    text.body = "please ring after nine"
    session.flush()

    def words() -> list[str]:
        seen = request_history.history(session, request.id, staff=member(manager), now=NOW)
        return [row.body for row in seen.written]

    assert words() == []
    take(session, request, manager)
    assert words() == ["please ring after nine"]


def test_the_list_of_looks_says_who_why_and_how_many(session: Session) -> None:
    manager, request = make_manager(session), make_request(session)
    take(session, request, manager, reason=LookReason.OTHER, words="Their sister rang")
    [line] = look_lists.latest(session, staff=member(manager), limit=9)
    assert (line.who, line.reference, line.words) == (
        manager.name,
        request.reference,
        "Their sister rang",
    )
    [today] = look_lists.of_today(
        session, staff=member(manager), a_day=LOOKS_A_DAY, now=NOW, tz=LONDON
    )
    assert (today.taken, today.may_take) == (1, LOOKS_A_DAY)
