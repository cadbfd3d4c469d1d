"""The stored rota: who is on shift, and changing its patterns."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.rota import Duty
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, NotFound
from callback_service.models.audit import AuditEntry
from callback_service.models.plan import PlanTrigger
from callback_service.models.rota import ShiftPattern
from callback_service.services import rota, shift_patterns
from tests.rota_builders import LONDON, a_pattern, local, make_pattern
from tests.support.builders import NOW, make_staff

TODAY = date(2026, 11, 25)  # NOW is eight in the evening of it
ONE_DAY = timedelta(days=1)


def names(shifts: list[rota.RotaShift]) -> list[str]:
    return [shift.person.name for shift in shifts if shift.person]


def test_a_shift_comes_with_the_person_who_works_it(session: Session) -> None:
    staff = make_staff(session, name="Amira Khan", email="amira@example.org")
    make_pattern(session, staff, "15:00", "23:00")
    [shift] = rota.shifts_between(session, NOW, NOW + timedelta(hours=1), tz=LONDON)
    assert shift.person == rota.Person(staff.id, "Amira Khan", "amira@example.org")
    assert (shift.start, shift.end) == (local("2026-11-25 15:00"), local("2026-11-25 23:00"))


def test_only_the_duty_that_is_asked_for_is_given(session: Session) -> None:
    make_pattern(session, make_staff(session), "15:00", "23:00")
    manager = make_staff(session, role=Role.MANAGER)
    make_pattern(session, manager, "09:00", "09:00", duty=Duty.DUTY_LEAD)
    leads = rota.shifts_between(session, NOW, NOW + ONE_DAY, tz=LONDON, duty=Duty.DUTY_LEAD)
    assert {shift.staff_id for shift in leads} == {manager.id}
    assert len(rota.shifts_between(session, NOW, NOW, tz=LONDON)) == 0


def test_a_deactivated_account_has_no_shifts(session: Session) -> None:
    staff = make_staff(session)
    make_pattern(session, staff, "15:00", "23:00")
    assert rota.on_now(session, now=NOW, tz=LONDON)
    staff.is_active = False
    session.flush()
    assert rota.on_now(session, now=NOW, tz=LONDON) == []
    assert rota.shifts_between(session, NOW, NOW + ONE_DAY, tz=LONDON) == []


def test_who_is_on_now_ends_at_the_instant_the_shift_does(session: Session) -> None:
    make_pattern(session, make_staff(session, name="Early"), "12:00", "20:00")
    make_pattern(session, make_staff(session, name="Late"), "20:00", "04:00")
    assert names(rota.on_now(session, now=NOW - timedelta(seconds=1), tz=LONDON)) == ["Early"]
    assert names(rota.on_now(session, now=NOW, tz=LONDON)) == ["Late"]


def test_a_night_shift_of_yesterday_is_on_now_after_midnight(session: Session) -> None:
    make_pattern(session, make_staff(session), "23:00", "07:00", until_on=TODAY)
    assert rota.on_now(session, now=local("2026-11-26 06:59"), tz=LONDON)
    assert not rota.on_now(session, now=local("2026-11-26 07:00"), tz=LONDON)


def test_somebody_on_two_shifts_at_once_is_named_once(session: Session) -> None:
    staff = make_staff(session)
    make_pattern(session, staff, "16:00", "21:00")
    make_pattern(session, staff, "18:00", "23:00")
    [shift] = rota.on_now(session, now=NOW, tz=LONDON)
    assert shift.end == local("2026-11-25 23:00")


def test_a_new_pattern_is_audited_and_asks_for_a_plan(session: Session) -> None:
    staff, manager = make_staff(session), make_staff(session, role=Role.MANAGER)
    row = shift_patterns.add_pattern(session, a_pattern(staff), actor_id=manager.id, now=NOW)
    entry = session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.actor_id, entry.subject_id) == (
        "rota.pattern_added",
        manager.id,
        row.id,
    )
    assert session.scalars(select(PlanTrigger.reason)).all() == ["rota"]


def test_a_pattern_is_stored_as_it_was_given(session: Session) -> None:
    staff = make_staff(session)
    given = a_pattern(staff, "23:00", "07:00", frozenset({4, 5, 6}), until_on=date(2027, 1, 31))
    row = shift_patterns.add_pattern(session, given, actor_id=None, now=NOW)
    session.expire_all()
    [stored] = rota.lines_of(row)
    assert stored.weekdays == given.weekdays
    assert (stored.start, stored.end) == (given.start, given.end)
    assert (stored.from_on, stored.until_on) == (given.from_on, given.until_on)


def test_an_overlap_is_refused_in_words_that_name_the_other_pattern(session: Session) -> None:
    staff = make_staff(session)
    make_pattern(session, staff, "23:00", "07:00", frozenset({6}))
    early_monday = a_pattern(staff, "06:00", "14:00", frozenset({0}))
    with pytest.raises(BadInput, match=r"Sunday, 23:00 to 07:00, from 5 January 2026") as refusal:
        shift_patterns.add_pattern(session, early_monday, actor_id=None, now=NOW)
    assert refusal.value.fields.keys() == {"start"}


def test_another_duty_at_the_same_time_is_no_overlap(session: Session) -> None:
    manager = make_staff(session, role=Role.MANAGER)
    make_pattern(session, manager, duty=Duty.DUTY_LEAD)
    shift_patterns.add_pattern(session, a_pattern(manager), actor_id=None, now=NOW)
    assert len(shift_patterns.list_patterns(session, today=TODAY)) == 2


def test_a_colleague_at_the_same_time_is_no_overlap(session: Session) -> None:
    make_pattern(session, make_staff(session))
    shift_patterns.add_pattern(session, a_pattern(make_staff(session)), actor_id=None, now=NOW)
    assert len(shift_patterns.list_patterns(session, today=TODAY)) == 2


@pytest.mark.parametrize(
    ("role", "duty"),
    [
        (Role.COUNSELLOR, Duty.DUTY_LEAD),
        (Role.ADMINISTRATOR, Duty.DUTY_LEAD),
        (Role.ADMINISTRATOR, Duty.COUNSELLING),
    ],
)
def test_a_duty_is_only_for_those_who_may_hold_it(session: Session, role: Role, duty: Duty) -> None:
    staff = make_staff(session, role=role)
    with pytest.raises(BadInput) as refusal:
        shift_patterns.add_pattern(session, a_pattern(staff, duty=duty), actor_id=None, now=NOW)
    assert refusal.value.fields.keys() == {"staff_id"}


def test_nobody_without_an_active_account_is_put_on_the_rota(session: Session) -> None:
    staff = make_staff(session)
    staff.is_active = False
    session.flush()
    with pytest.raises(BadInput, match="active account"):
        shift_patterns.add_pattern(session, a_pattern(staff), actor_id=None, now=NOW)


@pytest.mark.parametrize(
    ("from_on", "until_on", "field"),
    [
        (TODAY, TODAY - ONE_DAY, "until_on"),
        (date(1, 1, 1), None, "from_on"),
        (date(9999, 12, 31), None, "from_on"),
        (TODAY, date(2206, 1, 1), "until_on"),
    ],
)
def test_dates_that_cannot_be_meant_are_refused(
    session: Session, from_on: date, until_on: date | None, field: str
) -> None:
    pattern = a_pattern(make_staff(session), from_on=from_on, until_on=until_on)
    with pytest.raises(BadInput) as refusal:
        shift_patterns.add_pattern(session, pattern, actor_id=None, now=NOW)
    assert refusal.value.fields.keys() == {field}


def end(session: Session, row: ShiftPattern, last_on: date, now: datetime = NOW) -> None:
    shift_patterns.end_pattern(session, row.id, last_on=last_on, actor_id=None, now=now, tz=LONDON)


def test_an_ended_pattern_has_its_last_shift_on_its_last_day(session: Session) -> None:
    row = make_pattern(session, make_staff(session), "23:00", "07:00")
    end(session, row, TODAY)
    shifts = rota.shifts_between(session, NOW, NOW + 7 * ONE_DAY, tz=LONDON)
    assert [shift.start for shift in shifts] == [local("2026-11-25 23:00")]
    assert session.scalars(select(PlanTrigger.reason)).all() == ["rota"]
    assert session.scalars(select(AuditEntry.action)).all() == ["rota.pattern_ended"]


def test_what_was_worked_stays_on_record(session: Session) -> None:
    row = make_pattern(session, make_staff(session))
    with pytest.raises(BadInput, match="yesterday"):
        end(session, row, TODAY - 2 * ONE_DAY)
    end(session, row, TODAY - ONE_DAY)
    assert len(rota.shifts_between(session, NOW - 5 * ONE_DAY, NOW, tz=LONDON)) == 4


def test_an_end_is_never_moved_later(session: Session) -> None:
    row = make_pattern(session, make_staff(session), until_on=TODAY + ONE_DAY)
    with pytest.raises(BadInput, match="26 November 2026"):
        end(session, row, TODAY + 2 * ONE_DAY)


def test_a_pattern_that_ends_before_it_began_is_removed(session: Session) -> None:
    row = make_pattern(session, make_staff(session), from_on=TODAY + 7 * ONE_DAY)
    end(session, row, TODAY)
    assert session.scalars(select(ShiftPattern)).all() == []
    assert session.scalars(select(AuditEntry.action)).all() == ["rota.pattern_removed"]


def test_ending_a_pattern_that_is_not_there_says_so(session: Session) -> None:
    with pytest.raises(NotFound):
        shift_patterns.end_pattern(session, 4242, last_on=TODAY, actor_id=None, now=NOW, tz=LONDON)


def test_the_database_refuses_the_same_line_twice(session: Session) -> None:
    staff = make_staff(session)
    make_pattern(session, staff)
    with pytest.raises(IntegrityError):
        make_pattern(session, staff)


@pytest.mark.parametrize("mask", [0, 128])
def test_the_database_refuses_weekdays_that_are_none(session: Session, mask: int) -> None:
    row = make_pattern(session, make_staff(session))
    row.weekdays = mask
    with pytest.raises(IntegrityError):
        session.flush()


def test_the_list_of_patterns_leaves_out_those_that_have_ended(session: Session) -> None:
    staff = make_staff(session)
    make_pattern(session, staff, "01:00", "02:00", until_on=TODAY - ONE_DAY)
    kept = make_pattern(session, staff, "03:00", "04:00", until_on=TODAY)
    assert [line.id for line in shift_patterns.list_patterns(session, today=TODAY)] == [kept.id]
