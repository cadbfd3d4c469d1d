"""Cover by skill: the headcount of those who have it, against what is stated for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from callback_service.domain.cover import (
    AppliesOn,
    Requirement,
    Stretch,
    cover,
    gaps,
    new_gaps,
    step_edges,
    worst_moments,
)
from callback_service.domain.cover_by_skill import Row, cover_by_skill, cut_by_need, with_skills
from callback_service.domain.cover_words import gap_in_words
from callback_service.domain.rota import Duty, Shift, Source
from callback_service.domain.skills import Skill, has, parse_skill
from callback_service.domain.wall_time import EVERY_DAY, ONE_DAY, wall_span

LONDON = ZoneInfo("Europe/London")
DAY = datetime(2026, 11, 23, tzinfo=UTC)  # a Monday
NEXT_DAY = DAY + timedelta(days=1)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
WELSH, POLISH, WOMAN = map(parse_skill, ("language:cy", "language:pl", "gender:woman"))
#: Who can do what: 1 Welsh, 2 Welsh and a woman, 3 a woman, 4 nothing.
SKILLS = {1: frozenset({WELSH}), 2: frozenset({WELSH, WOMAN}), 3: frozenset({WOMAN})}


def shift(start: float, end: float, staff_id: int | None = 1) -> Shift:
    span = DAY + HOUR * start, DAY + HOUR * end
    return Shift(staff_id, Duty.COUNSELLING, *span, Source.PATTERN, None)


def need(
    start: str, end: str, needed: int = 1, skill: Skill | None = WELSH,
    applies_on: AppliesOn = AppliesOn.WEEKDAYS,
) -> Requirement:  # fmt: skip
    from_on = DAY.date() if applies_on is AppliesOn.DATES else date(2020, 1, 1)
    return Requirement(
        id=None,
        weekdays=EVERY_DAY,
        start=time.fromisoformat(start),
        end=time.fromisoformat(end),
        needed=needed,
        from_on=from_on,
        until_on=DAY.date() if applies_on is AppliesOn.DATES else None,
        applies_on=applies_on,
        bank_holidays=frozenset({DAY.date()}),
        skill=skill,
    )


def of(skill: Skill, shifts: list[Shift], *needs: Requirement) -> list[tuple[float, ...]]:
    """The gaps of a skill over DAY: from, to in hours, needed, on shift."""
    found = cover_by_skill(shifts, needs, SKILLS, DAY, NEXT_DAY, tz=LONDON)[skill]
    return [((g.start - DAY) / HOUR, (g.end - DAY) / HOUR, *g[2:]) for g in gaps(found)]


def test_nobody_needs_a_skill_that_nothing_is_stated_for() -> None:
    headcount = need("00:00", "00:00", 3, skill=None)
    assert cover_by_skill([shift(0, 24)], [headcount], SKILLS, DAY, NEXT_DAY, tz=LONDON) == {}


def test_only_those_with_the_skill_count_at_the_minute() -> None:
    minute = MINUTE / HOUR
    shifts = [shift(0, 10, 1), shift(10 + minute, 24, 2), shift(0, 24, 3), shift(0, 24, 4)]
    assert of(WELSH, shifts, need("00:00", "00:00")) == [(10, 10 + minute, 1, 0)]


def test_a_skill_is_missing_only_while_it_is_needed_over_midnight_too() -> None:
    assert of(WELSH, [shift(0, 24, 4)], need("20:00", "08:00")) == [(0, 8, 1, 0), (20, 24, 1, 0)]


def test_one_person_on_two_shifts_has_the_skill_once_and_duty_leads_never() -> None:
    lead = shift(0, 24, 2)._replace(duty=Duty.DUTY_LEAD)
    twice = [shift(0, 24, 1), shift(0, 24, 1), lead, shift(0, 24, None)]
    assert of(WELSH, twice, need("00:00", "00:00", 2)) == [(0, 24, 2, 1)]


def test_each_skill_has_its_own_order_of_requirements() -> None:
    dated = need("10:00", "12:00", 3, WOMAN, AppliesOn.DATES)
    holiday = need("08:00", "14:00", 2, WELSH, AppliesOn.BANK_HOLIDAYS)
    weekly = need("00:00", "00:00", 1, WELSH)
    assert of(WELSH, [], dated, holiday, weekly) == [(0, 8, 1, 0), (8, 14, 2, 0), (14, 24, 1, 0)]
    assert of(WOMAN, [], dated, holiday, weekly) == [(10, 12, 3, 0)]


def test_a_requirement_for_a_skill_leaves_the_headcount_alone() -> None:
    dated = need("00:00", "00:00", 5, WELSH, AppliesOn.DATES)
    [row] = cover([shift(0, 24)], [dated], DAY, NEXT_DAY, tz=LONDON)
    assert (row.required, row.on_shift) == (1, 1)


def test_a_shift_that_goes_to_somebody_without_the_skill_opens_a_gap() -> None:
    stated = [need("00:00", "00:00")]
    before, after = (
        cover_by_skill(shifts, stated, SKILLS, DAY, NEXT_DAY, tz=LONDON)[WELSH]
        for shifts in ([shift(0, 24, 1)], [shift(0, 12, 1), shift(12, 24, 3)])
    )
    assert new_gaps(before, after) == [Stretch(DAY + 12 * HOUR, NEXT_DAY, 1, 0)]


def test_a_gap_of_a_skill_names_it() -> None:
    gap = Stretch(DAY + 20 * HOUR, DAY + 22 * HOUR, 2, 1)
    assert gap_in_words(gap, tz=LONDON, skill=WELSH) == (
        "Monday 23 November, 20:00 to 22:00: 1 who speaks Welsh on shift, 2 needed"
    )
    assert gap_in_words(gap._replace(on_shift=0), tz=LONDON, skill=WOMAN).endswith(
        "nobody who is a woman on shift, 2 needed"
    )


def rows(shifts: list[Shift], needs: list[Requirement], step: timedelta | None = None) -> list[Row]:
    stretches = cover(shifts, needs, DAY, NEXT_DAY, tz=LONDON)
    by_skill = cover_by_skill(shifts, needs, SKILLS, DAY, NEXT_DAY, tz=LONDON)
    if step is None:
        return with_skills(cut_by_need(stretches, by_skill), by_skill)
    return with_skills(worst_moments(stretches, step_edges(DAY, NEXT_DAY, step)), by_skill)


def test_rows_break_where_a_needed_skill_changes_and_name_only_those_needed() -> None:
    shifts = [shift(0, 6, 1), shift(6, 24, 4), shift(9, 10, 2)]
    found = rows(shifts, [need("08:00", "12:00"), need("11:00", "12:00", skill=WOMAN)])
    assert [
        ((row.start - DAY) / HOUR, row.on_shift, [(str(n.skill), n.short) for n in skills])
        for row, skills in found
    ] == [
        (0, 1, []),
        (8, 1, [("language:cy", 1)]),
        (9, 2, [("language:cy", 0)]),
        (10, 1, [("language:cy", 1)]),
        (11, 1, [("gender:woman", 1), ("language:cy", 1)]),
        (12, 1, []),
    ]


SHIFTS = st.lists(
    st.builds(
        lambda start, length, who: shift(start / 60, (start + length) / 60, who),
        st.integers(-600, 1500),
        st.integers(0, 900),
        st.none() | st.integers(1, 4),
    ),
    max_size=6,
)
TIMES = st.integers(0, 287).map(lambda five: time(five // 12, five % 12 * 5))
NEEDS = st.lists(
    st.builds(
        lambda start, end, needed, skill, kind: replace(
            need("00:00", "00:00", needed, skill, kind), start=start, end=end
        ),
        TIMES,
        TIMES,
        st.integers(1, 3),
        st.sampled_from([None, WELSH, WOMAN]),
        st.sampled_from(AppliesOn),
    ),
    max_size=5,
)


def needed_by_minute(skill: Skill, needs: list[Requirement]) -> list[int]:
    """How many of a skill are needed at each minute of DAY, worked out the slow way."""
    needed = [0] * 1440
    for kind in AppliesOn:  # a later beats an earlier
        beaten = [0] * 1440
        for one in needs:
            if one.skill != skill or one.applies_on is not kind:
                continue
            for ahead in range(-2, 3) if kind is AppliesOn.WEEKDAYS else [0]:
                span = wall_span(DAY.date() + ahead * ONE_DAY, one.start, one.end, tz=LONDON)
                for minute in range(1440):
                    if span[0] <= DAY + minute * MINUTE < span[1]:
                        beaten[minute] = max(beaten[minute], one.needed)
        needed = [later or earlier for earlier, later in zip(needed, beaten, strict=True)]
    return needed


def people_at(at: datetime, shifts: list[Shift], skill: Skill) -> int:
    running = {one.staff_id for one in shifts if one.start <= at < one.end}
    return sum(has(SKILLS.get(staff_id or 0, frozenset()), skill) for staff_id in running)


@settings(max_examples=40, deadline=None)
@given(SHIFTS, NEEDS)
def test_every_minute_agrees_with_a_slow_count(
    shifts: list[Shift], needs: list[Requirement]
) -> None:
    by_skill = cover_by_skill(shifts, needs, SKILLS, DAY, NEXT_DAY, tz=LONDON)
    assert by_skill.keys() == {one.skill for one in needs if one.skill}
    for skill, stretches in by_skill.items():
        assert all(one.end == two.start and one[2:] != two[2:] for one, two in pairwise(stretches))
        counted = [
            stretch[2:]
            for stretch in stretches
            for _ in range((stretch.end - stretch.start) // MINUTE)
        ]
        needed = needed_by_minute(skill, needs)
        slow = [(needed[m], people_at(DAY + m * MINUTE, shifts, skill)) for m in range(1440)]
        assert counted == slow


@settings(max_examples=60)
@given(SHIFTS, NEEDS, st.integers(1, 400))
def test_rows_tile_the_day_and_steps_show_the_worst_row_of_each_skill(
    shifts: list[Shift], needs: list[Requirement], minutes: int
) -> None:
    plain, steps = rows(shifts, needs), rows(shifts, needs, timedelta(minutes=minutes))
    for found in (plain, steps):
        assert (found[0].stretch.start, found[-1].stretch.end) == (DAY, NEXT_DAY)
        assert all(one.stretch.end == two.stretch.start for one, two in pairwise(found))
    for step, skills in steps:
        inside = [
            row for row in plain if row.stretch.start < step.end and row.stretch.end > step.start
        ]
        needed = {one.skill for row in inside for one in row.skills}
        assert {one.skill for one in skills} == needed
        for one in skills:
            worst = max(n.short for row in inside for n in row.skills if n.skill == one.skill)
            assert one.short == worst
