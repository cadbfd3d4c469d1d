"""Crowds of real processes on one database: one owner each, no place sold twice, nothing lost.

RACE_SECONDS is how long everybody works at once; `make faults` gives them a minute.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from callback_service.config import Settings
from callback_service.domain.auditing import CONFIRM_AFTER, UNTOLD_AFTER, FindingKind
from callback_service.domain.lifecycle import Disposition, Outcome, RequestState
from callback_service.domain.promises import places
from callback_service.domain.rota_changes import Leave, LeaveReason
from callback_service.domain.staff import StaffMember
from callback_service.errors import CallbackServiceError
from callback_service.extensions import transaction
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import (
    Attempt,
    CallbackRequest,
    ContactWindow,
    Escalation,
    Submission,
)
from callback_service.models.finding import Finding
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.models.plan import PlanEntry
from callback_service.models.rota_change import RotaChange
from callback_service.services import (
    attempts,
    auditor,
    desk,
    escalation,
    handover,
    intake,
    offers,
    planning,
    promises,
    rota_changes,
)
from callback_service.services.auditor_looks import look
from callback_service.services.rota import shifts_between
from tests.concurrency.racing import crowd, race
from tests.concurrency.steps import accept_once, ask_once
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import (
    LATE_TONIGHT,
    TONIGHT,
    an_ask,
    make_manager,
    make_request,
    make_shift,
    make_shifts,
    member,
    mobile,
    stored,
    take,
)

RACE_SECONDS: Final = float(os.environ.get("RACE_SECONDS", "10"))
#: So many minutes of the service's time go by in a second of the race.
MINUTES_A_SECOND: Final = 2
CONTRADICTIONS: Final = {
    FindingKind.CLOSED_HOLDS, FindingKind.WINDOWS_ENDED, FindingKind.HOLDER_GONE,
    FindingKind.OFFER_OPEN, FindingKind.OVERHELD, FindingKind.UNTOLD, FindingKind.UNPLANNED,
}  # fmt: skip


@pytest.mark.fault("a race of counsellors")
def test_of_fifty_counsellors_who_take_one_request_at_once_one_has_it(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        people = [member(counsellor) for counsellor in make_shifts(session, 50)]
        request_id = make_request(session).id
    given = [(request_id, person) for person in people]
    finishes = crowd(settings, accept_once, given, processes=5, threads=10)
    assert Counter(f.refused_with for f in finishes) == {None: 1, "Refused": 49}, finishes
    with stored(app) as session:
        request = session.get_one(CallbackRequest, request_id)
        accepted = select(AuditEntry.actor_id).where(AuditEntry.action == "request.accepted")
        assert session.scalars(accepted).all() == [request.assigned_to_id]
        told = {finish.sentence for finish in finishes if finish.refused_with}
        assert request.assigned_to is not None
        assert told == {f"{request.assigned_to.name} took this call 0 seconds ago."}


@pytest.mark.fault("a race of callers")
def test_of_two_hundred_who_want_twenty_places_twenty_have_one_and_the_rest_are_offered_the_next(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        make_shifts(session, 7)
        make_shift(session, "22:35", "08:00")
    asks = [an_ask(mobile(n), window=TONIGHT) for n in range(200)]
    finishes = crowd(settings, ask_once, [(ask,) for ask in asks], processes=5, threads=4)
    assert Counter(f.refused_with for f in finishes) == {None: 20, "WindowGone": 180}, finishes
    with stored(app) as session:
        held = session.scalars(select(ContactWindow.place)).all()
        assert sorted(place or 0 for place in held) == list(range(1, 21))
        kept = {finish.value for finish in finishes if finish.refused_with is None}
        assert all(intake.submission_by_key(session, key) for key in kept)
        assert promises.windows_with_room(session, now=NOW, tz=LONDON)[0] == LATE_TONIGHT
        again = next(ask for ask in asks if ask.key not in kept)
        take(session, an_ask(again.phone.e164, key=again.key, window=LATE_TONIGHT))
        assert len(session.scalars(select(Submission.id)).all()) == 21


class Until:
    """The time of the service while everybody works at once; its processes begin together."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def now(self) -> datetime:
        return NOW + timedelta(minutes=(time.monotonic() - self._began) * MINUTES_A_SECOND)

    def goes_on(self, done: object) -> bool:
        """Until the time is over; longer on a busy machine for who has ``done`` nothing yet."""
        lasts = RACE_SECONDS if done else 2 * RACE_SECONDS
        return time.monotonic() < self._began + lasts


