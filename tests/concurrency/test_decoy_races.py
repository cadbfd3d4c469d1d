"""Decoys while others work: none is ever in the queue, and looks at one are told of once."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select

from callback_service.config import Settings
from callback_service.domain.staff import Role, StaffMember
from callback_service.extensions import transaction
from callback_service.models.callback import CallbackRequest, Offer
from callback_service.models.decoy import Decoy, DecoyOpening
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.models.plan import PlanEntry
from callback_service.services import (
    decoy_planting,
    decoys,
    escalation,
    offers,
    planning,
    records,
)
from tests.concurrency.racing import race
from tests.concurrency.steps import run_one
from tests.rota_builders import LONDON
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import make_manager, make_shifts, member, phone_of, stored

pytestmark = pytest.mark.fault("a race around decoys")


def plant(times: int) -> int:
    for _ in range(times):
        with transaction() as session:
            decoy_planting.plant(
                session, name="Sam", note="Ring softly", consent_version="test", now=NOW, tz=LONDON
            )
    return times


def work(times: int) -> None:
    """All that puts a request before somebody, over and over."""
    for _ in range(times):
        with transaction() as session:
            planning.run_plan(session, now=NOW, tz=LONDON)
        with transaction() as session:
            offers.make_offers(session, now=NOW, tz=LONDON)
        with transaction() as session:
            escalation.escalate(session, now=NOW, tz=LONDON)


def look(person: StaffMember, request_id: int) -> None:
    with transaction() as session:
        records.record(session, request_id, staff=person, now=NOW)


def tell() -> int:
    with transaction() as session:
        return decoys.tell(session, now=NOW, tz=LONDON)


def look_and_tell(person: StaffMember, request_id: int, times: int) -> int:
    """Look so often, and tell after each: of this look, or of one that another just wrote."""
    told = 0
    for _ in range(times):
        look(person, request_id)
        told += tell()
    return told


def test_a_decoy_is_never_planned_offered_or_told_of_while_it_is_planted(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        make_manager(session, is_duty_lead=True)
        make_shifts(session, 3)
    runs = [(plant, 4), (plant, 4), (work, 8), (work, 8)]
    finishes = race(settings, run_one, runs)
    assert [finish.sentence for finish in finishes if finish.refused_with] == []
    with stored(app) as session:
        assert session.scalar(select(func.count()).select_from(Decoy)) == 8
        states = session.scalars(select(CallbackRequest.state)).all()
        assert (len(states), set(states)) == (8, {"closed"})
        for table in (PlanEntry, Offer, OutboxMessage):
            assert session.scalar(select(func.count()).select_from(table)) == 0, table


def test_looks_at_a_decoy_at_once_are_each_noted_and_told_of_once(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        watcher = make_staff(session, role=Role.SAFEGUARDING_LEAD, name="Dana Whyte")
        watcher.phone = phone_of("07700 900700").e164
        person = member(make_manager(session))
        decoy_planting.plant(
            session, name=None, note=None, consent_version="test", now=NOW, tz=LONDON
        )
        request_id = session.scalars(select(CallbackRequest.id)).one()
    finishes = race(settings, run_one, [(look_and_tell, person, request_id, 5)] * 4)
    assert [finish.sentence for finish in finishes if finish.refused_with] == []
    with stored(app) as session:
        noted = session.scalars(select(DecoyOpening.told_at)).all()
        assert len(noted) == 20
        assert None not in noted
        texts = session.scalars(
            select(OutboxMessage).where(OutboxMessage.kind == TextKind.AUDIT)
        ).all()
        assert len(texts) == 1
    assert sum(finish.value for finish in finishes) == 20
