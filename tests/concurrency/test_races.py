"""Constraints hold between real processes, on both databases."""

from __future__ import annotations

import math
import os
import signal
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from multiprocessing.connection import Connection

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.config import Settings
from callback_service.domain.lifecycle import Disposition, Outcome, RequestState
from callback_service.domain.staff import StaffMember
from callback_service.domain.text_limits import TextLimits
from callback_service.errors import CallbackServiceError
from callback_service.extensions import transaction
from callback_service.gateways.twilio import TwilioGateway
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import (
    CallbackRequest,
    ContactWindow,
    Escalation,
    Offer,
    Submission,
)
from callback_service.models.outbox import OutboxMessage, OutboxState
from callback_service.models.plan import PlanEntry, PlanTrigger
from callback_service.services import (
    attempts,
    desk,
    escalation,
    offers,
    outbox_claims,
    outbox_results,
)
from callback_service.services.outbox_hand_over import hand_over
from tests.concurrency.racing import again_while_busy, race, start_until_killed
from tests.concurrency.steps import accept_once, ask_once, plan_and_offer, run_one
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import (
    TONIGHT,
    an_ask,
    make_manager,
    make_request,
    make_shift,
    make_shifts,
    member,
    mobile,
    stored,
)
from tests.twilio_double import Misdeed, TwilioDouble

ACCOUNT = "AC" + "1" * 32
TOKEN = "0123456789abcdef0123456789abcdef"
SENDER = "+441632960001"
RECEIPTS = "http://127.0.0.1:9/receipts"
LIMITS = TextLimits()


def count(session: Session, model: type) -> int:
    return session.scalar(select(func.count()).select_from(model)) or 0


def escalate_once() -> int:
    with transaction() as session:
        return escalation.escalate(session, now=NOW, tz=LONDON)


def drain(api_url: str, now: datetime = NOW, report: Callable[[object], None] | None = None) -> int:
    """Send all that is due; ``report`` is told of each text between its sending and its record."""
    gateway = TwilioGateway(ACCOUNT, TOKEN, sender=SENDER, api_url=api_url)
    sent = 0
    while True:
        with transaction() as session:
            claims = outbox_claims.claim(session, LIMITS, most=1, now=now, tz=LONDON)
        for claim in claims:
            result = hand_over(gateway, claim, receipts_at=RECEIPTS, begin_by=math.inf, now=now)
            if report is not None:
                report(claim.message_id)
            with transaction() as session:
                outbox_results.record(
                    session, [(claim, result)], LIMITS, is_live=True, now=now, tz=LONDON
                )
        sent += len(claims)
        if not claims:
            return sent


def ask_without_end(first: int, report: Callable[[object], None]) -> None:
    for number in range(first, first + 500):
        ask_once(an_ask(mobile(number % 1000), may_text=True, name="Sam"))
        report(number)


