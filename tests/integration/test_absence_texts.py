"""Who is told of time off that somebody else enters: the person, and managers when it is sudden."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.rota_changes import Change, Leave, LeaveReason, Override, OverrideKind
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.models.rota_change import RotaChange
from callback_service.models.rota_revision import RotaRevision
from callback_service.models.staff import Staff
from callback_service.services import (
    leave_requests,
    rest_checks,
    rota_changes,
    rota_notices,
    rota_undo,
)
from tests.rota_builders import LONDON, local
from tests.support.builders import NOW
from tests.support.request_builders import (
    accept,
    make_manager,
    make_request,
    make_shift,
    mobile,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NEXT_WEEK = local("2026-12-01 00:00"), local("2026-12-03 00:00")
TONIGHT = NOW, NOW + 12 * HOUR


class Office:
    """Ana is on shift now and every evening; Mo manages and enters, Lee leads, Kim manages too."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.ana = make_shift(session, name="Ana")
        self.mo = make_manager(session)
        self.lee = make_manager(session, is_duty_lead=True)
        self.kim = make_manager(session)
        for number, staff in enumerate((self.ana, self.mo, self.lee, self.kim)):
            staff.phone = mobile(number)
        session.flush()

    def enter(self, change: Change) -> RotaChange:
        """What the manager's form does."""
        return rest_checks.make_change(
            self.session, change, reason=None, actor_id=self.mo.id, now=NOW, tz=LONDON
        )

    def undo(self, revision_id: int) -> RotaRevision:
        """Undo an edit an hour later; all the rest it breaks is allowed."""
        return rota_undo.undo(
            self.session, revision_id, reason="Agreed", actor_id=self.mo.id, now=NOW + HOUR,
            tz=LONDON,
        )  # fmt: skip

    def texts(self, kind: TextKind = TextKind.LEAVE_DECIDED) -> list[Staff]:
        """Who was sent a text of a kind, in order."""
        rows = self.session.scalars(
            select(OutboxMessage).where(OutboxMessage.kind == kind).order_by(OutboxMessage.id)
        )
        return [self.session.get_one(Staff, row.staff_id) for row in rows]


@pytest.fixture
def office(session: Session) -> Office:
    return Office(session)


@pytest.mark.parametrize("reason", LeaveReason)
def test_who_is_put_on_leave_by_a_manager_is_told_and_for_later_nobody_else_is(
    office: Office, reason: LeaveReason
) -> None:
    office.enter(Leave(office.ana.id, *NEXT_WEEK, reason))
    assert office.texts() == [office.ana]
    assert office.texts(TextKind.ABSENCE) == []
    assert rota_notices.count_unseen(office.session) == 0


@pytest.mark.parametrize("reason", [LeaveReason.SICK, LeaveReason.OTHER])
def test_of_an_absence_from_now_the_other_managers_are_told_as_of_one_that_is_reported(
    office: Office, reason: LeaveReason
) -> None:
    request = make_request(office.session)
    accept(office.session, request, office.ana)
    office.enter(Leave(office.ana.id, TONIGHT[0] - HOUR, TONIGHT[1], reason))
    assert office.texts(TextKind.ABSENCE) == [office.lee, office.kim]
    assert office.texts() == [office.ana]
    [line] = rota_notices.unseen(office.session, tz=LONDON)
    assert (line.name, line.call) == ("Ana", (request.reference, request.due_at))
    assert [words for _, words in line.shifts] == [
        "Wednesday 25 November 20:00 to Thursday 26 November 08:00"
    ]


def test_an_absence_from_now_that_costs_no_shift_is_told_to_the_person_alone(
    office: Office,
) -> None:
    rest = make_shift(office.session, "01:00", "02:00", name="Rest")
    rest.phone = mobile(9)
    office.enter(Leave(rest.id, NOW, NOW + HOUR, LeaveReason.SICK))
    assert office.texts(TextKind.ABSENCE) == []
    assert office.texts() == [rest]


