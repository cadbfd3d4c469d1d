"""The demo's rota: round the clock, with rest, and one honest shortfall."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.domain.cover import gaps
from callback_service.domain.rota import Duty
from callback_service.domain.staff import Role
from callback_service.domain.wall_time import monday_of, start_of_day
from callback_service.errors import Refused
from callback_service.models.outbox import OutboxMessage
from callback_service.models.rota import CoverRequirement, ShiftPattern
from callback_service.models.staff import Staff
from callback_service.services import (
    cover,
    leave_requests,
    rest,
    rota,
    rota_history,
    swap_lists,
)
from callback_service.services.demo import PAST, seed_demo
from tests.rota_builders import LONDON
from tests.support.builders import NOW, make_staff

WEEK = timedelta(days=7)
START = start_of_day(monday_of(NOW.date()) - PAST, tz=LONDON)
END = START + 4 * PAST


def seed(session: Session) -> None:
    seed_demo(session, now=NOW, password_hash="$argon2id$none")


def test_the_demo_has_everybody_it_needs(session: Session) -> None:
    staff = seed_demo(session, now=NOW, password_hash="$argon2id$none")
    assert len(staff.counsellors) >= 14
    assert len(staff.managers) == 2
    roles = {row.email: row.role for row in session.scalars(select(Staff))}
    assert roles[staff.administrator] is Role.ADMINISTRATOR
    assert all(roles[email] is Role.COUNSELLOR for email in staff.counsellors)
    assert all(roles[email] is Role.MANAGER for email in staff.managers)


def test_a_second_seed_changes_nothing(session: Session) -> None:
    seed(session)
    tables = Staff, ShiftPattern, CoverRequirement
    before = [session.scalar(select(func.count()).select_from(table)) for table in tables]
    assert not seed_demo(session, now=NOW + WEEK, password_hash="$argon2id$other").is_new
    assert before == [session.scalar(select(func.count()).select_from(table)) for table in tables]


def test_a_service_with_staff_is_never_seeded(session: Session) -> None:
    make_staff(session)
    with pytest.raises(Refused, match="empty service"):
        seed(session)


def test_somebody_is_on_shift_at_every_minute_of_the_demo(session: Session) -> None:
    seed(session)
    stretches = cover.cover_between(session, START, END, tz=LONDON)
    assert min(stretch.on_shift for stretch in stretches) == 2


def test_the_demo_is_one_short_late_on_tuesdays_and_never_else(session: Session) -> None:
    seed(session)
    short = gaps(cover.cover_between(session, START, END, tz=LONDON))
    assert {gap.short for gap in short} == {1}
    times = {
        (gap.start.astimezone(LONDON).strftime("%a %H:%M"), f"{gap.end.astimezone(LONDON):%H:%M}")
        for gap in short
    }
    assert times == {("Tue 23:00", "02:00")}


def test_the_demo_always_has_a_duty_lead_who_can_be_told(session: Session) -> None:
    seed(session)
    assert cover.gaps_in_words(session, START, END, tz=LONDON, duty=Duty.DUTY_LEAD) == []
    managers = session.scalars(select(Staff).where(Staff.role == Role.MANAGER)).all()
    assert sorted(staff.phone or "" for staff in managers) == ["+447700900100", "+447700900101"]


def test_everybody_in_the_demo_has_rest_and_at_most_48_hours_a_week(session: Session) -> None:
    seed(session)
    shifts = rota.shifts_between(session, START, END, tz=LONDON, duty=Duty.COUNSELLING)
    own = defaultdict(list)
    for shift in shifts:
        if shift.staff_id is not None:  # the open one is nobody's yet
            own[shift.staff_id].append(shift)
    assert own
    for mine in own.values():
        assert all(two.start - one.end >= timedelta(hours=11) for one, two in pairwise(mine))
        hours = sum((shift.end - shift.start for shift in mine), timedelta(0)) / (
            (END - START) / WEEK
        )
        assert timedelta(hours=30) <= hours <= timedelta(hours=48)


def test_the_demo_breaks_no_rule_of_rest_and_is_shared_out_fairly(session: Session) -> None:
    seed(session)
    first = monday_of(NOW.date())
    found = rest.report_on_people(session, first, first + 4 * WEEK, now=NOW, tz=LONDON)
    assert found.breaches == []
    assert found.balance > 0.8


def test_the_demo_shows_what_the_rota_can_do_and_texts_nobody(session: Session) -> None:
    seed(session)
    assert swap_lists.count_for_manager(session, now=NOW) == 1
    assert leave_requests.count_asked(session) == 1
    deeds = rota_history.list_revisions(session, now=NOW, tz=LONDON)
    assert len(deeds.lines) >= 6
    assert all(line.made_by == "Priya Shah" for line in deeds.lines)
    assert any(line.can_undo for line in deeds.lines)
    assert session.scalar(select(func.count()).select_from(OutboxMessage)) == 0