@pytest.mark.fault("a race of callers")
def test_twenty_posts_of_one_number_at_once_are_one_open_request(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        make_shift(session)
    asks = [an_ask(name=f"Sam {n}", may_text=True) for n in range(20)]
    finishes = race(settings, ask_once, [(ask,) for ask in asks])
    assert [finish.value for finish in finishes] == [ask.key for ask in asks], finishes
    with stored(app) as session:
        assert count(session, CallbackRequest) == 1
        assert count(session, OutboxMessage) == 1
        assert count(session, Submission) == count(session, ContactWindow) == 20


@pytest.mark.fault("a form sent many times")
def test_a_form_sent_ten_times_at_once_is_one_submission(app: Flask, settings: Settings) -> None:
    with stored(app) as session:
        make_shift(session)
    ask = an_ask(may_text=True)
    finishes = race(settings, ask_once, [(ask,)] * 10)
    assert {finish.value for finish in finishes} == {ask.key}, finishes
    with stored(app) as session:
        assert count(session, Submission) == count(session, CallbackRequest) == 1


@pytest.mark.fault("a race of callers")
def test_twenty_who_reach_for_the_last_two_places_of_a_window_are_two_and_eighteen(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        make_shift(session)
    asks = [an_ask(mobile(n), window=TONIGHT) for n in range(20)]
    finishes = race(settings, ask_once, [(ask,) for ask in asks])
    outcomes = Counter(finish.refused_with for finish in finishes)
    assert outcomes == {None: 2, "WindowGone": 18}, finishes
    with stored(app) as session:
        places = session.scalars(select(ContactWindow.place)).all()
        assert sorted(place or 0 for place in places) == [1, 2]
        assert count(session, CallbackRequest) == count(session, Submission) == 2


@pytest.mark.fault("a race of counsellors")
def test_ten_counsellors_who_take_one_request_are_one_and_nine_who_are_told_who(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        people = [member(counsellor) for counsellor in make_shifts(session, 10)]
        request_id = make_request(session).id
    finishes = race(settings, accept_once, [(request_id, person) for person in people])
    winners = [p for p, finish in zip(people, finishes, strict=True) if not finish.refused_with]
    assert len(winners) == 1, finishes
    told = {finish.sentence for finish in finishes if finish.refused_with}
    assert told == {f"{winners[0].name} took this call 0 seconds ago."}
    with stored(app) as session:
        request = session.get_one(CallbackRequest, request_id)
        assert request.assigned_to_id == winners[0].id
        accepted = select(AuditEntry.actor_id).where(AuditEntry.action == "request.accepted")
        assert session.scalars(accepted).all() == [winners[0].id]


@pytest.mark.fault("a race of counsellors")
def test_one_counsellor_who_takes_five_requests_at_once_has_one(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        person = member(make_shift(session))
        ids = [make_request(session, mobile(n)).id for n in range(5)]
    finishes = race(settings, accept_once, [(request_id, person) for request_id in ids])
    sentences = Counter(finish.sentence for finish in finishes)
    assert sentences == {
        "": 1,
        "You already hold a request. Finish it or give it back first.": 4,
    }, finishes
    with stored(app) as session:
        states = Counter(session.scalars(select(CallbackRequest.state)))
        assert states == {RequestState.ASSIGNED: 1, RequestState.WAITING: 4}


@pytest.mark.fault("several schedulers")
def test_three_planners_at_once_make_one_offer_for_each_free_counsellor(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        make_shifts(session, 5)
        for number in range(20):
            make_request(session, mobile(number))
    finishes = race(settings, plan_and_offer, [(5,)] * 3)
    assert [finish.refused_with for finish in finishes] == [None] * 3, finishes
    with stored(app) as session:
        rows = session.execute(select(Offer.request_id, Offer.counsellor_id)).all()
        assert len(rows) == len({r for r, _ in rows}) == len({c for _, c in rows}) == 5
        assert sum(finish.value for finish in finishes) == 5
        planned = session.scalars(select(PlanEntry.request_id)).all()
        assert len(planned) == len(set(planned)) == 20


@pytest.mark.fault("several schedulers")
def test_three_schedulers_that_escalate_at_once_tell_the_duty_lead_once(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        make_manager(session, is_duty_lead=True)
        for number in range(10):
            make_request(session, mobile(number))
    finishes = race(settings, escalate_once, [()] * 3)
    assert sorted(finish.value for finish in finishes) == [0, 0, 10], finishes
    with stored(app) as session:
        assert count(session, Escalation) == count(session, OutboxMessage) == 10


@pytest.mark.fault("several schedulers")
@pytest.mark.parametrize("misdeed", [None, Misdeed.TOO_MANY_REQUESTS])
def test_four_senders_send_each_of_fifty_texts_once(
    app: Flask, settings: Settings, misdeed: Misdeed | None
) -> None:
    with stored(app) as session:
        make_shifts(session, 3)
        for number in range(50):
            make_request(session, mobile(number), may_text=True)
    with TwilioDouble(ACCOUNT, TOKEN, manual=True, now=lambda: NOW) as double:
        if misdeed:
            double.misbehave(misdeed, times=5, seconds=60)
        for turn in range(8) if misdeed else (0,):  # each "too many" shuts the gate for a minute
            race(settings, drain, [(double.url, NOW + turn * timedelta(seconds=61))] * 4)
        to = [text.to for text in double.messages]
        assert len(to) == len(set(to)) == 50
    with stored(app) as session:
        states = Counter(session.scalars(select(OutboxMessage.state)))
        assert states == {OutboxState.SENT: 50}


@pytest.mark.fault("a killed web process")
def test_a_process_killed_while_it_takes_requests_leaves_none_half_written(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        make_shifts(session, 3)
    reported = 0
    for turn in range(4):
        process, progress = start_until_killed(settings, ask_without_end, (turn * 200,))
        for _ in range(3 + 4 * turn):
            progress.recv()
            reported += 1
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        while _more(progress):
            reported += 1
    with stored(app) as session:
        whole = session.scalars(select(CallbackRequest.id)).all()
        assert reported <= len(whole) <= reported + 4
        for model in (Submission, ContactWindow, OutboxMessage):
            held = session.scalars(select(model.request_id)).all()
            assert sorted(held) == sorted(whole), model  # type: ignore[type-var]
        audited = session.scalars(
            select(AuditEntry.subject_id).where(AuditEntry.action == "request.taken")
        ).all()
        assert sorted(a for a in audited if a) == sorted(whole)
        triggers = select(PlanTrigger.id).where(PlanTrigger.reason == "request")
        assert len(session.scalars(triggers).all()) == len(whole)
        for request in session.scalars(select(CallbackRequest)):
            assert (request.name, request.phone or "") > ("Sam", "+44")


def _more(progress: Connection) -> bool:
    """Whether the killed process had said that one more was committed."""
    try:
        progress.recv()
    except EOFError:
        return False
    return True


@pytest.mark.fault("a killed sender")
def test_a_text_of_a_killed_sender_goes_once(app: Flask, settings: Settings) -> None:
    with stored(app) as session:
        make_shift(session)
        for number in range(30):
            make_request(session, mobile(number), may_text=True)
        for message in session.scalars(select(OutboxMessage)):
            message.expires_at = NOW + timedelta(hours=2)
    with TwilioDouble(ACCOUNT, TOKEN, manual=True, now=lambda: NOW) as double:
        process, progress = start_until_killed(settings, drain, (double.url, NOW))
        for _ in range(7):
            progress.recv()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        [finish] = race(settings, drain, [(double.url, NOW + LIMITS.lease)])
        assert finish.refused_with is None, finish
        to = [text.to for text in double.messages]
        assert len(to) == len(set(to)) == 30
    with stored(app) as session:
        assert set(session.scalars(select(OutboxMessage.state))) == {OutboxState.SENT}


def work_a_shift(person: StaffMember) -> int:
    """Take, ring and finish whatever waits, as fast as possible; how many calls."""
    done = 0
    while waiting := again_while_busy(_waiting):
        for request_id in waiting:
            try:
                again_while_busy(accept_once, request_id, person)
            except CallbackServiceError:
                continue
            again_while_busy(_start, request_id, person)
            again_while_busy(_finish, request_id, person)
            done += 1
            break
    return done


def _waiting() -> list[int]:
    with transaction() as session:
        return [row.request_id for row in desk.queue(session, now=NOW, tz=LONDON)]


def _start(request_id: int, person: StaffMember) -> None:
    with transaction() as session:
        attempts.start_attempt(session, request_id, staff=person, now=NOW)


def _finish(request_id: int, person: StaffMember) -> None:
    spoken = attempts.Record(Outcome.ANSWERED, Disposition.HELPED)
    with transaction() as session:
        attempts.record_outcome(session, request_id, spoken, staff=person, now=NOW, tz=LONDON)


def tick_for_a_while(times: int) -> int:
    for _ in range(times):
        again_while_busy(plan_and_offer, 1)
        again_while_busy(_lapse)
        again_while_busy(escalate_once)
    return times


def _lapse() -> None:
    with transaction() as session:
        offers.lapse_offers(session, now=NOW)


@pytest.mark.fault("everything at once")
def test_counsellors_and_schedulers_at_once_ring_everybody_once(
    app: Flask, settings: Settings
) -> None:
    with stored(app) as session:
        people = [member(counsellor) for counsellor in make_shifts(session, 4)]
        for number in range(40):
            make_request(session, mobile(number))
    runs: list[tuple[object, ...]] = [(work_a_shift, person) for person in people]
    runs += [(tick_for_a_while, 10), (tick_for_a_while, 10)]
    finishes = race(settings, run_one, runs)
    assert [finish.refused_with for finish in finishes] == [None] * 6, finishes
    assert sum(finish.value for finish in finishes[:4]) == 40
    with stored(app) as session:
        assert set(session.scalars(select(CallbackRequest.state))) == {RequestState.CLOSED}
        assert set(session.scalars(select(CallbackRequest.tries))) == {1}
        assert session.scalars(select(Offer).where(Offer.ended_at.is_(None))).all() == []
