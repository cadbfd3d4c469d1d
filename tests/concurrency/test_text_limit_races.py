"""Limits on texts hold between real processes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from callback_service.config import Settings
from callback_service.domain.text_limits import TextLimits
from callback_service.extensions import transaction
from callback_service.models.callback import CallbackRequest
from callback_service.models.outbox import OutboxMessage, OutboxState
from callback_service.services import intake, outbox_claims, texts
from tests.concurrency.racing import race
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import an_ask, make_request, make_shift, mobile, stored

TEN_SEGMENTS = TextLimits(segments_a_day=10)
SEVEN_A_SECOND = TextLimits(a_second=7)


def claim_a_few(limits: TextLimits) -> int:
    """How many texts ten claims of three got."""
    claimed = 0
    for _ in range(10):
        with transaction() as session:
            claimed += len(outbox_claims.claim(session, limits, most=3, now=NOW, tz=LONDON))
    return claimed


def text_once(request_id: int, number: int) -> None:
    with transaction() as session:
        texts.tell_of_missed_call(
            session,
            session.get_one(CallbackRequest, request_id),
            attempt=number,
            again_at=NOW + timedelta(hours=1),
            now=NOW,
            tz=LONDON,
        )


def ask_once(number: int) -> None:
    ask = replace(an_ask(mobile(number), may_text=True), network="81.2.69.0/24")
    with transaction() as session:
        intake.take_request(session, ask, now=NOW, tz=LONDON)


@pytest.mark.fault("a race for the last text")
@pytest.mark.parametrize(("limits", "allowed"), [(TEN_SEGMENTS, 10), (SEVEN_A_SECOND, 7)])
def test_four_senders_claim_no_more_together_than_one_may(
    app: Flask, settings: Settings, limits: TextLimits, allowed: int
) -> None:
    with stored(app) as session:
        make_shift(session)
        for number in range(30):
            make_request(session, mobile(number), may_text=True)
    finishes = race(settings, claim_a_few, [(limits,)] * 4)
    assert sum(finish.value for finish in finishes) == allowed, finishes


@pytest.mark.fault("a race for the last text")
def test_ten_processes_that_text_one_number_are_six_texts(app: Flask, settings: Settings) -> None:
    with stored(app) as session:
        make_shift(session)
        request_id = make_request(session, may_text=False).id
        session.get_one(CallbackRequest, request_id).may_text = True
    finishes = race(settings, text_once, [(request_id, number) for number in range(10)])
    assert {finish.refused_with for finish in finishes} == {None}, finishes
    with stored(app) as session:
        queued = select(OutboxMessage).where(OutboxMessage.state == OutboxState.QUEUED)
        assert len(session.scalars(queued).all()) == TextLimits().a_number


@pytest.mark.fault("a race for the last text")
def test_posts_from_one_network_at_once_bring_about_no_more_texts_than_allowed(
    app: Flask, settings: Settings
) -> None:
    limited = replace(settings, text_limits=TextLimits(a_network=3))
    with stored(app) as session:
        make_shift(session)
    finishes = race(limited, ask_once, [(number,) for number in range(8)])
    assert {finish.refused_with for finish in finishes} == {None}, finishes
    with stored(app) as session:
        assert len(session.scalars(select(CallbackRequest)).all()) == 8
        queued = select(OutboxMessage).where(OutboxMessage.state == OutboxState.QUEUED)
        assert len(session.scalars(queued).all()) == 3
