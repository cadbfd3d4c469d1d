"""Complaints about data: kept alike for everybody, acknowledged in time, answered, erased."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.complaints import Acknowledged, AnswerBy, acknowledge_by
from callback_service.domain.flood import COUNTED_FOR, FormLimits
from callback_service.domain.policy import Action
from callback_service.domain.retention import USUAL, Kept
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, Forbidden, NotFound, Refused, TooMany
from callback_service.models.audit import AuditEntry
from callback_service.models.complaint import Complaint
from callback_service.models.privacy import About, CaseEnding
from callback_service.models.staff import Staff
from callback_service.services import (
    bars,
    complaint_cases,
    complaints,
    data_requests,
    erasures,
    retention,
    subject_access,
)
from callback_service.services.complaints import Told
from callback_service.services.intake import new_key
from tests.rota_builders import LONDON
from tests.support.builders import NOW, make_staff
from tests.support.complaint_builders import make_complaint, told
from tests.support.request_builders import (
    CALLER,
    make_manager,
    make_request,
    make_shift,
    mobile,
    phone_of,
)

TODAY = NOW.astimezone(LONDON).date()
LIMITS = FormLimits(a_network=2, in_all=3)


@pytest.fixture
def manager(session: Session) -> Staff:
    return make_manager(session)


@pytest.fixture
def colleague(session: Session) -> Staff:
    """Another manager."""
    return make_manager(session, phone=None)


def take(session: Session, what: Told, *, key: str | None = None, address: str | None) -> str:
    return complaints.take(
        session, what, key=key or new_key(), address=address, limits=LIMITS, now=NOW, tz=LONDON
    )


def acknowledge(session: Session, complaint: Complaint, who: Staff) -> None:
    complaint_cases.acknowledge(
        session, complaint.id, how=Acknowledged.RANG, on=TODAY, actor_id=who.id, now=NOW,
        tz=LONDON,
    )  # fmt: skip


def deeds(session: Session) -> list[str]:
    """What the audit says was done to complaints, in order."""
    session.flush()
    done = select(AuditEntry.action).where(AuditEntry.subject == "complaint")
    return list(session.scalars(done.order_by(AuditEntry.id)))


def everything(complaint: Complaint) -> tuple[object, ...]:
    return (
        complaint.words_sealed, complaint.answer_to_sealed, complaint.phone_sealed,
        complaint.phone_index, complaint.key_digest, complaint.network_index,
    )  # fmt: skip


class TestWhatCame:
    def test_is_kept_sealed_with_its_clock(self, session: Session) -> None:
        complaint = make_complaint(session, told(phone=CALLER))
        assert complaint.words == told().words
        assert complaint.answer_to == "+447700900321"
        assert complaint.phone == "+447700900123"
        assert b"brother" not in (complaint.words_sealed or b"")
        assert acknowledge_by(complaint.came_on) == date(2026, 12, 24)
        assert deeds(session) == ["complaint.received"]

    def test_needs_neither_a_number_nor_a_way_to_answer(self, session: Session) -> None:
        complaint = make_complaint(session, told(answer_by=AnswerBy.NONE))
        assert (complaint.phone, complaint.answer_to) == (None, None)

    def test_sent_twice_is_kept_once(self, session: Session) -> None:
        key = new_key()
        assert take(session, told(), key=key, address=None) == key
        assert take(session, told(), key=key, address=None) == key
        assert len(session.scalars(select(Complaint)).all()) == 1

    @pytest.mark.parametrize("other", [told("And another thing"), told(phone=CALLER)])
    def test_an_old_form_with_other_answers_is_another_complaint(
        self, session: Session, other: Told
    ) -> None:
        key = take(session, told(), address=None)
        assert take(session, other, key=key, address=None) != key
        assert len(session.scalars(select(Complaint)).all()) == 2

    def test_is_shown_to_whoever_sent_it_by_reference_and_date_alone(
        self, session: Session
    ) -> None:
        key = take(session, told(), address=None)
        receipt = complaints.receipt(session, key)
        assert receipt is not None
        assert (receipt.acknowledge_by, receipt.wants_answer) == (date(2026, 12, 24), True)
        assert complaints.receipt(session, new_key()) is None

    def test_the_first_of_the_thirty_days_is_the_one_it_came(self) -> None:
        assert acknowledge_by(date(2026, 6, 19)) == date(2026, 7, 18)


class TestLimits:
    def test_a_network_may_send_so_many_in_an_hour_and_others_still_may(
        self, session: Session
    ) -> None:
        for _ in range(2):
            take(session, told(), address="81.2.69.1")
        with pytest.raises(TooMany):
            take(session, told(), address="81.2.69.1")
        assert take(session, told(), address="81.2.69.2")

    def test_a_flood_from_few_addresses_leaves_room_for_the_first_of_another(
        self, session: Session
    ) -> None:
        for last in (1, 2, 1):
            take(session, told(), address=f"81.2.69.{last}")
        assert take(session, told(), address="81.2.69.9")
        with pytest.raises(TooMany):
            take(session, told(), address="81.2.69.9")

    def test_where_an_address_tells_nothing_it_is_not_counted(self, session: Session) -> None:
        for _ in range(12):
            take(session, told(), address=None)
        assert len(session.scalars(select(Complaint)).all()) == 12

    def test_of_where_it_came_from_nothing_is_kept_beyond_the_hour(self, session: Session) -> None:
        complaint = make_complaint(session, address="81.2.69.1")
        early = NOW + COUNTED_FOR - timedelta(seconds=1)
        assert not retention.erase_old(session, now=early)[Kept.FORM_POSTS]
        assert retention.erase_old(session, now=NOW + COUNTED_FOR)[Kept.FORM_POSTS] == 1
        session.refresh(complaint)
        assert complaint.network_index is None
        assert complaint.words is not None


class TestTheList:
    def test_says_what_is_overdue_from_the_thirty_first_day_on(
        self, session: Session, manager: Staff
    ) -> None:
        make_complaint(session)

        def is_overdue(days: int) -> bool:
            later = NOW + timedelta(days=days)
            [row] = complaint_cases.open_complaints(
                session, viewer_id=manager.id, now=later, tz=LONDON
            )
            return row.is_overdue

        assert [is_overdue(days) for days in (0, 29, 30)] == [False, False, True]

    def test_what_is_acknowledged_is_not_overdue(self, session: Session, manager: Staff) -> None:
        acknowledge(session, make_complaint(session), manager)
        later = NOW + timedelta(days=40)
        [row] = complaint_cases.open_complaints(session, viewer_id=manager.id, now=later, tz=LONDON)
        assert (row.is_overdue, row.acknowledged_on) == (False, TODAY)

    def test_the_first_due_is_on_top_and_what_has_ended_is_not_there(
        self, session: Session, manager: Staff
    ) -> None:
        late = make_complaint(session, now=NOW + timedelta(days=2))
        early = make_complaint(session)
        ended = make_complaint(session)
        acknowledge(session, ended, manager)
        complaint_cases.answered(session, ended.id, actor_id=manager.id, now=NOW)
        session.flush()
        rows = complaint_cases.open_complaints(session, viewer_id=manager.id, now=NOW, tz=LONDON)
        assert [row.complaint_id for row in rows] == [early.id, late.id]


class TestSeeingToIt:
    def test_goes_from_acknowledged_to_answered_each_written_down(
        self, session: Session, manager: Staff
    ) -> None:
        complaint = make_complaint(session)
        complaint_cases.look(session, complaint.id, actor_id=manager.id, now=NOW, tz=LONDON)
        acknowledge(session, complaint, manager)
        complaint_cases.answered(session, complaint.id, actor_id=manager.id, now=NOW)
        session.flush()
        assert (complaint.ending, complaint.ended_by_id) == (CaseEnding.ANSWERED, manager.id)
        assert deeds(session) == [
            "complaint.received", "complaint.read", "complaint.acknowledged", "complaint.answered",
        ]  # fmt: skip

    def test_is_not_answered_before_it_is_acknowledged(
        self, session: Session, manager: Staff
    ) -> None:
        complaint = make_complaint(session)
        with pytest.raises(Refused):
            complaint_cases.answered(session, complaint.id, actor_id=manager.id, now=NOW)

    @pytest.mark.parametrize(
        ("answer_by", "how"),
        [
            (AnswerBy.NONE, Acknowledged.RANG),
            (AnswerBy.NONE, Acknowledged.WROTE),
            (AnswerBy.PHONE, Acknowledged.WROTE),
            (AnswerBy.WRITING, Acknowledged.RANG),
            (AnswerBy.PHONE, Acknowledged.NOT_WANTED),
            (AnswerBy.PHONE, None),
        ],
    )
    def test_nobody_is_told_in_a_way_they_did_not_allow(
        self, session: Session, manager: Staff, answer_by: AnswerBy, how: Acknowledged | None
    ) -> None:
        complaint = make_complaint(session, told(answer_by=answer_by))
        with pytest.raises(BadInput) as refused:
            complaint_cases.acknowledge(
                session, complaint.id, how=how, on=TODAY, actor_id=manager.id, now=NOW, tz=LONDON
            )
        assert list(refused.value.fields) == ["how"]

    @pytest.mark.parametrize("days", [-1, 1, None])
    def test_the_day_is_between_its_coming_and_today(
        self, session: Session, manager: Staff, days: int | None
    ) -> None:
        complaint = make_complaint(session)
        on = None if days is None else TODAY + timedelta(days=days)
        with pytest.raises(BadInput) as refused:
            complaint_cases.acknowledge(
                session, complaint.id, how=Acknowledged.RANG, on=on, actor_id=manager.id, now=NOW,
                tz=LONDON,
            )  # fmt: skip
        assert list(refused.value.fields) == ["on"]

    def test_is_acknowledged_once(self, session: Session, manager: Staff, colleague: Staff) -> None:
        complaint = make_complaint(session)
        acknowledge(session, complaint, manager)
        with pytest.raises(Refused):
            acknowledge(session, complaint, colleague)
        assert complaint.acknowledged_by_id == manager.id

    def test_what_came_by_post_has_its_clock_from_the_day_it_came(
        self, session: Session, manager: Staff
    ) -> None:
        came_on = TODAY - timedelta(days=35)
        complaint_id = complaints.write_down(
            session, told(), came_on=came_on, actor_id=manager.id, now=NOW, tz=LONDON
        )
        [row] = complaint_cases.open_complaints(session, viewer_id=manager.id, now=NOW, tz=LONDON)
        assert (row.complaint_id, row.is_overdue) == (complaint_id, True)

    @pytest.mark.parametrize("days", [-1, 400, None])
    def test_it_came_within_the_last_year(
        self, session: Session, manager: Staff, days: int | None
    ) -> None:
        came_on = None if days is None else TODAY - timedelta(days=days)
        with pytest.raises(BadInput):
            complaints.write_down(
                session, told(), came_on=came_on, actor_id=manager.id, now=NOW, tz=LONDON
            )

    @pytest.mark.parametrize("role", [role for role in Role if role is not Role.MANAGER])
    def test_nobody_but_managers_reads_one(self, session: Session, role: Role) -> None:
        complaint = make_complaint(session)
        who = make_staff(session, role=role)
        session.flush()
        with pytest.raises(Forbidden):
            complaint_cases.look(session, complaint.id, actor_id=who.id, now=NOW, tz=LONDON)
        assert complaint_cases.look.allows is Action.HANDLE_COMPLAINTS  # type: ignore[attr-defined]


class TestWhoIsKeptAwayFromTheCaller:
    @pytest.fixture
    def complaint(self, session: Session, manager: Staff, colleague: Staff) -> Complaint:
        """One that gives the number of a caller whom ``manager`` is kept away from."""
        make_shift(session)
        request = make_request(session, CALLER)
        session.flush()
        bars.bar(session, request.id, colleague_id=manager.id, actor_id=colleague.id, now=NOW)
        return make_complaint(session, told(phone=CALLER))

    def test_has_its_line_and_does_not_read_it(
        self, session: Session, complaint: Complaint, manager: Staff, colleague: Staff
    ) -> None:
        def is_for_others(who: Staff) -> bool:
            [row] = complaint_cases.open_complaints(session, viewer_id=who.id, now=NOW, tz=LONDON)
            return row.is_for_a_colleague

        assert (is_for_others(manager), is_for_others(colleague)) == (True, False)
        with pytest.raises(NotFound) as kept_away:
            complaint_cases.look(session, complaint.id, actor_id=manager.id, now=NOW, tz=LONDON)
        with pytest.raises(NotFound) as not_there:
            complaint_cases.look(session, 999, actor_id=manager.id, now=NOW, tz=LONDON)
        assert kept_away.value.message == not_there.value.message
        complaint_cases.look(session, complaint.id, actor_id=colleague.id, now=NOW, tz=LONDON)

    def test_does_nothing_to_it(
        self, session: Session, complaint: Complaint, manager: Staff
    ) -> None:
        with pytest.raises(NotFound):
            acknowledge(session, complaint, manager)
        with pytest.raises(NotFound):
            complaint_cases.ask_for_erasure(session, complaint.id, actor_id=manager.id, now=NOW)

    def test_is_handed_nothing_of_it_with_what_we_hold(
        self, session: Session, complaint: Complaint, manager: Staff, colleague: Staff
    ) -> None:
        case_id = data_requests.open_case(
            session, phone_of(CALLER), about=About.COMPLAINT, words="To look into it",
            actor_id=colleague.id, now=NOW, tz=LONDON,
        )  # fmt: skip
        session.flush()

        def shown(who: Staff) -> int:
            holding = subject_access.export(session, case_id, USUAL, actor_id=who.id, now=NOW)
            return len(holding.complaints)

        assert (shown(manager), shown(colleague)) == (0, 1)


class TestErasing:
    def test_one_asks_and_another_confirms(
        self, session: Session, manager: Staff, colleague: Staff
    ) -> None:
        complaint = make_complaint(session, told(phone=CALLER), address="81.2.69.1")
        reference = complaint.reference
        complaint_cases.ask_for_erasure(session, complaint.id, actor_id=manager.id, now=NOW)
        with pytest.raises(Refused):
            complaint_cases.erase(session, complaint.id, actor_id=manager.id, now=NOW)
        complaint_cases.erase(session, complaint.id, actor_id=colleague.id, now=NOW)
        session.flush()
        assert everything(complaint) == (None,) * 6
        assert complaint.reference != reference
        assert complaint.ending is CaseEnding.ERASED
        assert deeds(session)[-2:] == ["complaint.erasure_asked", "complaint.erased"]

    def test_it_can_be_taken_back_and_keeps_it_from_being_closed_meanwhile(
        self, session: Session, manager: Staff
    ) -> None:
        complaint = make_complaint(session)
        acknowledge(session, complaint, manager)
        complaint_cases.ask_for_erasure(session, complaint.id, actor_id=manager.id, now=NOW)
        with pytest.raises(Refused):
            complaint_cases.answered(session, complaint.id, actor_id=manager.id, now=NOW)
        complaint_cases.take_back(session, complaint.id, actor_id=manager.id, now=NOW)
        complaint_cases.answered(session, complaint.id, actor_id=manager.id, now=NOW)
        assert complaint.words is not None

    def test_the_database_itself_wants_two_people(self, session: Session, manager: Staff) -> None:
        complaint = make_complaint(session)
        complaint.ended_at, complaint.ended_by_id = NOW, manager.id
        complaint.erasure_asked_by_id, complaint.ending = manager.id, CaseEnding.ERASED
        with pytest.raises(IntegrityError):
            session.flush()

    def test_an_open_one_is_never_erased_by_a_clock(self, session: Session) -> None:
        complaint = make_complaint(session)
        retention.erase_old(session, now=NOW + timedelta(days=900))
        session.refresh(complaint)
        assert complaint.words is not None

    def test_a_closed_one_goes_after_its_time_and_not_before(
        self, session: Session, manager: Staff
    ) -> None:
        complaint = make_complaint(session, told(phone=CALLER))
        acknowledge(session, complaint, manager)
        complaint_cases.answered(session, complaint.id, actor_id=manager.id, now=NOW)
        session.flush()
        over = NOW + USUAL.lasts(Kept.DATA_REQUESTS)
        early = retention.erase_old(session, now=over - timedelta(seconds=1))
        assert early[Kept.DATA_REQUESTS] == 0
        assert retention.count_due(session, now=over)[Kept.DATA_REQUESTS] == 1
        assert retention.erase_old(session, now=over)[Kept.DATA_REQUESTS] == 1
        assert everything(complaint) == (None,) * 6
        assert complaint.acknowledged_on == TODAY

    def test_all_of_a_number_takes_its_complaints_along_and_no_other(
        self, session: Session, manager: Staff, colleague: Staff
    ) -> None:
        theirs = make_complaint(session, told(phone=CALLER))
        closed = make_complaint(session, told("Again", phone=CALLER))
        acknowledge(session, closed, manager)
        complaint_cases.answered(session, closed.id, actor_id=manager.id, now=NOW)
        other = make_complaint(session, told(phone=mobile(77)))
        case_id = data_requests.open_case(
            session, phone_of(CALLER), about=About.ERASURE, words="They rang",
            actor_id=manager.id, now=NOW, tz=LONDON,
        )  # fmt: skip
        erasures.ask(
            session, case_id, stop_texts=False, stop_calls=False, actor_id=manager.id, now=NOW
        )
        erasures.confirm(session, case_id, USUAL, actor_id=colleague.id, now=NOW)
        session.flush()
        assert everything(theirs) == everything(closed) == (None,) * 6
        assert (theirs.ending, closed.ending) == (CaseEnding.ERASED, CaseEnding.ANSWERED)
        assert other.words is not None

    def test_what_we_hold_of_a_number_has_its_complaints(
        self, session: Session, manager: Staff
    ) -> None:
        make_complaint(session, told(phone=CALLER))
        case_id = data_requests.open_case(
            session, phone_of(CALLER), about=About.ACCESS, words="They rang",
            actor_id=manager.id, now=NOW, tz=LONDON,
        )  # fmt: skip
        holding = subject_access.export(session, case_id, USUAL, actor_id=manager.id, now=NOW)
        [complained] = holding.complaints
        assert complained.words == told().words
        assert not holding.is_empty
