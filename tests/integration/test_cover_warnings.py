"""Telling managers of gaps in the stored rota: once each, and again when it matters."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.staff import Role
from callback_service.domain.ticks import TickName
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.models.audit import AuditEntry
from callback_service.models.cover import CoverLook, CoverWarning
from callback_service.models.outbox import OutboxMessage, TextKind
from callback_service.models.rota import ShiftPattern
from callback_service.models.staff import Staff
from callback_service.services import account_changes, shift_patterns
from callback_service.services.cover import LOOK_AHEAD
from callback_service.services.cover_warnings import (
    LOOK_EVERY,
    known_gap,
    known_gaps,
    look_is_due,
    mute_gap,
    unmute_gap,
    warn_of_gaps,
)
from callback_service.services.heartbeat import STALE_AFTER
from callback_service.ticks import TICKS, run_tick
from tests.rota_builders import LONDON, a_pattern, make_pattern
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import make_manager, stored

H = timedelta(hours=1)


def look(session: Session, *, now: datetime = NOW) -> int:
    return warn_of_gaps(session, now=now, tz=LONDON)


def rows(session: Session) -> list[CoverWarning]:
    return list(session.scalars(select(CoverWarning).order_by(CoverWarning.id)))


def gap_texts(session: Session) -> list[str]:
    texts = select(OutboxMessage).where(OutboxMessage.kind == TextKind.GAP)
    return [text.body for text in session.scalars(texts.order_by(OutboxMessage.id))]


def staffed_but_for(session: Session, *, weekdays: frozenset[int]) -> ShiftPattern:
    """Somebody round the clock on all days but those; NOW is a Wednesday."""
    return make_pattern(
        session, make_staff(session), "00:00", "00:00", frozenset(range(7)) - weekdays
    )


def test_an_empty_rota_is_one_gap_told_of_once(session: Session) -> None:
    make_manager(session)
    assert look(session) == 1
    [row] = rows(session)
    assert (row.starts_at, row.ends_at, row.short) == (NOW, NOW + LOOK_AHEAD, 1)
    [text] = gap_texts(session)
    assert text.startswith("The rota is short of people on Wednesday 25 November from 8pm. Sign in")
    for days in range(1, 6):
        assert look(session, now=NOW + timedelta(days=days)) == 0
    assert len(gap_texts(session)) == 1
    assert rows(session)[0].starts_at == NOW


def test_several_new_gaps_are_one_text_to_each_manager_with_a_number(session: Session) -> None:
    make_manager(session)
    make_manager(session, "07700 900801")
    make_manager(session, None)
    staffed_but_for(session, weekdays=frozenset({0}))
    assert look(session) == 4
    texts = gap_texts(session)
    assert len(texts) == 2
    assert "at 4 times, first on Monday 30 November from midnight" in texts[0]


def test_a_rota_without_gaps_tells_nobody(session: Session) -> None:
    make_manager(session)
    staffed_but_for(session, weekdays=frozenset())
    assert look(session) == 0
    assert not rows(session)
    assert not gap_texts(session)


def test_a_gap_is_told_of_again_when_it_is_two_days_away(session: Session) -> None:
    make_manager(session)
    row = staffed_but_for(session, weekdays=frozenset({0}))
    row.until_on = date(2026, 12, 5)
    make_pattern(session, make_staff(session), "00:00", "00:00", from_on=date(2026, 12, 6))
    monday = datetime(2026, 11, 30, tzinfo=LONDON)
    told = [look(session, now=at) for at in (NOW, monday - 49 * H, monday - 48 * H, monday - H)]
    assert told == [1, 0, 1, 0]
    assert len(gap_texts(session)) == 2


def test_a_gap_that_grew_is_told_of_again(session: Session) -> None:
    make_manager(session)
    row = staffed_but_for(session, weekdays=frozenset({0}))
    look(session)
    row.ends = row.ends.replace(hour=23)  # an hour less on every day
    session.flush()
    assert look(session, now=NOW + H) > 0


def test_a_gap_that_was_filled_is_closed_and_one_that_comes_back_is_new(session: Session) -> None:
    make_manager(session)
    look(session)
    filled = staffed_but_for(session, weekdays=frozenset())
    assert look(session, now=NOW + H) == 0
    assert [row.closed_at for row in rows(session)] == [NOW + H]
    assert known_gaps(session, now=NOW + H) == []
    session.delete(filled)
    session.flush()
    assert look(session, now=NOW + 2 * H) == 1
    assert len(gap_texts(session)) == 2


def test_a_gap_filled_in_part_is_several_that_are_known(session: Session) -> None:
    make_manager(session)
    look(session)
    staffed_but_for(session, weekdays=frozenset(range(7)) - {5})
    assert look(session, now=NOW + H) == 0
    assert len(rows(session)) == 5  # before, between and after four Saturdays
    assert all(row.first_told_at == NOW for row in rows(session))


def test_a_deactivated_account_is_no_cover(session: Session) -> None:
    admin, _ = make_staff(session, role=Role.ADMINISTRATOR), make_manager(session)
    pattern = staffed_but_for(session, weekdays=frozenset())
    look(session)
    account_changes.disable(session, pattern.staff_id or 0, actor_id=admin.id, now=NOW + H)
    assert look_is_due(session, now=NOW + timedelta(minutes=1))
    assert look(session, now=NOW + H) == 1


def test_a_look_is_due_after_a_change_and_after_a_while(session: Session) -> None:
    manager, soon = make_manager(session), NOW + timedelta(minutes=1)
    assert look_is_due(session, now=NOW)
    look(session)
    assert not look_is_due(session, now=soon)
    shift_patterns.add_pattern(
        session, a_pattern(make_staff(session)), actor_id=manager.id, now=soon
    )
    session.flush()
    assert look_is_due(session, now=soon)
    look(session, now=soon)
    assert not look_is_due(session, now=soon)
    assert look_is_due(session, now=soon + LOOK_EVERY)


def test_without_a_manager_nothing_counts_as_told(session: Session) -> None:
    make_staff(session)
    assert not look_is_due(session, now=NOW)


def test_a_muted_gap_is_not_told_of_until_it_grows(session: Session) -> None:
    manager = make_manager(session)
    pattern = staffed_but_for(session, weekdays=frozenset({0}))
    look(session)
    for row in rows(session):
        mute_gap(session, row.id, reason=" Closed  for training ", actor_id=manager.id, now=NOW)
    monday = datetime(2026, 11, 30, tzinfo=LONDON)
    assert look(session, now=monday - 40 * H) == 0
    gap = known_gaps(session, now=monday - 40 * H)[0]
    assert gap.muted_reason == "Closed for training"
    pattern.weekdays &= ~(1 << 1)  # nor on Tuesdays
    session.flush()
    assert look(session, now=monday - 39 * H) == 4
    assert known_gap(session, gap.id).muted_reason is None


def test_muting_needs_a_reason_and_is_recorded_without_it(session: Session) -> None:
    manager = make_manager(session)
    look(session)
    [row] = rows(session)
    with pytest.raises(BadInput):
        mute_gap(session, row.id, reason="  ", actor_id=manager.id, now=NOW)
    mute_gap(session, row.id, reason="Known", actor_id=manager.id, now=NOW)
    with pytest.raises(Refused):
        mute_gap(session, row.id, reason="Again", actor_id=manager.id, now=NOW)
    unmute_gap(session, row.id, actor_id=manager.id, now=NOW)
    assert known_gap(session, row.id).muted_reason is None
    query = select(AuditEntry).where(AuditEntry.action.startswith("cover.gap_"))
    deeds = session.scalars(query.order_by(AuditEntry.id))
    assert [(deed.action, "reason" in deed.detail) for deed in deeds] == [
        ("cover.gap_told", False),
        ("cover.gap_muted", False),
        ("cover.gap_unmuted", False),
    ]


def test_a_gap_that_is_closed_cannot_be_muted(session: Session) -> None:
    manager = make_manager(session)
    look(session)
    staffed_but_for(session, weekdays=frozenset())
    look(session, now=NOW + H)
    with pytest.raises(NotFound):
        mute_gap(session, rows(session)[0].id, reason="Late", actor_id=manager.id, now=NOW)


def test_the_tick_looks_often_enough_for_its_heartbeat(app: Flask) -> None:
    with stored(app) as session:
        make_manager(session)
    [tick] = [one for one in TICKS if one.name == TickName.COVER]
    assert tick.every < STALE_AFTER / 2
    assert run_tick(app, tick)
    assert run_tick(app, tick)
    with stored(app) as session:
        assert len(gap_texts(session)) == 1
        assert session.get(CoverLook, 1) is not None
        assert len(session.scalars(select(Staff)).all()) == 1
