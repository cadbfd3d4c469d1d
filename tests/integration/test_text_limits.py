"""How many texts a number and a network may bring about, counted where texts are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import Disposition
from callback_service.domain.text_limits import TextLimits
from callback_service.models.outbox import OutboxMessage, OutboxState
from callback_service.services import requests, retention, text_limits, texts
from callback_service.services.text_limits import TOO_MANY, TOO_MANY_BY_FORM, TOO_MANY_FROM_THERE
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import CALLER, an_ask, make_shift, mobile, take

pytestmark = pytest.mark.traced_on_both

HERE = "81.2.69.0/24"


@pytest.fixture(autouse=True)
def _limits(app: Flask) -> Iterator[None]:
    """Two texts by form and three of all kinds a day; two an hour from one network."""
    text_limits.use_limits(TextLimits(a_number_by_forms=2, a_number=3, a_network=2))
    yield
    text_limits.use_limits(TextLimits())


def ask_and_close(
    session: Session,
    phone: str = CALLER,
    *,
    network: str | None = None,
    now: datetime = NOW,
) -> OutboxMessage:
    """One request with its confirmation, closed so that the number may ask again."""
    submission = take(session, replace(an_ask(phone, may_text=True), network=network), now=now)
    requests.close(session, submission.request, Disposition.HELPED, now=now)
    newest = select(OutboxMessage).order_by(OutboxMessage.id.desc()).limit(1)
    return session.scalars(newest).one()


@pytest.fixture(autouse=True)
def _shift(session: Session) -> None:
    make_shift(session)


class TestANumber:
    def test_gets_two_texts_a_day_by_form_and_a_reason_in_place_of_the_third(
        self, session: Session
    ) -> None:
        messages = [ask_and_close(session) for _ in range(3)]
        assert [one.state for one in messages[:2]] == [OutboxState.QUEUED] * 2
        assert (messages[2].state, messages[2].reason) == (OutboxState.DROPPED, TOO_MANY_BY_FORM)

    def test_may_ask_as_often_as_it_likes(self, session: Session) -> None:
        ids = {ask_and_close(session).request_id for _ in range(4)}
        assert len(ids) == 4

    def test_gets_another_when_a_day_has_gone_by(self, session: Session) -> None:
        for _ in range(2):
            ask_and_close(session)
        later = ask_and_close(session, now=NOW + timedelta(hours=24))
        assert later.state is OutboxState.QUEUED

    def test_gets_no_more_than_three_of_all_kinds(self, session: Session) -> None:
        submission = take(session, an_ask(may_text=True))
        for number in range(3):
            texts.tell_of_missed_call(
                session,
                submission.request,
                attempt=number,
                again_at=NOW + timedelta(hours=1),
                now=NOW,
                tz=LONDON,
            )
        reasons = session.scalars(select(OutboxMessage.reason).order_by(OutboxMessage.id)).all()
        assert reasons == [None, None, None, TOO_MANY]

    def test_is_not_counted_with_another_number(self, session: Session) -> None:
        messages = [ask_and_close(session, mobile(number)) for number in range(4)]
        assert {one.state for one in messages} == {OutboxState.QUEUED}


class TestANetwork:
    def test_brings_about_two_texts_an_hour_and_a_reason_in_place_of_the_third(
        self, session: Session
    ) -> None:
        messages = [ask_and_close(session, mobile(n), network=HERE) for n in range(3)]
        assert [one.reason for one in messages] == [None, None, TOO_MANY_FROM_THERE]

    def test_is_not_counted_with_another_or_with_none(self, session: Session) -> None:
        networks = [HERE, HERE, "81.2.70.0/24", None, None, None]
        messages = [
            ask_and_close(session, mobile(n), network=one) for n, one in enumerate(networks)
        ]
        assert {one.reason for one in messages} == {None}

    def test_brings_about_more_in_the_next_hour(self, session: Session) -> None:
        for n in range(2):
            ask_and_close(session, mobile(n), network=HERE)
        later = ask_and_close(session, mobile(9), network=HERE, now=NOW + timedelta(hours=1))
        assert later.reason is None

    def test_is_kept_as_nothing_that_can_be_read_and_for_a_day(self, session: Session) -> None:
        message = ask_and_close(session, network=HERE)
        session.commit()
        assert HERE.encode() not in (message.network_index or b"")
        assert not retention.erasure_is_due(session, now=NOW + timedelta(hours=23))
        assert retention.erasure_is_due(session, now=NOW + timedelta(hours=24))
        retention.erase_old(session, now=NOW + timedelta(hours=24))
        session.commit()
        session.refresh(message)
        assert message.network_index is None


def test_erasing_a_request_erases_what_its_texts_were_counted_by(session: Session) -> None:
    message = ask_and_close(session)
    session.commit()
    retention.erase_old(session, now=NOW + timedelta(days=31))
    session.commit()
    session.refresh(message)
    assert (message.to_sealed, message.to_index) == (None, None)
