"""Breaks, wrap-up and leaving early: nobody who is away is planned for or offered a call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.lifecycle import Disposition, LetGo, Outcome, RequestState
from callback_service.domain.planning import CALL_LENGTH
from callback_service.domain.presence import REST, WRAP_UP, DeskState, PresenceKind, Rests
from callback_service.errors import BadInput, Refused
from callback_service.models.audit import AuditEntry
from callback_service.models.callback import CallbackRequest, Escalation, Offer, OfferEnding
from callback_service.models.plan import PlanEntry
from callback_service.models.presence import Presence
from callback_service.models.staff import Staff
from callback_service.services import attempts, offers, planning, presence, quoting
from callback_service.services.absence_preview import Moves, what_moves
from callback_service.services.escalation import escalate
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
    plan,
)

MINUTE = timedelta(minutes=1)
SHIFT_ENDS = NOW + timedelta(hours=12)
SPOKEN = attempts.Record(Outcome.ANSWERED, Disposition.HELPED)
NOT_REACHED = attempts.Record(Outcome.NO_ANSWER)


def take_break(session: Session, staff: Staff, minutes: int = 15, *, now: datetime = NOW) -> None:
    presence.start_break(session, staff.id, minutes=minutes, now=now, tz=LONDON)
    session.flush()


def leave(session: Session, staff: Staff, *, now: datetime = NOW) -> None:
    presence.sign_off(session, staff.id, actor_id=staff.id, now=now, tz=LONDON)
    session.flush()


def ring(session: Session, request: CallbackRequest, staff: Staff, now: datetime = NOW) -> None:
    accept(session, request, staff, now=now)
    attempts.start_attempt(session, request.id, staff=member(staff), now=now)
    session.flush()


def record(
    session: Session,
    request: CallbackRequest,
    staff: Staff,
    what: attempts.Record = SPOKEN,
    *,
    now: datetime = NOW,
    **given: Rests,
) -> None:
    attempts.record_outcome(
        session, request.id, what, staff=member(staff), now=now, tz=LONDON, **given
    )
    session.flush()


def planned(session: Session) -> list[tuple[int, datetime]]:
    session.flush()
    rows = session.execute(
        select(PlanEntry.counsellor_id, PlanEntry.starts_at).order_by(PlanEntry.request_id)
    )
    return [(counsellor_id, starts_at) for counsellor_id, starts_at in rows]


def offered(session: Session) -> list[int]:
    session.flush()
    return list(session.scalars(select(Offer.counsellor_id).where(Offer.ended_at.is_(None))))


def states(session: Session, *, now: datetime = NOW) -> dict[str, DeskState]:
    return {one.name: one.state for one in presence.at_desks(session, now=now, tz=LONDON)}


def deeds(session: Session) -> list[str]:
    session.flush()
    rows = select(AuditEntry.action).where(AuditEntry.action.startswith("presence."))
    return list(session.scalars(rows.order_by(AuditEntry.id)))


class TestABreak:
    def test_keeps_the_plan_and_offers_away_until_it_ends(self, session: Session) -> None:
        counsellor = make_shift(session)
        make_request(session)
        take_break(session, counsellor, 15)
        back = NOW + 15 * MINUTE
        assert offer(session) == 0
        assert planned(session) == [(counsellor.id, back)]
        assert offer(session, now=back - MINUTE) == 0
        assert offer(session, now=back) == 1

    def test_gives_an_open_offer_to_a_colleague_at_once(self, session: Session) -> None:
        people = {one.id: one for one in make_shifts(session, 2)}
        make_request(session)
        offer(session)
        [first] = offered(session)
        take_break(session, people[first])
        assert offered(session) == []
        ended = session.scalars(select(Offer)).one()
        assert (ended.ending, ended.reason) == (OfferEnding.DECLINED, LetGo.NOT_NOW)
        offer(session)
        assert offered(session) == [(people.keys() - {first}).pop()]

    def test_takes_what_was_planned_for_that_time_out_of_the_plan_at_once(
        self, session: Session
    ) -> None:
        counsellor = make_shift(session)
        for number in range(3):
            make_request(session, mobile(number))
        plan(session)
        take_break(session, counsellor, 30)
        assert [at for _, at in planned(session)] == [NOW + CALL_LENGTH, NOW + 2 * CALL_LENGTH]

    def test_is_no_longer_than_the_shift(self, session: Session) -> None:
        counsellor = make_shift(session, "16:00", "20:20")
        take_break(session, counsellor, 60)
        assert session.scalars(select(Presence.until)).one() == NOW + 20 * MINUTE

    def test_is_for_people_on_shift(self, session: Session) -> None:
        with pytest.raises(Refused, match="on shift"):
            take_break(session, make_shift(session, "08:00", "16:00"))

    def test_waits_until_the_request_in_hand_is_finished(self, session: Session) -> None:
        counsellor = make_shift(session)
        accept(session, make_request(session), counsellor)
        with pytest.raises(Refused, match="You hold a request"):
            take_break(session, counsellor)

    @pytest.mark.parametrize("minutes", [0, -15, 20, 10**9])
    def test_is_of_one_of_the_lengths(self, session: Session, minutes: int) -> None:
        counsellor = make_shift(session)
        with pytest.raises(BadInput):
            take_break(session, counsellor, minutes)

    def test_is_one_however_often_the_button_is_pressed(self, session: Session) -> None:
        counsellor = make_shift(session)
        take_break(session, counsellor, 15)
        take_break(session, counsellor, 60, now=NOW + MINUTE)
        assert session.scalars(select(Presence.until)).all() == [NOW + 15 * MINUTE]
        assert deeds(session) == ["presence.break"]

    def test_ended_early_makes_them_available_at_once(self, session: Session) -> None:
        counsellor = make_shift(session)
        make_request(session)
        take_break(session, counsellor, 60)
        presence.come_back(session, counsellor.id, now=NOW + MINUTE)
        session.flush()
        assert offer(session, now=NOW + MINUTE) == 1
        assert deeds(session) == ["presence.break", "presence.available"]

    def test_that_ended_by_itself_is_closed_at_its_time_by_the_next(self, session: Session) -> None:
        counsellor = make_shift(session)
        take_break(session, counsellor, 15)
        take_break(session, counsellor, 15, now=NOW + timedelta(hours=1))
        ends = session.scalars(select(Presence.ended_at).order_by(Presence.id)).all()
        assert ends == [NOW + 15 * MINUTE, None]

    def test_ends_when_they_take_a_request_themselves(self, session: Session) -> None:
        counsellor = make_shift(session, name="Jo Hill")
        take_break(session, counsellor)
        accept(session, make_request(session), counsellor)
        assert states(session) == {"Jo Hill": DeskState.HOLDING}
        assert presence.present_of(session, counsellor.id, now=NOW) is None

    def test_is_counted_in_what_a_newcomer_is_promised(self, session: Session) -> None:
        counsellor = make_shift(session)
        before = quoting.quote_as_soon_as_possible(session, now=NOW, tz=LONDON).due_at
        take_break(session, counsellor, 60)
        after = quoting.quote_as_soon_as_possible(session, now=NOW, tz=LONDON).due_at
        assert after >= NOW + timedelta(hours=1) > before

    def test_alone_does_not_take_a_new_request_to_the_duty_lead(self, session: Session) -> None:
        make_manager(session, is_duty_lead=True)
        take_break(session, make_shift(session))
        make_request(session)
        assert escalate(session, now=NOW, tz=LONDON) == 0


class TestLeavingEarly:
    def test_takes_them_out_of_the_plan_for_the_rest_of_the_shift(self, session: Session) -> None:
        counsellor, other = make_shifts(session, 2)
        for number in range(4):
            make_request(session, mobile(number))
        plan(session)
        leave(session, counsellor)
        assert {who for who, _ in planned(session)} == {other.id}
        plan(session)
        assert [who for who, _ in planned(session)] == [other.id] * 4
        assert session.scalars(select(Presence.until)).one() == SHIFT_ENDS

    def test_gives_back_what_they_hold_and_have_not_rung(self, session: Session) -> None:
        counsellor, other = make_shifts(session, 2)
        request = make_request(session)
        accept(session, request, counsellor)
        leave(session, counsellor)
        assert request.state is RequestState.WAITING
        offer(session)
        assert offered(session) == [other.id]

    def test_leaves_them_the_call_that_they_are_making(self, session: Session) -> None:
        counsellor = make_shift(session, name="Jo Hill")
        request = make_request(session)
        ring(session, request, counsellor)
        leave(session, counsellor, now=NOW + MINUTE)
        assert request.assigned_to_id == counsellor.id
        assert states(session, now=NOW + MINUTE) == {"Jo Hill": DeskState.CALLING}
        record(session, request, counsellor, now=NOW + 9 * MINUTE)
        assert states(session, now=NOW + 9 * MINUTE) == {"Jo Hill": DeskState.SIGNED_OFF}

    def test_takes_requests_to_the_duty_lead_when_nobody_is_left(self, session: Session) -> None:
        make_manager(session, is_duty_lead=True)
        counsellor = make_shift(session)
        make_request(session)
        leave(session, counsellor)
        plan(session)
        assert planned(session)[0][1] > SHIFT_ENDS  # their next shift
        assert escalate(session, now=NOW, tz=LONDON) == 1
        assert session.scalars(select(Escalation.reason)).one() == "nobody_on_shift"

    def test_is_refused_to_who_is_not_on_shift(self, session: Session) -> None:
        with pytest.raises(Refused, match="on shift"):
            leave(session, make_shift(session, "08:00", "16:00"))

    def test_is_for_a_manager_to_say_of_somebody_who_is_not_there(self, session: Session) -> None:
        counsellor, manager = make_shift(session), make_manager(session)
        presence.sign_off(session, counsellor.id, actor_id=manager.id, now=NOW, tz=LONDON)
        session.flush()
        said_by = select(AuditEntry.actor_id).where(AuditEntry.action == "presence.signed_off")
        assert session.scalars(said_by).one() == manager.id

    def test_means_no_request_and_no_break_until_they_come_back(self, session: Session) -> None:
        counsellor = make_shift(session)
        request = make_request(session)
        leave(session, counsellor)
        with pytest.raises(Refused, match="Come back first"):
            accept(session, request, counsellor)
        with pytest.raises(Refused, match="Come back first"):
            take_break(session, counsellor)
        presence.come_back(session, counsellor.id, now=NOW)
        accept(session, request, counsellor)
        assert request.state is RequestState.ASSIGNED

    def test_is_over_with_the_shift(self, session: Session) -> None:
        counsellor = make_shift(session)
        leave(session, counsellor)
        tomorrow = NOW + timedelta(days=1)
        make_request(session, now=tomorrow)
        assert offer(session, now=tomorrow) == 1

    def test_twice_is_once(self, session: Session) -> None:
        counsellor = make_shift(session)
        leave(session, counsellor)
        leave(session, counsellor, now=NOW + MINUTE)
        assert deeds(session) == ["presence.signed_off"]


@pytest.mark.one_database
class TestWrapUp:
    @pytest.mark.parametrize(("what", "lasts"), [(SPOKEN, WRAP_UP), (NOT_REACHED, REST)])
    def test_follows_every_attempt_and_keeps_offers_away(
        self, session: Session, what: attempts.Record, lasts: timedelta
    ) -> None:
        counsellor = make_shift(session)
        first = make_request(session, mobile(1))
        ring(session, first, counsellor)
        make_request(session, mobile(2))
        record(session, first, counsellor, what)
        assert offer(session, now=NOW + lasts - 3 * MINUTE) == 0
        assert offer(session, now=NOW + lasts) == 1

    def test_is_as_long_as_the_settings_say(self, session: Session) -> None:
        counsellor = make_shift(session)
        request = make_request(session)
        ring(session, request, counsellor)
        record(session, request, counsellor, rests=Rests(wrap_up=7 * MINUTE))
        assert presence.away_until(session, now=NOW) == {counsellor.id: NOW + 7 * MINUTE}

    def test_of_no_length_is_none(self, session: Session) -> None:
        counsellor = make_shift(session)
        request = make_request(session)
        ring(session, request, counsellor)
        record(session, request, counsellor, rests=Rests(timedelta(0), timedelta(0)))
        assert presence.away_until(session, now=NOW) == {}

    def test_ends_when_they_are_ready(self, session: Session) -> None:
        counsellor = make_shift(session)
        first = make_request(session, mobile(1))
        ring(session, first, counsellor)
        make_request(session, mobile(2))
        record(session, first, counsellor)
        presence.come_back(session, counsellor.id, now=NOW)
        assert offer(session) == 1

    def test_gets_more_time_once(self, session: Session) -> None:
        counsellor = make_shift(session)
        request = make_request(session)
        ring(session, request, counsellor)
        record(session, request, counsellor)
        presence.more_time(session, counsellor.id, rests=Rests(), now=NOW)
        session.flush()
        assert presence.away_until(session, now=NOW) == {counsellor.id: NOW + 2 * WRAP_UP}
        with pytest.raises(Refused, match="more time already"):
            presence.more_time(session, counsellor.id, rests=Rests(), now=NOW)

    def test_gets_no_more_time_once_it_is_over(self, session: Session) -> None:
        counsellor = make_shift(session)
        for now in (NOW, NOW + WRAP_UP):
            with pytest.raises(Refused, match="is over"):
                presence.more_time(session, counsellor.id, rests=Rests(), now=now)

    def test_is_not_for_who_had_their_call_finished_by_a_manager(self, session: Session) -> None:
        counsellor, manager = make_shift(session), make_manager(session)
        request = make_request(session)
        ring(session, request, counsellor)
        record(session, request, manager)
        assert presence.away_until(session, now=NOW) == {}

    def test_may_become_a_break(self, session: Session) -> None:
        counsellor = make_shift(session, name="Jo Hill")
        request = make_request(session)
        ring(session, request, counsellor)
        record(session, request, counsellor)
        take_break(session, counsellor)
        assert states(session) == {"Jo Hill": DeskState.BREAK}


class TestAtTheMomentOfOffering:
    def test_a_plan_older_than_a_break_makes_no_offer(self, session: Session) -> None:
        counsellor = make_shift(session)
        request = make_request(session)
        take_break(session, counsellor)
        session.add(
            PlanEntry(
                request_id=request.id, counsellor_id=counsellor.id, starts_at=NOW, planned_at=NOW
            )
        )
        session.flush()
        assert not offers.offers_are_due(session, now=NOW)
        assert offers.make_offers(session, now=NOW, tz=LONDON) == 0

    def test_load_is_spread_by_the_calls_of_the_last_hours(self, session: Session) -> None:
        people = make_shifts(session, 3)
        for number, calls in enumerate((2, 0, 1)):
            for turn in range(calls):
                request = make_request(session, mobile(10 * number + turn))
                ring(session, request, people[number])
                record(session, request, people[number])
                presence.come_back(session, people[number].id, now=NOW)
        order = []
        for number in range(3):
            make_request(session, mobile(900 + number))
            offer(session)
            order.append(next(one for one in offered(session) if one not in order))
        assert order == [people[1].id, people[2].id, people[0].id]


@pytest.mark.one_database
class TestWhatMoves:
    def test_is_nothing_where_nothing_is_planned(self, session: Session) -> None:
        counsellor = make_shift(session)
        seen = what_moves(session, counsellor.id, [NOW + 15 * MINUTE], now=NOW, tz=LONDON)
        assert seen == [Moves()]

    def test_is_what_colleagues_take(self, session: Session) -> None:
        counsellor, _ = make_shifts(session, 2)
        make_request(session)
        plan(session)
        seen = what_moves(session, counsellor.id, [NOW + 60 * MINUTE], now=NOW, tz=LONDON)
        assert seen == [Moves(to_colleagues=1)]

    def test_names_what_nobody_else_could_do_in_time_and_what_can_wait(
        self, session: Session
    ) -> None:
        counsellor = make_shift(session)
        request = make_request(session)
        lengths = [NOW + 10 * MINUTE, NOW + 60 * MINUTE]
        assert lengths[0] <= request.due_at < lengths[1]
        seen = what_moves(session, counsellor.id, lengths, now=NOW, tz=LONDON)
        assert seen == [Moves(later=1), Moves(lost=(request.reference,))]

    def test_counts_the_call_that_is_offered(self, session: Session) -> None:
        counsellor, other = make_shifts(session, 2)
        make_request(session)
        offer(session)
        mine = counsellor if offered(session) == [counsellor.id] else other
        seen = what_moves(session, mine.id, [NOW + 15 * MINUTE], now=NOW, tz=LONDON)
        assert seen == [Moves(to_colleagues=1)]

    def test_says_of_the_call_that_is_offered_whether_anybody_else_could_take_it(
        self, session: Session
    ) -> None:
        counsellor = make_shift(session)
        request = make_request(session)
        offer(session)
        lengths = [NOW + 10 * MINUTE, NOW + 60 * MINUTE]
        seen = what_moves(session, counsellor.id, lengths, now=NOW, tz=LONDON)
        assert seen == [Moves(later=1), Moves(lost=(request.reference,))]

    def test_is_found_without_writing(self, session: Session) -> None:
        counsellor = make_shift(session)
        make_request(session)
        what_moves(session, counsellor.id, [SHIFT_ENDS], now=NOW, tz=LONDON)
        assert not session.new
        assert planned(session) == []


def test_everybody_on_shift_is_seen_with_what_they_do(session: Session) -> None:
    names = ("Al Moor", "Bo Reed", "Cy Dale", "Di Ford", "Ed Hale")
    people = {name: make_shift(session, name=name) for name in names}
    make_shift(session, "08:00", "16:00", name="Off Shift")
    ring(session, make_request(session, mobile(1)), people["Al Moor"])
    accept(session, make_request(session, mobile(2)), people["Bo Reed"])
    take_break(session, people["Cy Dale"])
    leave(session, people["Di Ford"])
    assert states(session) == {
        "Al Moor": DeskState.CALLING,
        "Bo Reed": DeskState.HOLDING,
        "Cy Dale": DeskState.BREAK,
        "Di Ford": DeskState.SIGNED_OFF,
        "Ed Hale": DeskState.AVAILABLE,
    }


def test_the_database_holds_one_at_a_time_for_each_person(session: Session) -> None:
    counsellor = make_shift(session)
    take_break(session, counsellor)
    second = Presence(
        staff_id=counsellor.id, kind=PresenceKind.WRAP_UP, since=NOW, until=NOW + MINUTE
    )
    session.add(second)
    with pytest.raises(IntegrityError, match=r"uq_presence_open|presence\.staff_id"):
        session.flush()


@pytest.mark.parametrize("move", [take_break, leave])
def test_every_change_asks_for_a_plan(session: Session, move: Callable[..., None]) -> None:
    counsellor = make_shift(session)
    plan(session)
    move(session, counsellor)
    assert planning.plan_is_called_for(session)
    plan(session)
    presence.come_back(session, counsellor.id, now=NOW)
    session.flush()
    assert planning.plan_is_called_for(session)
