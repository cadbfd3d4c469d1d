"""Every waiting request has a counsellor who is on shift, as long as there is one."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.call_lengths import PRIOR
from callback_service.domain.lifecycle import Disposition
from callback_service.domain.planning import OFFER_LEASE, Planned
from callback_service.domain.staff import Role
from callback_service.models.callback import CallbackRequest
from callback_service.models.plan import PlanEntry, PlanTrigger
from callback_service.services import account_changes, offers, planning, quoting, requests
from tests.rota_builders import LONDON, local, make_pattern
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import (
    TONIGHT,
    accept,
    make_request,
    make_shift,
    make_shifts,
    mobile,
    offer,
    plan,
)


def entries(session: Session) -> dict[int, tuple[int, datetime]]:
    session.expire_all()
    return {
        e.request_id: (e.counsellor_id, e.starts_at) for e in session.scalars(select(PlanEntry))
    }


def test_a_new_request_calls_for_a_plan_and_is_in_it(session: Session) -> None:
    counsellor = make_shift(session)
    request = make_request(session)
    assert planning.plan_is_called_for(session)
    assert plan(session) == 1
    assert entries(session) == {request.id: (counsellor.id, NOW)}
    assert not planning.plan_is_called_for(session)


def test_the_same_facts_give_the_same_plan(session: Session) -> None:
    make_shifts(session, 3)
    for number in range(7):
        make_request(session, mobile(number))
    plan(session)
    before = entries(session)
    assert plan(session) == 0
    assert entries(session) == before


def test_a_call_for_a_plan_is_answered_by_one_plan(session: Session) -> None:
    for number in range(3):
        make_request(session, mobile(number))
    plan(session)
    assert session.scalars(select(PlanTrigger)).all() == []


def test_nobody_on_the_rota_means_no_entry(session: Session) -> None:
    make_request(session)
    plan(session)
    assert entries(session) == {}


def test_somebody_whose_shift_is_over_or_about_to_be_is_not_planned(session: Session) -> None:
    make_shift(session, "08:00", "20:00")
    make_shift(session, "12:00", "20:15")
    on_shift = make_shift(session)
    request = make_request(session)
    plan(session)
    assert entries(session)[request.id][0] == on_shift.id


def test_whose_next_shift_follows_at_once_takes_calls_to_the_end_of_the_first(
    session: Session,
) -> None:
    counsellor = make_shift(session, "12:00", "20:05")
    make_pattern(session, counsellor, "20:05", "23:00")
    request = make_request(session)
    plan(session)
    assert entries(session)[request.id] == (counsellor.id, NOW)


def test_where_only_the_next_shift_can_ring_it_is_planned_for_its_start(session: Session) -> None:
    later = make_shift(session, "22:00", "06:00")
    request = make_request(session)
    plan(session)
    assert entries(session)[request.id] == (later.id, local("2026-11-25 22:00"))


def test_a_window_is_not_planned_before_it_opens(session: Session) -> None:
    make_shift(session)
    request = make_request(session, window=TONIGHT)
    plan(session)
    assert entries(session)[request.id][1] == TONIGHT.start


def test_one_counsellor_is_planned_for_one_call_at_a_time(session: Session) -> None:
    make_shift(session)
    for number in range(3):
        make_request(session, mobile(number))
    plan(session)
    starts = sorted(start for _, start in entries(session).values())
    assert starts == [NOW, NOW + timedelta(minutes=30), NOW + timedelta(minutes=60)]


def test_a_disabled_counsellor_loses_the_place_in_the_plan_to_another(session: Session) -> None:
    first, second = make_shifts(session, 2)
    chief = make_staff(session, role=Role.ADMINISTRATOR)
    request = make_request(session)
    plan(session)
    planned_for = entries(session)[request.id][0]
    account_changes.disable(session, planned_for, actor_id=chief.id, now=NOW)
    session.flush()
    plan(session)
    assert entries(session)[request.id][0] == ({first.id, second.id} - {planned_for}).pop()


def test_when_a_shift_ends_its_request_is_planned_for_the_next_one(session: Session) -> None:
    early = make_shift(session, "16:00", "21:00")
    make_shift(session, "16:00", "21:00", name="Busy")
    late = make_shift(session, "21:00", "05:00")
    request = make_request(session)
    plan(session)
    assert entries(session)[request.id][0] != late.id
    plan(session, now=local("2026-11-25 20:45"))
    assert entries(session)[request.id][0] == late.id
    assert early.id != late.id


def test_a_counsellor_with_a_call_in_hand_is_not_planned_before_its_end(session: Session) -> None:
    counsellor = make_shift(session)
    accept(session, make_request(session, mobile(1)), counsellor)
    request = make_request(session, mobile(2))
    plan(session)
    free_at = NOW + timedelta(seconds=ceil(PRIOR.left(0)))
    assert entries(session)[request.id] == (counsellor.id, free_at)


def test_a_call_that_runs_over_does_not_hold_a_request_for_its_counsellor(
    session: Session,
) -> None:
    busy = make_shift(session)
    accept(session, make_request(session, mobile(1)), busy)
    free = make_shift(session)
    request = make_request(session, mobile(2))
    plan(session, now=NOW + timedelta(hours=1))
    assert entries(session)[request.id] == (free.id, NOW + timedelta(hours=1))


def test_a_closed_request_leaves_the_plan_at_once(session: Session) -> None:
    make_shift(session)
    request = make_request(session)
    plan(session)
    requests.close(session, request, Disposition.WITHDRAWN, now=NOW)
    session.flush()
    assert entries(session) == {}
    assert planning.plan_is_called_for(session)


def test_a_request_on_offer_stays_with_whom_it_is_offered_to(session: Session) -> None:
    make_shifts(session, 2)
    request = make_request(session)
    offer(session)
    offered_to = entries(session)[request.id][0]
    for number in range(1, 4):
        make_request(session, mobile(number))
    plan(session, now=NOW + timedelta(minutes=1))
    assert entries(session)[request.id][0] == offered_to


def test_older_promises_are_planned_before_newer_ones(session: Session) -> None:
    make_shift(session)
    made = [make_request(session, mobile(n), now=NOW + timedelta(minutes=n)) for n in range(5)]
    plan(session, now=NOW + timedelta(minutes=5))
    planned = entries(session)
    assert [planned[request.id][1] for request in made] == sorted(
        start for _, start in planned.values()
    )


def test_somebody_who_asks_now_is_expected_after_all_who_asked_before(session: Session) -> None:
    make_shift(session)
    for number in range(6):
        make_request(session, mobile(number))
    forecast = quoting.quote_as_soon_as_possible(session, now=NOW, tz=LONDON).forecast
    assert forecast is not None
    # Six before, of 31 minutes if they answer and of eight if not, some of them rung twice; offers
    # that lapse, and a break.
    assert 150 * 60 < forecast.mean < 250 * 60


def test_who_is_hours_late_is_still_rung_before_somebody_who_is_due_in_half_an_hour(
    session: Session,
) -> None:
    """Missed by more than an hour ranks before all that is due now; an hour's cap and no more."""
    counsellor = make_shift(session)
    late, in_time = make_request(session, mobile(1)), make_request(session, mobile(2))
    late.ring_from, late.due_at = NOW - timedelta(hours=4), NOW - timedelta(hours=3)
    in_time.due_at = NOW + timedelta(minutes=30)
    plan(session)
    assert entries(session)[late.id] == (counsellor.id, NOW)