@contextmanager
def trying_again() -> Iterator[None]:
    """What somebody shrugs at and tries again: a refusal, or SQLite when its one writer is busy."""
    try:
        yield
    except CallbackServiceError:
        time.sleep(0.01)
    except OperationalError as error:
        if "database is locked" not in str(error):
            raise


def _dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - they decide who does what in a test


def callers(first: int) -> list[str]:
    """Ask for calls, now or in one of the windows that are offered; the keys of what was kept."""
    until, dice, kept = Until(), _dice(first), list[str]()
    while until.goes_on(kept):
        window = dice.choice([None, TONIGHT, LATE_TONIGHT])
        ask = an_ask(mobile(first + len(kept) % 300), window=window, may_text=True)
        with trying_again():  # the window may be full, or past
            with transaction() as session:
                key = intake.take_request(session, ask, now=until.now, tz=LONDON)
            kept.append(key)
    return kept


def counsellor(person: StaffMember) -> int:
    """Take, ring, give back and finish whatever the desk shows; how many steps were made."""
    until, dice, steps = Until(), _dice(person.id), 0
    while until.goes_on(steps):
        with trying_again(), transaction() as session:  # a colleague may be quicker
            steps += _work_at_the_desk(session, person, until.now, dice)
    return steps


def _work_at_the_desk(
    session: Session, person: StaffMember, now: datetime, dice: random.Random
) -> bool:
    """The next thing somebody at the desk would do; whether there was one."""
    mine = next((row for row in desk.held(session) if row.counsellor_id == person.id), None)
    if mine is None:
        waiting = [
            row.request_id for row in desk.queue(session, now=now, tz=LONDON) if row.is_open_to_take
        ]
        if waiting:
            desk.accept(session, dice.choice(waiting[:5]), staff=person, now=now, tz=LONDON)
        return bool(waiting)
    if mine.state is RequestState.ASSIGNED:
        if dice.random() < 0.2:
            attempts.release(session, mine.request_id, staff=person, now=now)
        else:
            attempts.start_attempt(session, mine.request_id, staff=person, now=now)
        return True
    spoken = attempts.Record(Outcome.ANSWERED, Disposition.HELPED)
    record = dice.choice([spoken, spoken, attempts.Record(Outcome.NO_ANSWER)])
    attempts.record_outcome(session, mine.request_id, record, staff=person, now=now, tz=LONDON)
    return True


def manager(staff_ids: list[int]) -> int:
    """Send people on leave for a few minutes and call them back; how many edits were saved."""
    until, dice, saved = Until(), _dice(staff_ids[0]), 0
    while until.goes_on(saved):
        with trying_again():
            _edit(until.now, dice.choice(staff_ids), undo=dice.random() < 0.5)
            saved += 1
        time.sleep(0.2)
    return saved


def _edit(now: datetime, staff_id: int, *, undo: bool) -> None:
    with transaction() as session:
        standing = select(RotaChange.id).where(
            RotaChange.staff_id == staff_id, RotaChange.cancelled_at.is_(None)
        )
        known = session.scalar(standing.limit(1)) if undo else None
        if known is not None:
            rota_changes.cancel_change(session, known, actor_id=None, now=now)
            return
        leave = Leave(staff_id, now, now + timedelta(minutes=4), LeaveReason.ANNUAL)
        rota_changes.make_change(session, leave, actor_id=None, now=now, tz=LONDON)


def scheduler() -> int:
    """Run the ticks that move requests, one after the other; how many rounds."""
    until, rounds = Until(), 0
    while until.goes_on(rounds):
        with trying_again():
            run_ticks(until.now)
            rounds += 1
        time.sleep(0.05)
    return rounds


def run_ticks(now: datetime) -> None:
    uses: list[Callable[[Session], object]] = [
        lambda session: planning.run_plan(session, now=now, tz=LONDON),
        lambda session: offers.lapse_offers(session, now=now),
        lambda session: offers.make_offers(session, now=now, tz=LONDON),
        lambda session: escalation.escalate(session, now=now, tz=LONDON),
        lambda session: handover.return_left_over(session, now=now, tz=LONDON),
        lambda session: auditor.audit(session, now=now, tz=LONDON),
    ]
    for use in uses:
        with transaction() as session:
            use(session)


def _work(part: Callable[..., object], *given: object) -> object:
    return part(*given)


