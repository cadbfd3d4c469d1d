"""Two administrators at one account, or at one another's, at the same instant."""

from __future__ import annotations

from datetime import datetime

from flask import Flask
from sqlalchemy import func, select

from callback_service.config import Settings
from callback_service.domain.resets import LossReason
from callback_service.domain.staff import Role
from callback_service.extensions import transaction
from callback_service.models.audit import AuditEntry
from callback_service.models.second_step_reset import SecondStepReset
from callback_service.models.staff import Staff
from callback_service.services import account_changes, second_step_resets
from tests.concurrency.racing import race
from tests.support.builders import make_staff

#: The slower one is the last who may, or may not any more.
REFUSED_ONE = ["", "Forbidden"], ["", "Refused"]
KEY = "a key for links that opens nothing else"


def disable(staff_id: int, actor_id: int, now: datetime) -> None:
    with transaction() as session:
        account_changes.disable(session, staff_id, actor_id=actor_id, now=now)


def demote(staff_id: int, actor_id: int, now: datetime) -> None:
    with transaction() as session:
        account_changes.change_role(session, staff_id, Role.COUNSELLOR, actor_id=actor_id, now=now)


def ask(staff_id: int, actor_id: int, now: datetime) -> None:
    with transaction() as session:
        second_step_resets.ask(
            session, staff_id, reason=LossReason.LOST, proof="seen", actor_id=actor_id, now=now
        )


def confirm(reset_id: int, actor_id: int, now: datetime) -> str:
    with transaction() as session:
        return second_step_resets.confirm(
            session, reset_id, secret_key=KEY, actor_id=actor_id, now=now
        )


def call_off(reset_id: int, actor_id: int, now: datetime) -> None:
    with transaction() as session:
        second_step_resets.call_off(session, reset_id, actor_id=actor_id, now=now)


def either(deed: str, reset_id: int, actor_id: int, now: datetime) -> None:
    {"confirm": confirm, "call_off": call_off}[deed](reset_id, actor_id, now)


def administrators(app: Flask, count: int) -> list[int]:
    with app.app_context(), transaction() as session:
        return [make_staff(session, role=Role.ADMINISTRATOR).id for _ in range(count)]


def counted(app: Flask, action: str) -> int:
    with app.app_context(), transaction() as session:
        how_many = select(func.count()).where(AuditEntry.action == action)
        return session.scalar(how_many) or 0


def test_two_administrators_who_disable_each_other_leave_one(
    app: Flask, settings: Settings, now: datetime
) -> None:
    one, other = administrators(app, 2)
    done = race(settings, disable, [(other, one, now), (one, other, now)])
    assert sorted(finish.refused_with or "" for finish in done) in REFUSED_ONE
    with app.app_context(), transaction() as session:
        assert account_changes.count_administrators(session) == 1


def test_two_administrators_who_demote_each_other_leave_one(
    app: Flask, settings: Settings, now: datetime
) -> None:
    one, other = administrators(app, 2)
    done = race(settings, demote, [(other, one, now), (one, other, now)])
    assert sorted(finish.refused_with or "" for finish in done) in REFUSED_ONE
    with app.app_context(), transaction() as session:
        assert account_changes.count_administrators(session) == 1


def test_of_many_who_ask_at_once_one_asks(app: Flask, settings: Settings, now: datetime) -> None:
    owner, *bosses = administrators(app, 5)
    done = race(settings, ask, [(owner, boss, now) for boss in bosses])
    assert [finish.refused_with for finish in done].count(None) == 1
    assert {finish.refused_with for finish in done} == {None, "Refused"}
    assert counted(app, "staff.reset_asked") == 1


def test_of_many_who_confirm_at_once_one_gets_the_link(
    app: Flask, settings: Settings, now: datetime
) -> None:
    owner, first, *bosses = administrators(app, 6)
    reset_id = asked(app, owner, first, now)
    done = race(settings, confirm, [(reset_id, boss, now) for boss in bosses])
    assert sum(finish.value is not None for finish in done) == 1
    assert {finish.refused_with for finish in done} == {None, "Refused"}
    assert counted(app, "staff.second_step_reset") == 1


def test_confirmed_and_called_off_at_once_is_one_of_both(
    app: Flask, settings: Settings, now: datetime
) -> None:
    owner, first, second = administrators(app, 3)
    reset_id = asked(app, owner, first, now)
    arguments = [("confirm", reset_id, second, now), ("call_off", reset_id, owner, now)]
    done = race(settings, either, arguments)
    assert sorted(finish.refused_with or "" for finish in done) == ["", "Refused"]
    with app.app_context(), transaction() as session:
        is_reset = session.get_one(Staff, owner).password_hash is None
    assert is_reset is (done[0].refused_with is None)


def asked(app: Flask, owner: int, first: int, now: datetime) -> int:
    with app.app_context():
        ask(owner, first, now)
        with transaction() as session:
            return session.scalars(select(SecondStepReset.id)).one()
