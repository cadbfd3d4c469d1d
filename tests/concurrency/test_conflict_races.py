"""Whoever is kept away from a caller never holds their request, whatever happens at once."""

from __future__ import annotations

import pkgutil
from multiprocessing.synchronize import Event
from typing import Any
from unittest.mock import patch

import pytest
from flask import Flask
from sqlalchemy import select

from callback_service.config import Settings
from callback_service.domain.lifecycle import Disposition
from callback_service.domain.staff import StaffMember
from callback_service.errors import CallbackServiceError
from callback_service.extensions import transaction
from callback_service.models.callback import CallbackRequest, Offer
from callback_service.models.conflict import Bar
from callback_service.services import attempts, bars, desk, requests
from tests.concurrency.racing import PATIENCE, Finish, processes, race
from tests.concurrency.steps import plan_and_offer, run_one
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import (
    CALLER,
    make_manager,
    make_request,
    make_shift,
    member,
    mobile,
    stored,
)

pytestmark = pytest.mark.fault("a race with a manager who keeps somebody away")

#: Many at once: each is a race of its own.
REQUESTS = 6


def keep_away(request_ids: list[int], colleague_id: int, actor_id: int) -> int:
    for request_id in request_ids:
        with transaction() as session:
            bars.bar(session, request_id, colleague_id=colleague_id, actor_id=actor_id, now=NOW)
    return len(request_ids)


def accept_all(request_ids: list[int], person: StaffMember) -> int:
    """Take each that can be taken, and give it back; how many were taken."""
    taken = 0
    for request_id in request_ids * 3:
        try:
            with transaction() as session:
                desk.accept(session, request_id, staff=person, now=NOW, tz=LONDON)
            taken += 1
        except CallbackServiceError:
            continue
        try:
            with transaction() as session:
                attempts.release(session, request_id, staff=person, now=NOW)
        except CallbackServiceError:
            continue
    return taken


def check_kept_away(app: Flask, finishes: list[Finish], colleague_id: int) -> None:
    """Every bar stands, and the colleague has none of the requests, nor an offer of one."""
    assert [finish.sentence for finish in finishes if finish.refused_with] == []
    with stored(app) as session:
        assert len(session.scalars(select(Bar)).all()) == REQUESTS
        held = select(CallbackRequest.id).where(CallbackRequest.assigned_to_id == colleague_id)
        offered = select(Offer.request_id).where(
            Offer.counsellor_id == colleague_id, Offer.ended_at.is_(None)
        )
        assert list(session.scalars(held)) == []
        assert list(session.scalars(offered)) == []


def test_kept_away_while_it_is_accepted_they_hold_nothing(app: Flask, settings: Settings) -> None:
    with stored(app) as session:
        manager_id = make_manager(session).id
        alex = member(make_shift(session, name="Alex Marsh"))
        ids = [make_request(session, mobile(100 + n)).id for n in range(REQUESTS)]
    finishes = race(
        settings,
        run_one,
        [(keep_away, ids, alex.id, manager_id), *((accept_all, ids, alex) for _ in range(2))],
    )
    check_kept_away(app, finishes, alex.id)


def test_kept_away_while_it_is_offered_they_are_left_no_offer(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        manager_id = make_manager(session).id
        alex = make_shift(session, name="Alex Marsh")
        ids = [make_request(session, mobile(100 + n)).id for n in range(REQUESTS)]
        alex_id = alex.id
    finishes = race(
        settings,
        run_one,
        [(keep_away, ids, alex_id, manager_id), *((plan_and_offer, 10) for _ in range(2))],
    )
    check_kept_away(app, finishes, alex_id)


SERVICES = "callback_service.services"
#: Seconds in which somebody whom nothing holds is done.
MEANWHILE = 2


def keep_away_while(
    where: str, request_id: int, colleague_id: int, actor_id: int, is_there: Event, is_taken: Event
) -> None:
    """Keep a colleague away, and stop at a place on the way until they had time for their part."""
    go_on = pkgutil.resolve_name(where)

    def stop(*given: Any, **named: Any) -> Any:
        is_there.set()
        is_taken.wait(MEANWHILE)
        return go_on(*given, **named)

    with patch(where, stop):
        keep_away([request_id], colleague_id, actor_id)


def ask_and_take(person: StaffMember, is_there: Event, is_taken: Event) -> None:
    """The caller asks anew, and the colleague takes it, while they are being kept away."""
    assert is_there.wait(PATIENCE)
    with transaction() as session:
        request_id = make_request(session, CALLER).id
    try:
        with transaction() as session:
            desk.accept(session, request_id, staff=person, now=NOW, tz=LONDON)
    finally:
        is_taken.set()


@pytest.mark.parametrize(
    "where",
    [
        pytest.param(f"{SERVICES}.presence.lock_person", id="before the colleague is held"),
        pytest.param(f"{SERVICES}.bars.ask_for_plan", id="before the end"),
    ],
)
def test_a_request_that_comes_in_while_they_are_kept_away_by_an_older_one_is_not_theirs(
    app: Flask, settings: Settings, where: str
) -> None:
    with stored(app) as session:
        manager_id = make_manager(session).id
        alex = member(make_shift(session, name="Alex Marsh"))
        older = make_request(session, CALLER)
        requests.close(session, older, Disposition.HELPED, now=NOW)
        older_id = older.id
    is_there, is_taken = processes().Event(), processes().Event()
    kept, took = race(
        settings,
        run_one,
        [
            (keep_away_while, where, older_id, alex.id, manager_id, is_there, is_taken),
            (ask_and_take, alex, is_there, is_taken),
        ],
    )
    with stored(app) as session:
        stands = session.scalar(select(Bar.id)) is not None
        holds = session.scalar(
            select(CallbackRequest.id).where(CallbackRequest.assigned_to_id == alex.id)
        )
    assert stands != (holds is not None)
    assert {kept.refused_with, took.refused_with} <= {None, "Refused", "NotFound"}
    assert stands or kept.sentence.endswith("Try again.")  # never silently undone
