"""Whoever left is forgotten a year later: their name goes, their shifts and deeds stay."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callback_service.domain.retention import USUAL, Kept
from callback_service.domain.staff import Role
from callback_service.models.api_token import ApiToken
from callback_service.models.audit import AuditEntry
from callback_service.models.rota import ShiftPattern
from callback_service.models.staff import Staff
from callback_service.services import account_changes, api_tokens, retention
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import make_shift

LATER = NOW + USUAL.lasts(Kept.LEAVERS)


@pytest.fixture
def leaver(session: Session) -> Staff:
    """A counsellor whose account was disabled at NOW."""
    staff = make_shift(session, name="Robin Vale", email="robin@example.org")
    staff.phone = "+447700900801"
    api_tokens.make_token(session, staff.id, "Robin's script", now=NOW)
    chief = make_staff(session, role=Role.ADMINISTRATOR)
    account_changes.disable(session, staff.id, actor_id=chief.id, now=NOW)
    session.commit()
    return staff


def test_a_year_after_the_account_is_disabled_nobody_can_tell_who_it_was(
    session: Session, leaver: Staff
) -> None:
    assert retention.erase_old(session, now=LATER)[Kept.LEAVERS] == 1
    session.commit()
    told = (leaver.phone, leaver.password_hash, leaver.totp_secret)
    assert (leaver.name, *told) == (f"Former colleague {leaver.id}", None, None, None)
    assert "robin" not in leaver.email
    assert session.scalar(select(func.count()).select_from(ApiToken)) == 0


def test_shifts_and_deeds_stay(session: Session, leaver: Staff) -> None:
    before = session.scalar(select(func.count()).select_from(AuditEntry)) or 0
    retention.erase_old(session, now=LATER)
    assert session.scalars(select(ShiftPattern.staff_id)).all() == [leaver.id]
    assert session.scalar(select(func.count()).select_from(AuditEntry)) == before + 1


def test_not_a_moment_earlier_and_only_once(session: Session, leaver: Staff) -> None:
    assert retention.erase_old(session, now=LATER - timedelta(seconds=1))[Kept.LEAVERS] == 0
    runs = [retention.erase_old(session, now=LATER)[Kept.LEAVERS] for _ in range(2)]
    assert runs == [1, 0]


def test_who_came_back_is_kept(session: Session, leaver: Staff) -> None:
    chief = make_staff(session, role=Role.ADMINISTRATOR)
    account_changes.enable(session, leaver.id, actor_id=chief.id, now=NOW)
    assert retention.erase_old(session, now=LATER)[Kept.LEAVERS] == 0
    assert leaver.name == "Robin Vale"
