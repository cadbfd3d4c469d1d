"""Erasing by the link of a form: what is its own goes by itself, the rest is for two people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.domain.retention import USUAL
from callback_service.errors import Refused
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import Attempt, CallbackRequest, Submission
from callback_service.models.outbox import OutboxMessage, OutboxState
from callback_service.models.privacy import About, DataRequest
from callback_service.models.staff import Staff
from callback_service.services import (
    attempts,
    data_requests,
    erasures,
    intake,
    legal_holds,
    own_erasures,
    requests,
    retention,
)
from callback_service.services.data_requests import CaseRow
from callback_service.services.text_limits import TOO_MANY_BY_FORM
from callback_service.ticks import erase as erase_tick
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
    seen,
    stored,
    take,
)

SOON = NOW + timedelta(seconds=30)  # the tick after
REVIEW = (NOW + timedelta(days=60)).date()


def own(session: Session, *, key: str | None = None) -> Submission:
    """What somebody sent with a form whose link they hold; somebody is on shift."""
    make_shift(session)
    submission = take(session, an_ask(key=key or intake.new_key(), name="Robin", may_text=True))
    session.commit()
    return submission


def ask(session: Session, submission: Submission) -> None:
    own_erasures.ask(session, submission, now=NOW, tz=LONDON)
    session.commit()


def tick(session: Session) -> list[bool]:
    """What came of each wish that waited."""
    done = [
        own_erasures.carry_out(session, one, USUAL, now=SOON, tz=LONDON)
        for one in own_erasures.waiting(session)
    ]
    session.commit()
    session.expire_all()
    return done


def erase(session: Session, submission: Submission) -> bool:
    ask(session, submission)
    return tick(session) == [True]


def cases(session: Session) -> list[CaseRow]:
    return data_requests.open_cases(session, now=SOON, tz=LONDON)


def spoken(session: Session, submission: Submission) -> None:
    counsellor = make_shift(session, name="Bo")
    session.add(
        Attempt(
            request_id=submission.request_id, counsellor_id=counsellor.id, number=1,
            started_at=NOW, ended_at=NOW, outcome="answered",
        )
    )  # fmt: skip
    session.commit()


def joined(session: Session, _: Submission) -> None:
    take(session, an_ask(name="Kim"))
    session.commit()


def held(session: Session, submission: Submission) -> None:
    legal_holds.place(
        session, submission.request_id, reason="A court", review_on=REVIEW,
        actor_id=make_manager(session, phone=None).id, now=NOW, tz=LONDON,
    )  # fmt: skip
    session.commit()


class TestWhatIsTheirsAlone:
    def test_the_call_goes_at_once_and_all_that_was_told_with_the_next_run(
        self, session: Session
    ) -> None:
        submission = own(session)
        ask(session, submission)
        request = submission.request
        assert (request.name, request.state) == ("Robin", RequestState.CLOSED)
        assert tick(session) == [True]
        assert (request.phone, request.name) == (None, None)
        text = session.scalars(select(OutboxMessage)).one()
        assert (text.state, text.body, text.to) == (OutboxState.DROPPED, "", None)
        assert cases(session) == []

    def test_the_link_opens_nothing_from_that_moment(self, session: Session) -> None:
        key = intake.new_key()
        ask(session, own(session, key=key))
        assert intake.submission_by_key(session, key) is None

    def test_once_done_nothing_is_left_to_do(self, session: Session) -> None:
        erase(session, own(session))
        assert tick(session) == []

    def test_the_wish_is_in_the_log_of_the_request_before_its_erasure(
        self, session: Session
    ) -> None:
        erase(session, own(session))
        actions = list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))
        assert actions[-2:] == ["request.erasure_asked", "request.erased"]

    def test_an_earlier_request_of_the_same_number_is_not_touched(self, session: Session) -> None:
        """Else whoever types somebody's number could erase what its owner told us."""
        make_shift(session)
        earlier = make_request(session, CALLER, name="Sam")
        requests.close(session, earlier, Disposition.HELPED, now=NOW)
        session.commit()
        assert erase(session, own(session))
        assert earlier.name == "Sam"
        assert cases(session) == []

    def test_erasing_again_and_again_does_not_bring_more_texts_about(
        self, session: Session
    ) -> None:
        make_shift(session)
        for _ in range(3):
            submission = take(session, an_ask(may_text=True))
            session.commit()
            for text in session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)):
                if text.state is OutboxState.QUEUED:
                    text.state = OutboxState.SENT
            session.commit()
            assert erase(session, submission)
        take(session, an_ask(may_text=True))
        reasons = session.scalars(select(OutboxMessage.reason).order_by(OutboxMessage.id)).all()
        assert reasons[-1] == TOO_MANY_BY_FORM

    def test_the_digest_they_are_counted_by_goes_after_a_day(self, session: Session) -> None:
        erase(session, own(session))
        assert session.scalars(select(OutboxMessage.to_index)).one() is not None
        retention.erase_old(session, now=NOW + timedelta(days=1))
        session.expire_all()
        assert session.scalars(select(OutboxMessage.to_index)).one() is None

    def test_a_text_on_its_way_is_waited_for(self, session: Session) -> None:
        submission = own(session)
        text = session.scalars(select(OutboxMessage)).one()
        text.state, text.lease_until = OutboxState.SENDING, SOON
        ask(session, submission)
        assert tick(session) == [False]
        assert submission.request.phone is not None
        text.state, text.lease_until = OutboxState.SENT, None
        assert tick(session) == [True]
        assert submission.request.phone is None

    def test_a_call_that_rings_is_waited_for(self, session: Session) -> None:
        submission = own(session)
        staff = session.scalars(select(Staff)).one()
        accept(session, submission.request, staff)
        attempts.start_attempt(session, submission.request_id, staff=member(staff), now=NOW)
        ask(session, submission)
        assert tick(session) == [False]
        assert submission.request.state is RequestState.CALLING
        assert own_erasures.waiting(session) == [submission.id]

    def test_the_tick_of_the_scheduler_does_it(self, app: Flask) -> None:
        with stored(app) as session:
            ask(session, own(session))
        with app.app_context():
            assert erase_tick(app) == 1
        with seen(app) as session:
            assert session.scalars(select(CallbackRequest.phone_sealed)).one() is None