def test_texts_of_time_off_name_nobody_no_time_and_no_reason(office: Office) -> None:
    office.enter(Leave(office.ana.id, *TONIGHT, LeaveReason.SICK))
    bodies = set(office.session.scalars(select(OutboxMessage.body)))
    assert bodies == {
        "There is news of your time off. Sign in to see it.",
        "A change of today's rota needs a look. Sign in to see the rota.",
    }


def test_who_has_given_no_number_is_not_texted(office: Office) -> None:
    office.ana.phone = office.kim.phone = None
    office.session.flush()
    office.enter(Leave(office.ana.id, *TONIGHT, LeaveReason.SICK))
    assert office.texts() == []
    assert office.texts(TextKind.ABSENCE) == [office.lee]


def test_who_enters_or_reports_their_own_time_off_is_not_texted(office: Office) -> None:
    office.enter(Leave(office.mo.id, *NEXT_WEEK, LeaveReason.ANNUAL))
    rota_changes.sick_from_now(
        office.session, office.ana.id, until=NOW + DAY, actor_id=office.ana.id, now=NOW, tz=LONDON
    )
    assert office.texts() == []
    assert office.texts(TextKind.ABSENCE) == [office.mo, office.lee, office.kim]


def test_a_change_that_is_no_time_off_tells_nobody_of_time_off(office: Office) -> None:
    office.enter(Override(OverrideKind.REMOVE, office.ana.id, *NEXT_WEEK))
    assert office.texts() == []


def test_leave_that_is_granted_is_told_once_and_leave_that_is_declined_too(office: Office) -> None:
    for days in (6, 20):
        row = leave_requests.ask_for_leave(
            office.session, office.ana.id, kind=LeaveReason.ANNUAL,
            from_on=date(2026, 12, days), until_on=date(2026, 12, days), now=NOW, tz=LONDON,
        )  # fmt: skip
        if days == 6:
            leave_requests.grant(office.session, row.id, actor_id=office.mo.id, now=NOW, tz=LONDON)
            assert office.texts() == [office.ana]
        else:
            leave_requests.decline(
                office.session, row.id, reason="Too few left", actor_id=office.mo.id, now=NOW
            )
    assert office.texts() == [office.ana] * 2


def test_who_is_back_on_the_rota_since_their_leave_was_cancelled_is_told(office: Office) -> None:
    row = office.enter(Leave(office.ana.id, *NEXT_WEEK, LeaveReason.ANNUAL))
    rota_changes.cancel_change(office.session, row.id, actor_id=office.mo.id, now=NOW)
    assert office.texts() == [office.ana] * 2


def test_undoing_is_told_and_looking_at_what_it_would_do_is_not(office: Office) -> None:
    office.enter(Leave(office.ana.id, *NEXT_WEEK, LeaveReason.ANNUAL))
    [revision_id] = office.session.scalars(select(RotaRevision.id))
    rota_undo.preview_undo(
        office.session, revision_id, actor_id=office.mo.id, now=NOW + HOUR, tz=LONDON
    )
    assert office.texts() == [office.ana]
    undone = office.undo(revision_id)
    assert office.texts() == [office.ana] * 2
    office.undo(undone.id)
    assert office.texts() == [office.ana] * 3


def test_what_is_taken_from_a_calendar_is_told_by_who_reads_it(office: Office) -> None:
    leave = Leave(office.ana.id, *NEXT_WEEK, LeaveReason.ANNUAL)
    rota_changes.record_changes(office.session, [(leave, None)], actor_id=None, now=NOW, tz=LONDON)
    [row] = office.session.scalars(select(RotaChange))
    rota_changes.cancel_change(office.session, row.id, actor_id=None, now=NOW)
    assert office.texts() == []


def test_whose_account_is_disabled_is_not_texted(office: Office) -> None:
    row = office.enter(Leave(office.ana.id, *NEXT_WEEK, LeaveReason.ANNUAL))
    office.ana.is_active = False
    office.session.flush()
    rota_changes.cancel_change(office.session, row.id, actor_id=office.mo.id, now=NOW)
    assert office.texts() == [office.ana], "only that she was put on leave"
