"""The stored rota by person: how it is shared out, what it breaks, and what was allowed."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callback_service.domain.rest import Rule
from callback_service.domain.rota import Duty, Pattern
from callback_service.domain.rota_changes import (
    Leave,
    LeaveReason,
    OpenShift,
    Override,
    OverrideKind,
)
from callback_service.domain.rotations import CountedIn, Rotation, Turn
from callback_service.domain.staff import Role
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.audit import AuditEntry
from callback_service.models.rest import RestAllowance, WorkingTimeOptOut
from callback_service.models.rota import ShiftPattern
from callback_service.models.rota_change import RotaChange
from callback_service.models.staff import Staff
from callback_service.services import rest, rest_checks, rota_changes
from callback_service.services.rest import BreachLine, PeopleReport
from tests.rota_builders import LONDON, a_pattern, make_pattern
from tests.support.builders import NOW, make_staff

MONDAY = date(2026, 11, 23)
SUNDAY = date(2026, 11, 29)
WEEKDAYS = frozenset(range(5))
H = timedelta(hours=1)


def report(
    session: Session, first: date = MONDAY, last: date = SUNDAY, *, now: datetime = NOW
) -> PeopleReport:
    return rest.report_on_people(session, first, last, now=now, tz=LONDON)


def add(session: Session, pattern: Pattern, manager: Staff, reason: str | None = None) -> None:
    rest_checks.add_pattern(
        session, pattern, reason=reason, actor_id=manager.id, now=NOW, tz=LONDON
    )


def manager_of(session: Session) -> Staff:
    return make_staff(session, role=Role.MANAGER, name="Priya Shah")


def test_hours_nights_weekends_and_bank_holidays_by_person(session: Session) -> None:
    ann, ben = make_staff(session, name="Ann"), make_staff(session, name="Ben")
    make_pattern(session, ann, "09:00", "17:00", WEEKDAYS)
    make_pattern(session, ben, "22:00", "06:00", frozenset({4, 5}))
    manager = manager_of(session)
    make_pattern(session, manager, "09:00", "09:00", duty=Duty.DUTY_LEAD)
    found = report(session, date(2026, 12, 21), date(2026, 12, 27))
    assert [row.person.name for row in found.people] == ["Ann", "Ben"]
    assert [row.share[1:] for row in found.people] == [
        (40 * H, 0 * H, 0 * H, 8 * H),
        (16 * H, 14 * H, 14 * H, 10 * H),  # Friday the 25th and Saturday the 26th
    ]
    assert found.balance == 0.4
    assert list(found.bank_holidays) == [date(2026, 12, 25), date(2026, 12, 26)]
    assert found.breaches == []


def test_a_night_that_began_before_the_range_counts_from_its_start(session: Session) -> None:
    make_pattern(session, make_staff(session), "22:00", "06:00", frozenset({6}))
    [row] = report(session).people
    assert row.share.hours == 8 * H  # six of last Sunday's night, two of this one's


def test_a_deactivated_account_is_in_no_report(session: Session) -> None:
    staff = make_staff(session)
    make_pattern(session, staff)
    staff.is_active = False
    session.flush()
    assert report(session).people == []
    assert report(session).balance == 1


def test_breaches_are_told_with_names_and_counted_by_rule(session: Session) -> None:
    ann = make_staff(session, name="Ann")
    make_pattern(session, ann, "14:00", "22:00", frozenset({0}))
    make_pattern(session, ann, "06:00", "14:00", frozenset({1}))
    [line] = report(session).breaches
    assert (line.name, line.breach.rule, line.breach.figure) == ("Ann", Rule.DAILY_REST, 8 * H)


def test_a_shift_after_the_range_is_seen_for_the_rest_before_it(session: Session) -> None:
    ann = make_staff(session)
    make_pattern(session, ann, "14:00", "22:00", frozenset({6}))
    make_pattern(session, ann, "06:00", "14:00", frozenset({0}))
    assert len(report(session, SUNDAY, SUNDAY).breaches) == 1


def test_an_allowed_breach_keeps_its_reason_and_others_stay(session: Session) -> None:
    manager, ann = manager_of(session), make_staff(session, name="Ann")
    make_pattern(session, ann, "14:00", "22:00", frozenset({0, 2}))
    make_pattern(session, ann, "06:00", "14:00", frozenset({1, 3}))
    # From 14:00 on Monday and Wednesday eight hours; and from 06:00 on Tuesday enough.
    first, second = report(session).breaches
    rest_checks.allow_breach(
        session, ann.id, first.breach.rule, first.breach.start, first.breach.end,
        reason=" She asked  for it ", actor_id=manager.id, now=NOW,
    )  # fmt: skip
    assert [line.allowed_reason for line in report(session).breaches] == ["She asked for it", None]
    assert [line.breach for line in report(session).breaches] == [first.breach, second.breach]
    [deed] = session.scalars(select(AuditEntry).where(AuditEntry.action == "rest.allowed"))
    assert (deed.actor_id, deed.detail["rule"]) == (manager.id, "daily_rest")
    assert "reason" not in deed.detail


def test_allowing_needs_a_reason_a_person_and_a_time(session: Session) -> None:
    ann, soon = make_staff(session), NOW + H
    allow = rest_checks.allow_breach
    with pytest.raises(BadInput):
        allow(session, ann.id, Rule.DAILY_REST, NOW, soon, reason=" ", actor_id=None, now=NOW)
    with pytest.raises(NotFound):
        allow(session, 999, Rule.DAILY_REST, NOW, soon, reason="Yes", actor_id=None, now=NOW)
    with pytest.raises(BadInput):
        allow(session, ann.id, Rule.DAILY_REST, soon, NOW, reason="Yes", actor_id=None, now=NOW)
    assert session.scalars(select(RestAllowance)).all() == []


def test_a_pattern_that_breaks_rest_is_not_added_without_a_reason(session: Session) -> None:
    manager, ann = manager_of(session), make_staff(session)
    make_pattern(session, ann, "14:00", "22:00", frozenset({0}))
    early = a_pattern(ann, "06:00", "12:00", frozenset({1}), from_on=date(2026, 12, 1))
    with pytest.raises(rest_checks.RestBroken) as broken:
        add(session, early, manager)
    assert {breach.rule for breach in broken.value.breaches} == {Rule.DAILY_REST}
    assert broken.value.breaches[0].start == datetime(2026, 11, 30, 14, tzinfo=LONDON)
    assert len(broken.value.breaches) >= 17  # each week of those that were tried


def test_with_a_reason_it_is_added_and_all_its_breaches_are_allowed(session: Session) -> None:
    manager, ann = manager_of(session), make_staff(session)
    make_pattern(session, ann, "14:00", "22:00", frozenset({0}))
    add(
        session, a_pattern(ann, "06:00", "12:00", frozenset({1}), from_on=MONDAY), manager, "Agreed"
    )
    far = date(2028, 1, 3)
    for first in (date(2026, 11, 30), far):
        [line] = report(session, first, first + timedelta(days=6)).breaches
        assert line.allowed_reason == "Agreed"


def test_a_reason_for_a_pattern_ends_with_it(session: Session) -> None:
    manager, ann = manager_of(session), make_staff(session)
    until = date(2026, 12, 15)
    make_pattern(session, ann, "14:00", "22:00", frozenset({0}))
    early = a_pattern(ann, "06:00", "12:00", frozenset({1}), from_on=MONDAY, until_on=until)
    add(session, early, manager, "For four weeks")
    make_pattern(session, ann, "06:00", "12:00", frozenset({1}), from_on=until + timedelta(days=1))
    lines: list[BreachLine] = report(session, MONDAY, date(2026, 12, 27)).breaches
    assert [line.allowed_reason for line in lines] == ["For four weeks"] * 4 + [None]


def test_what_was_broken_before_is_no_fault_of_a_new_pattern(session: Session) -> None:
    manager, ann = manager_of(session), make_staff(session)
    make_pattern(session, ann, "14:00", "22:00", frozenset({0}))
    make_pattern(session, ann, "06:00", "14:00", frozenset({1}))
    add(session, a_pattern(ann, "09:00", "17:00", frozenset({4})), manager)
    assert len(session.scalars(select(ShiftPattern)).all()) == 3


def test_a_pattern_of_sixty_hours_a_week_is_seen_at_once(session: Session) -> None:
    manager, ann = manager_of(session), make_staff(session)
    sixty = a_pattern(ann, "08:00", "20:00", WEEKDAYS, from_on=date(2026, 11, 30))
    session.commit()
    with pytest.raises(rest_checks.RestBroken) as broken:
        add(session, sixty, manager)
    session.rollback()
    [breach] = broken.value.breaches
    assert (breach.rule, breach.figure) == (Rule.WEEKLY_HOURS, 60 * H)
    rest.record_opt_out(session, ann.id, agreed_on=MONDAY, actor_id=manager.id, now=NOW, tz=LONDON)
    add(session, sixty, manager)


def an_extra_shift(staff: Staff, start: datetime, length: timedelta) -> Override:
    return Override(OverrideKind.ADD, staff.id, start, start + length)


def change(session: Session, made: Override, reason: str | None = None) -> RotaChange:
    return rest_checks.make_change(session, made, reason=reason, actor_id=None, now=NOW, tz=LONDON)


def test_a_change_that_breaks_rest_is_not_made_without_a_reason(session: Session) -> None:
    ann = make_staff(session)
    make_pattern(session, ann, "14:00", "22:00", frozenset({0}))
    early = an_extra_shift(ann, datetime(2026, 12, 1, 6, tzinfo=LONDON), 6 * H)
    session.commit()
    with pytest.raises(rest_checks.RestBroken) as broken:
        change(session, early)
    session.rollback()
    assert [breach.rule for breach in broken.value.breaches] == [Rule.DAILY_REST]
    assert session.scalars(select(RotaChange)).all() == []
    change(session, early, "Nobody else could")
    [line] = report(session, date(2026, 11, 30), date(2026, 12, 6)).breaches
    assert line.allowed_reason == "Nobody else could"


def test_who_stands_in_is_the_one_whose_rest_is_looked_at(session: Session) -> None:
    ann, ben = make_staff(session), make_staff(session, name="Ben Okoro")
    make_pattern(session, ann, "06:00", "12:00", frozenset({1}))
    make_pattern(session, ben, "14:00", "22:00", frozenset({0}))
    start = datetime(2026, 12, 1, tzinfo=LONDON)
    instead = Override(OverrideKind.REPLACE, ann.id, start, start + timedelta(days=1), by_id=ben.id)
    found = rest_checks.breaches_of_change(session, instead, now=NOW, tz=LONDON)
    assert [(breach.staff_id, breach.rule) for breach in found] == [(ben.id, Rule.DAILY_REST)]
    taken_off = Override(OverrideKind.REMOVE, ann.id, start, start + timedelta(days=1))
    assert rest_checks.breaches_of_change(session, taken_off, now=NOW, tz=LONDON) == []


def test_an_open_shift_that_leaves_too_little_rest_needs_a_manager(session: Session) -> None:
    ann, ben = make_staff(session), make_staff(session, name="Ben Okoro")
    make_pattern(session, ann, "14:00", "22:00", frozenset({0}))
    start = datetime(2026, 12, 1, 6, tzinfo=LONDON)
    row = rota_changes.make_change(
        session, OpenShift(start, start + 6 * H), actor_id=None, now=NOW, tz=LONDON
    )
    with pytest.raises(Refused, match="too little rest"):
        rest_checks.take_open_shift(session, row.id, staff_id=ann.id, now=NOW, tz=LONDON)
    taken = rest_checks.take_open_shift(session, row.id, staff_id=ben.id, now=NOW, tz=LONDON)
    assert taken.staff_id == ben.id


def test_whole_days_of_annual_and_sick_leave_are_excluded_days(session: Session) -> None:
    ann = make_staff(session)
    midday = datetime(2026, 11, 26, 12, tzinfo=LONDON)
    for start, length, reason in (
        (midday, timedelta(days=2), LeaveReason.ANNUAL),
        (midday + timedelta(days=7), timedelta(days=2), LeaveReason.TRAINING),
    ):
        leave = Leave(ann.id, start, start + length, reason)
        rota_changes.make_change(session, leave, actor_id=None, now=NOW, tz=LONDON)
    far = NOW - timedelta(days=30), NOW + timedelta(days=30)
    assert rest.excluded_days(session, *far, tz=LONDON) == {ann.id: {date(2026, 11, 27)}}


def test_a_rotation_is_held_against_the_rest_of_each_of_its_people(session: Session) -> None:
    manager, ann = manager_of(session), make_staff(session)
    ben = make_staff(session, name="Ben Okoro")
    make_pattern(session, ben, "06:00", "12:00", frozenset({1}))
    turns = (Turn(frozenset({ann.id}), 7), Turn(frozenset({ben.id}), 7))
    evenings = Rotation(
        None, Duty.COUNSELLING, frozenset({0}), time(14), time(22), date(2026, 11, 30), None,
        date(2026, 11, 30), CountedIn.DAYS, turns,
    )  # fmt: skip
    with pytest.raises(rest_checks.RestBroken) as broken:
        rest_checks.add_pattern(
            session, evenings, reason=None, actor_id=manager.id, now=NOW, tz=LONDON
        )
    assert {breach.staff_id for breach in broken.value.breaches} == {ben.id}
    assert len(broken.value.breaches) == 9  # every second week of those that were tried


def test_a_duty_lead_is_at_home_and_breaks_nothing(session: Session) -> None:
    manager = manager_of(session)
    add(session, a_pattern(manager, "09:00", "09:00", duty=Duty.DUTY_LEAD), manager)


def test_an_overlap_is_refused_before_rest_is_spoken_of(session: Session) -> None:
    manager, ann = manager_of(session), make_staff(session)
    make_pattern(session, ann, "09:00", "17:00")
    with pytest.raises(BadInput, match="overlaps"):
        add(session, a_pattern(ann, "12:00", "20:00"), manager)


def test_an_agreement_ends_with_notice_and_can_be_made_again(session: Session) -> None:
    manager, ann = manager_of(session), make_staff(session, name="Ann")
    make_pattern(session, ann, "08:00", "20:00", WEEKDAYS)

    def record() -> None:
        rest.record_opt_out(
            session, ann.id, agreed_on=MONDAY, actor_id=manager.id, now=NOW, tz=LONDON
        )

    assert [line.breach.rule for line in report(session).breaches] == [Rule.WEEKLY_HOURS]
    record()
    assert report(session).breaches == []
    assert report(session).people[0].has_opted_out
    [line] = rest.list_opt_outs(session, today=MONDAY)
    last = rest.end_opt_out(session, line.id, actor_id=manager.id, now=NOW, tz=LONDON)
    assert last == date(2026, 12, 2)
    assert report(session, now=NOW + timedelta(days=7)).breaches == []
    assert len(report(session, now=NOW + timedelta(days=8)).breaches) == 1
    with pytest.raises(NotFound):
        rest.end_opt_out(session, line.id, actor_id=manager.id, now=NOW, tz=LONDON)
    record()
    assert len(rest.list_opt_outs(session, today=MONDAY)) == 2


@pytest.mark.parametrize("agreed_on", [date(2026, 11, 26), date(2020, 1, 1)])
def test_an_agreement_has_a_date_that_can_be_meant(session: Session, agreed_on: date) -> None:
    manager = manager_of(session)
    with pytest.raises(BadInput, match="date"):
        rest.record_opt_out(
            session, manager.id, agreed_on=agreed_on, actor_id=manager.id, now=NOW, tz=LONDON
        )


def test_a_second_agreement_of_one_person_is_refused(session: Session) -> None:
    manager = manager_of(session)
    rest.record_opt_out(
        session, manager.id, agreed_on=MONDAY, actor_id=manager.id, now=NOW, tz=LONDON
    )
    with pytest.raises(Refused):
        rest.record_opt_out(
            session, manager.id, agreed_on=MONDAY, actor_id=manager.id, now=NOW, tz=LONDON
        )


def test_the_database_itself_takes_one_agreement_in_force(session: Session) -> None:
    manager = manager_of(session)
    facts = {
        "staff_id": manager.id,
        "agreed_on": MONDAY,
        "recorded_by_id": manager.id,
        "recorded_at": NOW,
    }
    session.add_all([WorkingTimeOptOut(**facts), WorkingTimeOptOut(**facts)])
    with pytest.raises(IntegrityError):
        session.flush()
