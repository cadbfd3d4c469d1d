"""Changes of the rota made by real processes at the same instant, on both databases."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, time, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from callback_service.config import Settings
from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import (
    Change,
    Leave,
    LeaveReason,
    OpenShift,
    Override,
    OverrideKind,
)
from callback_service.domain.rotations import CountedIn, Rotation, Turn
from callback_service.extensions import transaction
from callback_service.models.audit import AuditEntry
from callback_service.models.rota import ShiftPattern
from callback_service.models.rota_change import ChangeKind, RotaChange, RotaChangeSpan
from callback_service.services import pattern_edits, rota_changes
from callback_service.services.pattern_edits import PatternEdit, instead
from tests.concurrency.racing import race
from tests.rota_builders import LONDON, a_pattern, make_pattern
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import make_shift, make_shifts, stored

HOUR = timedelta(hours=1)
MONDAY = date(2026, 11, 30)
START, END = NOW + 24 * HOUR, NOW + 30 * HOUR


def change_once(change: Change) -> int:
    with transaction() as session:
        return rota_changes.make_change(session, change, actor_id=None, now=NOW, tz=LONDON).id


def take_once(change_id: int, staff_id: int) -> None:
    with transaction() as session:
        rota_changes.take_open_shift(session, change_id, staff_id=staff_id, now=NOW, tz=LONDON)


def end_once(change_id: int | None, staff_id: int) -> None:
    """Cancel the change, or without one fall ill."""
    with transaction() as session:
        if change_id is not None:
            rota_changes.cancel_change(session, change_id, actor_id=None, now=NOW)
            return
        rota_changes.sick_from_now(
            session, staff_id, until=END, actor_id=staff_id, now=NOW, tz=LONDON
        )


def say_it_past_the_service(change_id: int, staff_id: int, start: datetime) -> None:
    with transaction() as session:
        session.add(
            RotaChangeSpan(
                change_id=change_id, staff_id=staff_id, starts_at=start, ends_at=start + HOUR
            )
        )


@pytest.mark.fault("a race of managers")
def test_ten_overlapping_changes_of_one_person_at_once_are_one_and_nine_who_are_told_which(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        amira = make_shift(session, name="Amira").id
    leaves = [Leave(amira, START + HOUR / 6 * n, END, LeaveReason.ANNUAL) for n in range(10)]
    finishes = race(settings, change_once, [(leave,) for leave in leaves])
    assert Counter(f.refused_with for f in finishes) == {None: 1, "Refused": 9}, finishes
    with stored(app) as session:
        [kept] = session.scalars(select(RotaChange))
        begins = f"{kept.starts_at.astimezone(LONDON):%H:%M}"
        made = session.scalars(select(AuditEntry.action)).all()
    assert made == ["rota.change_made"]
    told = {finish.sentence for finish in finishes if finish.refused_with}
    assert len(told) == 1
    assert f"Amira is away (annual leave), Thursday 26 November {begins} to" in told.pop()


@pytest.mark.fault("a race of managers")
def test_two_who_ask_each_other_in_at_once_do_not_wait_for_each_other_for_ever(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        amira = make_shift(session, "16:00", "20:00", name="Amira").id
        ben = make_shift(session, "20:00", "23:00", name="Ben").id
    changes = [
        Override(OverrideKind.REPLACE, amira, START - 4 * HOUR, START, by_id=ben),
        Override(OverrideKind.REPLACE, ben, START, START + 3 * HOUR, by_id=amira),
    ] * 3
    finishes = race(settings, change_once, [(change,) for change in changes])
    assert Counter(f.refused_with is None for f in finishes) == {True: 2, False: 4}, finishes


def test_the_database_refuses_an_overlap_whoever_writes_it(app: Flask, settings: Settings) -> None:
    with stored(app) as session:
        staff_id = make_staff(session).id
        change_id = rota_changes.make_change(
            session, OpenShift(START, END), actor_id=None, now=NOW, tz=LONDON
        ).id
    given = [(change_id, staff_id, START + HOUR / 10 * n) for n in range(8)]
    finishes = race(settings, say_it_past_the_service, given)
    refused = [finish for finish in finishes if finish.refused_with is not None]
    assert len(refused) == 7, finishes
    # PostgreSQL may call two that wait for each other's row a deadlock.
    assert all(f.refused_with == "IntegrityError" or "deadlock" in f.sentence for f in refused)


@pytest.mark.fault("a race of counsellors")
def test_ten_who_take_one_open_shift_are_one_and_nine_who_are_told_who(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        people = {staff.id: staff.name for staff in make_shifts(session, 10, "01:00", "02:00")}
        change_id = rota_changes.make_change(
            session, OpenShift(START, START + 2 * HOUR), actor_id=None, now=NOW, tz=LONDON
        ).id
    finishes = race(settings, take_once, [(change_id, staff_id) for staff_id in people])
    [winner] = [who for who, f in zip(people, finishes, strict=True) if not f.refused_with]
    told = {finish.sentence for finish in finishes if finish.refused_with}
    assert told == {f"{people[winner]} took this shift first."}
    with stored(app) as session:
        assert session.get_one(RotaChange, change_id).staff_id == winner


@pytest.mark.fault("a race of counsellors")
def test_one_who_takes_five_overlapping_open_shifts_at_once_has_one(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        staff_id = make_staff(session).id
        ids = [
            rota_changes.make_change(
                session,
                OpenShift(START, START + HOUR * (n + 1)),
                actor_id=None,
                now=NOW,
                tz=LONDON,
            ).id
            for n in range(5)
        ]
    finishes = race(settings, take_once, [(change_id, staff_id) for change_id in ids])
    assert Counter(f.refused_with is None for f in finishes) == {True: 1, False: 4}, finishes


@pytest.mark.fault("a race of managers")
def test_a_change_that_is_cancelled_while_its_person_falls_ill_ends_once(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        staff_id = make_staff(session).id
        added = Override(OverrideKind.ADD, staff_id, START, START + HOUR)
        change_id = rota_changes.make_change(session, added, actor_id=None, now=NOW, tz=LONDON).id
    given = [(change_id, staff_id), (None, staff_id)] * 3
    finishes = race(settings, end_once, given)
    assert {f.refused_with for f in finishes} <= {None, "Refused"}, finishes
    assert [f.refused_with for f in finishes[1::2]].count(None) == 1, finishes
    with stored(app) as session:
        kinds = session.scalars(
            select(RotaChange.kind).where(RotaChange.cancelled_at.is_(None))
        ).all()
        assert kinds == [ChangeKind.LEAVE]
        assert session.scalars(select(RotaChangeSpan.staff_id)).all() == [staff_id]


def a_rotation(staff_ids: list[int], start: time) -> Rotation:
    """These people, a week each, from a Monday on."""
    turns = tuple(Turn(frozenset({staff_id}), 7) for staff_id in staff_ids)
    return Rotation(
        None, Duty.COUNSELLING, frozenset({0}), start, time(12), MONDAY, None, MONDAY,
        CountedIn.DAYS, turns,
    )  # fmt: skip


def edit_once(edit: PatternEdit) -> None:
    with transaction() as session:
        pattern_edits.save(session, edit, reason="Agreed", actor_id=None, now=NOW, tz=LONDON)


def test_six_overlapping_rotations_of_the_same_people_at_once_are_one(
    app: Flask, settings: Settings
) -> None:
    """Their people in opposite orders, so that those who lock them would wait for each other."""
    with stored(app) as session:
        ids = [make_staff(session, name=f"Person {n}").id for n in range(3)]
    edits = [PatternEdit(a_rotation(ids[:: 1 - n % 2 * 2], time(8, n))) for n in range(6)]
    finishes = race(settings, edit_once, [(edit,) for edit in edits])
    assert Counter(f.refused_with for f in finishes) == {None: 1, "BadInput": 5}, finishes
    with stored(app) as session:
        [kept] = session.scalars(select(ShiftPattern))
        assert len(kept.turns) == 3


def test_a_line_that_four_change_at_once_is_changed_once(app: Flask, settings: Settings) -> None:
    with stored(app) as session:
        people = [make_staff(session, name=f"Person {n}") for n in range(5)]
        row = make_pattern(session, people[0])
        edits = [instead(a_pattern(one, from_on=MONDAY), row.id) for one in people[1:]]
    finishes = race(settings, edit_once, [(edit,) for edit in edits])
    with stored(app) as session:
        lines = session.scalars(select(ShiftPattern).order_by(ShiftPattern.id)).all()
    assert lines[0].until_on == MONDAY - timedelta(days=1)
    assert Counter(f.refused_with for f in finishes) == {None: 1, "BadInput": 3}, finishes
    assert len(lines) == 2
