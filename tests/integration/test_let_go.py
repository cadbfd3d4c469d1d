"""Declining and giving back with a reason; the text about an offer; the history managers see."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import Disposition, LetGo
from callback_service.domain.planning import OFFER_LEASE
from callback_service.domain.retention import USUAL, Kept
from callback_service.domain.text_limits import TextLimits
from callback_service.errors import NotFound, Refused
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import CallbackRequest, Offer, OfferEnding
from callback_service.models.outbox import OutboxMessage, OutboxState, TextKind
from callback_service.models.staff import Staff
from callback_service.services import (
    accounts,
    attempts,
    conflicts,
    desk,
    offers,
    request_history,
    requests,
    retention,
)
from callback_service.services.desk import NumberShown
from callback_service.services.escalation import escalate
from callback_service.services.outbox_claims import claim
from callback_service.services.requests import Why
from tests.rota_builders import LONDON
from tests.support.builders import NOW
from tests.support.request_builders import (
    accept,
    make_manager,
    make_request,
    make_shift,
    make_shifts,
    member,
    mobile,
    offer,
    phone_of,
)

KNOWN = Why(LetGo.KNOWS_CALLER)
NOT_NOW = Why(LetGo.NOT_NOW)


def decline(session: Session, request: CallbackRequest, staff: Staff, why: Why = NOT_NOW) -> None:
    offers.decline(session, request.id, staff=member(staff), why=why, now=NOW)
    session.flush()


def give_back(session: Session, request: CallbackRequest, staff: Staff, why: Why) -> None:
    attempts.release(session, request.id, staff=member(staff), why=why, now=NOW)
    session.flush()


def offered_to(session: Session) -> int | None:
    session.flush()
    return session.scalar(select(Offer.counsellor_id).where(Offer.ended_at.is_(None)))


class TestDeclining:
    def test_asks_a_colleague_at_once_and_keeps_the_reason(self, session: Session) -> None:
        people = {one.id: one for one in make_shifts(session, 2)}
        request = make_request(session)
        offer(session)
        first = offered_to(session)
        assert first is not None
        decline(session, request, people[first], Why(LetGo.OTHER, "On the other line"))
        ended = session.scalars(select(Offer)).one()
        assert (ended.ending, ended.reason) == (OfferEnding.DECLINED, LetGo.OTHER)
        assert ended.words == "On the other line"
        assert b"other line" not in (ended.words_sealed or b"")
        assert offer(session) == 1
        assert offered_to(session) == (people.keys() - {first}).pop()

    def test_what_is_not_on_offer_to_them_is_refused(self, session: Session) -> None:
        people = {one.id: one for one in make_shifts(session, 2)}
        request = make_request(session)
        with pytest.raises(Refused, match="no longer on offer"):
            decline(session, request, next(iter(people.values())))
        offer(session)
        first = offered_to(session)
        with pytest.raises(Refused, match="no longer on offer"):
            decline(session, request, next(c for c in people.values() if c.id != first))
        assert offered_to(session) == first

    def test_an_offer_that_lapsed_is_refused(self, session: Session) -> None:
        counsellor = make_shift(session)
        request = make_request(session)
        offer(session)
        offers.lapse_offers(session, now=NOW + OFFER_LEASE)
        session.flush()
        with pytest.raises(Refused, match="no longer on offer"):
            decline(session, request, counsellor)

    def test_by_everybody_takes_it_to_the_duty_lead(self, session: Session) -> None:
        make_manager(session, is_duty_lead=True)
        counsellor = make_shift(session)
        request = make_request(session)
        offer(session)
        decline(session, request, counsellor)
        assert escalate(session, now=NOW, tz=LONDON) == 1


class TestSomebodyWhoKnowsTheCaller:
    def test_is_never_offered_the_request_again_even_if_nobody_else_is_there(
        self, session: Session
    ) -> None:
        counsellor = make_shift(session)
        request = make_request(session)
        accept(session, request, counsellor)
        give_back(session, request, counsellor, KNOWN)
        for minutes in (0, 30, 60):
            assert offer(session, now=NOW + timedelta(minutes=minutes)) == 0

    def test_is_not_offered_it_in_a_later_round(self, session: Session) -> None:
        knows, other = make_shifts(session, 2)
        request = make_request(session)
        accept(session, request, knows)
        give_back(session, request, knows, KNOWN)
        accept(session, request, other)
        give_back(session, request, other, NOT_NOW)
        offer(session)
        assert offered_to(session) == other.id

    def test_is_not_offered_another_request_of_that_number(self, session: Session) -> None:
        knows, other = make_shifts(session, 2)
        first = make_request(session)
        accept(session, first, knows)
        give_back(session, first, knows, KNOWN)
        requests.close(session, first, Disposition.UNREACHABLE, now=NOW)
        other.is_active = False
        session.flush()
        make_request(session)
        assert offer(session) == 0
        make_request(session, mobile(7))
        assert offer(session) == 1

    def test_cannot_take_it_from_the_desk(self, session: Session) -> None:
        counsellor = make_shift(session)
        request = make_request(session)
        accept(session, request, counsellor)
        give_back(session, request, counsellor, KNOWN)
        assert conflicts.barred_from(session, counsellor.id) == {request.id}
        with pytest.raises(NotFound):
            accept(session, request, counsellor)

    def test_leaves_it_to_the_duty_lead_where_nobody_else_is_there(self, session: Session) -> None:
        make_manager(session, is_duty_lead=True)
        counsellor = make_shift(session)
        request = make_request(session)
        accept(session, request, counsellor)
        give_back(session, request, counsellor, KNOWN)
        assert escalate(session, now=NOW, tz=LONDON) == 1

    def test_is_only_who_said_so_themselves(self, session: Session) -> None:
        counsellor, manager = make_shift(session), make_manager(session)
        request = make_request(session)
        accept(session, request, counsellor)
        give_back(session, request, manager, KNOWN)
        assert conflicts.barred_from(session, counsellor.id) == set()


@pytest.mark.one_database
class TestTheTextAboutAnOffer:
    def chosen(self, session: Session, *, texts_offers: bool = True) -> Staff:
        counsellor = make_shift(session)
        phone = phone_of("07700 900801")
        accounts.choose_texts(
            session, counsellor.id, phone=phone, texts_offers=texts_offers, now=NOW
        )
        session.flush()
        return counsellor

    def test_goes_once_to_who_chose_it_and_names_nobody(self, session: Session) -> None:
        counsellor = self.chosen(session)
        request = make_request(session, name="Sam", note="Hang up")
        assert [offer(session) for _ in range(3)] == [1, 0, 0]
        text = session.scalars(select(OutboxMessage)).one()
        assert (text.kind, text.staff_id, text.to) == (
            TextKind.OFFER,
            counsellor.id,
            "+447700900801",
        )
        assert text.expires_at == NOW + OFFER_LEASE
        assert text.body == "A request is on offer to you until 8:05pm tonight. Sign in to take it."
        assert text.request_id is None
        assert request.reference not in text.body

    def test_goes_to_nobody_who_did_not_choose_it(self, session: Session) -> None:
        self.chosen(session, texts_offers=False)
        make_request(session)
        assert offer(session) == 1
        assert session.scalars(select(OutboxMessage)).all() == []

    def test_is_dropped_once_the_offer_has_ended(self, session: Session) -> None:
        counsellor = self.chosen(session)
        request = make_request(session)
        offer(session)
        decline(session, request, counsellor)
        assert claim(session, TextLimits(), now=NOW, tz=LONDON) == []
        text = session.scalars(select(OutboxMessage)).one()
        assert (text.state, text.reason) == (OutboxState.DROPPED, "The offer had ended.")

    def test_is_dropped_when_the_lease_is_over(self, session: Session) -> None:
        self.chosen(session)
        make_request(session)
        offer(session)
        assert claim(session, TextLimits(), now=NOW + OFFER_LEASE, tz=LONDON) == []


class TestTheHistory:
    def test_says_who_was_asked_and_why_they_let_it_go(self, session: Session) -> None:
        counsellor, manager = make_shift(session, name="Jo Hill"), make_manager(session)
        request = make_request(session)
        offer(session)
        decline(session, request, counsellor, Why(LetGo.OTHER, "On the other line"))
        accept(session, request, counsellor)
        give_back(session, request, counsellor, Why(LetGo.NEEDS_SKILL))
        seen = request_history.history(session, request.id, staff=member(manager), now=NOW)
        assert seen.reference == request.reference
        assert [(one.action, one.who, one.let_go, one.words) for one in seen.events] == [
            ("taken", None, None, None),
            ("offered", "Jo Hill", None, None),
            ("offer_declined", "Jo Hill", LetGo.OTHER, "On the other line"),
            ("accepted", "Jo Hill", None, None),
            ("given_back", "Jo Hill", LetGo.NEEDS_SKILL, None),
        ]

    def test_is_a_look_that_is_written_down(self, session: Session) -> None:
        manager, _ = make_manager(session), make_shift(session)
        request = make_request(session)
        request_history.history(session, request.id, staff=member(manager), now=NOW)
        session.flush()
        look = select(AuditEntry.actor_id).where(AuditEntry.action == "request.history_read")
        assert session.scalars(look).all() == [manager.id]

    def test_shows_no_look_as_something_that_happened(self, session: Session) -> None:
        manager, counsellor = make_manager(session), make_shift(session)
        request = make_request(session)
        accept(session, request, counsellor)
        asks = NumberShown.ON_ASKING
        desk.call_sheet(session, request.id, staff=member(counsellor), number=asks, now=NOW)
        seen = request_history.history(session, request.id, staff=member(manager), now=NOW)
        assert [event.action for event in seen.events] == ["taken", "accepted"]

    def test_of_a_request_there_is_not_is_not_found(self, session: Session) -> None:
        with pytest.raises(NotFound):
            request_history.history(session, 10**6, staff=member(make_manager(session)), now=NOW)


def test_words_are_erased_with_the_request_and_the_reason_stays(session: Session) -> None:
    counsellor = make_shift(session)
    request = make_request(session)
    accept(session, request, counsellor)
    give_back(session, request, counsellor, Why(LetGo.OTHER, "My neighbour"))
    requests.close(session, request, Disposition.WITHDRAWN, now=NOW)
    session.flush()
    retention.erase_old(session, now=NOW + USUAL.lasts(Kept.CALLERS))
    session.flush()
    session.expire_all()
    kept = session.scalars(select(Offer)).one()
    assert (kept.reason, kept.words) == (LetGo.OTHER, None)
