"""What is a colleague's own is not there for anybody else, and stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service import clock
from callback_service.domain.resets import LossReason
from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import LeaveReason
from callback_service.domain.staff import Role
from callback_service.domain.swaps import SwapState
from callback_service.domain.wall_time import EVERY_DAY, mask_from_weekdays
from callback_service.models.api_token import ApiToken
from callback_service.models.availability import LeaveRequest, Unavailability
from callback_service.models.calendar import CalendarFeed, FeedScope
from callback_service.models.rota_change import ChangeKind, RotaChange
from callback_service.models.second_step_reset import SecondStepReset
from callback_service.models.staff import Passkey, Staff
from callback_service.models.swap import Swap
from callback_service.services import api_tokens, feeds
from tests.support.builders import make_staff
from tests.support.pages import csrf_token, without_chance
from tests.support.request_builders import member, seen, stored

NOT_THERE = 999_999_999
SignInAs = Callable[..., FlaskClient]


def a_token(session: Session, owner: Staff, now: datetime) -> ApiToken:
    api_tokens.make_token(session, owner.id, "screen", now=now)
    return session.scalars(select(ApiToken)).one()


def a_passkey(session: Session, owner: Staff, now: datetime) -> Passkey:
    return Passkey(
        staff_id=owner.id, credential_id=b"id", public_key=b"key", sign_count=0, name="my phone",
        created_at=now,
    )  # fmt: skip


def a_calendar_link(session: Session, owner: Staff, now: datetime) -> CalendarFeed:
    feeds.make_link(session, member(owner), FeedScope.OWN, now=now)
    return session.scalars(select(CalendarFeed)).one()


def leave_asked_for(session: Session, owner: Staff, now: datetime) -> LeaveRequest:
    day = now.date() + timedelta(days=30)
    return LeaveRequest(
        staff_id=owner.id, kind=LeaveReason.ANNUAL, from_on=day, until_on=day, asked_at=now
    )


def a_time_out(session: Session, owner: Staff, now: datetime) -> Unavailability:
    return Unavailability(
        staff_id=owner.id, weekdays=mask_from_weekdays(EVERY_DAY), starts=time(9), ends=time(12),
        from_on=date(2026, 1, 5), created_by_id=owner.id, created_at=now,
    )  # fmt: skip


def an_open_shift_taken(session: Session, owner: Staff, now: datetime) -> RotaChange:
    start = now + timedelta(days=30)
    return RotaChange(
        kind=ChangeKind.OPEN, duty=Duty.COUNSELLING, starts_at=start,
        ends_at=start + timedelta(hours=8), staff_id=owner.id, taken_at=now, created_at=now,
    )  # fmt: skip


def a_swap(session: Session, owner: Staff, now: datetime, **how: Any) -> Swap:
    """A shift that one colleague offers to another, or as ``how`` says."""
    start, other = now + timedelta(days=30), make_staff(session, name="Other").id
    about: dict[str, Any] = {"state": SwapState.OFFERED, "duty": Duty.COUNSELLING, "to_id": other}
    about |= how
    if about["state"] is not SwapState.OFFERED:
        about |= {"taken_by_id": other, "taken_at": now}
    return Swap(
        **about, offered_by_id=owner.id, starts_at=start, ends_at=start + timedelta(hours=8),
        begins_at=start, created_by_id=owner.id, created_at=now,
        ended_at=now if about["state"] is SwapState.DECLINED else None,
    )  # fmt: skip


def a_swap_taken(session: Session, owner: Staff, now: datetime) -> Swap:
    return a_swap(session, owner, now, state=SwapState.TAKEN)


def a_swap_that_is_over(session: Session, owner: Staff, now: datetime) -> Swap:
    return a_swap(session, owner, now, state=SwapState.DECLINED, reason="No")


def an_offer_of_a_duty_lead(session: Session, owner: Staff, now: datetime) -> Swap:
    owner.role = Role.MANAGER
    return a_swap(session, owner, now, duty=Duty.DUTY_LEAD, to_id=None)


def a_reset(session: Session, owner: Staff, now: datetime) -> SecondStepReset:
    boss = make_staff(session, role=Role.ADMINISTRATOR)
    return SecondStepReset(
        staff_id=owner.id, reason=LossReason.LOST, asked_by_id=boss.id, asked_at=now
    )


def a_reset_that_is_over(session: Session, owner: Staff, now: datetime) -> SecondStepReset:
    return a_reset(session, owner, now - timedelta(days=30))


OWN = [
    ("POST", "/account/tokens/{}/end", a_token),
    ("POST", "/account/passkeys/{}/remove", a_passkey),
    ("POST", "/rota/calendar/links/{}/end", a_calendar_link),
    ("POST", "/rota/leave/{}/withdraw", leave_asked_for),
    ("POST", "/rota/availability/{}/take-back", a_time_out),
    ("GET", "/rota/open-shifts/{}/give-back", an_open_shift_taken),
    ("POST", "/rota/open-shifts/{}/give-back", an_open_shift_taken),
    ("POST", "/lost-phones/{}/call-off", a_reset),
    ("POST", "/lost-phones/{}/call-off", a_reset_that_is_over),
]
OWN += [
    (method, f"/rota/swaps/{{}}/{act}", make)
    for make in (a_swap, a_swap_taken, a_swap_that_is_over, an_offer_of_a_duty_lead)
    for method, act in [
        ("GET", "take"), ("POST", "take"), ("POST", "withdraw"), ("POST", "give-up"),
    ]
]  # fmt: skip
#: Managers may call off anybody's reset, and see to anybody's swap.
FOR_MANAGERS = "lost-phones", "swaps"
WHOSE = [
    (role, *one)
    for role in (Role.COUNSELLOR, Role.MANAGER)
    for one in OWN
    if role is Role.COUNSELLOR or not any(room in one[1] for room in FOR_MANAGERS)
]


@pytest.mark.parametrize(("role", "method", "path", "make"), WHOSE)
def test_what_is_a_colleagues_own_answers_as_what_is_not_there_and_stays(
    app: Flask,
    sign_in_as: SignInAs,
    role: Role,
    method: str,
    path: str,
    make: Callable[[Session, Staff, datetime], Any],
) -> None:
    with stored(app) as session:
        row = make(session, make_staff(session, name="Owner"), clock.utc_now())
        session.add(row)
        session.flush()
        table, row_id = type(row), row.id
        before = columns_of(session, table, row_id)
    client = sign_in_as(role, name="Stranger")
    token = csrf_token(client.get("/account").get_data(as_text=True))
    theirs, none = (said(client, method, path, one, token) for one in (row_id, NOT_THERE))
    assert theirs == none
    assert theirs[0] == 404
    with seen(app) as session:
        assert columns_of(session, table, row_id) == before


def columns_of(session: Session, table: type[Any], row_id: int) -> list[Any]:
    """The row as it is stored."""
    return [
        tuple(row) for row in session.execute(select(table.__table__).where(table.id == row_id))
    ]


def said(client: FlaskClient, method: str, path: str, row_id: int, token: str) -> tuple[int, str]:
    """The answer without what differs by address and chance alone."""
    answer = client.open(path.format(row_id), method=method, data={"csrf_token": token})
    page = without_chance(answer.get_data(as_text=True)).replace(f"/{row_id}/", "/ID/")
    return answer.status_code, page
