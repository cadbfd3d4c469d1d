"""Cover of the stored rota, and stating what is needed."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.cover import AppliesOn, Requirement, gaps
from callback_service.domain.rota import Duty
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.audit import AuditEntry
from callback_service.models.rota import CoverRequirement
from callback_service.services import cover, cover_requirements
from tests.rota_builders import LONDON, a_requirement, local, make_pattern, make_requirement
from tests.support.builders import NOW, make_staff

MORNING, NIGHT = local("2026-11-26 00:00"), local("2026-11-27 00:00")
TODAY = date(2026, 11, 25)


def test_an_empty_rota_without_requirements_is_one_long_gap(session: Session) -> None:
    [row] = cover.cover_between(session, MORNING, NIGHT, tz=LONDON)
    assert (row.start, row.end, row.short) == (MORNING, NIGHT, 1)


def test_a_deactivated_account_is_no_cover(session: Session) -> None:
    staff = make_staff(session)
    make_pattern(session, staff, "00:00", "00:00")
    assert not gaps(cover.cover_between(session, MORNING, NIGHT, tz=LONDON))
    staff.is_active = False
    session.flush()
    assert gaps(cover.cover_between(session, MORNING, NIGHT, tz=LONDON))


def test_a_gap_ahead_is_said_in_words(session: Session) -> None:
    make_pattern(session, make_staff(session), "00:00", "00:00")
    make_pattern(session, make_staff(session), "09:00", "17:00")
    make_requirement(session, 2, "09:00", "18:00")
    words = cover.gaps_in_words(session, MORNING, MORNING + timedelta(days=1), tz=LONDON)
    assert words == ["Thursday 26 November, 17:00 to 18:00: 1 on shift, 2 needed"]


def test_the_need_for_a_duty_lead_is_one_whatever_calls_need(session: Session) -> None:
    make_requirement(session, 3, "00:00", "00:00")
    manager = make_staff(session, role=Role.MANAGER)
    make_pattern(session, manager, "09:00", "09:00", duty=Duty.DUTY_LEAD)
    assert cover.gaps_in_words(session, MORNING, NIGHT, tz=LONDON, duty=Duty.DUTY_LEAD) == []
    assert cover.gaps_in_words(session, MORNING, NIGHT, tz=LONDON) != []


def test_cover_by_step_has_a_row_for_each_step(session: Session) -> None:
    make_pattern(session, make_staff(session), "00:00", "12:30")
    rows = cover.cover_between(session, MORNING, NIGHT, tz=LONDON, step=timedelta(hours=1))
    assert [row.short for row in rows] == [0] * 12 + [1] * 12


@pytest.mark.parametrize(("monday", "hours"), [(date(2026, 10, 19), 25), (date(2026, 3, 23), 23)])
def test_two_shifts_round_the_clock_leave_no_gap_when_the_clocks_change(
    session: Session, monday: date, hours: int
) -> None:
    make_pattern(session, make_staff(session), "08:00", "20:00")
    make_pattern(session, make_staff(session), "20:00", "08:00")
    week, _ = cover.week_of_cover(session, monday, tz=LONDON)
    assert len(week.days[-1].by_hour) == hours
    assert not gaps(row for day in week.days for row in day.stretches)


def test_a_requirement_is_stored_as_it_was_given_and_audited(session: Session) -> None:
    row = cover_requirements.add_requirement(
        session, a_requirement(3, "18:00", "02:00"), actor_id=None, now=NOW
    )
    session.expire_all()
    [stored] = cover_requirements.load_requirements(session)
    given = a_requirement(3, "18:00", "02:00")
    assert (stored.id, stored.needed, stored.weekdays) == (row.id, 3, given.weekdays)
    assert (stored.start, stored.end, stored.from_on) == (given.start, given.end, given.from_on)
    assert session.scalars(select(AuditEntry.action)).all() == ["cover.requirement_added"]


@pytest.mark.parametrize("needed", [0, -1, 501])
def test_a_number_that_cannot_be_meant_is_refused(session: Session, needed: int) -> None:
    with pytest.raises(BadInput) as refusal:
        cover_requirements.add_requirement(session, a_requirement(needed), actor_id=None, now=NOW)
    assert refusal.value.fields.keys() == {"needed"}


def test_the_same_days_and_times_are_stated_once(session: Session) -> None:
    cover_requirements.add_requirement(session, a_requirement(2), actor_id=None, now=NOW)
    with pytest.raises(Refused, match="of 2"):
        cover_requirements.add_requirement(
            session, a_requirement(3, from_on=TODAY), actor_id=None, now=NOW
        )


def test_a_removed_requirement_still_holds_for_the_past(session: Session) -> None:
    row = make_requirement(session, 2, "00:00", "00:00")
    cover_requirements.remove_requirement(session, row.id, actor_id=None, now=NOW, tz=LONDON)
    yesterday = local("2026-11-24 12:00")
    [before] = cover.cover_between(session, yesterday, yesterday + timedelta(hours=1), tz=LONDON)
    [after] = cover.cover_between(session, NOW, NOW + timedelta(hours=1), tz=LONDON)
    assert (before.required, after.required) == (2, 1)
    assert cover_requirements.load_requirements(session, from_day=TODAY) == []


def test_a_requirement_that_never_held_is_removed_whole(session: Session) -> None:
    row = cover_requirements.add_requirement(
        session, a_requirement(2, from_on=TODAY), actor_id=None, now=NOW
    )
    cover_requirements.remove_requirement(session, row.id, actor_id=None, now=NOW, tz=LONDON)
    assert session.scalars(select(CoverRequirement)).all() == []


def test_removing_twice_says_that_it_is_gone(session: Session) -> None:
    row = make_requirement(session)
    cover_requirements.remove_requirement(session, row.id, actor_id=None, now=NOW, tz=LONDON)
    with pytest.raises(NotFound):
        cover_requirements.remove_requirement(session, row.id, actor_id=None, now=NOW, tz=LONDON)


def required_on(session: Session, day: date) -> set[int]:
    """The numbers needed over a local day."""
    start = local(f"{day} 00:00")
    found = cover.cover_between(session, start, start + timedelta(hours=24), tz=LONDON)
    return {stretch.required for stretch in found}


def state(
    session: Session, applies_on: AppliesOn, needed: int, from_on: date, until_on: date | None
) -> CoverRequirement:
    """State a requirement for whole days."""
    whole_day = a_requirement(needed, "00:00", "00:00", from_on=from_on)
    requirement = Requirement(
        None, frozenset({2}), whole_day.start, whole_day.end, needed, from_on, until_on, applies_on
    )
    return cover_requirements.add_requirement(session, requirement, actor_id=None, now=NOW)


def test_a_requirement_for_bank_holidays_holds_on_those(session: Session) -> None:
    make_requirement(session, 2, "00:00", "00:00")
    row = state(session, AppliesOn.BANK_HOLIDAYS, 4, TODAY, None)
    assert row.weekdays == 127
    assert required_on(session, date(2026, 12, 24)) == {2}
    assert required_on(session, date(2026, 12, 25)) == {4}
    assert required_on(session, date(2026, 12, 28)) == {4}  # instead of Saturday the 26th
    assert required_on(session, date(2026, 12, 29)) == {2}


def test_a_requirement_for_dates_beats_the_others_and_needs_no_last_day(session: Session) -> None:
    make_requirement(session, 3, "00:00", "00:00")
    state(session, AppliesOn.BANK_HOLIDAYS, 4, TODAY, None)
    row = state(session, AppliesOn.DATES, 1, date(2026, 12, 25), None)
    assert row.until_on == date(2026, 12, 25)
    assert required_on(session, date(2026, 12, 25)) == {1}
    assert required_on(session, date(2026, 12, 26)) == {4}


def test_the_same_times_may_be_stated_for_each_kind_of_day_once(session: Session) -> None:
    make_requirement(session, 3, "00:00", "00:00")
    state(session, AppliesOn.BANK_HOLIDAYS, 4, TODAY, None)
    with pytest.raises(Refused):
        state(session, AppliesOn.BANK_HOLIDAYS, 5, TODAY, None)
    assert [need.applies_on for need in cover_requirements.load_requirements(session)] == [
        AppliesOn.WEEKDAYS,
        AppliesOn.BANK_HOLIDAYS,
    ]


def test_a_change_of_a_requirement_says_its_days_in_the_audit(session: Session) -> None:
    state(session, AppliesOn.DATES, 2, date(2026, 12, 25), date(2026, 12, 26))
    [entry] = session.scalars(select(AuditEntry))
    assert entry.detail["requirement"] == "25 December 2026 to 26 December 2026, 00:00 to 00:00"