def _waiting(session: Session) -> list[CallbackRequest]:
    return list(session.scalars(select(CallbackRequest)))


def test_a_thousand_requests_are_planned_for_fifty_counsellors(session: Session) -> None:
    for counsellor in range(50):
        make_pattern(session, make_staff(session, name=f"C {counsellor}"), "00:00", "00:00")
    template = make_request(session)
    values = {
        column.name: getattr(template, column.name)
        for column in template.__table__.columns
        if column.name not in {"id", "uid", "reference", "phone_index"}
    }
    for number in range(999):
        session.add(
            CallbackRequest(
                **values, reference=f"R{number:04}", phone_index=number.to_bytes(16, "big")
            )
        )
    session.flush()
    assert plan(session) == 1000


def test_an_offer_that_ends_while_the_plan_is_made_leaves_one_entry(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_shift(session)
    request = make_request(session)
    assert offer(session)
    offered = planning._offered

    def and_then_it_lapses(session: Session) -> list[Planned]:
        found = offered(session)
        offers.lapse_offers(session, now=NOW + OFFER_LEASE)
        session.flush()
        return found

    monkeypatch.setattr(planning, "_offered", and_then_it_lapses)
    plan(session, now=NOW + OFFER_LEASE)
    assert session.scalars(select(PlanEntry.request_id)).all() == [request.id]
