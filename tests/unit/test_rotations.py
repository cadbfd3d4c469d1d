"""Rotations: who has which turn, against answers that others have published."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import WEEKLY, rrule
from hypothesis import given, settings
from hypothesis import strategies as st

from callback_service.domain.rota import Duty, Pattern, Shift, clip, resolve_shifts
from callback_service.domain.rotations import CountedIn, Rotation, Turn
from callback_service.domain.wall_time import (
    EVERY_DAY,
    LONGEST_CYCLE,
    ONE_DAY,
    WEEK,
    Cycle,
    every_weeks,
    start_of_day,
)

LONDON = ZoneInfo("Europe/London")
MONDAY = date(2026, 11, 23)
WORKING_DAYS = frozenset(range(5))
DAYS, SHIFTS = CountedIn
SPRING, AUTUMN = date(2027, 3, 28), date(2026, 10, 25)


def turns(*given: tuple[Iterable[int], int]) -> tuple[Turn, ...]:
    return tuple(Turn(frozenset(who), length) for who, length in given)


def rotation(
    *given: tuple[Iterable[int], int],
    counted_in: CountedIn = DAYS,
    weekdays: frozenset[int] = EVERY_DAY,
    times: tuple[str, str] = ("09:00", "09:00"),
    anchor_on: date = MONDAY,
    from_on: date | None = None,
    until_on: date | None = None,
) -> Rotation:
    start, end = (time.fromisoformat(at) for at in times)
    return Rotation(
        1, Duty.COUNSELLING, weekdays, start, end, from_on or anchor_on, until_on, anchor_on,
        counted_in, turns(*given),
    )  # fmt: skip


def shifts_of(line: Rotation, first: date, days: int, tz: ZoneInfo = LONDON) -> list[Shift]:
    """The shifts that start on the days from ``first`` on."""
    start, end = start_of_day(first, tz=tz), start_of_day(first + days * ONE_DAY, tz=tz)
    found = resolve_shifts(line.lines(), start, end, tz=tz)
    return [shift for shift in found if shift.start >= start]


def teams(line: Rotation, first: date, days: int) -> list[str]:
    """Who starts on each day, as "12" for a team of 1 and 2, "-" for nobody."""
    by_day: dict[date, list[int]] = {}
    for shift in shifts_of(line, first, days):
        assert shift.staff_id is not None
        by_day.setdefault(shift.start.astimezone(LONDON).date(), []).append(shift.staff_id)
    return [
        "".join(map(str, sorted(by_day.get(first + ahead * ONE_DAY, [])))) or "-"
        for ahead in range(days)
    ]


def test_weekday_turns_counted_in_shifts_leave_nobody_out() -> None:
    """Fourteen people, Monday to Friday: by calendar days four of them never have a turn.

    target/goalert, issue 55; OneUptime/oneuptime, issue 2413, has the same for three.
    """
    everybody = [({person}, 1) for person in range(14)]
    by_shifts = rotation(*everybody, counted_in=SHIFTS, weekdays=WORKING_DAYS)
    by_days = rotation(*everybody, counted_in=DAYS, weekdays=WORKING_DAYS)
    seen = [shift.staff_id for shift in shifts_of(by_shifts, MONDAY, 140)]
    assert seen == [number % 14 for number in range(100)]
    assert {shift.staff_id for shift in shifts_of(by_days, MONDAY, 140)} == set(range(14)) - {
        5, 6, 12, 13,
    }  # fmt: skip


def test_the_turn_after_friday_is_on_monday() -> None:
    """OneUptime/oneuptime, issue 2413: who is on call on Friday is not on call on Monday."""
    three = rotation(
        ({1}, 1), ({2}, 1), ({3}, 1),
        counted_in=SHIFTS, weekdays=WORKING_DAYS, times=("09:00", "19:00"),
    )  # fmt: skip
    assert "".join(teams(three, MONDAY, 14)) == "12312--31231--"


def test_uneven_blocks_go_round_between_the_same_people() -> None:
    """Sunday to Wednesday, then Thursday to Saturday (target/goalert, issue 1138)."""
    sunday = date(2026, 11, 22)
    blocks = rotation(({1}, 4), ({2}, 3), ({3}, 4), ({1}, 3), ({2}, 4), ({3}, 3), anchor_on=sunday)
    assert "".join(teams(blocks, sunday, 21)) == "111122233331112222333"


def test_a_turn_of_nobody_is_a_week_off() -> None:
    """Every other week (target/goalert, issue 3049)."""
    line = rotation(({1}, 7), ((), 7))
    assert "".join(teams(line, MONDAY, 28)) == "1111111-------" * 2


def test_who_joins_from_a_date_comes_last_and_nobody_else_moves() -> None:
    """A new starter (target/goalert, issue 2196)."""
    old = rotation(({1}, 7), ({2}, 7), ({3}, 7))
    day = MONDAY + 4 * WEEK  # the turn of 2
    listed = old.listed_from(day)
    new = rotation(*((turn.staff_ids, turn.length) for turn in listed.turns), ({4}, 7),
                   anchor_on=listed.anchor_on)  # fmt: skip
    assert teams(old, day, 35)[::7] == ["2", "3", "1", "2", "3"]
    assert teams(new, day, 35)[::7] == ["2", "3", "1", "4", "2"]


def test_who_leaves_from_a_date_leaves_the_others_in_order() -> None:
    old = rotation(({1}, 7), ({2}, 7), ({3}, 7))
    listed = old.listed_from(MONDAY + 3 * WEEK + 2 * ONE_DAY)
    assert listed.anchor_on == MONDAY + 3 * WEEK
    left = [(turn.staff_ids, 7) for turn in listed.turns if turn.staff_ids != {2}]
    new = rotation(*left, anchor_on=listed.anchor_on)
    assert teams(new, MONDAY + 3 * WEEK, 28)[::7] == ["1", "3", "1", "3"]


def test_two_teams_take_alternate_weeks() -> None:
    line = rotation(({1, 2}, 7), ({3, 4}, 7), weekdays=frozenset({0, 6}))
    assert teams(line, MONDAY, 21) == [
        *("12", "-", "-", "-", "-", "-", "12"),
        *("34", "-", "-", "-", "-", "-", "34"),
        *("12", "-", "-", "-", "-", "-", "12"),
    ]


def test_handover_is_on_the_weekday_of_the_first_day() -> None:
    wednesday = date(2026, 11, 25)
    line = rotation(({1}, 7), ({2}, 7), anchor_on=wednesday, from_on=MONDAY)
    assert "".join(teams(line, MONDAY, 16)) == "2211111112222222"


@pytest.mark.parametrize(("sunday", "hours"), [(SPRING, 167), (AUTUMN, 169)])
def test_a_week_of_handovers_at_nine_has_the_hours_of_that_week(sunday: date, hours: int) -> None:
    """Monday 09:00 to Monday 09:00: published with the rule for clock changes (GoAlert 1252)."""
    monday = sunday - 6 * ONE_DAY
    line = rotation(({1}, 7), ({2}, 7), anchor_on=monday)
    week = [shift for shift in shifts_of(line, monday, 14) if shift.staff_id == 1]
    assert week[-1].end - week[0].start == timedelta(hours=hours)
    following = next(shift for shift in shifts_of(line, monday, 14) if shift.staff_id == 2)
    assert following.start == week[-1].end


@pytest.mark.parametrize(("sunday", "hours"), [(SPRING, 11), (AUTUMN, 13)])
def test_the_night_of_a_clock_change_is_the_turn_of_the_day_it_starts_on(
    sunday: date, hours: int
) -> None:
    saturday = sunday - ONE_DAY
    line = rotation(({1}, 1), ({2}, 1), times=("20:00", "08:00"), anchor_on=saturday)
    [night, after] = shifts_of(line, saturday, 2)
    assert (night.staff_id, after.staff_id) == (1, 2)
    assert night.end - night.start == timedelta(hours=hours)


def test_whose_turn_it_is_goes_on_before_the_anchor_and_over_days_without_a_shift() -> None:
    line = rotation(({1}, 2), ({2}, 1), counted_in=SHIFTS, weekdays=WORKING_DAYS)
    friday, saturday = MONDAY + 4 * ONE_DAY, MONDAY + 5 * ONE_DAY
    assert line.turn_on(MONDAY + ONE_DAY) == (0, MONDAY)
    assert line.turn_on(saturday) == (0, MONDAY + 3 * ONE_DAY)
    assert line.turn_after(friday) == (1, MONDAY + WEEK)
    assert line.turn_on(MONDAY - ONE_DAY) == (1, MONDAY - 3 * ONE_DAY)


@pytest.mark.parametrize(
    "wrong",
    [[((), 7)], [({1}, 0)], [({1}, LONGEST_CYCLE), ({2}, 1)], []],
    ids=["nobody", "no length", "too long", "no turns"],
)
def test_turns_that_cannot_be_meant_are_refused(wrong: list[tuple[Iterable[int], int]]) -> None:
    with pytest.raises(ValueError, match=r"turn|cycle"):
        rotation(*wrong)


YEAR = datetime(2026, 1, 2, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC)
WALL_TIMES = st.integers(0, 1439).map(lambda minute: time(minute // 60, minute % 60))
ANCHORS = st.dates(date(2025, 6, 1), date(2027, 6, 1))
WEEKDAYS = st.frozensets(st.integers(0, 6), min_size=1)
ZONES = st.sampled_from(["Europe/London", "America/New_York", "Australia/Lord_Howe"]).map(ZoneInfo)


@st.composite
def rotations(draw: st.DrawFn, *, is_full: bool = False) -> Rotation:
    """Any rotation; ``is_full``: one with somebody on for the whole of every day."""
    people = st.frozensets(st.integers(1, 4), min_size=1 if is_full else 0, max_size=3)
    lengths = st.integers(1, 9)
    drawn = draw(st.lists(st.builds(Turn, people, lengths), min_size=1, max_size=5))
    start = draw(WALL_TIMES)
    return Rotation(
        1,
        Duty.COUNSELLING,
        EVERY_DAY if is_full else draw(WEEKDAYS),
        start,
        start if is_full else draw(WALL_TIMES),
        date(2020, 1, 6),
        None,
        draw(ANCHORS),
        draw(st.sampled_from(CountedIn)),
        (*drawn, Turn(frozenset({1}), draw(lengths))),
    )


@settings(max_examples=25, deadline=None)  # a whole year each
@given(rotations(is_full=True), ZONES)
def test_a_rotation_with_somebody_each_day_tiles_the_year(line: Rotation, tz: ZoneInfo) -> None:
    reached, end = YEAR
    for shift in clip(resolve_shifts(line.lines(), *YEAR, tz=tz), *YEAR):
        assert shift.start <= reached
        reached = max(reached, shift.end)
    assert reached == end


@settings(max_examples=25, deadline=None)
@given(rotations(), ZONES)
def test_nobody_is_on_twice_at_once_in_a_rotation(line: Rotation, tz: ZoneInfo) -> None:
    shifts = resolve_shifts(line.lines(), *YEAR, tz=tz)
    for person in range(1, 5):
        own = [shift for shift in shifts if shift.staff_id == person]
        assert all(earlier.end <= later.start for earlier, later in pairwise(own))


@settings(max_examples=40, deadline=None)
@given(rotations(), ANCHORS)
def test_a_rotation_listed_from_another_day_is_the_same_rotation(line: Rotation, day: date) -> None:
    listed = line.listed_from(day)
    number, begins_on = line.turn_on(day)
    following, next_on = line.turn_after(day)
    assert listed.turns[0] == line.turns[number]
    assert listed.turn_on(day) == (0, begins_on)
    assert begins_on <= day < next_on
    assert line.turn_on(next_on) == (following, next_on)
    assert resolve_shifts(listed.lines(), *YEAR, tz=LONDON) == resolve_shifts(
        line.lines(), *YEAR, tz=LONDON
    )


@settings(max_examples=30, deadline=None)
@given(WEEKDAYS, st.integers(1, 12), ANCHORS, WALL_TIMES)
def test_every_so_many_weeks_is_what_dateutil_makes_of_it(
    weekdays: frozenset[int], weeks: int, anchor_on: date, start: time
) -> None:
    cycle, first = every_weeks(weeks, anchor_on), date(2026, 1, 5)
    line = Pattern(
        1, 1, Duty.COUNSELLING, weekdays, start, time(0), first, date(2026, 12, 20), cycle
    )
    found = resolve_shifts([line], *YEAR, tz=ZoneInfo("UTC"))
    monday = anchor_on - timedelta(days=anchor_on.weekday())
    # A rule begins at its start; a cycle goes on before its anchor.
    since = monday - (80 // weeks + 1) * weeks * WEEK
    rule = rrule(
        WEEKLY,
        dtstart=datetime.combine(since, start),
        interval=weeks,
        byweekday=sorted(weekdays),
        wkst=0,
    )
    expected = rule.between(
        datetime.combine(first, time(0)),
        datetime.combine(date(2026, 12, 20), time(23, 59)),
        inc=True,
    )
    assert [shift.start for shift in found] == [one.replace(tzinfo=UTC) for one in expected]


def test_four_on_and_four_off_takes_no_account_of_weekdays() -> None:
    cycle = Cycle(MONDAY, 8, frozenset(range(4)))
    on = [day for day in range(24) if MONDAY + day * ONE_DAY in cycle]
    assert on == [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19]
