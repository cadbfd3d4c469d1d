"""Forms that wait for their sender: two that come at once, and two presses that send one on."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import select

from callback_service.config import Settings
from callback_service.extensions import transaction
from callback_service.models.staff import HeldForm
from callback_service.services import held_forms
from callback_service.services.held_forms import Held
from tests.concurrency.racing import race
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import stored


def hold(staff_id: int, path: str) -> None:
    for _ in range(5):
        with transaction() as session:
            held_forms.hold(session, staff_id, Held(path, [("words", path)], NOW))


def take(staff_id: int) -> str | None:
    with transaction() as session:
        held = held_forms.take(session, staff_id, now=NOW)
        return held.path if held else None


def test_of_forms_that_come_at_once_one_is_kept_and_none_is_a_fault(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        staff_id = make_staff(session).id
    paths = [f"/desk/{n}" for n in range(4)]
    finishes = race(settings, hold, [(staff_id, path) for path in paths])
    assert [finish.sentence for finish in finishes if finish.refused_with] == []
    with stored(app) as session:
        assert session.scalars(select(HeldForm)).one().path in paths


def test_a_form_that_is_sent_on_by_four_presses_goes_on_once(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        staff_id = make_staff(session).id
        held_forms.hold(session, staff_id, Held("/desk/1", [("words", "x")], NOW))
    finishes = race(settings, take, [(staff_id,)] * 4)
    assert [finish.sentence for finish in finishes if finish.refused_with] == []
    assert sorted(str(finish.value) for finish in finishes) == ["/desk/1", *["None"] * 3]
