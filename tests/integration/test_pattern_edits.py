"""Edits of the patterns: what a manager sees before saving is what saving then does."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callback_service.domain.rest import Rule
from callback_service.domain.rota import Duty
from callback_service.domain.rota_changes import Leave, LeaveReason
from callback_service.domain.rotations import CountedIn, Rotation, Turn
from callback_service.domain.staff import Role
from callback_service.domain.wall_time import ONE_DAY, WEEK
from callback_service.errors import BadInput
from callback_service.models.audit import AuditEntry
from callback_service.models.plan import PlanTrigger
from callback_service.models.rest import RestAllowance
from callback_service.models.rota import ShiftPattern
from callback_service.models.staff import Staff
from callback_service.services import pattern_edits, rota, rota_changes, shift_patterns
from callback_service.services.pattern_edits import PatternEdit, Preview, instead
from callback_service.services.rest_checks import RestBroken
from callback_service.services.rota import Ending
from tests.rota_builders import LONDON, a_pattern, local, make_pattern
from tests.support.builders import NOW, make_staff
from tests.support.request_builders import TONIGHT, make_request, make_shift, mobile

pytestmark = pytest.mark.traced_on_both

TODAY = date(2026, 11, 25)  # a Wednesday
MONDAY = date(2026, 11, 30)
MONDAYS = frozenset({0})


def a_rotation(
    *teams: set[Staff], times: tuple[str, str] = ("09:00", "17:00"), from_on: date = MONDAY
) -> Rotation:
    """Teams that take a week each, Monday to Friday; not stored."""
    turns = tuple(Turn(frozenset(one.id for one in team), 7) for team in teams)
    start, end = (time.fromisoformat(at) for at in times)
    return Rotation(
        None, Duty.COUNSELLING, frozenset(range(5)), start, end, from_on, None, from_on,
        CountedIn.DAYS, turns,
    )  # fmt: skip


def look(session: Session, edit: PatternEdit) -> Preview:
    pattern_edits.check(session, edit, now=NOW, tz=LONDON)
    return pattern_edits.preview(session, edit, now=NOW, tz=LONDON)


def save(session: Session, edit: PatternEdit, reason: str | None = None) -> None:
    pattern_edits.save(session, edit, reason=reason, actor_id=None, now=NOW, tz=LONDON)


def rows(session: Session) -> list[ShiftPattern]:
    return list(session.scalars(select(ShiftPattern).order_by(ShiftPattern.id)))


def people(session: Session, *names: str) -> list[Staff]:
    return [make_staff(session, name=name) for name in names]


def test_six_weeks_of_a_rotation_are_shown_with_the_gaps_it_closes(session: Session) -> None:
    ann, ben, cy = people(session, "Ann", "Ben", "Cy")
    found = look(session, PatternEdit(a_rotation({ann, ben}, {cy}, set())))
    firsts = [week.by_day.get(week.monday) for week in found.weeks]
    assert firsts == [("Ann", "Ben"), ("Cy",), None] * 2
    assert [week.monday for week in found.weeks] == [MONDAY + n * WEEK for n in range(6)]
    assert len(found.breakage.closed) == 4 * 5
    assert found.breakage.closed[0] == (
        "Monday 30 November, 09:00 to 17:00: nobody on shift, 1 needed"
    )
    assert found.breakage.is_harmless
    assert rows(session) == []
    assert session.scalars(select(AuditEntry)).all() == []


def test_the_end_of_a_line_names_the_gaps_and_the_promises_it_costs(session: Session) -> None:
    make_shift(session, name="Amira")
    kept = make_request(session, mobile(1), window=TONIGHT)
    [row] = rows(session)
    found = look(session, PatternEdit(ended=Ending(row.id, TODAY - ONE_DAY)))
    assert [lost.reference for lost in found.breakage.lost] == [kept.reference]
    [oversold] = found.breakage.oversold
    assert (oversold.window, oversold.places) == (TONIGHT, 0)
    assert found.breakage.gaps
    assert row.until_on is None


def test_a_line_that_passes_to_somebody_else_moves_its_promises(session: Session) -> None:
    make_shift(session, name="Amira")
    ben = make_staff(session, name="Ben")
    make_request(session, mobile(1), window=TONIGHT)
    [row] = rows(session)
    start, end = f"{row.starts:%H:%M}", f"{row.ends:%H:%M}"
    found = look(session, instead(a_pattern(ben, start, end, from_on=TODAY), row.id))
    assert found.breakage.is_harmless
    assert found.breakage.moved == 1
    assert found.breakage.closed == []


@pytest.mark.parametrize("kind", ["pattern", "rotation", "change", "end"])
def test_what_is_proposed_counts_as_if_it_were_stored(session: Session, kind: str) -> None:
    ann, ben, cy = people(session, "Ann", "Ben", "Cy")
    save(session, PatternEdit(a_rotation({ann}, {ben}, from_on=TODAY)))
    make_pattern(session, cy, "17:00", "21:00")
    first, second = rows(session)
    edit = {
        "pattern": PatternEdit(a_pattern(cy, "09:00", "12:00", MONDAYS)),
        "rotation": PatternEdit(a_rotation({cy}, {ann, ben}, times=("06:00", "08:00"))),
        "change": instead(a_rotation({ben}, {ann}, {cy}), first.id),
        "end": PatternEdit(ended=Ending(second.id, MONDAY)),
    }[kind]
    span = NOW - 7 * ONE_DAY, NOW + 60 * ONE_DAY
    proposed, _ = rota.resolve(session, *span, tz=LONDON, proposed=edit.proposed)
    before, _ = rota.resolve(session, *span, tz=LONDON)
    save(session, edit, reason="Agreed")
    after, _ = rota.resolve(session, *span, tz=LONDON)
    assert [one[:4] for one in proposed] == [one[:4] for one in after]
    assert [one[:4] for one in before] != [one[:4] for one in after]


def test_a_change_from_a_day_ends_the_one_and_starts_the_other(session: Session) -> None:
    ann, ben, cy = people(session, "Ann", "Ben", "Cy")
    save(session, PatternEdit(a_rotation({ann}, {ben}, from_on=MONDAY - 5 * WEEK)))
    [old] = rows(session)
    stored = shift_patterns.line_of(old)
    assert isinstance(stored, Rotation)
    listed = stored.listed_from(MONDAY)
    joined = Rotation(
        None, listed.duty, listed.weekdays, listed.start, listed.end, MONDAY, None,
        listed.anchor_on, listed.counted_in, (*listed.turns, Turn(frozenset({cy.id}), 7)),
    )  # fmt: skip
    save(session, instead(joined, old.id))
    old, new = rows(session)
    assert (old.until_on, new.from_on) == (MONDAY - ONE_DAY, MONDAY)
    actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["rota.pattern_added", "rota.pattern_ended", "rota.pattern_added"]
    assert session.scalars(select(PlanTrigger.reason)).all()
    [line] = shift_patterns.list_patterns(session, today=MONDAY, staff_id=cy.id)
    assert line.turns == ("Ben, 1 week", "Ann, 1 week", "Cy, 1 week")


@pytest.mark.parametrize("is_saved", [False, True], ids=["look", "save"])
def test_a_change_that_overlaps_another_line_is_refused_and_nothing_ends(
    session: Session, *, is_saved: bool
) -> None:
    ann, ben = people(session, "Ann", "Ben")
    row = make_pattern(session, ann, "09:00", "17:00")
    make_pattern(session, ben, "16:00", "20:00")
    edit = instead(a_pattern(ben, "09:00", "17:00", from_on=MONDAY), row.id)
    with pytest.raises(BadInput, match="overlaps a pattern they already have"):
        save(session, edit) if is_saved else look(session, edit)
    assert [one.until_on for one in rows(session)] == [None, None]


def test_a_line_does_not_overlap_the_one_it_stands_in_for(session: Session) -> None:
    ann = make_staff(session)
    row = make_pattern(session, ann, "09:00", "17:00")
    save(session, instead(a_pattern(ann, "10:00", "18:00", from_on=MONDAY), row.id))
    assert len(rows(session)) == 2


@pytest.mark.parametrize(
    ("first_on", "sentence"),
    [(TODAY - ONE_DAY, "yesterday at the earliest"), (MONDAY, "already ends on 27 November 2026")],
)
def test_a_change_is_refused_where_the_old_line_cannot_end(
    session: Session, first_on: date, sentence: str
) -> None:
    ann = make_staff(session)
    row = make_pattern(session, ann, until_on=date(2026, 11, 27))
    edit = instead(a_pattern(ann, from_on=first_on), row.id)
    with pytest.raises(BadInput, match=sentence) as refusal:
        look(session, edit)
    assert refusal.value.fields.keys() == {"last_on"}


def test_a_line_that_has_not_begun_is_replaced_as_a_whole(session: Session) -> None:
    ann = make_staff(session)
    row = make_pattern(session, ann, from_on=MONDAY)
    save(session, instead(a_pattern(ann, "10:00", "18:00", from_on=MONDAY), row.id))
    [kept] = rows(session)
    assert kept.starts == time(10)


def test_rest_that_a_rotation_breaks_is_named_by_person_and_needs_one_reason(
    session: Session,
) -> None:
    ann, ben = people(session, "Ann", "Ben")
    for staff in (ann, ben):
        make_pattern(session, staff, "18:00", "23:00", MONDAYS)
    edit = PatternEdit(a_rotation({ann}, {ben}, times=("06:00", "10:00")))
    found = look(session, edit)
    assert {name for name, _ in found.breaches} == {"Ann", "Ben"}
    with pytest.raises(RestBroken) as broken:
        save(session, edit)
    assert broken.value.breaches == [breach for _, breach in found.breaches]
    save(session, edit, reason="Agreed with both")
    allowed = session.execute(select(RestAllowance.staff_id, RestAllowance.rule)).all()
    assert {(ann.id, Rule.DAILY_REST), (ben.id, Rule.DAILY_REST)} <= {tuple(row) for row in allowed}


def test_a_change_that_breaks_no_more_rest_than_before_needs_no_reason(session: Session) -> None:
    ann = make_staff(session)
    make_pattern(session, ann, "18:00", "23:00", MONDAYS)
    row = make_pattern(session, ann, "06:00", "10:00", frozenset({1}))
    edit = instead(
        a_pattern(ann, "06:00", "10:00", frozenset({1}), from_on=MONDAY + ONE_DAY), row.id
    )
    assert look(session, edit).breaches == []
    save(session, edit)


def test_leave_in_the_shifts_of_a_new_line_is_named(session: Session) -> None:
    ann = make_staff(session, name="Ann")
    away = Leave(ann.id, local("2026-12-07 00:00"), local("2026-12-08 00:00"), LeaveReason.ANNUAL)
    rota_changes.make_change(session, away, actor_id=None, now=NOW, tz=LONDON)
    found = look(session, PatternEdit(a_pattern(ann, weekdays=MONDAYS, from_on=MONDAY)))
    assert found.conflicts == [
        "Ann does not work Monday 7 December 09:00 to 17:00: a change for that time comes first"
    ]


def test_two_duties_at_once_are_named(session: Session) -> None:
    priya = make_staff(session, name="Priya", role=Role.MANAGER)
    make_pattern(session, priya, "09:00", "09:00", MONDAYS, duty=Duty.DUTY_LEAD)
    found = look(session, PatternEdit(a_pattern(priya, weekdays=MONDAYS, from_on=MONDAY)))
    assert len(found.conflicts) == 6
    assert found.conflicts[0].startswith("Priya is on two duties at once, Monday 30 November")


def test_a_rotation_with_somebody_who_left_is_refused(session: Session) -> None:
    ann, ben = people(session, "Ann", "Ben")
    ben.is_active = False
    session.flush()
    with pytest.raises(BadInput, match="active account"):
        look(session, PatternEdit(a_rotation({ann}, {ben})))


def test_the_list_says_whose_turn_it_is_and_who_is_next(session: Session) -> None:
    ann, ben = people(session, "Ann", "Ben")
    save(session, PatternEdit(a_rotation({ann, ben}, set(), {ben})))
    later = shift_patterns.list_patterns(session, today=TODAY)[0]
    assert later.whose == ("Ann and Ben from 30 November 2026", "nobody from 7 December 2026")
    running = shift_patterns.list_patterns(session, today=MONDAY + 2 * WEEK + timedelta(days=2))[0]
    assert running.whose == ("Ben now", "Ann and Ben from 21 December 2026")


def test_the_turn_before_the_first_shift_is_nobodys(session: Session) -> None:
    ann, ben = people(session, "Ann", "Ben")
    turns = tuple(Turn(frozenset({one.id}), 1) for one in (ann, ben))
    weekends = Rotation(
        None, Duty.COUNSELLING, frozenset({5, 6}), time(9), time(12), MONDAY, None, MONDAY,
        CountedIn.SHIFTS, turns,
    )  # fmt: skip
    save(session, PatternEdit(weekends))
    [line] = shift_patterns.list_patterns(session, today=TODAY)
    assert line.whose == ("Ann from 5 December 2026", "Ben from 6 December 2026")


def test_the_list_of_one_person_has_their_turns_too(session: Session) -> None:
    ann, ben = people(session, "Ann", "Ben")
    save(session, PatternEdit(a_rotation({ann}, {ben})))
    make_pattern(session, ben, "20:00", "22:00")
    assert len(shift_patterns.list_patterns(session, today=TODAY, staff_id=ben.id)) == 2
    assert len(shift_patterns.list_patterns(session, today=TODAY, staff_id=ann.id)) == 1
