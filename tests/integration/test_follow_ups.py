"""A further call that was agreed on while speaking."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import Disposition, Outcome, RequestState
from callback_service.errors import BadInput
from callback_service.models.callback import CallbackRequest
from callback_service.models.outbox import OutboxMessage
from callback_service.models.plan import PlanEntry
from callback_service.models.staff import Staff
from callback_service.services import attempts
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import accept, make_request, make_shift, member, plan

TOMORROW = NOW + timedelta(days=1)


def spoken(
    session: Session,
    counsellor: Staff,
    request: CallbackRequest,
    *,
    at: datetime = TOMORROW,
    with_me: bool = True,
) -> None:
    accept(session, request, counsellor)
    attempts.start_attempt(session, request.id, staff=member(counsellor), now=NOW)
    record = attempts.Record(
        Outcome.ANSWERED, Disposition.HELPED, follow_up_at=at, follow_up_with_me=with_me
    )
    attempts.record_outcome(
        session, request.id, record, staff=member(counsellor), now=NOW, tz=LONDON
    )
    session.flush()


def the_follow_up(session: Session) -> CallbackRequest:
    return session.scalars(
        select(CallbackRequest).where(CallbackRequest.state == RequestState.WAITING)
    ).one()


def test_it_is_a_request_of_its_own_with_what_is_known(session: Session) -> None:
    counsellor = make_shift(session)
    first = make_request(session, name="Sam", note="Hang up if he answers", may_text=True)
    spoken(session, counsellor, first)
    second = the_follow_up(session)
    assert first.state is RequestState.CLOSED
    assert second.follows_id == first.id
    assert (second.phone, second.name, second.note) == (first.phone, first.name, first.note)
    assert (second.ring_from, second.due_at) == (TOMORROW, TOMORROW + timedelta(hours=1))
    assert second.may_text
    assert not second.may_leave_voicemail


def test_the_same_counsellor_is_planned_for_it_and_another_where_they_are_not_on_shift(
    session: Session,
) -> None:
    counsellor = make_shift(session, "16:00", "22:00")
    make_shift(session, name="Somebody Else")
    spoken(session, counsellor, make_request(session))
    plan(session)
    second = the_follow_up(session)
    entry = session.get_one(PlanEntry, second.id)
    assert (entry.counsellor_id, entry.starts_at) == (counsellor.id, TOMORROW)


def test_the_caller_is_told_if_they_allowed_texts(session: Session) -> None:
    counsellor = make_shift(session)
    spoken(session, counsellor, make_request(session, may_text=True))
    second = the_follow_up(session)
    texts = session.scalars(
        select(OutboxMessage.body).where(OutboxMessage.request_id == second.id)
    ).all()
    assert len(texts) == 1
    assert "tomorrow between 8pm and 9pm" in texts[0]


@pytest.mark.parametrize("days", [-1, 0, 29])
def test_a_time_that_cannot_be_promised_is_refused_and_the_call_stays_open(
    session: Session, days: int
) -> None:
    counsellor = make_shift(session)
    request = make_request(session)
    session.commit()
    with pytest.raises(BadInput, match="problem") as refusal:
        spoken(session, counsellor, request, at=NOW + timedelta(days=days))
    assert refusal.value.fields == {"follow_up_at": "Choose a time in the next 28 days"}
    session.rollback()
    assert session.scalars(select(CallbackRequest.follows_id)).all() == [None]


def test_without_a_wish_anybody_may_ring(session: Session) -> None:
    counsellor = make_shift(session)
    spoken(session, counsellor, make_request(session), with_me=False)
    assert the_follow_up(session).wish_counsellor_id is None
