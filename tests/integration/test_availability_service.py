"""Stated times, leave that is asked for, open shifts given back, and notices of absence."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.availability import CannotWork
from callback_service.domain.leave_requests import LeaveState
from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import (
    Change,
    Leave,
    LeaveReason,
    OpenShift,
    Override,
    OverrideKind,
)
from callback_service.domain.wall_time import EVERY_DAY
from callback_service.errors import NotFound, Refused
from callback_service.models.audit import AuditEntry
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.models.rota_change import RotaChange
from callback_service.models.staff import Staff
from callback_service.services import availability, leave_requests, rota_changes, rota_notices
from callback_service.services.rota import resolve
from callback_service.services.rota_preview import what_would_break
from tests.rota_builders import LONDON, a_pattern, local, make_pattern
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import accept, make_manager, make_request, make_shift, mobile

HOUR = timedelta(hours=1)
TUESDAY = local("2026-12-01 16:00"), local("2026-12-01 20:00")


def state(
    session: Session, staff: Staff, start: str = "17:00", end: str = "22:00",
    weekdays: frozenset[int] = frozenset({1}), *, from_on: date = date(2026, 11, 1),
    until_on: date | None = None,
) -> int:  # fmt: skip
    """Ana cannot work on Tuesday evenings, unless told otherwise; the id of what she stated."""
    line = CannotWork(
        staff.id, weekdays, time.fromisoformat(start), time.fromisoformat(end), from_on, until_on,
        NOW.date(),
    )  # fmt: skip
    return availability.state_cannot_work(session, line, actor_id=staff.id, now=NOW).id


def words(session: Session, *changes: Change) -> list[str]:
    return [one.words for one in availability.conflicts(session, *changes, tz=LONDON)]


def make(session: Session, change: Change) -> RotaChange:
    return rota_changes.make_change(session, change, actor_id=None, now=NOW, tz=LONDON)


def test_every_way_of_being_put_on_duty_is_held_against_what_was_stated(session: Session) -> None:
    ana, ben = make_staff(session, name="Ana"), make_shift(session, "16:00", "20:00", name="Ben")
    state(session, ana)
    said = "Ana cannot work on Tuesdays 17:00 to 22:00 (stated 25 November): Tuesday 1 December"
    added = Override(OverrideKind.ADD, ana.id, *TUESDAY)
    instead = Override(OverrideKind.REPLACE, ben.id, *TUESDAY, by_id=ana.id)
    for change in (added, instead):
        assert words(session, change) == [f"{said} 16:00 to 20:00"]
    assert what_would_break(session, added, now=NOW, tz=LONDON).conflicts == words(session, added)
    row = make(session, OpenShift(*TUESDAY))
    [line] = availability.conflicts_of_open_shift(session, row.id, ana.id, tz=LONDON)
    assert line.words == f"{said} 16:00 to 20:00"
    pattern = a_pattern(ana, "16:00", "20:00", from_on=date(2026, 11, 30))
    [line] = availability.conflicts_of_line(session, pattern, now=NOW, tz=LONDON)
    assert line.words == f"{said} 16:00 to 20:00 and 51 more"
    for harmless in (
        Override(OverrideKind.ADD, ana.id, TUESDAY[0], TUESDAY[0] + HOUR),  # ends as it begins
        Override(OverrideKind.ADD, ben.id, *TUESDAY),
        Override(OverrideKind.REMOVE, ana.id, *TUESDAY),
        Leave(ana.id, *TUESDAY, LeaveReason.ANNUAL),
        Override(OverrideKind.REPLACE, ben.id, TUESDAY[1], TUESDAY[1] + HOUR, by_id=ana.id),
    ):
        assert words(session, harmless) == []


def test_a_whole_day_on_which_the_clocks_change_is_a_whole_day(session: Session) -> None:
    ana = make_staff(session, name="Ana")
    sunday = date(2027, 3, 28)
    state(session, ana, "00:00", "00:00", EVERY_DAY, from_on=sunday, until_on=sunday)
    last = local("2027-03-28 23:59")
    [said] = words(session, Override(OverrideKind.ADD, ana.id, last, last + HOUR / 60))
    assert said.startswith("Ana cannot work on Sunday 28 March, all day (stated 25 November): ")
    assert said.endswith(": Sunday 28 March 23:59 to Monday 29 March 00:00")
    after = last + HOUR / 60
    assert words(session, Override(OverrideKind.ADD, ana.id, after, after + HOUR)) == []


def test_what_is_stated_over_shifts_takes_nobody_off_and_lists_them(session: Session) -> None:
    ana = make_shift(session, "16:00", "20:00", name="Ana")
    stated_id = state(session, ana)
    [line] = availability.list_stated(session, now=NOW, tz=LONDON, staff_id=ana.id)
    assert (len(line.shifts), line.shifts[0]) == (8, "Tuesday 1 December 16:00 to 20:00")
    shifts, _ = resolve(session, *TUESDAY, tz=LONDON)
    assert [shift.staff_id for shift in shifts] == [ana.id]
    with pytest.raises(NotFound):
        availability.take_back(session, stated_id, actor_id=make_staff(session).id, now=NOW)
    availability.take_back(session, stated_id, actor_id=ana.id, now=NOW)
    assert availability.list_stated(session, now=NOW, tz=LONDON) == []


def test_leave_is_granted_once_and_what_overlaps_it_is_named(session: Session) -> None:
    ana, mo = make_shift(session, name="Ana"), make_manager(session)
    day = date(2026, 12, 1)
    row = leave_requests.ask_for_leave(
        session, ana.id, kind=LeaveReason.TRAINING, from_on=day, until_on=day, now=NOW, tz=LONDON
    )
    other = make(session, Override(OverrideKind.REMOVE, ana.id, *TUESDAY))
    with pytest.raises(Refused, match="overlaps another change"), session.begin_nested():
        leave_requests.grant(session, row.id, actor_id=mo.id, now=NOW, tz=LONDON)
    rota_changes.cancel_change(session, other.id, actor_id=mo.id, now=NOW)
    ana.phone = mobile(1)
    leave_requests.grant(session, row.id, actor_id=mo.id, now=NOW, tz=LONDON)
    assert row.state is LeaveState.GRANTED
    texts = session.execute(select(OutboxMessage.staff_id, OutboxMessage.kind)).all()
    assert texts == [(ana.id, TextKind.LEAVE_DECIDED)]
    shifts, _ = resolve(session, *TUESDAY, tz=LONDON)
    assert [shift.staff_id for shift in shifts] == []
    with pytest.raises(Refused, match="granted already"):
        leave_requests.decline(session, row.id, reason="No", actor_id=mo.id, now=NOW)
    with pytest.raises(Refused, match="granted already"):
        leave_requests.withdraw(session, row.id, staff_id=ana.id, now=NOW)


def test_an_open_shift_is_given_back_by_who_took_it_before_it_begins(session: Session) -> None:
    ana, ben = make_staff(session, name="Ana"), make_staff(session, name="Ben")
    row = make(session, OpenShift(*TUESDAY))

    def take(who: Staff) -> None:
        rota_changes.take_open_shift(session, row.id, staff_id=who.id, now=NOW, tz=LONDON)

    take(ana)
    with pytest.raises(NotFound):
        rota_changes.give_back_open_shift(session, row.id, staff_id=ben.id, now=NOW)
    with pytest.raises(Refused, match="has begun"):
        rota_changes.give_back_open_shift(session, row.id, staff_id=ana.id, now=TUESDAY[0])
    rota_changes.give_back_open_shift(session, row.id, staff_id=ana.id, now=NOW)
    shifts, _ = resolve(session, *TUESDAY, tz=LONDON)
    assert [shift.staff_id for shift in shifts] == [None]
    take(ben)
    take(ben)
    done = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert done[1:] == ["rota.open_shift_taken", "rota.open_shift_given_back",
                        "rota.open_shift_taken"]  # fmt: skip


def test_managers_are_told_once_of_a_sudden_absence_in_neutral_words(session: Session) -> None:
    ana, ben, mo = (
        make_shift(session, name="Ana"),
        make_shift(session, name="Ben"),
        make_manager(session),
    )
    rota_changes.sick_from_now(
        session, ana.id, until=NOW + 24 * HOUR, actor_id=ana.id, now=NOW, tz=LONDON
    )
    [line] = rota_notices.unseen(session, tz=LONDON)
    assert (line.name, line.since, line.call) == ("Ana", NOW, None)
    assert line.shifts == (
        (Duty.COUNSELLING, "Wednesday 25 November 20:00 to Thursday 26 November 08:00"),
        (Duty.COUNSELLING, "Thursday 26 November 16:00 to 20:00"),
    )
    texts = session.scalars(
        select(OutboxMessage).where(OutboxMessage.kind == TextKind.ABSENCE)
    ).all()
    assert [text.staff_id for text in texts] == [mo.id]
    assert "Ana" not in texts[0].body
    assert " ill" not in texts[0].body
    make_pattern(session, mo, "00:00", "00:00")
    rota_changes.sick_from_now(
        session, mo.id, until=NOW + 24 * HOUR, actor_id=mo.id, now=NOW, tz=LONDON
    )
    assert len(rota_notices.unseen(session, tz=LONDON)) == 2
    assert ben.id not in {text.staff_id for text in texts}
    for one in rota_notices.unseen(session, tz=LONDON):
        rota_notices.see_to(session, one.id, actor_id=mo.id, now=NOW)
        rota_notices.see_to(session, one.id, actor_id=mo.id, now=NOW)
    assert rota_notices.count_unseen(session) == 0


def test_the_call_that_went_back_is_named_in_the_notice(session: Session) -> None:
    ana, request = make_shift(session, name="Ana"), make_request(session)
    make_manager(session)
    accept(session, request, ana)
    rota_changes.sick_from_now(
        session, ana.id, until=NOW + 24 * HOUR, actor_id=ana.id, now=NOW, tz=LONDON
    )
    [line] = rota_notices.unseen(session, tz=LONDON)
    assert line.call == (request.reference, request.due_at)
    assert request.assigned_to_id is None
