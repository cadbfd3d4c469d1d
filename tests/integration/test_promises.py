"""Nothing is promised that the rota cannot keep."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.domain import quotes
from callback_service.domain.contact import LineKind, Window
from callback_service.domain.habits import LAPSES
from callback_service.domain.lifecycle import Disposition, Outcome, RequestState
from callback_service.domain.newcomers import Quote
from callback_service.domain.promises import places
from callback_service.domain.rota import Duty
from callback_service.domain.skills import Gender
from callback_service.domain.wishes import NO_WISHES, Wishes
from callback_service.errors import WindowGone
from callback_service.models.callback import (
    Attempt,
    CallbackRequest,
    ContactWindow,
    Offer,
    OfferEnding,
    Submission,
)
from callback_service.models.staff import Staff
from callback_service.services import presence, promises, quoting, requests, window_room
from callback_service.services.learning import learned_lapses, learned_lengths
from tests.rota_builders import LONDON, local, make_pattern
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import (
    LATE_TONIGHT,
    TONIGHT,
    accept,
    make_manager,
    make_request,
    make_shift,
    make_shifts,
    mobile,
    plan,
)


def windows(session: Session, *, now: datetime = NOW) -> list[Window]:
    return promises.windows_with_room(session, now=now, tz=LONDON)


def quoted(session: Session, *, now: datetime = NOW) -> Quote:
    return quoting.quote_as_soon_as_possible(session, now=now, tz=LONDON)


class TestWindows:
    def test_of_an_empty_rota_there_are_none(self, session: Session) -> None:
        assert windows(session) == []

    def test_are_offered_only_inside_shifts(self, session: Session) -> None:
        make_shift(session, "22:00", "04:00")
        offered = windows(session)
        assert offered[0] == TONIGHT
        assert {window.start.astimezone(LONDON).hour for window in offered} == {22, 0, 2}

    def test_begin_half_an_hour_from_now_at_the_earliest(self, session: Session) -> None:
        make_shift(session, "00:00", "00:00")
        assert windows(session, now=TONIGHT.start - timedelta(minutes=30))[0] == TONIGHT
        late = TONIGHT.start - timedelta(minutes=29)
        assert windows(session, now=late)[0] == LATE_TONIGHT

    def test_reach_two_weeks_ahead_and_no_further(self, session: Session) -> None:
        make_shift(session, "00:00", "00:00")
        last = windows(session)[-1]
        assert NOW + timedelta(days=13, hours=22) <= last.start < NOW + timedelta(days=14)

    def test_have_as_many_places_where_a_shift_follows_on_another_at_once(
        self, session: Session
    ) -> None:
        for one in make_shifts(session, 2, "16:00", "23:00"):
            make_pattern(session, one, "23:00", "05:00")
        parted = window_room.capacity_of(session, [TONIGHT], tz=LONDON)
        whole = places(TONIGHT, [(NOW, NOW + timedelta(hours=9))] * 2)
        assert parted == {TONIGHT: whole}

    def test_are_in_order_and_each_there_once(self, session: Session) -> None:
        make_shifts(session, 3, "00:00", "00:00")
        offered = windows(session)
        assert offered == sorted(set(offered))

    def test_disappear_when_full_and_come_back_when_a_call_is_withdrawn(
        self, session: Session
    ) -> None:
        make_shift(session)
        taken = [make_request(session, mobile(n), window=TONIGHT) for n in range(2)]
        assert TONIGHT not in windows(session)
        requests.close(session, taken[0], Disposition.WITHDRAWN, now=NOW)
        session.flush()
        assert TONIGHT in windows(session)

    def test_duty_leads_and_disabled_accounts_are_no_cover(self, session: Session) -> None:
        make_manager(session, is_duty_lead=True)
        gone = make_shift(session)
        gone.is_active = False
        session.flush()
        assert windows(session) == []

    def test_a_shift_that_ends_is_not_sold_beyond_its_end(self, session: Session) -> None:
        last_day = NOW.astimezone(LONDON).date()
        counsellor = make_staff(session)
        make_pattern(session, counsellor, "16:00", "23:59", until_on=last_day)
        assert windows(session) == [TONIGHT]

    def test_the_night_the_clocks_go_back_has_every_window_once(self, session: Session) -> None:
        make_shifts(session, 2, "00:00", "00:00")
        offered = windows(session, now=local("2026-10-24 22:00"))
        night = [w for w in offered if w.start.astimezone(LONDON).date().day == 25]
        assert [w.start.astimezone(LONDON).hour for w in night] == list(range(0, 24, 2))
        assert night[0].end - night[0].start == timedelta(hours=3)

    def test_have_room_for_fewer_where_others_are_to_be_rung_without_a_place(
        self, session: Session
    ) -> None:
        make_shift(session)
        for number in range(3):
            request = make_request(session, mobile(number))
            request.ring_from, request.due_at = TONIGHT.start, TONIGHT.end
        session.flush()
        assert TONIGHT not in windows(session)
        assert LATE_TONIGHT in windows(session)

    def test_have_no_room_where_a_long_queue_is_planned_to_be_rung(self, session: Session) -> None:
        make_shift(session)
        for number in range(8):
            make_request(session, mobile(number))
        assert TONIGHT in windows(session)
        plan(session)
        assert TONIGHT not in windows(session)
        assert LATE_TONIGHT in windows(session)

    def test_are_not_sold_again_while_they_hold_more_than_they_have_room_for(
        self, session: Session
    ) -> None:
        helper = make_shifts(session, 2)[0]
        taken = [make_request(session, mobile(n), window=TONIGHT) for n in range(5)]
        helper.is_active = False
        requests.close(session, taken[0], Disposition.WITHDRAWN, now=NOW)
        session.flush()
        with pytest.raises(WindowGone):
            make_request(session, mobile(9), window=TONIGHT)


class TestAsSoonAsYouCan:
    def test_is_promised_soon_when_somebody_is_free(self, session: Session) -> None:
        make_shift(session)
        quote = quoted(session)
        assert quote.is_staffed
        assert quote.due_at == NOW + timedelta(minutes=10)

    def test_is_promised_later_the_more_are_waiting(self, session: Session) -> None:
        make_shift(session)
        dues = [make_request(session, mobile(n)).due_at for n in range(5)]
        assert dues == sorted(dues)
        assert dues[-1] - NOW > timedelta(hours=2)

    def test_never_comes_before_an_older_promise(self, session: Session) -> None:
        make_shift(session)
        latest = max(make_request(session, mobile(n)).due_at for n in range(4))
        for more in range(8):
            make_shift(session, name=f"Helper {more}")
        assert quoted(session).due_at >= latest

    def test_is_not_held_back_by_promises_that_are_kept_or_withdrawn(
        self, session: Session
    ) -> None:
        counsellor = make_shift(session)
        made = [make_request(session, mobile(number)) for number in range(4)]
        latest = max(request.due_at for request in made)
        for request in made:
            requests.close(session, request, Disposition.WITHDRAWN, now=NOW)
        accept(session, make_request(session, mobile(9)), counsellor)
        make_shift(session, name="Helper")
        assert quoted(session).due_at <= NOW + timedelta(minutes=30) < latest

    def test_counts_on_a_counsellor_at_the_end_of_a_shift_no_more(self, session: Session) -> None:
        make_shift(session, "12:00", "20:15")
        next_shift = local("2026-11-26 12:00")
        assert quoted(session).due_at > next_shift

    def test_with_an_empty_rota_says_that_nobody_is_there(self, session: Session) -> None:
        quote = quoted(session)
        assert not quote.is_staffed
        assert quote.due_at == NOW + quotes.NOBODY_FREE

    def test_ends_on_a_whole_five_minutes(self, session: Session) -> None:
        make_shift(session)
        due = quoted(session, now=NOW + timedelta(minutes=3, seconds=17)).due_at
        assert (due.minute % 5, due.second) == (0, 0)


def test_a_window_that_somebody_else_is_to_lead_is_not_counselling(session: Session) -> None:
    lead: Staff = make_manager(session)
    make_pattern(session, lead, "16:00", "08:00", duty=Duty.DUTY_LEAD)
    assert windows(session) == []
    make_pattern(session, lead, "16:00", "08:00", duty=Duty.COUNSELLING)
    assert TONIGHT in windows(session)


def test_the_same_facts_give_the_same_quote(session: Session) -> None:
    make_shifts(session, 2)
    for number in range(5):
        make_request(session, mobile(number))
    assert quoted(session) == quoted(session)


class TestLearning:
    def test_what_a_quote_foresaw_is_kept_beside_its_promise(self, session: Session) -> None:
        make_shift(session)
        windows_made = [_window_of(make_request(session, mobile(n))) for n in range(3)]
        foreseen = [window.foreseen_seconds or 0 for window in windows_made]
        assert 0 < foreseen[0] < 60  # the share of offers that lapse, of an offer's lease
        assert foreseen[2] > foreseen[1] > 15 * 60
        window = _window_of(make_request(session, mobile(9), window=TONIGHT))
        assert (window.foreseen_seconds, window.foreseen_sd_seconds) == (None, None)

    def test_quotes_grow_when_the_last_ones_came_out_late(self, session: Session) -> None:
        make_shift(session)
        assert quoted(session).due_at == NOW + timedelta(minutes=10)
        _came_out(session, 60, minutes_after=24)
        assert quoted(session).due_at >= NOW + timedelta(minutes=25)

    def test_a_request_that_was_joined_does_not_count(self, session: Session) -> None:
        make_shift(session)
        before = quoted(session).due_at
        _came_out(session, quotes.PRIOR_WEIGHT, minutes_after=300, joined=True)
        assert quoted(session).due_at == before

    @pytest.mark.parametrize("wishes", [Wishes("pl"), Wishes(gender=Gender.WOMAN)])
    def test_who_waited_for_somebody_they_wish_for_does_not_count(
        self, wishes: Wishes, session: Session
    ) -> None:
        make_shift(session)
        before = quoted(session).due_at
        _came_out(session, quotes.PRIOR_WEIGHT, minutes_after=300, wishes=wishes)
        assert quoted(session).due_at == before

    def test_a_break_that_was_had_is_not_counted_on_again(self, session: Session) -> None:
        counsellor = make_shift(session)
        for number in range(6):
            make_request(session, mobile(number))
        later = NOW + timedelta(hours=1)
        before = quoted(session, now=later).forecast
        presence.start_break(session, counsellor.id, minutes=15, now=NOW, tz=LONDON)
        after = quoted(session, now=later).forecast
        assert before is not None
        assert after is not None
        assert after.mean < before.mean

    def test_offers_that_lapsed_of_late_are_counted_on(self, session: Session) -> None:
        counsellor = make_shift(session)
        request = make_request(session)
        assert learned_lapses(session) == LAPSES
        for ending in [OfferEnding.LAPSED] * 20 + [OfferEnding.ACCEPTED] * 30:
            session.add(
                Offer(
                    request_id=request.id,
                    counsellor_id=counsellor.id,
                    round=1,
                    made_at=NOW,
                    lapses_at=NOW + timedelta(minutes=5),
                    ended_at=NOW + timedelta(minutes=5),
                    ending=ending,
                )
            )
        session.flush()
        # Twenty of fifty, and the weight of fifty of which a twentieth lapsed.
        assert learned_lapses(session) == pytest.approx(0.225)

    def test_the_plan_counts_on_calls_as_long_as_the_last_ones(self, session: Session) -> None:
        counsellor = make_shift(session)
        request = make_request(session)
        accept(session, request, counsellor)
        assert learned_lengths(session).expected == timedelta(minutes=30)
        for number in range(20):
            session.add(
                Attempt(
                    request_id=request.id,
                    counsellor_id=counsellor.id,
                    number=number + 1,
                    started_at=NOW - timedelta(minutes=60),
                    ended_at=NOW - timedelta(minutes=number % 2 * 10),
                    outcome=Outcome.ANSWERED if number % 2 else Outcome.NO_ANSWER,
                )
            )
        session.flush()
        # Ten of 50 minutes and 10 of wrap-up, and the weight of twenty of 30; those nobody
        # answered do not count.
        assert learned_lengths(session).expected == timedelta(minutes=40)


def _window_of(request: CallbackRequest) -> ContactWindow:
    return request.windows[0]


def _came_out(
    session: Session,
    count: int,
    *,
    minutes_after: int,
    joined: bool = False,
    wishes: Wishes = NO_WISHES,
) -> None:
    """So many quotes of a free counsellor, whose callers were rung so long after they asked."""
    asked_at = NOW - timedelta(days=1)
    known = session.scalar(select(func.count()).select_from(CallbackRequest)) or 0
    for number in range(known, known + count):
        submission = Submission(
            key_digest=number.to_bytes(32, "big"),
            fingerprint=bytes(16),
            request=CallbackRequest(
                reference=f"R{number:04}",
                phone_kind=LineKind.MOBILE,
                may_text=False,
                may_leave_voicemail=False,
                state=RequestState.CLOSED,
                created_at=asked_at - timedelta(minutes=joined),
                ring_from=asked_at,
                due_at=asked_at + timedelta(minutes=10),
                is_window=False,
                first_attempt_at=asked_at + timedelta(minutes=minutes_after),
                wish_language=wishes.language,
                wish_gender=wishes.gender,
                closed_at=NOW,
                disposition=Disposition.HELPED,
            ),
            consent_version="test",
            consented_at=asked_at,
            may_text=False,
            may_leave_voicemail=False,
            created_at=asked_at,
        )
        session.add(submission)
        session.flush()
        session.add(
            ContactWindow(
                request_id=submission.request_id,
                submission_id=submission.id,
                is_window=False,
                starts_at=asked_at,
                due_at=asked_at + timedelta(minutes=10),
                ended_at=NOW,
                foreseen_seconds=0,
                foreseen_sd_seconds=0,
            )
        )
    session.flush()
