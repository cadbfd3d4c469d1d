"""A manager keeps a colleague away from a caller: now, later, and by whatever way."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.errors import BadInput, Forbidden, NotFound, Refused
from callback_service.models.callback import CallbackRequest, Offer, OfferEnding
from callback_service.models.conflict import Bar
from callback_service.models.staff import Staff
from callback_service.services import attempts, bars, conflicts, desk, records, requests
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import (
    CALLER,
    accept,
    make_manager,
    make_request,
    make_shift,
    member,
    mobile,
    offer,
)


@pytest.fixture
def manager(session: Session) -> Staff:
    return make_manager(session)


@pytest.fixture
def alex(session: Session) -> Staff:
    """The only counsellor on shift."""
    return make_shift(session, name="Alex Marsh")


def bar(session: Session, request: CallbackRequest, who: Staff, manager: Staff) -> Bar:
    bars.bar(session, request.id, colleague_id=who.id, actor_id=manager.id, now=NOW)
    session.commit()
    return session.scalars(select(Bar).order_by(Bar.id.desc())).first()  # type: ignore[return-value]


def offered_to(session: Session) -> list[int]:
    return list(session.scalars(select(Offer.counsellor_id).where(Offer.ended_at.is_(None))))


class TestWhoIsKeptAway:
    def test_is_offered_nothing_of_that_number_and_all_of_others(
        self, session: Session, manager: Staff, alex: Staff
    ) -> None:
        closed = make_request(session, CALLER)
        requests.close(session, closed, Disposition.HELPED, now=NOW)
        bar(session, closed, alex, manager)
        make_request(session, CALLER)
        offer(session)
        assert offered_to(session) == []
        make_request(session, mobile(500))
        offer(session)
        assert offered_to(session) == [alex.id]

    def test_finds_neither_the_line_nor_the_call(
        self, session: Session, manager: Staff, alex: Staff
    ) -> None:
        request = make_request(session)
        bar(session, request, alex, manager)
        assert desk.board(session, staff=member(alex), now=NOW, tz=LONDON).rows == []
        with pytest.raises(NotFound):
            accept(session, request, alex)

    def test_sees_no_record_as_a_manager(self, session: Session, manager: Staff) -> None:
        other, request = make_manager(session, None), make_request(session)
        bar(session, request, other, manager)
        with pytest.raises(NotFound):
            records.record(session, request.id, staff=member(other), now=NOW)
        records.record(session, request.id, staff=member(manager), now=NOW)

    def test_gives_back_what_they_held(self, session: Session, manager: Staff, alex: Staff) -> None:
        request = make_request(session)
        accept(session, request, alex)
        bar(session, request, alex, manager)
        assert (request.state, request.assigned_to_id) == (RequestState.WAITING, None)

    def test_loses_the_offer_and_a_colleague_gets_it(
        self, session: Session, manager: Staff, alex: Staff
    ) -> None:
        request = make_request(session)
        offer(session)
        assert offered_to(session) == [alex.id]
        kay = make_shift(session, name="Kay Hill")
        bar(session, request, alex, manager)
        [ended] = session.scalars(select(Offer)).all()
        assert ended.ending is OfferEnding.SUPERSEDED
        offer(session)
        assert offered_to(session) == [kay.id]

    def test_is_offered_nothing_by_a_plan_that_is_older(
        self, session: Session, manager: Staff, alex: Staff, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from callback_service.services import offers
        from tests.support.request_builders import plan

        request = make_request(session)
        bar(session, request, alex, manager)
        monkeypatch.setattr(
            offers, "_plan_entries_due", lambda _session, _now: [(request.id, alex.id)]
        )
        plan(session)
        assert offers.make_offers(session, now=NOW, tz=LONDON) == 0

    def test_is_told_to_wait_for_the_end_of_a_call(
        self, session: Session, manager: Staff, alex: Staff
    ) -> None:
        request = make_request(session)
        accept(session, request, alex)
        attempts.start_attempt(session, request.id, staff=member(alex), now=NOW)
        with pytest.raises(Refused, match="is in a call with this person"):
            bar(session, request, alex, manager)

    def test_is_kept_away_once(self, session: Session, manager: Staff, alex: Staff) -> None:
        request = make_request(session)
        bar(session, request, alex, manager)
        with pytest.raises(Refused, match="already"):
            bar(session, request, alex, manager)


class TestAManager:
    def test_ends_it_and_both_are_written_down(
        self, session: Session, manager: Staff, alex: Staff
    ) -> None:
        request = make_request(session)
        row = bar(session, request, alex, manager)
        assert bars.lift(session, row.id, actor_id=manager.id, now=NOW) == request.id
        session.commit()
        assert not conflicts.is_barred(session, request.id, alex.id)
        with pytest.raises(NotFound):
            bars.lift(session, row.id, actor_id=manager.id, now=NOW)
        offer(session)
        assert offered_to(session) == [alex.id]

    def test_does_not_keep_themselves_away_nor_nobody(
        self, session: Session, manager: Staff
    ) -> None:
        request = make_request(session)
        with pytest.raises(Forbidden):
            bar(session, request, manager, manager)
        with pytest.raises(BadInput):
            bars.bar(session, request.id, colleague_id=None, actor_id=manager.id, now=NOW)

    def test_who_is_kept_away_ends_nothing_and_sees_no_list(
        self, session: Session, manager: Staff
    ) -> None:
        other, request = make_manager(session, None), make_request(session)
        row = bar(session, request, other, manager)
        with pytest.raises(NotFound):
            bars.lift(session, row.id, actor_id=other.id, now=NOW)
        with pytest.raises(NotFound):
            bars.bars_at(session, request.id, actor_id=other.id)

    def test_sees_who_is_kept_away_and_who_could_be(
        self, session: Session, manager: Staff, alex: Staff
    ) -> None:
        request = make_request(session)
        kay = make_shift(session, name="Kay Hill")
        bar(session, request, alex, manager)
        at = bars.bars_at(session, request.id, actor_id=manager.id)
        assert [(one.who, one.by) for one in at.standing] == [("Alex Marsh", "Mo Lane")]
        assert at.others == [(kay.id, "Kay Hill")]
