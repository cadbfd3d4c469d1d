"""A rota that goes out as a calendar and comes back is the same rota, whatever is in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from sqlalchemy.orm import Session

from callback_service.domain.rota import Duty, Pattern
from callback_service.domain.rota_changes import (
    Change,
    Leave,
    LeaveReason,
    OpenShift,
    Override,
    OverrideKind,
)
from callback_service.domain.rotations import CountedIn, Rotation, Turn
from callback_service.domain.staff import Role
from callback_service.domain.wall_time import EVERY_DAY, Cycle
from callback_service.errors import CallbackServiceError
from callback_service.models.rota import ShiftPattern
from callback_service.models.rota_change import RotaChange
from callback_service.services.rota import shifts_between
from callback_service.services.rota_calendar import export_rota
from callback_service.services.rota_changes import record_changes
from callback_service.services.rota_import import plan_import
from callback_service.services.rota_import_apply import import_calendar
from callback_service.services.rota_import_items import Verdict
from callback_service.services.shift_patterns import add_pattern
from tests.support.builders import NOW, make_staff

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
PEOPLE = 8
ZONES = ("Europe/London", "America/New_York", "Australia/Lord_Howe")
QUARTERS = st.integers(0, 95).map(lambda quarter: time(quarter // 4, quarter % 4 * 15))
DAYS = st.integers(0, 330).map(lambda ahead: date(2025, 12, 20) + timedelta(ahead))
#: Hours after the start, so that the nights of the clock changes come often.
HOURS = st.integers(0, 365 * 24) | st.sampled_from([67 * 24, 87 * 24, 94 * 24, 297 * 24, 304 * 24])
PERSON = st.integers(0, PEOPLE - 1)


@st.composite
def cycles(draw: st.DrawFn) -> Cycle | None:
    if draw(st.booleans()):
        return None
    length = draw(st.sampled_from([2, 8, 14, 21, 28, 5]))
    on = draw(st.integers(1, length))
    return Cycle(draw(DAYS), length, frozenset(range(on)))


@st.composite
def lines(draw: st.DrawFn) -> Pattern | Rotation:
    """A line of one person, or a rotation of some; ids are places in the list of people."""
    duty = draw(st.sampled_from(Duty))
    weekdays = draw(st.frozensets(st.integers(0, 6), min_size=1) | st.just(EVERY_DAY))
    start, end, from_on = draw(QUARTERS), draw(QUARTERS), draw(DAYS)
    until_on = draw(st.none() | st.integers(0, 300).map(lambda ahead: from_on + timedelta(ahead)))
    if draw(st.booleans()):
        person = draw(PERSON)
        return Pattern(None, person, duty, weekdays, start, end, from_on, until_on, draw(cycles()))
    turns = draw(
        st.lists(
            st.builds(Turn, st.frozensets(PERSON, min_size=1, max_size=2), st.integers(1, 9)),
            min_size=2, max_size=4,
        )
    )  # fmt: skip
    counted_in = draw(st.sampled_from(CountedIn))
    return Rotation(
        None, duty, weekdays, start, end, from_on, until_on, draw(DAYS), counted_in, tuple(turns)
    )


@st.composite
def changes(draw: st.DrawFn) -> Change:
    start = START + timedelta(hours=draw(HOURS), minutes=draw(st.sampled_from([0, 30])))
    end = start + timedelta(hours=draw(st.integers(1, 40)))
    duty, one, other = draw(st.sampled_from(Duty)), draw(PERSON), draw(PERSON)
    kind = draw(st.sampled_from([*OverrideKind, "leave", "open"]))
    if kind == "open":
        return OpenShift(start, end, duty)
    if kind == "leave":
        return Leave(one, start, end, LeaveReason.ANNUAL)
    kind = OverrideKind(kind)
    if kind is OverrideKind.REPLACE:
        return Override(kind, one, start, end, duty, (one + 1 + other % (PEOPLE - 1)) % PEOPLE)
    return Override(kind, one, start, end, duty)


def store(session: Session, rows: list[Pattern | Rotation | Change], tz: ZoneInfo) -> None:
    """Put on the rota what it takes; what overlaps something is left out."""
    for row in rows:
        try:
            if isinstance(row, (Pattern, Rotation)):
                add_pattern(session, row, actor_id=None, now=NOW)
            else:
                record_changes(session, [(row, None)], actor_id=None, now=NOW, tz=tz)
        except CallbackServiceError:
            session.flush()


def shifts(session: Session, tz: ZoneInfo) -> list[tuple[object, ...]]:
    found = shifts_between(session, START, END, tz=tz)
    return sorted((one.staff_id or 0, one.duty, one.start, one.end) for one in found)


def with_ids(row: Pattern | Rotation | Change, ids: list[int]) -> Pattern | Rotation | Change:
    if isinstance(row, Rotation):
        turns = tuple(
            replace(turn, staff_ids=frozenset(ids[one] for one in turn.staff_ids))
            for turn in row.turns
        )
        return replace(row, turns=turns)
    if isinstance(row, OpenShift):
        return row
    staff_id = ids[row.staff_id or 0]
    if isinstance(row, Override) and row.by_id is not None:
        return replace(row, staff_id=staff_id, by_id=ids[row.by_id])
    return replace(row, staff_id=staff_id)


@pytest.mark.one_database
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    planned=st.lists(lines(), min_size=1, max_size=12),
    changed=st.lists(changes(), max_size=12),
    zone=st.sampled_from(ZONES),
)
def test_a_rota_that_went_out_comes_back_as_it_was(
    session: Session,
    planned: list[Pattern | Rotation],
    changed: list[Change],
    zone: str,
) -> None:
    tz = ZoneInfo(zone)
    session.rollback()
    ids = [make_staff(session, role=Role.MANAGER).id for _ in range(PEOPLE)]
    store(session, [with_ids(row, ids) for row in [*planned, *changed]], tz)
    before = shifts(session, tz)
    content = export_rota(session, START, END, name="Rota", host="x.example", tz=tz, now=NOW)
    again = plan_import(session, content, host="x.example", now=NOW, tz=tz)
    assert [item for item in again if item.verdict is not Verdict.UNCHANGED] == []
    session.execute(delete(RotaChange))
    session.execute(delete(ShiftPattern))
    session.expunge_all()
    import_calendar(session, content, host="x.example", actor_id=None, now=NOW, tz=tz)
    assert shifts(session, tz) == before
    again = plan_import(session, content, host="x.example", now=NOW, tz=tz)
    assert [item for item in again if item.verdict is not Verdict.UNCHANGED] == []
    session.rollback()
