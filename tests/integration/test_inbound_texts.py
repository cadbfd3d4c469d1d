"""Texts that come in: a stop is heeded, words reach the desk, and nothing is given away."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.inbound import InboundKind
from callback_service.domain.lifecycle import Disposition
from callback_service.domain.retention import USUAL, Kept
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import CallbackRequest
from callback_service.models.inbound import InboundText
from callback_service.models.number import SaidBy, Suppression
from callback_service.models.outbox import OutboxMessage, OutboxState, TextKind
from callback_service.services import desk, inbound_texts, requests, retention, suppression
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.inbound import OURS, SENDER, new_sid, text_us
from tests.support.outbox import why_not_texted
from tests.support.request_builders import (
    accept,
    make_manager,
    make_request,
    make_shift,
    member,
    row_counts,
)

STRANGER = "+447700900777"
WORDS = "canary: ring after nine please"


@pytest.fixture
def request_(session: Session) -> CallbackRequest:
    """A request whose caller was sent a confirmation."""
    make_shift(session)
    request = make_request(session, may_text=True)
    message = session.scalars(select(OutboxMessage)).one()
    message.state, message.sent_at = OutboxState.SENT, NOW
    session.commit()
    return request


def replies(session: Session) -> list[OutboxMessage]:
    query = select(OutboxMessage).where(OutboxMessage.kind == TextKind.AUTO_REPLY)
    return list(session.scalars(query))


def test_words_are_tied_to_the_request_and_the_text_they_answer(
    session: Session, request_: CallbackRequest
) -> None:
    assert text_us(session, WORDS)
    row = session.scalars(select(InboundText)).one()
    confirmation = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)).first()
    assert confirmation is not None
    assert (row.kind, row.request_id, row.answers_id) == (
        InboundKind.WORDS, request_.id, confirmation.id,
    )  # fmt: skip
    assert row.body == WORDS
    assert WORDS.encode() not in (row.body_sealed or b"")


def test_the_same_text_twice_is_one(session: Session, request_: CallbackRequest) -> None:
    sid = new_sid()
    assert text_us(session, WORDS, sid=sid)
    before = row_counts(session)
    assert not text_us(session, WORDS, sid=sid)
    assert row_counts(session) == before


def test_a_text_without_an_id_is_not_taken(session: Session) -> None:
    before = row_counts(session)
    assert not inbound_texts.take_text(
        session, inbound_texts.Arrived("", SENDER, OURS, "x"),
        our_numbers=frozenset(), allow_drama=True, now=NOW,
    )  # fmt: skip
    assert row_counts(session) == before


def test_the_desk_sees_that_they_texted_and_reads_it_on_the_call_page(
    session: Session, request_: CallbackRequest
) -> None:
    text_us(session, WORDS)
    [row] = desk.queue(session, now=NOW, tz=LONDON)
    assert row.texts.texted_at == NOW
    assert WORDS not in repr(row)
    counsellor = make_shift(session, name="Jo Hill")
    accept(session, request_, counsellor)
    sheet = desk.call_sheet(session, request_.id, staff=member(counsellor), now=NOW)
    assert [one.body for one in sheet.written] == [WORDS]


@pytest.mark.parametrize("words", ["YES", "withdraw", "ring me at 3am", "CANCEL"])
def test_no_text_moves_a_request(session: Session, request_: CallbackRequest, words: str) -> None:
    before = (request_.state, request_.ring_from, request_.due_at, request_.may_text)
    text_us(session, words)
    session.refresh(request_)
    assert (request_.state, request_.ring_from, request_.due_at, request_.may_text) == before


class TestAStranger:
    def test_is_counted_and_no_word_of_theirs_is_kept(self, session: Session) -> None:
        text_us(session, WORDS, sender=STRANGER)
        row = session.scalars(select(InboundText)).one()
        assert (row.request_id, row.body_sealed) == (None, None)
        assert inbound_texts.count_since(session, NOW) == {InboundKind.WORDS: 1}

    def test_is_forgotten_after_two_days_with_the_answer_to_them(self, session: Session) -> None:
        text_us(session, WORDS, sender=STRANGER)
        later = NOW + USUAL.lasts(Kept.STRANGERS)
        assert not retention.erasure_is_due(session, now=later - timedelta(seconds=1))
        assert retention.erasure_is_due(session, now=later)
        retention.erase_old(session, now=later)
        session.commit()
        assert session.scalars(select(InboundText.phone_index)).all() == [None]
        assert session.scalars(select(OutboxMessage.to_sealed)).all() == [None]
        assert not retention.erasure_is_due(session, now=later)

    @pytest.mark.parametrize("sender", ["60777", "Shop", "", "+15551234567", OURS])
    def test_with_a_short_code_a_name_or_our_own_number_is_never_answered(
        self, session: Session, sender: str
    ) -> None:
        assert text_us(session, "hello", sender=sender)
        assert replies(session) == []


class TestAStop:
    def test_is_heeded_and_the_desk_is_told(
        self, session: Session, request_: CallbackRequest
    ) -> None:
        text_us(session, "Stop")
        assert suppression.is_suppressed(session, SENDER)
        [row] = desk.queue(session, now=NOW, tz=LONDON)
        assert row.texts.is_stopped
        assert replies(session) == []

    def test_keeps_what_waits_from_going(self, session: Session, request_: CallbackRequest) -> None:
        message = session.scalars(select(OutboxMessage)).one()
        text_us(session, "STOP")
        assert why_not_texted(session, message, now=NOW) == "This number takes no texts."

    def test_outlives_the_request(self, session: Session, request_: CallbackRequest) -> None:
        text_us(session, "STOP")
        requests.close(session, request_, Disposition.HELPED, now=NOW)
        session.commit()
        retention.erase_old(session, now=NOW + USUAL.lasts(Kept.CALLERS))
        session.commit()
        assert request_.phone_index is None
        make_request(session, may_text=True, now=NOW + timedelta(days=31))
        assert suppression.is_suppressed(session, SENDER)

    def test_is_undone_by_a_start(self, session: Session, request_: CallbackRequest) -> None:
        text_us(session, "STOP")
        text_us(session, "START")
        assert not suppression.is_suppressed(session, SENDER)
        deeds = session.scalars(
            select(AuditEntry.action)
            .where(AuditEntry.subject == "suppression")
            .order_by(AuditEntry.id)
        ).all()
        assert deeds == ["texts.stopped", "texts.allowed"]

    def test_that_a_manager_was_told_of_is_not_undone_by_a_text(self, session: Session) -> None:
        manager = make_manager(session)
        suppression.suppress(session, SENDER, said_by=SaidBy.MANAGER, actor_id=manager.id, now=NOW)
        text_us(session, "START")
        assert suppression.is_suppressed(session, SENDER)
        assert suppression.lift(session, SENDER, actor_id=manager.id, now=NOW)
        assert not suppression.is_suppressed(session, SENDER)

    def test_said_twice_is_one_row(self, session: Session) -> None:
        text_us(session, "STOP")
        text_us(session, "STOPALL")
        assert len(session.scalars(select(Suppression)).all()) == 1


class TestTheAnswer:
    def test_is_one_a_day_to_each_number(self, session: Session, request_: CallbackRequest) -> None:
        for minute in range(5):
            text_us(session, WORDS, now=NOW + timedelta(minutes=minute))
        assert len(replies(session)) == 1
        text_us(session, WORDS, now=NOW + timedelta(days=1))
        assert len(replies(session)) == 2
        text_us(session, WORDS, sender=STRANGER)
        assert len(replies(session)) == 3

    def test_holds_nothing_of_the_request_and_goes_by_the_outbox(
        self, session: Session, request_: CallbackRequest
    ) -> None:
        text_us(session, WORDS)
        [reply] = replies(session)
        assert (reply.state, reply.to) == (OutboxState.QUEUED, SENDER)
        assert request_.reference not in reply.body
        assert why_not_texted(session, reply, now=NOW) is None

    def test_does_not_go_to_who_allowed_no_texts(self, session: Session) -> None:
        make_shift(session)
        make_request(session, may_text=False)
        text_us(session, WORDS)
        assert replies(session) == []

    @pytest.mark.parametrize("words", ["STOP", "START", "HELP"])
    def test_is_not_given_to_words_of_the_gateway(self, session: Session, words: str) -> None:
        text_us(session, words)
        assert replies(session) == []


def test_a_text_about_a_closed_request_reaches_a_manager(
    session: Session, request_: CallbackRequest
) -> None:
    requests.close(session, request_, Disposition.UNREACHABLE, now=NOW)
    session.commit()
    at: datetime = NOW + timedelta(hours=1)
    text_us(session, WORDS, now=at)
    viewer_id = make_manager(session).id
    [found], for_colleagues = inbound_texts.to_closed_requests(
        session, since=NOW, viewer_id=viewer_id
    )
    assert for_colleagues == 0
    assert (found.reference, found.received_at) == (request_.reference, at)


def test_what_was_texted_is_erased_with_the_request(
    session: Session, request_: CallbackRequest
) -> None:
    text_us(session, WORDS)
    requests.close(session, request_, Disposition.HELPED, now=NOW)
    session.commit()
    retention.erase_old(session, now=NOW + USUAL.lasts(Kept.CALLERS))
    session.commit()
    [row] = session.scalars(select(InboundText)).all()
    assert (row.body_sealed, row.phone_index) == (None, None)
