"""A request is put to one counsellor at a time, and moves on when they let it go by."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import RequestState
from callback_service.domain.planning import OFFER_LEASE
from callback_service.models.callback import Offer, OfferEnding
from callback_service.services import attempts, offers, requests
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import (
    TONIGHT,
    accept,
    an_ask,
    make_request,
    make_shift,
    make_shifts,
    member,
    mobile,
    offer,
    plan,
    take,
)

AFTER_LEASE = NOW + OFFER_LEASE


def open_offers(session: Session) -> list[tuple[int, int]]:
    session.flush()
    rows = session.execute(
        select(Offer.request_id, Offer.counsellor_id).where(Offer.ended_at.is_(None))
    )
    return [(request_id, counsellor_id) for request_id, counsellor_id in rows]


def endings(session: Session) -> list[OfferEnding | None]:
    session.flush()
    return list(session.scalars(select(Offer.ending).order_by(Offer.id)))


def test_a_request_is_offered_to_its_planned_counsellor_for_a_lease(session: Session) -> None:
    counsellor = make_shift(session)
    request = make_request(session)
    plan(session)
    assert offers.offers_are_due(session, now=NOW)
    assert offer(session) == 1
    assert open_offers(session) == [(request.id, counsellor.id)]
    assert session.scalars(select(Offer.lapses_at)).one() == NOW + OFFER_LEASE


def test_an_offer_is_made_once_however_often_the_tick_runs(session: Session) -> None:
    make_shifts(session, 3)
    make_request(session)
    assert [offer(session) for _ in range(3)] == [1, 0, 0]


def test_two_counsellors_get_one_offer_each(session: Session) -> None:
    counsellors = make_shifts(session, 2)
    for number in range(3):
        make_request(session, mobile(number))
    assert offer(session) == 2
    assert {who for _, who in open_offers(session)} == {c.id for c in counsellors}


def test_a_window_is_offered_shortly_before_it_opens_and_not_earlier(session: Session) -> None:
    make_shift(session)
    make_request(session, window=TONIGHT)
    assert offer(session, now=TONIGHT.start - timedelta(minutes=3)) == 0
    assert offer(session, now=TONIGHT.start - timedelta(minutes=2)) == 1


def test_nobody_who_is_not_on_shift_yet_is_offered_anything(session: Session) -> None:
    make_shift(session, "20:01", "04:00")
    make_request(session)
    assert offer(session) == 0
    assert offer(session, now=NOW + timedelta(minutes=1)) == 1


def test_a_lapsed_offer_goes_to_the_other_counsellor(session: Session) -> None:
    counsellors = {c.id for c in make_shifts(session, 2)}
    request = make_request(session)
    offer(session)
    [(_, first)] = open_offers(session)
    assert offers.lapse_offers(session, now=AFTER_LEASE - timedelta(seconds=1)) == 0
    assert offer(session, now=AFTER_LEASE) == 1
    assert open_offers(session) == [(request.id, (counsellors - {first}).pop())]
    assert endings(session) == [OfferEnding.LAPSED, None]


def test_a_request_everybody_let_go_by_is_offered_on(session: Session) -> None:
    make_shifts(session, 2)
    request = make_request(session)
    now = NOW
    for _ in range(5):
        assert offer(session, now=now) == 1
        assert [one for one, _ in open_offers(session)] == [request.id]
        now += OFFER_LEASE


def test_taking_it_ends_the_offer(session: Session) -> None:
    counsellor = make_shift(session)
    request = make_request(session)
    offer(session)
    accept(session, request, counsellor)
    assert endings(session) == [OfferEnding.ACCEPTED]
    assert offer(session, now=NOW + timedelta(minutes=1)) == 0


def test_a_colleague_who_takes_it_ends_the_offer_and_their_own(session: Session) -> None:
    counsellors = {c.id: c for c in make_shifts(session, 2)}
    first, second = make_request(session, mobile(1)), make_request(session, mobile(2))
    offer(session)
    offered = dict(open_offers(session))
    accept(session, first, counsellors[offered[second.id]])
    assert endings(session) == [OfferEnding.SUPERSEDED, OfferEnding.SUPERSEDED]
    offer(session, now=NOW + timedelta(seconds=1))
    assert dict(open_offers(session)) == {second.id: offered[first.id]}


def test_a_withdrawn_request_is_offered_to_nobody(session: Session) -> None:
    make_shift(session)
    submission = take(session, an_ask())
    offer(session)
    requests.withdraw(session, submission, now=NOW, tz=LONDON)
    assert open_offers(session) == []
    assert offer(session, now=AFTER_LEASE) == 0


def test_what_was_given_back_is_offered_to_somebody_else_first(session: Session) -> None:
    holder, other = make_shifts(session, 2)
    request = make_request(session)
    accept(session, request, holder)
    attempts.release(session, request.id, staff=member(holder), now=NOW)
    session.flush()
    assert request.state is RequestState.WAITING
    offer(session)
    assert open_offers(session) == [(request.id, other.id)]


def test_the_only_counsellor_gets_back_what_they_gave_back(session: Session) -> None:
    holder = make_shift(session)
    request = make_request(session)
    accept(session, request, holder)
    attempts.release(session, request.id, staff=member(holder), now=NOW)
    session.flush()
    offer(session)
    assert open_offers(session) == [(request.id, holder.id)]


def test_an_offer_to_somebody_who_was_disabled_meanwhile_lapses_and_moves_on(
    session: Session,
) -> None:
    people = {c.id: c for c in make_shifts(session, 2)}
    make_request(session)
    offer(session)
    [(_, first)] = open_offers(session)
    people[first].is_active = False
    session.flush()
    offer(session, now=AFTER_LEASE)
    [(_, second)] = open_offers(session)
    assert second != first


def test_offers_are_not_due_when_nothing_is(session: Session) -> None:
    moment: datetime = NOW
    assert not offers.offers_are_due(session, now=moment)
    make_shift(session)
    make_request(session)
    offer(session)
    assert not offers.offers_are_due(session, now=moment)
    assert offers.offers_are_due(session, now=AFTER_LEASE)
    assert offers.make_offers(session, now=moment, tz=LONDON) == 0


def test_an_offer_that_lapsed_is_not_made_to_the_same_one_before_there_is_a_new_plan(
    session: Session,
) -> None:
    first, second = make_shifts(session, 2)
    make_request(session)
    plan(session)
    assert offers.make_offers(session, now=NOW, tz=LONDON) == 1
    offers.lapse_offers(session, now=AFTER_LEASE)
    assert offers.make_offers(session, now=AFTER_LEASE, tz=LONDON) == 0
    plan(session, now=AFTER_LEASE)
    assert offers.make_offers(session, now=AFTER_LEASE, tz=LONDON) == 1
    session.flush()
    made_to = session.scalars(select(Offer.counsellor_id).order_by(Offer.id)).all()
    assert sorted(made_to) == [first.id, second.id]
