"""Receipts, inbound texts and look-ups from real processes at one instant: each counts once."""

from __future__ import annotations

from collections import Counter

from flask import Flask
from sqlalchemy import func, select

from callback_service.config import Settings
from callback_service.domain.texting import TextPolicy
from callback_service.extensions import transaction
from callback_service.models.inbound import InboundText
from callback_service.models.number import LineLookup, Suppression
from callback_service.models.outbox import (
    DeliveryReceipt,
    OutboxMessage,
    OutboxState,
    TextKind,
)
from callback_service.services import inbound_texts, lines, receipts, texts
from callback_service.services.inbound_texts import Arrived
from tests.concurrency.racing import race
from tests.support.builders import NOW
from tests.support.inbound import OURS, SENDER
from tests.support.request_builders import make_request, make_shift, stored

SID = "SM" + "1" * 32


def report_once(uid: str, status: str, code: int | None) -> bool:
    with transaction() as session:
        return receipts.take_receipt(session, uid, sid=SID, status=status, error_code=code, now=NOW)


def text_once(sid: str, body: str) -> bool:
    with transaction() as session:
        return inbound_texts.take_text(
            session, Arrived(sid, SENDER, OURS, body),
            our_numbers=frozenset({OURS}), allow_drama=True, now=NOW,
        )  # fmt: skip


def ask_once() -> bool:
    with transaction() as session:
        return lines.next_question(session, now=NOW) is not None


def a_text(app: Flask) -> str:
    """Our id of a text that is at the gateway, or may be."""
    with stored(app) as session:
        make_shift(session)
        make_request(session, may_text=True)
        message = session.scalars(select(OutboxMessage)).one()
        message.state, message.lease_until, message.first_tried_at = OutboxState.SENDING, NOW, NOW
        return message.uid


def test_a_receipt_that_comes_eight_times_at_once_counts_once(
    app: Flask, settings: Settings
) -> None:
    uid = a_text(app)
    finishes = race(settings, report_once, [(uid, "delivered", None)] * 8)
    assert Counter(finish.value for finish in finishes) == {True: 1, False: 7}, finishes
    with stored(app) as session:
        assert session.scalar(select(func.count()).select_from(DeliveryReceipt)) == 1


def test_all_receipts_of_a_text_at_once_leave_it_at_its_end(app: Flask, settings: Settings) -> None:
    uid = a_text(app)
    states = ("queued", "sending", "sent", "delivered")
    finishes = race(settings, report_once, [(uid, state, None) for state in (*states, *states)])
    assert Counter(finish.value for finish in finishes) == {True: 4, False: 4}, finishes
    with stored(app) as session:
        message = session.scalars(select(OutboxMessage)).one()
        assert (message.state, message.delivery_status) == (OutboxState.SENT, "delivered")
        assert message.provider_sid == SID


def test_one_of_eight_who_hear_that_a_number_opted_out_writes_it_down(
    app: Flask, settings: Settings
) -> None:
    uid = a_text(app)
    reports = [(uid, "failed", 21610)] * 4
    finishes = race(settings, report_once, reports)
    finishes += race(settings, text_once, [(f"SM{n}", "STOP") for n in range(4)])
    assert not [finish for finish in finishes if finish.refused_with], finishes
    with stored(app) as session:
        assert session.scalar(select(func.count()).select_from(Suppression)) == 1


def test_the_same_text_from_eight_processes_is_one_and_is_answered_once(
    app: Flask, settings: Settings
) -> None:
    finishes = race(settings, text_once, [(SID, "hello")] * 8)
    assert Counter(finish.value for finish in finishes) == {True: 1, False: 7}, finishes
    with stored(app) as session:
        assert session.scalar(select(func.count()).select_from(InboundText)) == 1
        assert session.scalars(select(OutboxMessage.kind)).all() == [TextKind.AUTO_REPLY]


def test_eight_texts_of_one_number_at_once_are_kept_and_answered_once(
    app: Flask, settings: Settings
) -> None:
    finishes = race(settings, text_once, [(f"SM{n}", "hello") for n in range(8)])
    assert Counter(finish.value for finish in finishes) == {True: 8}, finishes
    with stored(app) as session:
        assert session.scalar(select(func.count()).select_from(InboundText)) == 8
        assert session.scalars(select(OutboxMessage.kind)).all() == [TextKind.AUTO_REPLY]


def test_of_eight_schedulers_one_asks_about_a_number(app: Flask, settings: Settings) -> None:
    texts.use_policy(TextPolicy(looks_numbers_up=True))
    try:
        with stored(app) as session:
            make_shift(session)
            make_request(session, may_text=True)
    finally:
        texts.use_policy(TextPolicy())
    finishes = race(settings, ask_once, [()] * 8)
    assert not [finish for finish in finishes if finish.refused_with], finishes
    assert Counter(finish.value for finish in finishes) == {True: 1, False: 7}, finishes
    with stored(app) as session:
        assert session.scalar(select(func.count()).select_from(LineLookup)) == 1
