"""Nobody who has gone is left with an offer or a request, whatever is pressed at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.config import Settings
from callback_service.domain.lifecycle import LetGo
from callback_service.domain.staff import StaffMember
from callback_service.errors import Refused
from callback_service.extensions import transaction
from callback_service.models.callback import CallbackRequest, Offer
from callback_service.models.presence import Presence
from callback_service.services import desk, offers, planning, presence
from callback_service.services.requests import Why
from tests.concurrency.racing import race
from tests.concurrency.steps import plan_and_offer, run_one
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import make_request, make_shifts, member, mobile, stored

pytestmark = pytest.mark.fault("a race of counsellors")

Run = Callable[..., object]


def come_and_go(person: StaffMember, times: int, request_ids: list[int]) -> None:
    """Everything somebody can press, over and over, and at the end a break or leaving."""
    for turn in range(times):
        request_id = request_ids[turn % len(request_ids)]
        for press in (_accept, _decline, _leave, _come_back, _break):
            try:
                with transaction() as session:
                    press(session, person, request_id)
            except Refused:
                continue


def _accept(session: Session, person: StaffMember, request_id: int) -> None:
    desk.accept(session, request_id, staff=person, now=NOW, tz=LONDON)


def _decline(session: Session, person: StaffMember, request_id: int) -> None:
    offers.decline(session, request_id, staff=person, why=Why(LetGo.NOT_NOW), now=NOW)


def _leave(session: Session, person: StaffMember, _request_id: int) -> None:
    presence.sign_off(session, person.id, actor_id=person.id, now=NOW, tz=LONDON)


def _come_back(session: Session, person: StaffMember, _request_id: int) -> None:
    presence.come_back(session, person.id, now=NOW)


def _break(session: Session, person: StaffMember, _request_id: int) -> None:
    presence.start_break(session, person.id, minutes=15, now=NOW, tz=LONDON)


def test_nobody_who_has_gone_has_an_offer_or_an_unrung_request(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        people = [member(counsellor) for counsellor in make_shifts(session, 3)]
        ids = [make_request(session, mobile(number)).id for number in range(4)]
    runs: list[tuple[object, ...]] = [(plan_and_offer, 12), (plan_and_offer, 12)]
    runs += [(come_and_go, person, 4, ids) for person in people]
    finishes = race(settings, run_one, runs)
    assert [finish.refused_with for finish in finishes] == [None] * 5, finishes
    with stored(app) as session:
        gone = set(session.scalars(select(Presence.staff_id).where(Presence.ended_at.is_(None))))
        asked = set(session.scalars(select(Offer.counsellor_id).where(Offer.ended_at.is_(None))))
        holders = set(session.scalars(select(CallbackRequest.assigned_to_id))) - {None}
        assert gone
        assert not gone & asked
        assert not gone & holders
        assert not asked & holders


def test_an_offer_waits_for_nobody_who_is_leaving_just_now(app: Flask, settings: Settings) -> None:
    if settings.database_url.startswith("sqlite"):
        pytest.skip("one writer at a time: there is no just now")
    with stored(app) as session:
        [person] = make_shifts(session, 1)
        make_request(session)
        planning.run_plan(session, now=NOW, tz=LONDON)
    with stored(app) as leaving, stored(app) as scheduler:
        presence.lock_person(leaving, person.id)
        assert offers.make_offers(scheduler, now=NOW, tz=LONDON) == 0
        scheduler.rollback()
        presence.start_break(leaving, person.id, minutes=15, now=NOW, tz=LONDON)
    with stored(app) as session:
        assert offers.make_offers(session, now=NOW, tz=LONDON) == 0
        assert session.scalars(select(Offer)).all() == []


def test_a_button_pressed_in_four_tabs_at_once_is_one_break(app: Flask, settings: Settings) -> None:
    with stored(app) as session:
        [person] = [member(counsellor) for counsellor in make_shifts(session, 1)]
    finishes = race(settings, start_break_once, [(person.id,)] * 4)
    assert [finish.refused_with for finish in finishes] == [None] * 4, finishes
    with stored(app) as session:
        assert len(session.scalars(select(Presence)).all()) == 1


def start_break_once(staff_id: int) -> None:
    with transaction() as session:
        presence.start_break(session, staff_id, minutes=15, now=NOW, tz=LONDON)
