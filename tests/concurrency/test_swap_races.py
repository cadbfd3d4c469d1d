"""Swaps taken, withdrawn and decided by real processes at the same instant, on both databases."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from flask import Flask
from sqlalchemy import func, select

from callback_service.config import Settings
from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import Leave, LeaveReason, Override, OverrideKind
from callback_service.domain.swaps import SwapState
from callback_service.extensions import transaction
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.models.rota_change import RotaChange, RotaChangeSpan
from callback_service.models.rota_notice import RotaNotice
from callback_service.models.swap import Swap
from callback_service.services import rota_changes, swap_offers, swaps
from tests.concurrency.racing import race
from tests.rota_builders import LONDON, local
from tests.support.builders import NOW
from tests.support.request_builders import make_manager, make_shift, make_shifts, mobile, stored

HOUR = timedelta(hours=1)
SPANS = [(local(f"2026-11-{day} 08:00"), local(f"2026-11-{day} 12:00")) for day in (27, 28)]


def offer_once(staff_id: int, start: datetime, end: datetime) -> int:
    with transaction() as session:
        offer = swap_offers.Offer(staff_id, Duty.COUNSELLING, (start, end))
        return swap_offers.offer_shift(session, offer, actor_id=staff_id, now=NOW, tz=LONDON).id


def take_once(swap_id: int, staff_id: int) -> str:
    with transaction() as session:
        return swaps.take_swap(
            session, swap_id, staff_id=staff_id, actor_id=staff_id,
            needs_approval=False, now=NOW, tz=LONDON,
        ).state  # fmt: skip


def end_once(what: str, swap_id: int, staff_id: int) -> str:
    """Do one of the things that end a swap that is taken, or change what it rests on."""
    with transaction() as session:
        if what == "approve":
            return swaps.approve(session, swap_id, actor_id=staff_id, now=NOW, tz=LONDON).state
        if what == "cancel the change":
            [row] = session.scalars(select(RotaChange).where(RotaChange.swap_id.is_(None)))
            rota_changes.cancel_change(session, row.id, actor_id=staff_id, now=NOW)
            return what
        if what == "undo":
            swaps.undo(session, swap_id, actor_id=staff_id, now=NOW, tz=LONDON)
            return what
        if what == "withdraw":
            swaps.withdraw(session, swap_id, actor_id=staff_id, now=NOW)
            return what
        leave = Leave(staff_id, *SPANS[0], LeaveReason.ANNUAL)
        rota_changes.make_change(session, leave, actor_id=None, now=NOW, tz=LONDON)
        return what


def ill_once(staff_id: int, actor_id: int) -> None:
    with transaction() as session:
        rota_changes.sick_from_now(
            session, staff_id, until=NOW + 24 * HOUR, actor_id=actor_id, now=NOW, tz=LONDON
        )


def test_of_eight_who_take_one_shift_at_once_one_has_it_and_the_others_are_told_who(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        giver = make_shift(session, "08:00", "12:00", name="Amira")
        people = {one.id: one.name for one in make_shifts(session, 8, "01:00", "02:00")}
    with app.app_context():
        swap_id = offer_once(giver.id, *SPANS[0])
    finishes = race(settings, take_once, [(swap_id, staff_id) for staff_id in people])
    [winner] = [who for who, f in zip(people, finishes, strict=True) if not f.refused_with]
    told = {finish.sentence for finish in finishes if finish.refused_with}
    assert told == {f"{people[winner]} took this shift first."}
    with stored(app) as session:
        [change] = session.scalars(select(RotaChange))
        assert (change.staff_id, change.by_id, change.swap_id) == (giver.id, winner, swap_id)


def test_who_takes_five_shifts_of_one_time_at_once_has_one_and_is_not_booked_twice(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        givers = [one.id for one in make_shifts(session, 5, "08:00", "12:00")]
        taker = make_shift(session, "01:00", "02:00").id
    with app.app_context():
        ids = [offer_once(giver, *SPANS[0]) for giver in givers]
    finishes = race(settings, take_once, [(swap_id, taker) for swap_id in ids])
    assert Counter(f.refused_with for f in finishes) == {None: 1, "Refused": 4}, finishes
    with stored(app) as session:
        spans = select(func.count()).where(RotaChangeSpan.staff_id == taker)
        assert session.scalar(spans) == 1
        states = Counter(session.scalars(select(Swap.state)))
    assert states == {SwapState.APPROVED: 1, SwapState.OFFERED: 4}


def test_a_swap_that_is_approved_withdrawn_and_overtaken_by_leave_at_once_is_one_of_these(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        giver = make_shift(session, "08:00", "12:00", name="Amira").id
        taker = make_shift(session, "01:00", "02:00", name="Ben").id
        manager = make_manager(session).id
    with app.app_context():
        swap_id = offer_once(giver, *SPANS[0])
        with transaction() as session:
            swaps.take_swap(
                session, swap_id, staff_id=taker, actor_id=taker, needs_approval=True,
                now=NOW, tz=LONDON,
            )  # fmt: skip
    given = [
        ("approve", swap_id, manager), ("withdraw", swap_id, giver), ("leave", swap_id, taker),
    ]  # fmt: skip
    finishes = race(settings, end_once, given * 2)
    assert {f.refused_with for f in finishes} <= {None, "Refused"}, finishes
    with stored(app) as session:
        swap = session.get_one(Swap, swap_id)
        held = list(session.scalars(select(RotaChange).where(RotaChange.cancelled_at.is_(None))))
        assert (swap.state is SwapState.APPROVED) == any(one.swap_id for one in held)
        assert swap.state in {SwapState.APPROVED, SwapState.WITHDRAWN}
        assert len(held) == 1, "the taker is on leave or has the shift, never both"


def give_extra_shift(staff_id: int) -> None:
    with transaction() as session:
        change = Override(OverrideKind.ADD, staff_id, *SPANS[0])
        rota_changes.make_change(session, change, actor_id=None, now=NOW, tz=LONDON)


def test_of_eight_who_take_an_extra_shift_at_once_one_has_it_and_its_giver_is_free(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        giver = make_shift(session, "01:00", "02:00", name="Amira").id
        people = [one.id for one in make_shifts(session, 8, "02:00", "03:00")]
    with app.app_context():
        give_extra_shift(giver)
        swap_id = offer_once(giver, *SPANS[0])
    finishes = race(settings, take_once, [(swap_id, staff_id) for staff_id in people])
    [winner] = [who for who, f in zip(people, finishes, strict=True) if not f.refused_with]
    with stored(app) as session:
        held = list(session.scalars(select(RotaChange).where(RotaChange.cancelled_at.is_(None))))
        assert [(one.staff_id, one.swap_id) for one in held] == [(winner, swap_id)]
        assert session.scalars(select(RotaChangeSpan.staff_id)).all() == [winner]


def test_an_extra_shift_that_is_handed_on_and_cancelled_at_once_is_one_of_these(
    app: Flask, settings: Settings
) -> None:
    """Approved first, it cannot be cancelled; cancelled first, the swap lapses."""
    with stored(app) as session:
        giver = make_shift(session, "01:00", "02:00").id
        taker = make_shift(session, "02:00", "03:00").id
        manager = make_manager(session).id
    with app.app_context():
        give_extra_shift(giver)
        swap_id = offer_once(giver, *SPANS[0])
        with transaction() as session:
            swaps.take_swap(
                session, swap_id, staff_id=taker, actor_id=taker, needs_approval=True,
                now=NOW, tz=LONDON,
            )  # fmt: skip
    given = [("approve", swap_id, manager), ("cancel the change", swap_id, manager)]
    finishes = race(settings, end_once, given * 3)
    assert {f.refused_with for f in finishes} <= {None, "Refused"}, finishes
    with stored(app) as session:
        state = session.get_one(Swap, swap_id).state
        held = list(session.scalars(select(RotaChange).where(RotaChange.cancelled_at.is_(None))))
        workers = [one.staff_id for one in held]
        spans = session.scalars(select(RotaChangeSpan.staff_id)).all()
    assert (state, workers) in [(SwapState.APPROVED, [taker]), (SwapState.LAPSED, [])]
    assert spans == workers


def test_a_swap_that_is_undone_six_times_at_once_brings_the_shift_back_once(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        giver = make_shift(session, "01:00", "02:00").id
        taker = make_shift(session, "02:00", "03:00").id
        manager = make_manager(session).id
    with app.app_context():
        give_extra_shift(giver)
        swap_id = offer_once(giver, *SPANS[0])
        assert take_once(swap_id, taker) == SwapState.APPROVED
    given = [("undo", swap_id, manager)] * 4 + [("leave", swap_id, giver)] * 2
    finishes = race(settings, end_once, given)
    assert {f.refused_with for f in finishes} <= {None, "Refused"}, finishes
    with stored(app) as session:
        state = session.get_one(Swap, swap_id).state
        held = list(session.scalars(select(RotaChange).where(RotaChange.cancelled_at.is_(None))))
        ends = {(one.kind.value, one.staff_id) for one in held}
        assert len(session.scalars(select(RotaChangeSpan)).all()) == len(held)
    assert (state, ends) in [
        (SwapState.UNDONE, {("add", giver)}),  # and so there was no room for the leave
        (SwapState.APPROVED, {("add", taker), ("leave", giver)}),
    ]


def test_who_falls_ill_twice_at_once_is_told_of_once(app: Flask, settings: Settings) -> None:
    """They report it and a manager enters it, both twice: another manager hears of it once."""
    with stored(app) as session:
        staff = make_shift(session)
        staff.phone = mobile(7)
        managers = [make_manager(session).id for _ in range(2)]
        staff_id = staff.id
    given = [(staff_id, staff_id), (staff_id, managers[0])]
    finishes = race(settings, ill_once, given * 2)
    assert Counter(f.refused_with for f in finishes) == {None: 1, "Refused": 3}, finishes
    [entered_by] = [who for (_, who), f in zip(given * 2, finishes, strict=True)
                    if not f.refused_with]  # fmt: skip
    with stored(app) as session:
        assert len(session.scalars(select(RotaNotice)).all()) == 1
        texts = select(OutboxMessage.kind, OutboxMessage.staff_id)
        told = Counter(tuple(row) for row in session.execute(texts))
    absence = [(TextKind.ABSENCE, one) for one in managers if one != entered_by]
    news = [(TextKind.LEAVE_DECIDED, staff_id)] if entered_by != staff_id else []
    assert told == Counter([*absence, *news])