@pytest.mark.parametrize("keeps", [spoken, joined, held])
class TestWhatIsNot:
    def test_nothing_is_erased_and_it_becomes_a_case_within_a_month(
        self, session: Session, keeps: Callable[[Session, Submission], None]
    ) -> None:
        submission = own(session)
        keeps(session, submission)
        assert not erase(session, submission)
        assert submission.request.name == "Robin"
        [row] = cases(session)
        assert (row.opened_by, row.is_erasure_asked, row.asked_by_id) == (None, True, None)
        assert row.due_on == date(2026, 12, 25)
        assert own_erasures.waiting(session) == []

    def test_the_link_is_none_of_the_two_people_who_erase_it(
        self, session: Session, keeps: Callable[[Session, Submission], None]
    ) -> None:
        """A stranger's link would else be half of what erases somebody's whole record."""
        first, second = make_manager(session), make_manager(session, phone=None)
        submission = own(session)
        keeps(session, submission)
        erase(session, submission)
        case_id = cases(session)[0].case_id
        with pytest.raises(Refused, match="No erasure is asked for"):
            erasures.confirm(session, case_id, USUAL, actor_id=second.id, now=SOON)
        for hold_id in [
            one.hold_id for one in legal_holds.open_holds(session, now=SOON, tz=LONDON)
        ]:
            legal_holds.end(session, hold_id, actor_id=first.id, now=SOON)
        erasures.ask(
            session, case_id, stop_texts=False, stop_calls=False, actor_id=first.id, now=SOON
        )
        erasures.confirm(session, case_id, USUAL, actor_id=second.id, now=SOON)
        assert submission.request.name is None


def test_where_two_asked_the_other_is_still_rung(session: Session) -> None:
    mine = own(session)
    joined(session, mine)
    erase(session, mine)
    assert mine.withdrawn_at is not None
    assert mine.request.state is RequestState.WAITING


def test_a_wish_that_is_not_followed_leaves_an_open_case_to_be_answered(session: Session) -> None:
    manager = make_manager(session)
    submission = own(session)
    spoken(session, submission)
    erase(session, submission)
    case_id = cases(session)[0].case_id
    erasures.take_back(session, case_id, actor_id=manager.id, now=SOON)
    data_requests.answered(session, case_id, actor_id=manager.id, now=SOON)
    assert cases(session) == []
    assert tick(session) == []


def test_a_case_that_a_colleague_has_opened_shows_the_wish_too(session: Session) -> None:
    manager = make_manager(session)
    submission = own(session)
    spoken(session, submission)
    case = DataRequest(
        phone_index=submission.request.phone_index, about=About.ACCESS,
        opened_by_id=manager.id, opened_at=NOW, due_on=REVIEW,
    )  # fmt: skip
    session.add(case)
    session.commit()
    erase(session, submission)
    assert [row.is_erasure_asked for row in cases(session)] == [True]
