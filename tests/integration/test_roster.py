"""The rota as people look at it: boards by person, and who is on now and next."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy.orm import Session

from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import (
    Leave,
    LeaveReason,
    OpenShift,
    Override,
    OverrideKind,
)
from callback_service.domain.staff import Role
from callback_service.models.staff import Staff
from callback_service.services import rota, rota_changes
from callback_service.services.roster import Board, boards, watches
from tests.rota_builders import LONDON, local, make_pattern
from tests.support.builders import NOW, make_staff

MONDAY = date(2026, 11, 23)


def counselling(session: Session, **more: int) -> Board:
    [board] = boards(session, MONDAY, 7, tz=LONDON, duties=[Duty.COUNSELLING], **more)
    return board


def change(session: Session, made: Leave | OpenShift | Override) -> None:
    rota_changes.make_change(session, made, actor_id=None, now=NOW, tz=LONDON)


def replace(out: Staff, by: Staff) -> Override:
    span = local("2026-11-26 00:00"), local("2026-11-27 00:00")
    return Override(OverrideKind.REPLACE, out.id, *span, by_id=by.id)


def test_a_board_has_open_shifts_first_and_then_people_by_name(session: Session) -> None:
    for name in ("zoe", "Ana", "Ben"):
        make_pattern(session, make_staff(session, name=name))
    change(session, OpenShift(local("2026-11-26 18:00"), local("2026-11-26 22:00")))
    names = [line.person and line.person.name for line in counselling(session).lines]
    assert names == [None, "Ana", "Ben", "zoe"]


def test_who_is_away_stands_on_the_board_without_a_reason(session: Session) -> None:
    staff = make_staff(session)
    span = local("2026-11-26 12:00"), local("2026-11-30 09:00")
    change(session, Leave(staff.id, *span, LeaveReason.SICK))
    [line] = counselling(session).lines
    [away] = line.away
    assert ((away.start, away.end), away.is_leave, line.shifts) == (span, True, [])
    assert "sick" not in repr(away)


def test_the_leave_of_a_manager_stands_with_the_duty_leads(session: Session) -> None:
    lead = make_staff(session, role=Role.MANAGER)
    make_pattern(session, lead, duty=Duty.DUTY_LEAD)
    away = Leave(lead.id, local("2026-11-26 00:00"), local("2026-11-27 00:00"), LeaveReason.OTHER)
    change(session, away)
    calls, leads = boards(session, MONDAY, 7, tz=LONDON)
    assert calls.lines == []
    assert len(leads.lines[0].away) == 1


def test_who_is_replaced_is_off_and_who_stands_in_works(session: Session) -> None:
    out, by = make_staff(session, name="Out"), make_staff(session, name="Stand-in")
    make_pattern(session, out)
    change(session, replace(out, by))
    first, second = counselling(session).lines
    assert (len(first.shifts), [away.is_leave for away in first.away]) == (6, [False])
    assert (len(second.shifts), second.away) == (1, [])


def test_a_board_of_one_person_still_has_the_cover_of_all(session: Session) -> None:
    one, other = make_staff(session), make_staff(session)
    make_pattern(session, one, "00:00", "00:00")
    board = counselling(session, person_id=other.id)
    assert board.lines == []
    assert [stretch.on_shift for stretch in board.cover] == [1]


def test_hours_on_a_board_are_cut_to_it_and_count_as_time_passes(session: Session) -> None:
    make_pattern(session, make_staff(session), "20:00", "08:00")
    [board, _] = boards(session, date(2026, 10, 25), 1, tz=LONDON)
    [line] = board.lines
    assert line.time_in(board.start, board.end) == timedelta(hours=9 + 4)  # 01:00 came twice


def test_who_is_next_starts_next_together_and_nobody_holds_an_open_shift(session: Session) -> None:
    for name, start, end in (
        ("A", "23:00", "07:00"),
        ("B", "23:00", "06:00"),
        ("C", "23:30", "07:00"),
    ):
        make_pattern(session, make_staff(session, name=name), start, end)
    change(session, OpenShift(local("2026-11-25 21:00"), local("2026-11-25 22:00")))
    watch = watches(session, now=NOW, tz=LONDON)[Duty.COUNSELLING]
    assert sorted(shift.person.name for shift in watch.next_on if shift.person) == ["A", "B"]


def test_an_empty_rota_has_nobody_on_and_nobody_next_and_one_gap(session: Session) -> None:
    for watch in watches(session, now=NOW, tz=LONDON).values():
        assert (watch.on_now, watch.next_on) == ([], [])
        assert watch.gap
        assert (watch.gap.start, watch.gap.end) == (NOW, NOW + timedelta(days=7))
    assert rota.on_now(session, now=NOW, tz=LONDON) == []


def test_the_next_gap_is_the_first_time_with_too_few(session: Session) -> None:
    make_pattern(session, make_staff(session), "00:00", "22:00")
    watch = watches(session, now=NOW, tz=LONDON)[Duty.COUNSELLING]
    assert len(watch.on_now) == 1
    assert watch.gap
    assert watch.gap.start == local("2026-11-25 22:00")