@pytest.mark.fault("everything at once")
def test_planner_desk_callers_and_rota_at_once_lose_nobody_and_promise_nothing_twice(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        make_manager(session, is_duty_lead=True)
        people = [member(one) for one in make_shifts(session, 6)]
    ids = [person.id for person in people]
    parts: list[tuple[Callable[..., object], object]] = [(callers, 0), (callers, 300)]
    parts += [(scheduler,), (scheduler,)]  # type: ignore[list-item]
    parts += [(manager, ids[:3]), (manager, ids[2:])]
    parts += [(counsellor, person) for person in people[:3]]
    finishes = race(settings, _work, parts, lasts=RACE_SECONDS)
    faults = [(finish.refused_with, finish.sentence) for finish in finishes if finish.refused_with]
    assert faults == []
    kept = [*finishes[0].value, *finishes[1].value]
    rounds, edits, steps = (
        sum(finish.value for finish in finishes[first:last])
        for first, last in ((2, 4), (4, 6), (6, 9))
    )
    assert min(len(kept), rounds, edits, steps) > 0, "a whole part did nothing"
    end = NOW + timedelta(minutes=(2 * RACE_SECONDS + 5) * MINUTES_A_SECOND)
    with app.app_context():
        run_ticks(end)
        run_ticks(end + timedelta(minutes=1))
        with transaction() as session:  # what the last ticks put back is planned again
            planning.run_plan(session, now=end + timedelta(minutes=1), tz=LONDON)
    with stored(app) as session:
        _nobody_is_lost(session, kept)
        _everybody_had_one_owner_at_a_time(session)
        _no_place_is_sold_twice(session)
        seen = look(session, now=end + timedelta(minutes=1), tz=LONDON)
        assert {kind for kind, _ in seen} & CONTRADICTIONS == set()


def _nobody_is_lost(session: Session, kept: list[str]) -> None:
    """What was said to be kept is there; what is open is planned, on offer, in hand or told of."""
    found = [intake.submission_by_key(session, key) for key in kept]
    assert all(found)
    assert len(set(kept)) == session.scalar(select(func.count()).select_from(Submission))
    stray = session.scalars(
        select(CallbackRequest.id).where(
            CallbackRequest.state == RequestState.WAITING,
            CallbackRequest.id.not_in(select(PlanEntry.request_id)),
        )
    ).all()
    assert stray == []


def _everybody_had_one_owner_at_a_time(session: Session) -> None:
    """Each request was taken and let go of in turn; a counsellor holds one."""
    moves: defaultdict[int | None, list[str]] = defaultdict(list)
    rows = session.execute(
        select(AuditEntry.subject_id, AuditEntry.action)
        .where(AuditEntry.subject == "callback_request")
        .order_by(AuditEntry.id)
    )
    for request_id, action in rows:
        if action == "request.accepted":
            moves[request_id].append("taken")
        elif action in {"request.given_back", "request.ring_again", "request.closed"}:
            moves[request_id].append("let go")
    for own in moves.values():
        assert own == [("taken", "let go")[n % 2] for n in range(len(own))], own
    holders = select(CallbackRequest.assigned_to_id).where(
        CallbackRequest.assigned_to_id.is_not(None)
    )
    assert max(Counter(session.scalars(holders)).values(), default=0) <= 1
    numbers = Counter(
        (row.request_id, row.number)
        for row in session.execute(select(Attempt.request_id, Attempt.number))
    )
    assert max(numbers.values(), default=1) == 1


def _no_place_is_sold_twice(session: Session) -> None:
    """No more places are held in a window than the whole rota, with nobody on leave, has."""
    for window in (TONIGHT, LATE_TONIGHT):
        everybody = shifts_between(session, window.start, window.end, tz=LONDON)
        full = places(window, [(s.start, s.end) for s in everybody if s.staff_id is not None])
        held = session.scalars(
            select(ContactWindow.place).where(
                ContactWindow.starts_at == window.start, ContactWindow.place.is_not(None)
            )
        ).all()
        assert len(held) == len(set(held)) <= full


def audit_at(at: datetime) -> int | None:
    with transaction() as session:
        report = auditor.audit(session, now=at, tz=LONDON)
    return report.acted_on if report else None


@pytest.mark.fault("several schedulers")
def test_three_auditors_at_once_tell_of_each_finding_once(app: Flask, settings: Settings) -> None:
    with stored(app) as session:
        make_manager(session, is_duty_lead=True)
        late = max(make_request(session, mobile(n)).due_at for n in range(5)) + UNTOLD_AFTER
    for at in (late, late + CONFIRM_AFTER):
        finishes = race(settings, audit_at, [(at,)] * 3)
        assert [finish.refused_with for finish in finishes] == [None] * 3, finishes
    with stored(app) as session:
        assert len(session.scalars(select(Finding.id)).all()) == 5
        assert len(session.scalars(select(Escalation.id)).all()) == 5
        told = select(OutboxMessage.id).where(OutboxMessage.kind == TextKind.AUDIT)
        assert len(session.scalars(told).all()) == 1
