"""Asking again with what was told for a request that came to nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.domain.contact import SafeContact, Window
from callback_service.domain.lifecycle import NOT_REACHED, Disposition, RequestState
from callback_service.domain.retention import USUAL, Kept
from callback_service.errors import NotFound
from callback_service.models.callback import CallbackRequest, Submission
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.services import intake, requests, retention
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import (
    LATE_TONIGHT,
    TONIGHT,
    an_ask,
    make_shift,
    take,
)


def closed(
    session: Session, disposition: Disposition = Disposition.UNREACHABLE, **told: object
) -> Submission:
    make_shift(session)
    submission = take(session, an_ask(**told))  # type: ignore[arg-type]
    requests.close(session, submission.request, disposition, now=NOW)
    session.flush()
    return submission


def again(
    session: Session,
    submission: Submission,
    *,
    window: Window | None = None,
    key: str | None = None,
) -> Submission:
    key = intake.ask_again(
        session,
        submission,
        key=key or intake.new_key(),
        window=window,
        consent_version="test",
        now=NOW + timedelta(minutes=1),
        tz=LONDON,
    )
    session.flush()
    found = intake.submission_by_key(session, key)
    assert found is not None
    return found


@pytest.mark.parametrize("disposition", sorted(NOT_REACHED))
def test_makes_a_new_request_with_what_was_told(session: Session, disposition: Disposition) -> None:
    first = closed(session, disposition, name="Sam", note="Hang up if he answers", may_text=True)
    second = again(session, first, window=TONIGHT)
    request = second.request
    assert request.id != first.request_id
    assert request.state is RequestState.WAITING
    told = (request.phone, request.name, request.note, request.safe_contact)
    assert told == ("+447700900123", "Sam", "Hang up if he answers", SafeContact(may_text=True))
    assert (request.ring_from, request.due_at) == (TONIGHT.start, TONIGHT.end)
    assert (request.tries, request.first_attempt_at) == (0, None)


@pytest.mark.parametrize("disposition", sorted(set(Disposition) - NOT_REACHED))
def test_is_refused_for_a_request_that_ended_otherwise(
    session: Session, disposition: Disposition
) -> None:
    with pytest.raises(NotFound):
        again(session, closed(session, disposition))


def test_is_refused_while_the_request_is_open(session: Session) -> None:
    make_shift(session)
    with pytest.raises(NotFound):
        again(session, take(session, an_ask()))


def test_is_refused_once_what_was_told_is_erased(session: Session) -> None:
    submission = closed(session)
    retention.erase_old(session, now=NOW + USUAL.lasts(Kept.CALLERS))
    session.flush()
    assert not intake.may_ask_again(submission)
    with pytest.raises(NotFound):
        again(session, submission)


def test_is_refused_to_who_withdrew(session: Session) -> None:
    make_shift(session)
    first, second = take(session, an_ask()), take(session, an_ask(window=TONIGHT))
    requests.withdraw(session, first, now=NOW, tz=LONDON)
    requests.close(session, second.request, Disposition.EXPIRED, now=NOW)
    session.flush()
    assert (intake.may_ask_again(first), intake.may_ask_again(second)) == (False, True)


def test_sent_twice_with_one_key_is_one_request(session: Session) -> None:
    first, key = closed(session), intake.new_key()
    one, other = again(session, first, key=key), again(session, first, key=key)
    assert one.id == other.id
    assert session.scalar(select(func.count()).select_from(CallbackRequest)) == 2


def test_pressed_again_later_joins_the_request_that_is_open(session: Session) -> None:
    first = closed(session)
    one = again(session, first, window=TONIGHT)
    other = again(session, first, window=LATE_TONIGHT)
    assert one.request_id == other.request_id


class TestTwoPeopleBehindOneNumber:
    def test_messages_stay_as_the_stricter_of_them_said_and_neither_is_told(
        self, session: Session
    ) -> None:
        make_shift(session)
        allows = take(session, an_ask(may_text=True))
        take(session, an_ask(may_text=False))
        requests.close(session, allows.request, Disposition.UNREACHABLE, now=NOW)
        session.flush()
        second = again(session, allows)
        assert second.request.may_text is False
        assert second.may_text is True  # what their own page says, as it did before
        texts = session.scalars(
            select(OutboxMessage.kind).where(OutboxMessage.request_id == second.request_id)
        )
        assert TextKind.CONFIRMATION not in texts.all()

    def test_a_name_that_may_be_the_others_is_not_used(self, session: Session) -> None:
        make_shift(session)
        take(session, an_ask(name="Sam"))
        other = take(session, an_ask())
        requests.close(session, other.request, Disposition.UNREACHABLE, now=NOW)
        session.flush()
        assert again(session, other).request.name is None
