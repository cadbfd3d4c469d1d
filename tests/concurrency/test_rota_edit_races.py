"""Managers who save from the same page at the same instant, as real processes."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from flask import Flask
from sqlalchemy import select

from callback_service.config import Settings
from callback_service.domain.rota_changes import Leave, LeaveReason
from callback_service.extensions import transaction
from callback_service.models.rota_revision import RotaRevision
from callback_service.services import rota_changes
from callback_service.services.rota_edits import latest_revision
from callback_service.services.rota_meanwhile import concerns_of, refuse_if_changed
from callback_service.services.rota_undo import undo
from tests.concurrency.racing import race
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import make_manager, make_shift, stored

HOUR = timedelta(hours=1)


def save_from_page(seen: int, leave: Leave, actor_id: int) -> int:
    """What the page does: refuse what was changed meanwhile, then save."""
    with transaction() as session:
        refuse_if_changed(session, seen, concerns_of(leave), actor_id=actor_id, now=NOW, tz=LONDON)
        rota_changes.make_change(session, leave, actor_id=actor_id, now=NOW, tz=LONDON)
        return latest_revision(session)


def undo_once(revision_id: int, actor_id: int) -> int:
    with transaction() as session:
        return undo(
            session, revision_id, reason="As it was", actor_id=actor_id, now=NOW, tz=LONDON
        ).id


def leaves(staff_id: int, count: int) -> list[Leave]:
    """Leave on days of their own, so that nothing but the page's age stands in the way."""
    starts = [NOW + timedelta(days=number + 1) for number in range(count)]
    return [Leave(staff_id, start, start + HOUR, LeaveReason.ANNUAL) for start in starts]


def test_of_managers_who_save_from_one_page_at_once_one_saves_and_the_rest_see_what(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        amira = make_shift(session, name="Amira").id
        managers = [make_manager(session, phone=None).id for _ in range(5)]
    given = [
        (0, leave, actor_id) for leave, actor_id in zip(leaves(amira, 5), managers, strict=True)
    ]
    finishes = race(settings, save_from_page, given)
    assert Counter(f.refused_with for f in finishes) == {None: 1, "ChangedMeanwhile": 4}, finishes
    told = {finish.sentence for finish in finishes if finish.refused_with}
    assert told == {"Mo Lane changed the rota at 20:00 while you had this page open."}
    with stored(app) as session:
        assert len(session.scalars(select(RotaRevision.id)).all()) == 1


def test_edits_of_different_people_at_once_are_all_saved_and_each_is_kept(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        people = [make_shift(session, name=f"Counsellor {number}").id for number in range(5)]
        managers = [make_manager(session, phone=None).id for _ in people]
    given = [
        (0, leaves(staff_id, 1)[0], actor_id)
        for staff_id, actor_id in zip(people, managers, strict=True)
    ]
    finishes = race(settings, save_from_page, given)
    assert sorted(f.value for f in finishes) == [1, 2, 3, 4, 5], finishes


def test_an_edit_that_two_undo_at_once_is_undone_once(app: Flask, settings: Settings) -> None:
    with stored(app) as session:
        amira = make_shift(session, name="Amira").id
        managers = [make_manager(session, phone=None).id for _ in range(4)]
        rota_changes.make_change(
            session, leaves(amira, 1)[0], actor_id=managers[0], now=NOW, tz=LONDON
        )
        revision_id = latest_revision(session)
    finishes = race(settings, undo_once, [(revision_id, actor_id) for actor_id in managers])
    assert Counter(f.refused_with for f in finishes) == {None: 1, "Refused": 3}, finishes
