"""Delivery receipts: repeated, late, out of order and about things we do not know."""

from __future__ import annotations

from itertools import permutations

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.models.outbox import DeliveryReceipt, OutboxMessage, OutboxState
from callback_service.services import receipts
from tests.support.builders import NOW
from tests.support.request_builders import make_request, make_shift, mobile, row_counts

SID = "SM" + "1" * 32


@pytest.fixture
def message(session: Session) -> OutboxMessage:
    """A text that the gateway took."""
    make_shift(session)
    make_request(session, may_text=True)
    message = session.scalars(select(OutboxMessage)).one()
    message.state, message.provider_sid = OutboxState.SENT, SID
    message.delivery_status, message.sent_at = "queued", NOW
    session.commit()
    return message


def take(
    session: Session,
    message: OutboxMessage,
    status: str,
    *,
    sid: str = SID,
    error_code: int | None = None,
) -> bool:
    taken = receipts.take_receipt(
        session, message.uid, sid=sid, status=status, error_code=error_code, now=NOW
    )
    session.commit()
    return taken


def test_a_receipt_moves_the_text_on(session: Session, message: OutboxMessage) -> None:
    for status in ("sending", "sent", "delivered"):
        assert take(session, message, status)
        assert message.delivery_status == status
    assert message.state is OutboxState.SENT


def test_the_same_receipt_twice_has_one_effect(session: Session, message: OutboxMessage) -> None:
    assert take(session, message, "delivered")
    before = row_counts(session)
    assert not take(session, message, "delivered")
    assert row_counts(session) == before


@pytest.mark.parametrize("order", list(permutations(["sending", "sent", "delivered"])))
def test_in_whatever_order_they_come_the_end_is_the_same(
    session: Session, message: OutboxMessage, order: tuple[str, ...]
) -> None:
    for status in order:
        take(session, message, status)
    assert (message.delivery_status, message.state) == ("delivered", OutboxState.SENT)
    assert session.scalar(select(func.count()).select_from(DeliveryReceipt)) == 3


@pytest.mark.parametrize("order", list(permutations(["sent", "undelivered", "sending"])))
def test_a_text_that_did_not_arrive_is_told_of_in_whatever_order(
    session: Session, message: OutboxMessage, order: tuple[str, ...]
) -> None:
    for status in order:
        take(session, message, status, error_code=30003 if status == "undelivered" else None)
    assert (message.state, message.delivery_status) == (OutboxState.FAILED, "undelivered")
    assert message.reason == "The phone is off or out of reach. Ring anyway."
    assert message.error_code == 30003


def test_a_second_end_does_not_undo_the_first(session: Session, message: OutboxMessage) -> None:
    take(session, message, "delivered")
    take(session, message, "failed", error_code=30008)
    assert (message.state, message.delivery_status) == (OutboxState.SENT, "delivered")


def test_a_receipt_for_a_text_we_do_not_know_changes_nothing(
    session: Session, message: OutboxMessage
) -> None:
    before = row_counts(session)
    assert not receipts.take_receipt(
        session, "0" * 32, sid=SID, status="delivered", error_code=None, now=NOW
    )
    assert row_counts(session) == before
    assert message.delivery_status == "queued"


def test_a_receipt_that_names_another_text_of_the_gateway_changes_nothing(
    session: Session, message: OutboxMessage
) -> None:
    before = row_counts(session)
    assert not take(session, message, "failed", sid="SM" + "2" * 32)
    assert row_counts(session) == before
    assert message.state is OutboxState.SENT


def test_a_word_we_do_not_know_is_kept_and_changes_nothing(
    session: Session, message: OutboxMessage
) -> None:
    take(session, message, "partially_eaten")
    assert message.delivery_status == "queued"
    assert message.state is OutboxState.SENT


@pytest.mark.parametrize(("sid", "status"), [("", "delivered"), (SID, "")])
def test_a_receipt_that_says_nothing_settles_nothing(
    session: Session, message: OutboxMessage, sid: str, status: str
) -> None:
    message.state, message.provider_sid = OutboxState.SENDING, None
    message.lease_until = NOW
    session.commit()
    before = row_counts(session)
    assert not take(session, message, status, sid=sid)
    assert row_counts(session) == before
    assert (message.state, message.provider_sid) == (OutboxState.SENDING, None)


def test_a_text_given_up_as_unclear_is_mended_by_its_receipt(
    session: Session, message: OutboxMessage
) -> None:
    message.state, message.provider_sid = OutboxState.FAILED, None
    message.reason = "It is not known whether the text arrived. Ring anyway."
    session.commit()
    take(session, message, "delivered")
    session.refresh(message)
    assert message.state is OutboxState.SENT
    assert message.reason is None


def test_a_receipt_corrects_a_look_up_that_took_one_text_for_another(
    session: Session, message: OutboxMessage
) -> None:
    """Two texts of the same words to one number cannot be told apart at the gateway."""
    make_request(session, mobile(7), may_text=True)
    other = session.scalars(select(OutboxMessage).where(OutboxMessage.id != message.id)).one()
    other.state, other.lease_until, other.first_tried_at = OutboxState.SENDING, NOW, NOW
    session.commit()
    assert take(session, other, "delivered")
    assert (other.provider_sid, other.state) == (SID, OutboxState.SENT)
    assert (message.provider_sid, message.state) == (None, OutboxState.SENDING)
    assert message.lease_until == NOW, "it is looked up at once"
