"""Nothing is promised that the rota cannot keep."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from callback_service.domain.contact import Window
from callback_service.domain.lifecycle import Disposition
from callback_service.domain.rota import Duty
from callback_service.models.staff import Staff
from callback_service.services import promises, requests
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
)


def windows(session: Session, *, now: datetime = NOW) -> list[Window]:
    return promises.windows_with_room(session, now=now, tz=LONDON)


def quoted(session: Session, *, now: datetime = NOW) -> promises.Quote:
    return promises.quote_as_soon_as_possible(session, now=now, tz=LONDON)


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


class TestAsSoonAsYouCan:
    def test_is_promised_soon_when_somebody_is_free(self, session: Session) -> None:
        make_shift(session)
        quote = quoted(session)
        assert quote.is_staffed
        assert quote.due_at == NOW + timedelta(minutes=15)

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
        for number in range(4):
            request = make_request(session, mobile(number))
            requests.close(session, request, Disposition.WITHDRAWN, now=NOW)
        accept(session, make_request(session, mobile(9)), counsellor)
        make_shift(session, name="Helper")
        assert quoted(session).due_at == NOW + timedelta(minutes=15)

    def test_counts_on_a_counsellor_at_the_end_of_a_shift_no_more(self, session: Session) -> None:
        make_shift(session, "12:00", "20:15")
        next_shift = local("2026-11-26 12:00")
        assert quoted(session).due_at > next_shift

    def test_with_an_empty_rota_says_that_nobody_is_there(self, session: Session) -> None:
        quote = quoted(session)
        assert not quote.is_staffed
        assert quote.due_at == NOW + promises.NOBODY_FREE

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
