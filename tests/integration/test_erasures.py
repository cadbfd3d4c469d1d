"""Erasing on somebody's wish: two people, everything of theirs, and what they wish for after."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.flood import FormLimits
from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.domain.retention import USUAL, Kept
from callback_service.errors import BadInput, NotFound, Refused, TooMany
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import CallbackRequest
from callback_service.models.inbound import InboundText
from callback_service.models.number import Suppression
from callback_service.models.outbox import OutboxMessage, OutboxState
from callback_service.models.privacy import (
    About,
    CaseEnding,
    DataRequest,
    ErasureRun,
    GatewayRecord,
)
from callback_service.models.staff import Staff
from callback_service.services import (
    corrections,
    data_requests,
    desk,
    erasures,
    escalation,
    form_posts,
    inbound_texts,
    legal_holds,
    requests,
    retention,
    subject_access,
    suppression,
)
from callback_service.services.asks import Ask
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import (
    CALLER,
    accept,
    an_ask,
    make_manager,
    make_request,
    make_shift,
    member,
    mobile,
    offer,
    phone_of,
)

REVIEW = (NOW + timedelta(days=60)).date()


@pytest.fixture
def asker(session: Session) -> Staff:
    """The manager who asks for an erasure."""
    return make_manager(session)


@pytest.fixture
def confirmer(session: Session) -> Staff:
    """Another one."""
    return make_manager(session, phone=None)


def a_case(
    session: Session, staff: Staff, phone: str = CALLER, *, about: About = About.ERASURE
) -> int:
    case_id = data_requests.open_case(
        session,
        phone_of(phone),
        about=about,
        words="Rang us",
        actor_id=staff.id,
        now=NOW,
        tz=LONDON,
    )
    session.commit()
    return case_id


def ask(
    session: Session, case_id: int, staff: Staff, *, texts: bool = False, calls: bool = False
) -> None:
    erasures.ask(session, case_id, stop_texts=texts, stop_calls=calls, actor_id=staff.id, now=NOW)
    session.commit()


def confirm(session: Session, case_id: int, staff: Staff) -> None:
    erasures.confirm(session, case_id, USUAL, actor_id=staff.id, now=NOW)
    session.commit()


def request_of(session: Session, *, may_text: bool = True) -> CallbackRequest:
    make_shift(session)
    request = make_request(session, name="Robin", note="Hang up", may_text=may_text)
    session.commit()
    return request


class TestCases:
    def test_the_due_date_is_a_month_on(self) -> None:
        days = [date(2026, 1, 31), date(2026, 12, 15), date(2026, 3, 5)]
        assert [data_requests.month_after(day) for day in days] == [
            date(2026, 2, 28), date(2027, 1, 15), date(2026, 4, 5),
        ]  # fmt: skip

    def test_a_number_we_do_not_know_gets_a_case_like_any_other(
        self, session: Session, asker: Staff
    ) -> None:
        request_of(session)
        known, unknown = a_case(session, asker), a_case(session, asker, mobile(500))
        assert unknown != known
        held = subject_access.look(session, unknown, USUAL, actor_id=asker.id, now=NOW).holding
        assert held.is_empty

    def test_the_same_number_has_one_open_case(
        self, session: Session, asker: Staff, confirmer: Staff
    ) -> None:
        assert a_case(session, asker) == a_case(session, confirmer)

    def test_each_look_is_written_down_at_the_case_and_at_the_request(
        self, session: Session, asker: Staff
    ) -> None:
        request = request_of(session)
        case_id = a_case(session, asker)
        subject_access.look(session, case_id, USUAL, actor_id=asker.id, now=NOW)
        session.commit()
        rows = session.execute(
            select(AuditEntry.subject, AuditEntry.subject_id).where(
                AuditEntry.action == "data_request.read", AuditEntry.actor_id == asker.id
            )
        ).all()
        assert set(rows) == {("data_request", case_id), ("callback_request", request.id)}

    def test_nobody_looks_up_more_than_so_many_numbers_a_day(
        self, session: Session, asker: Staff, confirmer: Staff
    ) -> None:
        for number in range(data_requests.LOOKS_A_DAY):
            a_case(session, asker, mobile(number))
        with pytest.raises(TooMany):
            a_case(session, asker, mobile(700))
        assert a_case(session, confirmer, mobile(700))

    def test_why_somebody_looks_must_be_said(self, session: Session, asker: Staff) -> None:
        with pytest.raises(BadInput) as bad:
            data_requests.open_case(
                session, phone_of(CALLER), about=About.ACCESS, words=" ", actor_id=asker.id,
                now=NOW, tz=LONDON,
            )  # fmt: skip
        assert list(bad.value.fields) == ["words"]

    def test_the_list_shows_no_number(self, session: Session, asker: Staff) -> None:
        case_id = a_case(session, asker)
        [row] = data_requests.open_cases(session, now=NOW + timedelta(days=40), tz=LONDON)
        assert (row.case_id, row.is_overdue, row.opened_by) == (case_id, True, asker.name)
        assert "7700" not in repr(row)

    def test_the_number_and_the_words_go_after_it_was_answered(
        self, session: Session, asker: Staff
    ) -> None:
        case_id = a_case(session, asker, about=About.ACCESS)
        data_requests.answered(session, case_id, actor_id=asker.id, now=NOW)
        session.commit()
        counts = retention.erase_old(session, now=NOW + USUAL.lasts(Kept.DATA_REQUESTS))
        session.expire_all()
        case = session.get_one(DataRequest, case_id)
        assert counts[Kept.DATA_REQUESTS] == 1
        assert (case.phone, case.phone_index, case.words) == (None, None, None)
        assert case.ending is CaseEnding.ANSWERED


class TestWhatWeHold:
    def test_everything_of_the_person_is_in_the_export_and_no_colleague(
        self, session: Session, asker: Staff
    ) -> None:
        request = request_of(session)
        arrived = inbound_texts.Arrived("SMin", request.phone or "", "", "please hurry")
        inbound_texts.take_text(
            session, arrived, our_numbers=frozenset(), allow_drama=True, now=NOW
        )
        request.closing_note = "Spoke about the children"
        case_id = a_case(session, asker, about=About.ACCESS)
        holding = subject_access.export(session, case_id, USUAL, actor_id=asker.id, now=NOW)
        exported = str(subject_access.as_json(holding))
        for told in ("+447700900123", "Robin", "Hang up", "please hurry", "Spoke about",
                     request.reference, "We will ring you", "consent_version"):  # fmt: skip
            assert told in exported
        assert "Alex Marsh" not in exported
        assert asker.name not in exported

    def test_a_hold_is_not_in_the_export(self, session: Session, asker: Staff) -> None:
        request = request_of(session)
        legal_holds.place(
            session, request.id, reason="The police asked", review_on=REVIEW,
            actor_id=asker.id, now=NOW, tz=LONDON,
        )  # fmt: skip
        case_id = a_case(session, asker, about=About.ACCESS)
        holding = subject_access.export(session, case_id, USUAL, actor_id=asker.id, now=NOW)
        assert "police" not in str(subject_access.as_json(holding))

    def test_a_case_that_has_ended_shows_nothing(self, session: Session, asker: Staff) -> None:
        case_id = a_case(session, asker, about=About.ACCESS)
        data_requests.answered(session, case_id, actor_id=asker.id, now=NOW)
        with pytest.raises(NotFound):
            subject_access.look(session, case_id, USUAL, actor_id=asker.id, now=NOW)


class TestTwoPeople:
    def test_all_under_the_number_goes(
        self, session: Session, asker: Staff, confirmer: Staff
    ) -> None:
        earlier = request_of(session)
        requests.close(session, earlier, Disposition.HELPED, now=NOW)
        session.flush()
        open_one = make_request(session, name="Robin again")
        case_id = a_case(session, asker)
        ask(session, case_id, asker)
        confirm(session, case_id, confirmer)
        for request in (earlier, open_one):
            session.refresh(request)
            assert (request.phone, request.name, request.phone_index) == (None, None, None)
            assert request.state is RequestState.CLOSED
        case = session.get_one(DataRequest, case_id)
        assert (case.phone, case.words, case.ending) == (None, None, CaseEnding.ERASED)
        assert session.scalar(select(func.count()).select_from(ErasureRun)) == 1

    def test_nobody_confirms_their_own_wish(
        self, session: Session, asker: Staff, confirmer: Staff
    ) -> None:
        request = request_of(session)
        case_id = a_case(session, asker)
        ask(session, case_id, asker)
        with pytest.raises(Refused, match="another person"):
            confirm(session, case_id, asker)
        session.rollback()
        assert request.phone is not None

    def test_the_database_itself_wants_two_people(self, session: Session, asker: Staff) -> None:
        case_id = a_case(session, asker)
        ask(session, case_id, asker)
        alone = update(DataRequest).where(DataRequest.id == case_id)
        with pytest.raises(IntegrityError):
            session.execute(
                alone.values(ending=CaseEnding.ERASED, ended_at=NOW, ended_by_id=asker.id)
            )

    def test_what_was_not_asked_for_cannot_be_confirmed(
        self, session: Session, asker: Staff, confirmer: Staff
    ) -> None:
        case_id = a_case(session, asker)
        with pytest.raises(Refused, match="No erasure"):
            confirm(session, case_id, confirmer)

    def test_it_can_be_taken_back(self, session: Session, asker: Staff, confirmer: Staff) -> None:
        case_id = a_case(session, asker)
        ask(session, case_id, asker)
        erasures.take_back(session, case_id, actor_id=confirmer.id, now=NOW)
        session.commit()
        with pytest.raises(Refused, match="No erasure"):
            confirm(session, case_id, confirmer)

    @pytest.mark.parametrize("when", ["before it is asked for", "before it is confirmed"])
    def test_a_hold_refuses_it_with_words(
        self, session: Session, asker: Staff, confirmer: Staff, when: str
    ) -> None:
        request = request_of(session)
        case_id = a_case(session, asker)
        if when == "before it is confirmed":
            ask(session, case_id, asker)
        legal_holds.place(
            session, request.id, reason="A court", review_on=REVIEW, actor_id=asker.id,
            now=NOW, tz=LONDON,
        )  # fmt: skip
        session.commit()
        act = confirm if when == "before it is confirmed" else ask
        with pytest.raises(Refused, match="on hold"):
            act(session, case_id, confirmer)
        session.rollback()
        assert request.phone is not None

    def test_who_is_being_rung_is_waited_for(
        self, session: Session, asker: Staff, confirmer: Staff
    ) -> None:
        request = request_of(session)
        counsellor = make_shift(session, name="Bo")
        accept(session, request, counsellor)
        requests.start_calling(session, request, hold_until=NOW + timedelta(hours=2), now=NOW)
        case_id = a_case(session, asker)
        ask(session, case_id, asker)
        with pytest.raises(Refused, match="just now"):
            confirm(session, case_id, confirmer)

    def test_texts_of_a_number_that_never_asked_go_too(
        self, session: Session, asker: Staff, confirmer: Staff
    ) -> None:
        sid = "SM" + "c" * 32
        arrived = inbound_texts.Arrived(sid, "+447700900123", "", "who is this")
        inbound_texts.take_text(
            session, arrived, our_numbers=frozenset(), allow_drama=True, now=NOW
        )
        case_id = a_case(session, asker)
        ask(session, case_id, asker)
        confirm(session, case_id, confirmer)
        assert session.scalars(select(InboundText.phone_index)).all() == [None]
        assert session.scalars(select(GatewayRecord.sid)).all() == [sid]
        answer = session.scalars(select(OutboxMessage)).one()
        assert (answer.to, answer.body) == (None, "")

    def test_another_number_is_left_alone(
        self, session: Session, asker: Staff, confirmer: Staff
    ) -> None:
        request_of(session)
        other = make_request(session, mobile(7), name="Kim")
        case_id = a_case(session, asker)
        ask(session, case_id, asker)
        confirm(session, case_id, confirmer)
        session.refresh(other)
        assert other.name == "Kim"


class TestWishesAfterwards:
    def erased(self, session: Session, asker: Staff, confirmer: Staff, **wishes: bool) -> None:
        case_id = a_case(session, asker)
        ask(session, case_id, asker, **wishes)
        confirm(session, case_id, confirmer)

    def test_no_texts_outlives_the_erasure_as_a_digest_only(
        self, session: Session, asker: Staff, confirmer: Staff
    ) -> None:
        request_of(session)
        self.erased(session, asker, confirmer, texts=True)
        assert suppression.is_suppressed(session, "+447700900123")
        row = session.scalars(select(Suppression)).one()
        assert (len(row.phone_index), row.no_calls) == (16, False)
        again = make_request(session, may_text=True, now=NOW + timedelta(days=2))
        went = session.scalars(
            select(OutboxMessage).where(OutboxMessage.request_id == again.id)
        ).all()
        assert went == []

    def test_never_again_leaves_a_new_request_to_the_duty_lead(
        self, session: Session, asker: Staff, confirmer: Staff
    ) -> None:
        self.erased(session, asker, confirmer, calls=True)
        counsellor = make_shift(session)
        request = make_request(session)
        session.commit()
        offer(session)
        assert [row.planned_for for row in desk.queue(session, now=NOW, tz=LONDON)] == [None]
        assert escalation.escalate(session, now=NOW, tz=LONDON) == 1
        with pytest.raises(Refused, match="never to ring"):
            accept(session, request, counsellor)

    def test_a_manager_may_still_ring_and_is_warned(
        self, session: Session, asker: Staff, confirmer: Staff
    ) -> None:
        self.erased(session, asker, confirmer, calls=True)
        make_shift(session)
        request = make_request(session)
        accept(session, request, asker)
        sheet = desk.call_sheet(session, request.id, staff=member(asker), now=NOW)
        assert sheet.asked_for_silence

    def test_who_stopped_texts_only_is_rung_as_anybody(
        self, session: Session, asker: Staff, confirmer: Staff
    ) -> None:
        self.erased(session, asker, confirmer, texts=True)
        counsellor = make_shift(session)
        accept(session, make_request(session), counsellor)


class TestPuttingRight:
    def correct(
        self, session: Session, case_id: int, request: CallbackRequest, staff: Staff,
        *, phone: str | None = None, name: str | None = None,
    ) -> None:  # fmt: skip
        corrections.correct(
            session,
            case_id,
            request.id,
            phone=phone_of(phone) if phone else None,
            name=name,
            actor_id=staff.id,
            now=NOW,
        )
        session.commit()

    def test_a_name_is_put_right(self, session: Session, asker: Staff) -> None:
        request = request_of(session)
        case_id = a_case(session, asker, about=About.CORRECTION)
        self.correct(session, case_id, request, asker, name="Robyn")
        assert (request.name, request.phone) == ("Robyn", "+447700900123")

    def test_a_new_number_finds_it_and_no_text_goes_to_the_old_one(
        self, session: Session, asker: Staff
    ) -> None:
        request = request_of(session)
        case_id = a_case(session, asker, about=About.CORRECTION)
        self.correct(session, case_id, request, asker, phone=mobile(9))
        assert request.phone == "+447700900009"
        other = a_case(session, asker, mobile(9))
        held = subject_access.look(session, other, USUAL, actor_id=asker.id, now=NOW).holding
        assert [one.reference for one in held.requests] == [request.reference]
        assert session.scalars(select(OutboxMessage.state)).all() == [OutboxState.DROPPED]

    def test_two_open_requests_never_share_a_number(self, session: Session, asker: Staff) -> None:
        request = request_of(session)
        make_request(session, mobile(9))
        case_id = a_case(session, asker, about=About.CORRECTION)
        with pytest.raises(Refused, match="open request under that number"):
            self.correct(session, case_id, request, asker, phone=mobile(9))

    def test_a_request_of_somebody_else_is_not_reached_by_a_case(
        self, session: Session, asker: Staff
    ) -> None:
        request_of(session)
        other = make_request(session, mobile(9), name="Kim")
        case_id = a_case(session, asker, about=About.CORRECTION)
        with pytest.raises(NotFound):
            self.correct(session, case_id, other, asker, name="Nobody")


class TestAFormThatWaitsOutsideTheQueue:
    @pytest.fixture
    def waits(self, session: Session) -> Ask:
        """A form of CALLER that is not in the queue."""
        make_shift(session)
        ask = an_ask(CALLER, name="Robin", note="Hang up")
        form_posts.take(
            session, ask, address=None, limits=FormLimits(), is_by_program=True, now=NOW, tz=LONDON
        )
        session.commit()
        return ask

    def test_is_part_of_what_we_hold(self, session: Session, asker: Staff, waits: Ask) -> None:
        case_id = a_case(session, asker, about=About.ACCESS)
        held = subject_access.export(session, case_id, USUAL, actor_id=asker.id, now=NOW)
        [form] = held.waiting
        assert (form.name, form.note, form.ring_from) == ("Robin", "Hang up", None)
        assert not held.is_empty
        assert "Robin" in json.dumps(subject_access.as_json(held))

    def test_is_erased_with_the_rest(
        self, session: Session, asker: Staff, confirmer: Staff, waits: Ask
    ) -> None:
        case_id = a_case(session, asker)
        ask(session, case_id, asker)
        confirm(session, case_id, confirmer)
        assert not form_posts.is_waiting(session, waits.key)
        assert (
            form_posts.let_in_due(
                session, limits=FormLimits(), now=NOW + timedelta(hours=1), tz=LONDON
            )
            == 0
        )
        [deed] = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "form_post.erased")
        ).all()
        assert deed.actor_id == confirmer.id
